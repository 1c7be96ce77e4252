package io.longhorn.replica.format;

import io.longhorn.api.IoError;
import io.longhorn.api.ReplicaId;

/**
 * {@code index.log}: what changed in the index and is not yet in its pages. A head of 512 bytes,
 * then records, each with the LSN after the one before. The first one that is not valid, or does
 * not follow, ends the log: it and what is behind it was never flushed, and is cut off before
 * anything is appended. A checkpoint, after which every change is in the pages, replaces the file
 * by a new one with a higher base ({@code index.log.new}, renamed).
 *
 * <pre>
 * head     0  4  magic "LHLH"      4  2  version 1      6  2  zero
 *          8 16  replica          24  8  base: the first record has LSN base + 1
 *         32     zeros           508  4  CRC32C of bytes 0 to 507
 *
 * record   0  4  magic "LHLR"      4  4  length in bytes, head and checksum included, a multiple of 8
 *          8  8  LSN              16  2  type           18  2  zero          20  4  count
 *         24     body, then zeros
 *     last 4     CRC32C of all before
 *
 * type 1   changes, count of them, 16 bytes each: the blocks have this state now
 *          0  4  layer id          4  4  blocks, 1 to 512, in one span
 *          8  8  first block; state in the highest byte: 0 absent, 1 data, 2 zero
 * type 2   one index page, whole (count is 1)
 * </pre>
 *
 * Changes are written by FLUSH, after the data they speak of is on the disk; those to zero and
 * absent also without. The CRCs of blocks are only in pages: after an unclean stop those in dirty
 * regions of the head are computed again from the data.
 */
public final class IndexLogFormat {
  /** Bytes of the head. */
  public static final int HEAD_BYTES = 512;

  /** The version this build writes and reads. */
  public static final int VERSION = 1;

  /** Bytes of one change. */
  public static final int CHANGE_BYTES = 16;

  /** Most changes in one record. */
  public static final int MAX_CHANGES = 4096;

  /** Bytes of a record before its body. */
  public static final int RECORD_HEAD_BYTES = 24;

  /** Most bytes of a record. */
  public static final int MAX_RECORD_BYTES = recordBytes(MAX_CHANGES * CHANGE_BYTES);

  /** Type of a record with changes. */
  public static final int CHANGES = 1;

  /** Type of a record with a page. */
  public static final int PAGE = 2;

  private static final int HEAD_MAGIC = 0x484C_484C;
  private static final int RECORD_MAGIC = 0x524C_484C;
  private static final int HEAD_CRC_AT = HEAD_BYTES - 4;
  private static final int STATE_SHIFT = 56;

  private IndexLogFormat() {}

  /** Bytes of a record with a body of this length. */
  public static int recordBytes(int bodyBytes) {
    return (RECORD_HEAD_BYTES + bodyBytes + 4 + 7) & -8;
  }

  /** Writes the head of a log. */
  public static void writeHead(RecordMemory out, ReplicaId replica, long base) {
    out.clear(0, HEAD_BYTES);
    out.putInt(0, HEAD_MAGIC);
    out.putShort(4, VERSION);
    out.putUuid(8, replica.uuid());
    out.putLong(24, base);
    out.putInt(HEAD_CRC_AT, out.crc(0, HEAD_CRC_AT));
  }

  /** Reads the head of a log: its base. */
  public static long readHead(RecordMemory in, ReplicaId replica) throws FormatException {
    if (in.takeInt(0) != HEAD_MAGIC || in.takeInt(HEAD_CRC_AT) != in.crc(0, HEAD_CRC_AT)) {
      throw new FormatException(IoError.CORRUPT, "head of the index log is damaged");
    }
    if (in.takeShort(4) != VERSION) {
      throw new FormatException(
          IoError.UNKNOWN_VERSION,
          "index log has version " + in.takeShort(4) + ", this build knows " + VERSION);
    }
    if (!in.takeUuid(8).equals(replica.uuid())) {
      throw new FormatException(
          IoError.CORRUPT, "index log belongs to replica " + in.takeUuid(8) + ", not " + replica);
    }
    return in.takeLong(24);
  }

  /** Begins a record: {@link #putChange}s or a page follow, then {@link #seal}. */
  public static void begin(RecordMemory out, int at, long lsn, int type) {
    out.putInt(at, RECORD_MAGIC);
    out.putLong(at + 8, lsn);
    out.putShort(at + 16, type);
    out.putShort(at + 18, 0);
  }

  /** Puts one change into a record that was begun at {@code at}. */
  public static void putChange(RecordMemory out, int at, int index, int layer, Run run) {
    int change = at + RECORD_HEAD_BYTES + CHANGE_BYTES * index;
    out.putInt(change, layer);
    out.putInt(change + 4, run.blocks);
    out.putLong(change + 8, run.firstBlock | (long) run.state << STATE_SHIFT);
  }

  /**
   * Blocks that have one state.
   *
   * @param firstBlock in the volume
   * @param blocks how many
   * @param state number of the {@code BlockState}
   */
  public record Run(long firstBlock, int blocks, int state) {}

  /** Ends a record: length and checksum. Answers its length. */
  public static int seal(RecordMemory out, int at, int count, int bodyBytes) {
    int length = recordBytes(bodyBytes);
    out.putInt(at + 4, length);
    out.putInt(at + 20, count);
    int body = at + RECORD_HEAD_BYTES + bodyBytes;
    out.clear(body, at + length - body);
    out.putInt(at + length - 4, out.crc(at, length - 4));
    return length;
  }

  /**
   * The length of the valid record at {@code at} with this LSN, or 0 if there is none.
   *
   * @param end where the log ends in {@code in}
   */
  public static int check(RecordMemory in, int at, int end, long lsn) {
    if (end - at < RECORD_HEAD_BYTES + 8 || in.takeInt(at) != RECORD_MAGIC) {
      return 0;
    }
    int length = in.takeInt(at + 4);
    if (length < RECORD_HEAD_BYTES + 8
        || length > MAX_RECORD_BYTES
        || length % 8 != 0
        || length > end - at
        || in.takeLong(at + 8) != lsn
        || in.takeInt(at + length - 4) != in.crc(at, length - 4)) {
      return 0;
    }
    int count = in.takeInt(at + 20);
    int body =
        switch (in.takeShort(at + 16)) {
          case CHANGES -> count < 0 || count > MAX_CHANGES ? -1 : count * CHANGE_BYTES;
          case PAGE -> count == 1 ? IndexPageFormat.BYTES : -1;
          default -> -1;
        };
    return body >= 0 && recordBytes(body) == length ? length : 0;
  }

  /** The type of a checked record. */
  public static int type(RecordMemory in, int at) {
    return in.takeShort(at + 16);
  }

  /** The number of changes in a checked record. */
  public static int count(RecordMemory in, int at) {
    return in.takeInt(at + 20);
  }

  /** The layer of one change. */
  public static int changeLayer(RecordMemory in, int at, int index) {
    return in.takeInt(at + RECORD_HEAD_BYTES + CHANGE_BYTES * index);
  }

  /** The blocks of one change. */
  public static Run change(RecordMemory in, int at, int index) {
    int change = at + RECORD_HEAD_BYTES + CHANGE_BYTES * index;
    long packed = in.takeLong(change + 8);
    return new Run(
        packed & ((1L << STATE_SHIFT) - 1), in.takeInt(change + 4), (int) (packed >>> STATE_SHIFT));
  }
}
