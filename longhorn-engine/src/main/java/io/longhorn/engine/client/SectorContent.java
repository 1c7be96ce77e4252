package io.longhorn.engine.client;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * What the load writes into a sector: a function of (seed, sector, version), so that a model of the
 * device is one number a sector, and data that is torn, misplaced or stale says so itself.
 */
final class SectorContent {
  /** The unit of the model. */
  static final int SECTOR_BYTES = 512;

  /** All zeros. */
  static final int ZEROS = 0;

  /** Nothing that was ever written here. */
  static final int GARBAGE = -1;

  private static final ValueLayout.OfLong WORD =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);
  private static final int WORDS = SECTOR_BYTES / 8;

  private SectorContent() {}

  /** Fills the sector at {@code at} of the memory; {@code version} is at least 1. */
  static void fill(MemorySegment memory, long at, long seed, long sector, int version) {
    memory.set(WORD, at, name(sector, version) ^ mix(seed));
    long base = base(seed, sector, version);
    for (int i = 1; i < WORDS; i++) {
      memory.set(WORD, at + 8L * i, mix(base + i));
    }
  }

  /** The version that stands at {@code at}, or {@link #ZEROS}, or {@link #GARBAGE}. */
  static int versionAt(MemorySegment memory, long at, long seed, long sector) {
    long first = memory.get(WORD, at);
    long name = first ^ mix(seed);
    int version = (int) (name >>> 32);
    if (version > 0 && name == name(sector, version)) {
      return isContent(memory, at, base(seed, sector, version)) ? version : GARBAGE;
    }
    for (int i = 0; i < WORDS; i++) {
      if (memory.get(WORD, at + 8L * i) != 0) {
        return GARBAGE;
      }
    }
    return ZEROS;
  }

  private static boolean isContent(MemorySegment memory, long at, long base) {
    for (int i = 1; i < WORDS; i++) {
      if (memory.get(WORD, at + 8L * i) != mix(base + i)) {
        return false;
      }
    }
    return true;
  }

  /** What garbage looks like, for a person. */
  static String describe(MemorySegment memory, long at, long seed) {
    long name = memory.get(WORD, at) ^ mix(seed);
    int version = (int) (name >>> 32);
    long sector = name & 0xffffffffL;
    if (version > 0 && isContent(memory, at, base(seed, sector, version))) {
      return "version " + version + " of sector " + sector;
    }
    return "bytes that were never written, beginning with "
        + Long.toHexString(memory.get(WORD, at));
  }

  private static long name(long sector, int version) {
    return (long) version << 32 | (sector & 0xffffffffL);
  }

  private static long base(long seed, long sector, int version) {
    return mix(seed ^ mix(name(sector, version)));
  }

  /** A bijection that spreads every bit (the finalizer of SplitMix64). */
  private static long mix(long value) {
    long z = value + 0x9e3779b97f4a7c15L;
    z = (z ^ (z >>> 30)) * 0xbf58476d1ce4e5b9L;
    z = (z ^ (z >>> 27)) * 0x94d049bb133111ebL;
    return z ^ (z >>> 31);
  }
}
