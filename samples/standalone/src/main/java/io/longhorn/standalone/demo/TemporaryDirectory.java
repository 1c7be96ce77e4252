package io.longhorn.standalone.demo;

import java.io.IOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import org.jspecify.annotations.Nullable;

/** A directory that goes with all that is in it, also when the process is told to end. */
final class TemporaryDirectory implements AutoCloseable {
  private final Path path;
  private final Thread atExit;

  private TemporaryDirectory(Path path) {
    this.path = path;
    atExit = new Thread(this::deleteIfPossible, "clean-up");
  }

  static TemporaryDirectory in(Path parent) throws IOException {
    TemporaryDirectory made =
        new TemporaryDirectory(Files.createTempDirectory(parent, "longhorn-demo-"));
    Runtime.getRuntime().addShutdownHook(made.atExit);
    return made;
  }

  Path path() {
    return path;
  }

  private void deleteIfPossible() {
    try {
      delete();
    } catch (IOException _) {
      // The process ends: nobody is left to be told.
    }
  }

  private void delete() throws IOException {
    if (!Files.exists(path)) {
      return;
    }
    Files.walkFileTree(
        path,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
              throws IOException {
            Files.deleteIfExists(file);
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult visitFileFailed(Path file, IOException failure)
              throws IOException {
            if (failure instanceof NoSuchFileException) {
              return FileVisitResult.CONTINUE;
            }
            throw failure;
          }

          @Override
          public FileVisitResult postVisitDirectory(Path directory, @Nullable IOException failure)
              throws IOException {
            Files.delete(directory);
            return FileVisitResult.CONTINUE;
          }
        });
  }

  @Override
  public void close() throws IOException {
    delete();
    try {
      Runtime.getRuntime().removeShutdownHook(atExit);
    } catch (IllegalStateException _) {
      // The process is ending: the hook finds nothing to do.
    }
  }
}
