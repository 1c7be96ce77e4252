package io.longhorn.orchestration.supervisor;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.orchestration.instance.InstanceSpec;
import io.longhorn.orchestration.instance.LogChunk;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.ConcurrentHashMap;

/** The logs of a node, one per name, also of instances that are forgotten. Thread-safe. */
final class InstanceLogs {
  private final Path directory;
  private final long maxFileBytes;
  private final ConcurrentHashMap<String, LogFile> open = new ConcurrentHashMap<>();

  private InstanceLogs(Path directory, long maxFileBytes) {
    this.directory = directory;
    this.maxFileBytes = maxFileBytes;
  }

  /**
   * Makes the directory if it is not there.
   *
   * @throws VolumeException INVALID if it cannot be used
   */
  static InstanceLogs open(Path directory, long maxFileBytes) {
    try {
      Files.createDirectories(directory);
    } catch (IOException e) {
      throw new VolumeException(
          IoError.INVALID, "cannot make the directory of logs " + directory + ": " + e, e);
    }
    if (!Files.isWritable(directory)) {
      throw new VolumeException(
          IoError.INVALID, "cannot write into the directory of logs " + directory);
    }
    return new InstanceLogs(directory, maxFileBytes);
  }

  /** The log of an instance, to write to; the same object for the same name until {@link #drop}. */
  LogFile of(String name) {
    return open.computeIfAbsent(name, this::file);
  }

  /** Forgets the object; the files stay. */
  void drop(String name) {
    open.remove(name);
  }

  /**
   * A piece of a log.
   *
   * @throws VolumeException INVALID: no such name can be; NOT_FOUND: it has no log; EIO
   */
  LogChunk read(String name, long offset) {
    try {
      InstanceSpec.requireName(name);
    } catch (IllegalArgumentException e) {
      throw new VolumeException(IoError.INVALID, String.valueOf(e.getMessage()), e);
    }
    LogFile log = open.get(name);
    if (log == null) {
      if (!Files.isRegularFile(LogFile.currentPath(directory, name))) {
        throw new VolumeException(IoError.NOT_FOUND, "there is no log of an instance " + name);
      }
      log = file(name);
    }
    try {
      return log.read(offset);
    } catch (IOException e) {
      throw new VolumeException(IoError.EIO, "the log of " + name + " cannot be read: " + e, e);
    }
  }

  private LogFile file(String name) {
    return new LogFile(directory, name, maxFileBytes);
  }
}
