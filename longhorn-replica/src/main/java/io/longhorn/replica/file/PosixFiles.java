package io.longhorn.replica.file;

import io.longhorn.api.IoError;
import io.longhorn.replica.posix.Errno;
import io.longhorn.replica.posix.FileCalls;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.UUID;
import java.util.stream.Stream;

/** The files of Linux, through its own system calls. */
public final class PosixFiles implements FileLayer {
  private static final int FILE_MODE = 0600;
  private static final String LOCK_FILE = "lock";
  private static final Path BOOT_ID = Path.of("/proc/sys/kernel/random/boot_id");

  @Override
  public FileDirectory open(Path directory) throws DiskException {
    if (!Files.exists(directory, LinkOption.NOFOLLOW_LINKS)) {
      throw new DiskException(IoError.NOT_FOUND, directory + " does not exist; create a replica");
    }
    if (!Files.isDirectory(directory)) {
      throw new DiskException(IoError.INVALID, directory + " is not a directory");
    }
    return new Directory(directory);
  }

  @Override
  public void createDirectory(Path directory) throws DiskException {
    try {
      Path absolute = directory.toAbsolutePath();
      Path parent = absolute.getParent();
      Files.createDirectories(
          absolute,
          PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
      if (parent != null) {
        syncDirectory(parent);
      }
    } catch (FileAlreadyExistsException e) {
      throw new DiskException(IoError.INVALID, directory + " is not a directory");
    } catch (IOException e) {
      throw failed("create", directory, e);
    }
  }

  @Override
  public UUID boot() {
    try {
      return UUID.fromString(Files.readString(BOOT_ID).strip());
    } catch (IOException | IllegalArgumentException e) {
      // Without it nothing unsynced is believed, which is always right.
      return UUID.randomUUID();
    }
  }

  private static void syncDirectory(Path directory) throws DiskException {
    int fd = FileCalls.open(directory, FileCalls.O_RDONLY | FileCalls.O_DIRECTORY, 0);
    if (fd < 0) {
      throw failed("open", directory, -fd);
    }
    int result = FileCalls.fsync(fd);
    FileCalls.close(fd);
    if (result < 0) {
      throw failed("fsync", directory, -result);
    }
  }

  private static DiskException failed(String what, Path path, int errno) {
    IoError error =
        switch (errno) {
          case Errno.ENOENT -> IoError.NOT_FOUND;
          case Errno.EEXIST -> IoError.EXISTS;
          default -> Errno.toIoError(errno);
        };
    return new DiskException(error, "cannot " + what + " " + path + ": " + Errno.describe(errno));
  }

  private static DiskException failed(String what, Path path, IOException cause) {
    IoError error = cause instanceof NoSuchFileException ? IoError.NOT_FOUND : IoError.EIO;
    return new DiskException(error, "cannot " + what + " " + path + ": " + cause);
  }

  private static final class Directory implements FileDirectory {
    private final Path path;
    private int lock = -1;

    Directory(Path path) {
      this.path = path;
    }

    @Override
    public DiskFile create(String name, Cache cache) throws DiskException {
      return open(name, cache, FileCalls.O_CREAT | FileCalls.O_EXCL, "create");
    }

    @Override
    public DiskFile open(String name, Cache cache) throws DiskException {
      return open(name, cache, 0, "open");
    }

    private DiskFile open(String name, Cache cache, int flags, String what) throws DiskException {
      Path file = path.resolve(name);
      int direct = cache == Cache.DIRECT ? FileCalls.O_DIRECT : 0;
      int fd = FileCalls.open(file, FileCalls.O_RDWR | flags | direct, FILE_MODE);
      if (fd == -Errno.EINVAL && direct != 0) {
        throw new DiskException(
            IoError.UNSUPPORTED,
            file + ": its file system has no O_DIRECT; open the replica buffered");
      }
      if (fd < 0) {
        throw failed(what, file, -fd);
      }
      return new PosixFile(fd);
    }

    @Override
    public List<String> list() throws DiskException {
      try (Stream<Path> files = Files.list(path)) {
        return files
            .map(file -> path.relativize(file).toString())
            .filter(name -> !name.equals(LOCK_FILE))
            .toList();
      } catch (IOException e) {
        throw failed("list", path, e);
      }
    }

    @Override
    public void rename(String source, String target) throws DiskException {
      try {
        Files.move(path.resolve(source), path.resolve(target), StandardCopyOption.ATOMIC_MOVE);
      } catch (IOException e) {
        throw failed("rename", path.resolve(source), e);
      }
    }

    @Override
    public void delete(String name) throws DiskException {
      try {
        Files.delete(path.resolve(name));
      } catch (IOException e) {
        throw failed("delete", path.resolve(name), e);
      }
    }

    @Override
    public void sync() throws DiskException {
      syncDirectory(path);
    }

    @Override
    public void lock() throws DiskException {
      Path file = path.resolve(LOCK_FILE);
      int fd = FileCalls.open(file, FileCalls.O_RDWR | FileCalls.O_CREAT, FILE_MODE);
      if (fd < 0) {
        throw failed("open", file, -fd);
      }
      int result = FileCalls.lockExclusive(fd);
      if (result < 0) {
        FileCalls.close(fd);
        if (result == -Errno.EAGAIN) {
          throw new DiskException(
              IoError.BUSY, path + " is in use by another process; stop that one first");
        }
        throw failed("lock", file, -result);
      }
      lock = fd;
    }

    @Override
    public void close() {
      if (lock >= 0) {
        FileCalls.close(lock);
        lock = -1;
      }
    }
  }
}
