package io.longhorn.standalone.cluster;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import java.io.IOException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/**
 * The runtime directory this command was started from, copied below the state directory: processes
 * of a cluster outlive the command, and a build that replaces the directory must not pull the code
 * away under them.
 *
 * @param launcher its executable
 */
record RuntimeImage(Path launcher) {
  /** Set by the launcher: the runtime directory. */
  static final String HOME_PROPERTY = "longhorn.home";

  /** Written when the directory is built: its time is the name of the copy. */
  private static final String STAMP = "built";

  private static final String CACHES = "aot";

  /** What the name of a copy begins with that somebody added: no build removes it. */
  private static final String ADDED = "added-";

  /** Copies the runtime directory unless that was done before. */
  static RuntimeImage install(Path images) {
    Path home = home();
    try {
      Path stamp = home.resolve(STAMP);
      Path image = images.resolve(Long.toString(Files.getLastModifiedTime(stamp).toMillis()));
      if (!Files.isDirectory(image)) {
        Files.createDirectories(images);
        Path part = Files.createTempDirectory(images, "part");
        try {
          copy(home, part);
          Files.move(part, image);
        } catch (IOException e) {
          delete(part);
          // Unless another command was quicker.
          if (!Files.isDirectory(image)) {
            throw e;
          }
        }
      }
      removeOthers(images, image);
      return new RuntimeImage(image.resolve("bin").resolve("longhorn"));
    } catch (IOException e) {
      throw new VolumeException(
          IoError.EIO, "cannot copy the runtime directory to " + images + ": " + why(e), e);
    }
  }

  /**
   * Copies a runtime directory under a name of its own, for somebody who adds it as an image.
   *
   * @param home the directory, or empty for the one that this command was started from
   */
  static RuntimeImage add(Path images, String home) {
    Path from = home.isEmpty() ? home() : Path.of(home).toAbsolutePath().normalize();
    if (!Files.isExecutable(from.resolve("bin").resolve("longhorn"))) {
      throw new VolumeException(
          IoError.INVALID, from + " is no runtime directory: it has no bin/longhorn");
    }
    try {
      Files.createDirectories(images);
      Path image = Files.createTempDirectory(images, ADDED);
      try {
        copy(from, image);
      } catch (IOException e) {
        delete(image);
        throw e;
      }
      return new RuntimeImage(image.resolve("bin").resolve("longhorn"));
    } catch (IOException e) {
      throw new VolumeException(
          IoError.EIO, "cannot copy the runtime directory to " + images + ": " + why(e), e);
    }
  }

  /** Removes a copy that was {@linkplain #add added}; any other one stays. */
  void remove(Path images) {
    Path root = images.toAbsolutePath();
    Path below = launcher.toAbsolutePath();
    if (below.startsWith(root) && below.getNameCount() > root.getNameCount()) {
      String name = below.getName(root.getNameCount()).toString();
      if (name.startsWith(ADDED)) {
        deleteAdded(root.resolve(name));
      }
    }
  }

  private static void deleteAdded(Path image) {
    try {
      delete(image);
    } catch (IOException e) {
      throw new VolumeException(
          IoError.EIO, "cannot remove the runtime directory " + image + ": " + why(e), e);
    }
  }

  /** Those of earlier builds, unless a process still runs from one. */
  private static void removeOthers(Path images, Path image) throws IOException {
    try (Stream<Path> all = Files.list(images)) {
      for (Path other : all.filter(one -> !one.equals(image)).toList()) {
        // Not one that another command is making.
        if (other.getFileName().toString().matches("[0-9]+") && isUnused(other)) {
          delete(other);
        }
      }
    }
  }

  private static boolean isUnused(Path image) {
    return ProcessHandle.allProcesses()
        .map(process -> process.info().commandLine().orElse(""))
        .noneMatch(words -> words.contains(image + "/"));
  }

  private static String why(IOException e) {
    return e instanceof FileSystemException failed && failed.getReason() != null
        ? failed.getReason() + "; make room there, or use another state directory: --state DIR"
        : String.valueOf(e.getMessage());
  }

  private static Path home() {
    String home = System.getProperty(HOME_PROPERTY, "");
    if (home.isEmpty()) {
      throw new VolumeException(
          IoError.INVALID, "start it by the longhorn launcher: -D" + HOME_PROPERTY + " is not set");
    }
    return Path.of(home);
  }

  private static void copy(Path from, Path to) throws IOException {
    for (Path file : files(from)) {
      Path target = to.resolve(from.relativize(file).toString());
      if (Files.isDirectory(file)) {
        Files.createDirectories(target);
      } else if (!file.startsWith(from.resolve(CACHES)) || !isLinked(file, target)) {
        Files.copy(
            file, target, StandardCopyOption.COPY_ATTRIBUTES, StandardCopyOption.REPLACE_EXISTING);
      }
    }
  }

  /** The caches are large and never written again: on one file system they are there once. */
  private static boolean isLinked(Path file, Path target) {
    try {
      Files.createLink(target, file);
      return true;
    } catch (IOException | UnsupportedOperationException _) {
      return false;
    }
  }

  private static void delete(Path directory) throws IOException {
    for (Path file : files(directory).reversed()) {
      Files.delete(file);
    }
  }

  /** Directories before what is in them. */
  private static List<Path> files(Path directory) throws IOException {
    try (Stream<Path> files = Files.walk(directory)) {
      return files.sorted(Comparator.naturalOrder()).toList();
    }
  }
}
