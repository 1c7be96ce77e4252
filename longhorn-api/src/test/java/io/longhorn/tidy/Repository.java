package io.longhorn.tidy;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;

/** The checkout this test runs in: every file in it that a build did not make. */
final class Repository {

  private static final List<String> MADE_BY_TOOLS =
      List.of(".git", "target", ".idea", ".vscode", ".settings");

  private final Path root;
  private final List<Path> files = new ArrayList<>();

  private Repository(Path root) {
    this.root = root;
  }

  static Repository open() {
    var folder = Path.of("").toAbsolutePath();
    while (!Files.exists(folder.resolve(".mvn"))) {
      folder = folder.getParent();
      if (folder == null) {
        throw new IllegalStateException("no .mvn above " + Path.of("").toAbsolutePath());
      }
    }
    var repository = new Repository(folder);
    try {
      Files.walkFileTree(
          folder,
          new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult preVisitDirectory(Path directory, BasicFileAttributes ignored) {
              return MADE_BY_TOOLS.contains(directory.getFileName().toString())
                  ? FileVisitResult.SKIP_SUBTREE
                  : FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
              if (attributes.isRegularFile()) {
                repository.files.add(file);
              }
              return FileVisitResult.CONTINUE;
            }
          });
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    repository.files.sort(null);
    return repository;
  }

  List<Path> files() {
    return List.copyOf(files);
  }

  String name(Path file) {
    return root.relativize(file).toString().replace('\\', '/');
  }

  /** Whether a path inside the checkout is a file or folder. */
  boolean has(String path) {
    return Files.exists(root.resolve(path));
  }

  /** Latin-1 reads any bytes; the rules look for ASCII only. */
  String text(Path file) {
    try {
      return Files.readString(file, StandardCharsets.ISO_8859_1);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  List<JavaSource> mainSources() {
    return sources("/src/main/java/");
  }

  List<JavaSource> testSources() {
    return sources("/src/test/java/");
  }

  private List<JavaSource> sources(String tree) {
    return files.stream()
        .filter(file -> name(file).contains(tree) && name(file).endsWith(".java"))
        .map(file ->
            JavaSource.of(
                name(file).substring(0, name(file).indexOf(tree)), name(file), text(file)))
        .toList();
  }
}
