package io.longhorn.replica.format;

import io.longhorn.api.IoError;

/**
 * {@code L<id>.idx}: what a layer holds, one page of 4096 bytes for 512 blocks (a span of 2 MiB);
 * the page of span i is at 4096 * i. Written in place, after its image in {@code index.log} is
 * durable, so that a torn page is written again by the replay. A page of zeros is one that was
 * never written: all absent.
 *
 * <pre>
 *    0  4  magic "LHIX"
 *    4  2  version 1
 *    6  2  zero
 *    8  4  layer id
 *   12  4  span
 *   16  8  LSN: the changes of index.log up to this number are contained
 *   24 40  zeros
 *   64 512 states, one byte a block: 0 absent, 1 data, 2 zero
 *  576 448 zeros
 * 1024 2048 CRC32C of each block's data, 4 bytes; without meaning unless the state is data
 * 3072 1020 zeros
 * 4092  4  CRC32C of bytes 0 to 4091
 * </pre>
 */
public final class IndexPageFormat {
  /** Bytes of a page. */
  public static final int BYTES = 4096;

  /** Blocks that a page describes. */
  public static final int BLOCKS = 512;

  /** The version this build writes and reads. */
  public static final int VERSION = 1;

  /** Where the states begin. */
  public static final int STATES_AT = 64;

  /** Where the CRCs begin. */
  public static final int CRCS_AT = 1024;

  private static final int MAGIC = 0x5849_484C;
  private static final int CRC_AT = BYTES - 4;

  private IndexPageFormat() {}

  /** Which page: of which layer, for which span. */
  public record Key(int layer, int span) {}

  /** Sets everything but states and CRCs, and then the checksum. */
  public static void seal(RecordMemory out, int at, int layer, int span, long lsn) {
    out.putInt(at, MAGIC);
    out.putShort(at + 4, VERSION);
    out.putShort(at + 6, 0);
    out.putInt(at + 8, layer);
    out.putInt(at + 12, span);
    out.putLong(at + 16, lsn);
    out.putInt(at + CRC_AT, out.crc(at, CRC_AT));
  }

  /** Whether the page was never written. */
  public static boolean isEmpty(RecordMemory in, int at) {
    return in.isZero(at, BYTES);
  }

  /** Checks a page that is not empty; throws if it cannot be believed. */
  public static void check(RecordMemory in, int at, int layer, int span) throws FormatException {
    if (in.takeInt(at) != MAGIC
        || in.takeInt(at + CRC_AT) != in.crc(at, CRC_AT)
        || in.takeInt(at + 8) != layer
        || in.takeInt(at + 12) != span) {
      throw new FormatException(
          IoError.CORRUPT, "index page " + span + " of layer " + layer + " is damaged");
    }
    if (in.takeShort(at + 4) != VERSION) {
      throw new FormatException(
          IoError.UNKNOWN_VERSION,
          "index page " + span + " of layer " + layer + " has version " + in.takeShort(at + 4));
    }
    for (int block = 0; block < BLOCKS; block++) {
      if (in.takeByte(at + STATES_AT + block) > 2) {
        throw new FormatException(
            IoError.CORRUPT, "index page " + span + " of layer " + layer + ": unknown state");
      }
    }
  }

  /** The LSN of a checked page. */
  public static long lsn(RecordMemory in, int at) {
    return in.takeLong(at + 16);
  }

  /** Layer and span, as the page says. */
  public static Key key(RecordMemory in, int at) {
    return new Key(in.takeInt(at + 8), in.takeInt(at + 12));
  }
}
