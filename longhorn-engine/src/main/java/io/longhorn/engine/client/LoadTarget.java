package io.longhorn.engine.client;

import io.longhorn.api.block.BlockDevice;
import java.lang.foreign.MemorySegment;

/**
 * What a {@link VerifyingLoad} runs against: blocking calls, from many threads at once. Errors are
 * {@link io.longhorn.api.VolumeException}; DISCONNECTED ends the threads that use this target.
 */
public interface LoadTarget {
  /** Fills the memory from the device. */
  void read(long offset, MemorySegment target);

  /** Writes the memory; with {@code isFua}, durably. */
  void write(long offset, MemorySegment source, boolean isFua);

  /** Zeroes to the byte; with {@code isFua}, durably. */
  void zero(long offset, long length, boolean isFua);

  /** Zeroes whole blocks of 4 KiB; the rest of the range stays or becomes zero. */
  void trim(long offset, long length);

  /** What was answered before this was called is durable. */
  void flush();

  /** An NBD connection. */
  static LoadTarget of(NbdClient client) {
    return new LoadTarget() {
      @Override
      public void read(long offset, MemorySegment target) {
        client.read(offset, target);
      }

      @Override
      public void write(long offset, MemorySegment source, boolean isFua) {
        client.write(offset, source, isFua);
      }

      @Override
      public void zero(long offset, long length, boolean isFua) {
        client.zero(offset, length, isFua);
      }

      @Override
      public void trim(long offset, long length) {
        client.trim(offset, length);
      }

      @Override
      public void flush() {
        client.flush();
      }
    };
  }

  /** Any block device; a durable write is a write and a flush. */
  static LoadTarget of(BlockDevice device) {
    return new LoadTarget() {
      @Override
      public void read(long offset, MemorySegment target) {
        device.read(offset, target);
      }

      @Override
      public void write(long offset, MemorySegment source, boolean isFua) {
        device.write(offset, source);
        flushIf(isFua);
      }

      @Override
      public void zero(long offset, long length, boolean isFua) {
        device.zero(offset, length);
        flushIf(isFua);
      }

      private void flushIf(boolean isFua) {
        if (isFua) {
          device.flush();
        }
      }

      @Override
      public void trim(long offset, long length) {
        device.trim(offset, length);
      }

      @Override
      public void flush() {
        device.flush();
      }
    };
  }
}
