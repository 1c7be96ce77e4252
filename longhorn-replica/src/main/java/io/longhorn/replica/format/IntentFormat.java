package io.longhorn.replica.format;

import io.longhorn.api.membership.RecordStamp;

/**
 * {@code intent}: the write-intent bitmap. Pages of 4096 bytes with two slots each: slot s of page
 * p is at (2 p + s) * 4096. A change writes the slot that is older or not valid and fdatasyncs, so
 * that a torn page falls back to the other slot: bits that were being set then are of writes that
 * had not begun, bits that were being cleared are set again. Page 0 describes the bitmap; bit i of
 * the volume is bit i % 32192 of page 1 + i / 32192.
 *
 * <pre>
 *    0  4  magic "LHIP"
 *    4  2  version 1
 *    6  2  zero
 *    8  4  number of the page
 *   12  4  zero
 *   16  8  sequence, from 1; the slot with the higher one counts
 *   24 40  zeros; in page 0:
 *            24  8  validSince, generation
 *            32  8  validSince, number
 *            40  8  bytes of a region, a power of two
 *            48  4  number of regions
 *   64 4024  the bits, least significant first; zeros in page 0
 * 4088  4  zero
 * 4092  4  CRC32C of bytes 0 to 4091
 * </pre>
 *
 * A region is max(64 KiB, size / 524,288), rounded up to a power of two. If no slot of a page is
 * valid, or one is not after a clean close, then all bits of the page count as set.
 */
public final class IntentFormat {
  /** Bytes of a slot. */
  public static final int PAGE_BYTES = 4096;

  /** The version this build writes and reads. */
  public static final int VERSION = 1;

  /** Most regions of a volume. */
  public static final int MAX_REGIONS = 524_288;

  /** Longs of bits in one page. */
  public static final int LONGS_PER_PAGE = 503;

  /** Bits in one page. */
  public static final int BITS_PER_PAGE = 64 * LONGS_PER_PAGE;

  /** Most pages, page 0 included. */
  public static final int MAX_PAGES = 1 + (MAX_REGIONS + BITS_PER_PAGE - 1) / BITS_PER_PAGE;

  /** Smallest region in bytes. */
  public static final long MIN_REGION_BYTES = 64 << 10;

  private static final int MAGIC = 0x5049_484C;
  private static final int BITS_AT = 64;
  private static final int CRC_AT = PAGE_BYTES - 4;

  private IntentFormat() {}

  /** How a slot looks. */
  public enum Slot {
    /** Magic, checksum, version and number of the page are right. */
    VALID,
    /** All zeros: never written. */
    EMPTY,
    /** Anything else. */
    BAD
  }

  /**
   * Page 0.
   *
   * @param validSince since which record the bits are complete
   * @param regionBytes bytes of a region
   * @param regions how many
   */
  public record Description(RecordStamp validSince, long regionBytes, int regions) {}

  /** Bytes of a region for a volume of this size. */
  public static long regionBytes(long sizeBytes) {
    long least = Math.max(MIN_REGION_BYTES, (sizeBytes + MAX_REGIONS - 1) / MAX_REGIONS);
    long power = Long.highestOneBit(least);
    return power == least ? power : power << 1;
  }

  /** Regions of a volume of this size. */
  public static int regions(long sizeBytes) {
    long region = regionBytes(sizeBytes);
    return Math.toIntExact((sizeBytes + region - 1) / region);
  }

  /** Pages of a bitmap, page 0 included. */
  public static int pages(int regions) {
    return 1 + (regions + BITS_PER_PAGE - 1) / BITS_PER_PAGE;
  }

  /** Where a slot is in the file. */
  public static long slotAt(int page, int slot) {
    return (2L * page + slot) * PAGE_BYTES;
  }

  /** Begins a slot: everything but the contents and the checksum. */
  private static void head(RecordMemory out, int at, int page, long sequence) {
    out.clear(at, PAGE_BYTES);
    out.putInt(at, MAGIC);
    out.putShort(at + 4, VERSION);
    out.putInt(at + 8, page);
    out.putLong(at + 16, sequence);
  }

  private static void seal(RecordMemory out, int at) {
    out.putInt(at + CRC_AT, out.crc(at, CRC_AT));
  }

  /** Writes a slot of page 0. */
  public static void write(RecordMemory out, int at, long sequence, Description description) {
    head(out, at, 0, sequence);
    out.putLong(at + 24, description.validSince.generation());
    out.putLong(at + 32, description.validSince.number());
    out.putLong(at + 40, description.regionBytes);
    out.putInt(at + 48, description.regions);
    seal(out, at);
  }

  /**
   * Writes a slot of a page of bits.
   *
   * @param page from 1
   * @param bits of the whole volume
   */
  public static void write(RecordMemory out, int at, int page, long sequence, long[] bits) {
    head(out, at, page, sequence);
    int first = (page - 1) * LONGS_PER_PAGE;
    int last = Math.min(bits.length, first + LONGS_PER_PAGE);
    for (int i = first; i < last; i++) {
      out.putLong(at + BITS_AT + 8 * (i - first), bits[i]);
    }
    seal(out, at);
  }

  /** Looks at a slot. */
  public static Slot check(RecordMemory in, int at, int page) {
    if (in.takeInt(at) == MAGIC
        && in.takeInt(at + CRC_AT) == in.crc(at, CRC_AT)
        && in.takeShort(at + 4) == VERSION
        && in.takeInt(at + 8) == page) {
      return Slot.VALID;
    }
    return in.isZero(at, PAGE_BYTES) ? Slot.EMPTY : Slot.BAD;
  }

  /** The sequence of a valid slot. */
  public static long sequence(RecordMemory in, int at) {
    return in.takeLong(at + 16);
  }

  /** Reads a valid slot of page 0. */
  public static Description readDescription(RecordMemory in, int at) {
    return new Description(
        new RecordStamp(in.takeLong(at + 24), in.takeLong(at + 32)),
        in.takeLong(at + 40),
        in.takeInt(at + 48));
  }

  /** ORs the bits of a valid slot of a page into those of the volume. */
  public static void readBits(RecordMemory in, int at, int page, long[] bits) {
    int first = (page - 1) * LONGS_PER_PAGE;
    int last = Math.min(bits.length, first + LONGS_PER_PAGE);
    for (int i = first; i < last; i++) {
      bits[i] |= in.takeLong(at + BITS_AT + 8 * (i - first));
    }
  }
}
