package io.longhorn.replica.index;

import static io.longhorn.replica.file.NativeMemory.EVERYTHING;

import io.longhorn.replica.format.IndexPageFormat;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;

/**
 * What each block of the volume shows: one value for a span of 512 blocks if they are alike, else a
 * page of 512 values. A value is {@link #ABSENT}, or made by {@link #data} or {@link #zero} from
 * the slot of the file that decides. Spans are loaded when they are first needed and can be dropped
 * at any time. A lookup is one or two loads.
 */
public final class VisibleMap implements AutoCloseable {
  /** The span has not been loaded. */
  public static final int UNLOADED = -1;

  /** No layer has anything. */
  public static final int ABSENT = 0;

  /** Largest slot. */
  public static final int MAX_SLOT = 0x7FFF;

  private static final int BLOCKS = IndexPageFormat.BLOCKS;
  private static final int PAGE_BYTES = 2 * BLOCKS;
  private static final int PAGES_PER_CHUNK = 1024;

  /** In an entry: the rest is the number of a page. */
  private static final int MIXED = 0x8000_0000;

  private final Arena arena = Arena.ofShared();
  private final long entries;
  private final int spans;
  private final int maxPages;
  private final List<Long> chunks = new ArrayList<>();
  private int takenPages;
  private int[] freePages = new int[16];
  private int freeCount;
  private int hand;

  /**
   * A map with nothing loaded.
   *
   * @param spans of the volume
   * @param maxBytes for pages of spans that are not alike
   */
  public VisibleMap(int spans, long maxBytes) {
    this.spans = spans;
    this.entries = arena.allocate(4L * spans, 64).address();
    this.maxPages = Math.toIntExact(Math.max(PAGES_PER_CHUNK, maxBytes / PAGE_BYTES));
  }

  /** The value of a block with data in a file. */
  public static int data(int slot) {
    return slot << 1;
  }

  /** The value of a block that a file says is zero. */
  public static int zero(int slot) {
    return slot << 1 | 1;
  }

  /** Whether a value is data. */
  public static boolean isData(int value) {
    return value > 0 && (value & 1) == 0;
  }

  /** The slot of a value that is not {@link #ABSENT}. */
  public static int slot(int value) {
    return value >> 1;
  }

  private int entry(int span) {
    return EVERYTHING.get(ValueLayout.JAVA_INT, entries + 4L * span);
  }

  private void entry(int span, int entry) {
    EVERYTHING.set(ValueLayout.JAVA_INT, entries + 4L * span, entry);
  }

  private long page(int entry) {
    int number = entry & ~MIXED;
    return chunks.get(number / PAGES_PER_CHUNK) + (long) (number % PAGES_PER_CHUNK) * PAGE_BYTES;
  }

  private static int valueAt(long page, int block) {
    return Short.toUnsignedInt(EVERYTHING.get(ValueLayout.JAVA_SHORT, page + 2L * block));
  }

  private static void valueAt(long page, int block, int value) {
    EVERYTHING.set(ValueLayout.JAVA_SHORT, page + 2L * block, (short) value);
  }

  /** Whether the span is loaded. */
  public boolean isLoaded(int span) {
    return entry(span) != 0;
  }

  /** What a block shows, or {@link #UNLOADED}. */
  public int value(int span, int block) {
    int entry = entry(span);
    if (entry >= 0) {
      return entry - 1;
    }
    return valueAt(page(entry), block);
  }

  /** How many blocks from {@code block} on, at most {@code most}, show the same as it. */
  public int run(int span, int block, int most) {
    int entry = entry(span);
    if (entry >= 0) {
      return most;
    }
    long page = page(entry);
    int value = valueAt(page, block);
    int run = 1;
    while (run < most && valueAt(page, block + run) == value) {
      run++;
    }
    return run;
  }

  /** Sets what blocks of a loaded span show. */
  public void set(int span, int block, int blocks, int value) {
    int entry = entry(span);
    if (entry == 0) {
      throw new IllegalStateException("span " + span + " is not loaded");
    }
    if (entry > 0) {
      if (entry - 1 == value) {
        return;
      }
      if (blocks == BLOCKS) {
        entry(span, value + 1);
        return;
      }
      entry = mix(span, entry - 1);
    }
    long page = page(entry);
    for (int b = block; b < block + blocks; b++) {
      valueAt(page, b, value);
    }
    unmix(span, entry, page, value);
  }

  /**
   * Loads a span from 512 values.
   *
   * @param values native memory, 2 bytes a block
   */
  public void load(int span, MemorySegment values) {
    drop(span);
    int first = valueAt(values.address(), 0);
    int entry = mix(span, first);
    long page = page(entry);
    MemorySegment.copy(values, 0, EVERYTHING, page, PAGE_BYTES);
    unmix(span, entry, page, first);
  }

  /** Forgets a span; it is loaded again when it is needed. */
  public void drop(int span) {
    int entry = entry(span);
    if (entry < 0) {
      free(entry & ~MIXED);
    }
    entry(span, 0);
  }

  /** A span gets its own page, filled with {@code value}. */
  private int mix(int span, int value) {
    // The span must not be its own victim.
    entry(span, 0);
    int entry = takePage() | MIXED;
    entry(span, entry);
    long page = page(entry);
    for (int b = 0; b < BLOCKS; b++) {
      valueAt(page, b, value);
    }
    return entry;
  }

  /** Gives the page back if all its blocks show {@code value}. */
  private void unmix(int span, int entry, long page, int value) {
    if (valueAt(page, 0) != value || valueAt(page, BLOCKS - 1) != value) {
      return;
    }
    long four = value | (long) value << 16;
    four |= four << 32;
    for (int i = 0; i < PAGE_BYTES; i += 8) {
      if (EVERYTHING.get(ValueLayout.JAVA_LONG, page + i) != four) {
        return;
      }
    }
    free(entry & ~MIXED);
    entry(span, value + 1);
  }

  private void free(int page) {
    if (freeCount == freePages.length) {
      freePages = java.util.Arrays.copyOf(freePages, 2 * freeCount);
    }
    freePages[freeCount++] = page;
  }

  private int takePage() {
    if (freeCount == 0 && takenPages >= maxPages) {
      dropAnother();
    }
    if (freeCount > 0) {
      return freePages[--freeCount];
    }
    if (takenPages % PAGES_PER_CHUNK == 0) {
      chunks.add(arena.allocate((long) PAGES_PER_CHUNK * PAGE_BYTES, 64).address());
    }
    return takenPages++;
  }

  private void dropAnother() {
    while (entry(hand) >= 0) {
      hand = hand + 1 == spans ? 0 : hand + 1;
    }
    drop(hand);
  }

  @Override
  public void close() {
    arena.close();
  }
}
