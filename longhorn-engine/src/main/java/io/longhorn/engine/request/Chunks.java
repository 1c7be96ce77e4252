package io.longhorn.engine.request;

import io.longhorn.api.memory.Crc32c;

/** How a range is cut into requests. */
public final class Chunks {
  private Chunks() {}

  /** Length of the first READ or WRITE of a range. */
  public static int firstData(long offset, long length) {
    return first(offset, length, IoRequest.CHUNK_BYTES);
  }

  /** Length of the first ZERO, TRIM or MAP of a range of whole blocks. */
  public static int firstSpan(long offset, long length) {
    return first(offset, length, IoRequest.SPAN_BYTES);
  }

  /** The offset rounded up to a block. */
  public static long blockUp(long offset) {
    return (offset + Crc32c.BLOCK_BYTES - 1) & -Crc32c.BLOCK_BYTES;
  }

  /** The offset rounded down to a block. */
  public static long blockDown(long offset) {
    return offset & -Crc32c.BLOCK_BYTES;
  }

  private static int first(long offset, long length, int unit) {
    return (int) Math.min(length, unit - (offset & (unit - 1)));
  }
}
