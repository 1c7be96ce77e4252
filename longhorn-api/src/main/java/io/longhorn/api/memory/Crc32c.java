package io.longhorn.api.memory;

import java.nio.ByteBuffer;
import java.util.zip.CRC32C;

/**
 * CRC32C (Castagnoli) over ranges of a direct buffer, without allocation. One instance per thread.
 * Data blocks are checksummed one by one, {@link #BLOCK_BYTES} each, from the engine to the disk
 * and back.
 */
public final class Crc32c {
  /** The unit of a volume's checksums, locks and index: 4 KiB. */
  public static final int BLOCK_BYTES = 4096;

  /** CRC32C of a block of zeros: what an absent or zero block has. */
  public static final int ZERO_BLOCK = ofZeros();

  private final CRC32C crc = new CRC32C();

  /** CRC32C of {@code length} bytes at {@code offset}; moves the buffer's position and limit. */
  public int of(ByteBuffer buffer, int offset, int length) {
    crc.reset();
    buffer.limit(offset + length).position(offset);
    crc.update(buffer);
    return (int) crc.getValue();
  }

  private static int ofZeros() {
    CRC32C crc = new CRC32C();
    crc.update(new byte[BLOCK_BYTES]);
    return (int) crc.getValue();
  }
}
