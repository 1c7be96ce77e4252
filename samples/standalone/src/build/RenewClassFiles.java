import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.classfile.ClassElement;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassFile.ClassHierarchyResolverOption;
import java.lang.classfile.ClassFile.StackMapsOption;
import java.lang.classfile.ClassFileVersion;
import java.lang.classfile.ClassHierarchyResolver;
import java.lang.classfile.ClassModel;
import java.lang.classfile.CodeTransform;
import java.lang.classfile.MethodModel;
import java.lang.classfile.MethodTransform;
import java.lang.constant.ClassDesc;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.LocalDateTime;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.jar.Attributes;
import java.util.jar.JarFile;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;
import java.util.zip.ZipEntry;

/**
 * usage: RenewClassFiles JAR
 *
 * <p>Rewrites, in place, the class files of a jar that are of a version without stack maps: an AOT cache takes only what
 * the verifier of Java 6 and later passes. Code, names and resources stay as they are; stack maps are added, and the
 * manifest says that it was done.
 */
public final class RenewClassFiles {
  private static final int FIRST_WITH_STACK_MAPS = ClassFile.JAVA_6_VERSION;
  private static final int RENEWED = ClassFile.JAVA_11_VERSION;
  private static final int MAJOR_VERSION_OFFSET = 6;

  /** The earliest time a jar can name: the same build makes the same jar. */
  private static final LocalDateTime JAR_EPOCH = LocalDateTime.of(1980, 1, 1, 0, 0);

  private RenewClassFiles() {}

  static void main(String[] arguments) throws IOException {
    Path jar = Path.of(arguments[0]);
    Map<String, byte[]> entries = new LinkedHashMap<>();
    Manifest manifest;
    try (JarFile file = new JarFile(jar.toFile())) {
      manifest = file.getManifest();
      for (var entry : Collections.list(file.entries())) {
        if (!entry.isDirectory() && !entry.getName().equals(JarFile.MANIFEST_NAME)) {
          entries.put(entry.getName(), file.getInputStream(entry).readAllBytes());
        }
      }
    }
    ClassFile classFile =
        ClassFile.of(
            ClassHierarchyResolverOption.of(hierarchy(entries)), StackMapsOption.STACK_MAPS_WHEN_REQUIRED);
    entries.replaceAll((name, bytes) -> isOld(name, bytes) ? renewed(classFile, bytes) : bytes);
    manifest.getMainAttributes().put(new Attributes.Name("Class-Files-Renewed"), "stack maps added");

    Path renewed = jar.resolveSibling(jar.getFileName() + ".renewed");
    try (OutputStream out = Files.newOutputStream(renewed);
        JarOutputStream zip = new JarOutputStream(out, manifest)) {
      for (var entry : entries.entrySet()) {
        ZipEntry written = new ZipEntry(entry.getKey());
        written.setTimeLocal(JAR_EPOCH);
        zip.putNextEntry(written);
        zip.write(entry.getValue());
        zip.closeEntry();
      }
    }
    Files.move(renewed, jar, StandardCopyOption.REPLACE_EXISTING);
  }

  private static boolean isOld(String name, byte[] bytes) {
    int major = (bytes.length <= MAJOR_VERSION_OFFSET + 1)
        ? RENEWED
        : Byte.toUnsignedInt(bytes[MAJOR_VERSION_OFFSET]) << Byte.SIZE
            | Byte.toUnsignedInt(bytes[MAJOR_VERSION_OFFSET + 1]);
    return name.endsWith(".class") && major < FIRST_WITH_STACK_MAPS;
  }

  private static byte[] renewed(ClassFile classFile, byte[] bytes) {
    ClassModel model = classFile.parse(bytes);
    return classFile.build(
        model.thisClass().asSymbol(),
        builder -> {
          for (ClassElement element : model) {
            switch (element) {
              case ClassFileVersion _ -> builder.withVersion(RENEWED, 0);
              // Code that is copied whole would keep having no stack maps.
              case MethodModel method ->
                  builder.transformMethod(method, MethodTransform.transformingCode(CodeTransform.ACCEPT_ALL));
              default -> builder.with(element);
            }
          }
        });
  }

  /** What a type's superclass is: of the jar's own, from the jar; of others, from the platform. */
  private static ClassHierarchyResolver hierarchy(Map<String, byte[]> entries) {
    return ClassHierarchyResolver.ofResourceParsing(
            (ClassDesc type) -> {
              String descriptor = type.descriptorString();
              byte[] bytes = entries.get(descriptor.substring(1, descriptor.length() - 1) + ".class");
              return bytes == null ? null : new ByteArrayInputStream(bytes);
            })
        .orElse(ClassHierarchyResolver.defaultResolver());
  }
}
