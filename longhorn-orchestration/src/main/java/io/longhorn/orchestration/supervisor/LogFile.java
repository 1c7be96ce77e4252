package io.longhorn.orchestration.supervisor;

import io.longhorn.orchestration.instance.LogChunk;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The log of one instance: {@code NAME.log}, and {@code NAME.log.1} with what was there before the
 * last rotation. Thread-safe; the lock is held across the file's I/O because it orders nothing
 * else. A disk that takes no more loses bytes of the log, never the process that printed them; how
 * many is said as soon as it takes them again.
 */
final class LogFile {
  private final Path current;
  private final Path previous;
  private final long maxBytes;
  private final ReentrantLock lock = new ReentrantLock();
  private long previousBytes;
  private long currentBytes;

  /** Offset of the first byte of {@link #current}. */
  private long currentAt;

  private long lostBytes;

  /**
   * Takes up the files that are there.
   *
   * @param maxBytes of one file
   */
  LogFile(Path directory, String name, long maxBytes) {
    this.current = currentPath(directory, name);
    this.previous = directory.resolve(name + ".log.1");
    this.maxBytes = maxBytes;
    this.previousBytes = size(previous);
    this.currentBytes = size(current);
    this.currentAt = previousBytes;
  }

  static Path currentPath(Path directory, String name) {
    return directory.resolve(name + ".log");
  }

  /** Adds bytes at the end; never fails. */
  void append(byte[] bytes, int length) {
    lock.lock();
    try {
      if (currentBytes > 0 && currentBytes + length > maxBytes) {
        rotate();
      }
      sayWhatWasLost();
      write(bytes, length);
    } catch (IOException _) {
      lostBytes += length;
    } finally {
      lock.unlock();
    }
  }

  /** Adds one line; never fails. */
  void line(String text) {
    byte[] bytes = (text + "\n").getBytes(StandardCharsets.UTF_8);
    append(bytes, bytes.length);
  }

  /**
   * Reads.
   *
   * @param offset of the first byte wanted; negative: that many bytes before the end
   */
  LogChunk read(long offset) throws IOException {
    lock.lock();
    try {
      long end = currentAt + currentBytes;
      long oldest = currentAt - previousBytes;
      long wanted = Math.min(Math.max(offset < 0 ? end + offset : offset, oldest), end);
      boolean isPrevious = wanted < currentAt;
      long fileEnd = isPrevious ? currentAt : end;
      int length = (int) Math.min(fileEnd - wanted, LogChunk.MAX_BYTES);
      if (length == 0) {
        return new LogChunk(wanted, new byte[0], end);
      }
      long at = isPrevious ? wanted - oldest : wanted - currentAt;
      return new LogChunk(wanted, read(isPrevious ? previous : current, at, length), end);
    } finally {
      lock.unlock();
    }
  }

  private static byte[] read(Path file, long at, int length) throws IOException {
    ByteBuffer into = ByteBuffer.allocate(length);
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      while (into.hasRemaining() && channel.read(into, at + into.position()) >= 0) {
        // Until it is full, or the file has been cut by somebody else.
      }
    }
    byte[] bytes = new byte[into.position()];
    into.flip().get(bytes);
    return bytes;
  }

  private void rotate() throws IOException {
    Files.move(current, previous, StandardCopyOption.REPLACE_EXISTING);
    currentAt += currentBytes;
    previousBytes = currentBytes;
    currentBytes = 0;
  }

  private void sayWhatWasLost() throws IOException {
    if (lostBytes > 0) {
      byte[] line =
          ("longhorn instance-manager: " + lostBytes + " bytes of this log could not be written\n")
              .getBytes(StandardCharsets.UTF_8);
      write(line, line.length);
      lostBytes = 0;
    }
  }

  private void write(byte[] bytes, int length) throws IOException {
    ByteBuffer from = ByteBuffer.wrap(bytes, 0, length);
    try (FileChannel channel =
        FileChannel.open(
            current,
            StandardOpenOption.CREATE,
            StandardOpenOption.WRITE,
            StandardOpenOption.APPEND)) {
      while (from.hasRemaining()) {
        currentBytes += channel.write(from);
      }
    }
  }

  private static long size(Path file) {
    try {
      return Files.isRegularFile(file) ? Files.size(file) : 0;
    } catch (IOException _) {
      return 0;
    }
  }
}
