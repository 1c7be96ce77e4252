package io.longhorn.replica.index;

import static io.longhorn.replica.file.NativeMemory.EVERYTHING;

import io.longhorn.replica.format.IndexPageFormat;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * Index pages in memory, in the form they have on disk, in a bounded number of frames. A page is
 * found by the slot of its file and its span. What was used lately stays (second chance); a frame
 * that is dirty, being written or pinned is not evicted. Memory is taken as it is first needed.
 *
 * <p>A frame number is valid until the next {@link #install}, or for as long as the frame is
 * pinned.
 */
public final class PageCache implements AutoCloseable {
  /** No such frame. */
  public static final int NONE = -1;

  private static final int FRAMES_PER_CHUNK = 256;
  private static final int MASK_LONGS = IndexPageFormat.BLOCKS / 64;
  private static final long FREE = -1;
  private static final ValueLayout.OfInt CRC =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private static final int USED = 1;
  private static final int DIRTY = 2;
  private static final int PENDING = 4;
  private static final int LOGGED = 8;
  private static final int WRITING = 16;

  private final Arena arena = Arena.ofShared();
  private final int frames;
  private final long[] chunks;
  private int taken;
  private int hand;
  private int used;

  /** Slot and span of each frame, or FREE. */
  private final long[] keys;

  private final byte[] flags;
  private final short[] pins;
  private final long[] lsns;

  /** Blocks whose state changed and is not in the log, 512 bits a frame. */
  private final long[] changed;

  /** Open addressing, linear probing: frame + 1, or 0. */
  private final int[] table;

  private final int tableMask;

  /** Frames that are PENDING, in the order they became so. */
  private final int[] pending;

  private int pendingCount;
  private int dirtyCount;
  private int loggedCount;

  /** A cache of at most {@code bytes}. */
  public PageCache(long bytes) {
    frames = Math.toIntExact(Math.max(FRAMES_PER_CHUNK, bytes / IndexPageFormat.BYTES));
    chunks = new long[(frames + FRAMES_PER_CHUNK - 1) / FRAMES_PER_CHUNK];
    keys = new long[frames];
    Arrays.fill(keys, FREE);
    flags = new byte[frames];
    pins = new short[frames];
    lsns = new long[frames];
    changed = new long[frames * MASK_LONGS];
    tableMask = Integer.highestOneBit(frames) * 4 - 1;
    table = new int[tableMask + 1];
    pending = new int[frames];
  }

  /** How many pages are in memory. */
  public int pages() {
    return used;
  }

  /** How many frames there are at most. */
  public int capacity() {
    return frames;
  }

  /** How many pages differ from what is in their place on disk. */
  public int dirtyPages() {
    return dirtyCount;
  }

  /** How many pages have changes in the log that are not in their place on disk. */
  public int loggedPages() {
    return loggedCount;
  }

  private static long key(int slot, int span) {
    return (long) slot << 32 | span;
  }

  private int home(long key) {
    long mixed = key * 0x9E37_79B9_7F4A_7C15L;
    return (int) (mixed >>> 40) & tableMask;
  }

  /** The frame of a page, or {@link #NONE}. Marks it as used. */
  public int find(int slot, int span) {
    long key = key(slot, span);
    for (int at = home(key); ; at = (at + 1) & tableMask) {
      int frame = table[at] - 1;
      if (frame < 0) {
        return NONE;
      }
      if (keys[frame] == key) {
        flags[frame] |= USED;
        return frame;
      }
    }
  }

  /**
   * Takes a frame for a page that is not there; its contents are what the last page left, without
   * flags. {@link #NONE} if no frame can be evicted.
   */
  public int install(int slot, int span) {
    int frame = taken < frames ? takeNew() : evict();
    if (frame == NONE) {
      return NONE;
    }
    long key = key(slot, span);
    keys[frame] = key;
    used++;
    flags[frame] = USED;
    lsns[frame] = 0;
    int at = home(key);
    while (table[at] != 0) {
      at = (at + 1) & tableMask;
    }
    table[at] = frame + 1;
    return frame;
  }

  private int takeNew() {
    if (taken % FRAMES_PER_CHUNK == 0) {
      long bytes = (long) FRAMES_PER_CHUNK * IndexPageFormat.BYTES;
      chunks[taken / FRAMES_PER_CHUNK] = arena.allocate(bytes, IndexPageFormat.BYTES).address();
    }
    return taken++;
  }

  private int evict() {
    for (int tries = 0; tries < 2 * frames; tries++) {
      int frame = hand;
      hand = hand + 1 == frames ? 0 : hand + 1;
      if ((flags[frame] & (DIRTY | PENDING | LOGGED | WRITING)) != 0 || pins[frame] != 0) {
        continue;
      }
      if ((flags[frame] & USED) != 0) {
        flags[frame] &= ~USED;
        continue;
      }
      if (keys[frame] != FREE) {
        forget(keys[frame]);
        keys[frame] = FREE;
        used--;
      }
      return frame;
    }
    return NONE;
  }

  /** Removes a key, moving back what probing had pushed behind it. */
  private void forget(long key) {
    int gap = home(key);
    while (keys[table[gap] - 1] != key) {
      gap = (gap + 1) & tableMask;
    }
    for (int at = (gap + 1) & tableMask; table[at] != 0; at = (at + 1) & tableMask) {
      int wanted = home(keys[table[at] - 1]);
      if (((at - wanted) & tableMask) >= ((at - gap) & tableMask)) {
        table[gap] = table[at];
        gap = at;
      }
    }
    table[gap] = 0;
  }

  /** Address of the page in a frame. */
  public long address(int frame) {
    return chunks[frame / FRAMES_PER_CHUNK]
        + (long) (frame % FRAMES_PER_CHUNK) * IndexPageFormat.BYTES;
  }

  /** Slot of the file of the page in a frame. */
  public int slot(int frame) {
    return (int) (keys[frame] >>> 32);
  }

  /** Span of the page in a frame. */
  public int span(int frame) {
    return (int) keys[frame];
  }

  /** Keeps a frame from being evicted; may be nested. */
  public void pin(int frame) {
    pins[frame]++;
  }

  /** Ends one {@link #pin}. */
  public void unpin(int frame) {
    if (pins[frame] <= 0) {
      throw new IllegalStateException("frame " + frame + " unpinned without a pin");
    }
    pins[frame]--;
  }

  /** State of a block, 0 to 2. */
  public int state(int frame, int block) {
    return EVERYTHING.get(
        ValueLayout.JAVA_BYTE, address(frame) + IndexPageFormat.STATES_AT + block);
  }

  /** CRC of a block whose state is data. */
  public int crc(int frame, int block) {
    return EVERYTHING.get(CRC, address(frame) + IndexPageFormat.CRCS_AT + 4L * block);
  }

  /** Copies CRCs of blocks out. */
  public void copyCrcs(int frame, int block, int blocks, MemorySegment target, long at) {
    if (blocks == 1) {
      target.set(CRC, at, crc(frame, block));
      return;
    }
    MemorySegment.copy(
        EVERYTHING, address(frame) + IndexPageFormat.CRCS_AT + 4L * block, target, at, 4L * blocks);
  }

  /** Sets the CRCs of blocks. Dirties the page. */
  public void setCrcs(int frame, int block, int blocks, MemorySegment source, long at) {
    long target = address(frame) + IndexPageFormat.CRCS_AT + 4L * block;
    if (blocks == 1) {
      EVERYTHING.set(CRC, target, source.get(CRC, at));
    } else {
      MemorySegment.copy(source, at, EVERYTHING, target, 4L * blocks);
    }
    dirty(frame);
  }

  /** Sets the CRC of one block. Dirties the page. */
  public void setCrc(int frame, int block, int crc) {
    EVERYTHING.set(CRC, address(frame) + IndexPageFormat.CRCS_AT + 4L * block, crc);
    dirty(frame);
  }

  /**
   * Sets the state of blocks and notes those that change for the log. Returns whether one changed.
   */
  public boolean setStates(int frame, int block, int blocks, int state) {
    boolean isChange = false;
    long states = address(frame) + IndexPageFormat.STATES_AT;
    for (int b = block; b < block + blocks; b++) {
      if (EVERYTHING.get(ValueLayout.JAVA_BYTE, states + b) != state) {
        EVERYTHING.set(ValueLayout.JAVA_BYTE, states + b, (byte) state);
        changed[frame * MASK_LONGS + (b >> 6)] |= 1L << b;
        isChange = true;
      }
    }
    if (isChange) {
      dirty(frame);
      if ((flags[frame] & PENDING) == 0) {
        flags[frame] |= PENDING;
        pending[pendingCount++] = frame;
      }
    }
    return isChange;
  }

  /** Sets states that the log has already, during replay: dirty and logged, not pending. */
  public void replayStates(int frame, int block, int blocks, int state, long lsn) {
    EVERYTHING
        .asSlice(address(frame) + IndexPageFormat.STATES_AT + block, blocks)
        .fill((byte) state);
    dirty(frame);
    logged(frame);
    lsns[frame] = lsn;
  }

  /** The page differs from what is in its place. */
  public void dirty(int frame) {
    if ((flags[frame] & DIRTY) == 0) {
      flags[frame] |= DIRTY;
      dirtyCount++;
    }
  }

  /** Whether the page differs from what is in its place. */
  public boolean isDirty(int frame) {
    return (flags[frame] & DIRTY) != 0;
  }

  /** The log has changes of the page that its place has not. */
  public void logged(int frame) {
    if ((flags[frame] & LOGGED) == 0) {
      flags[frame] |= LOGGED;
      loggedCount++;
    }
  }

  /** Whether the log has changes of the page that its place has not. */
  public boolean isLogged(int frame) {
    return (flags[frame] & LOGGED) != 0;
  }

  /** Up to which number the page has the changes of the log. */
  public long lsn(int frame) {
    return lsns[frame];
  }

  /** Notes up to which number the page has the changes of the log. */
  public void lsn(int frame, long lsn) {
    lsns[frame] = lsn;
  }

  /** How many frames have changes that are not in the log. */
  public int pendingFrames() {
    return pendingCount;
  }

  /** The frame that has had unlogged changes longest; only if there is one. */
  public int firstPending() {
    return pending[pendingCount - 1];
  }

  /** First block at or after {@code from} whose change is not in the log, or 512. */
  public int nextChanged(int frame, int from) {
    for (int block = from; block < IndexPageFormat.BLOCKS; ) {
      long word = changed[frame * MASK_LONGS + (block >> 6)] >>> block;
      if (word != 0) {
        return block + Long.numberOfTrailingZeros(word);
      }
      block = (block | 63) + 1;
    }
    return IndexPageFormat.BLOCKS;
  }

  /** How many blocks from {@code block} on changed to the same state and are not in the log. */
  public int changedRun(int frame, int block) {
    int state = state(frame, block);
    int end = block + 1;
    while (end < IndexPageFormat.BLOCKS
        && (changed[frame * MASK_LONGS + (end >> 6)] >>> end & 1) != 0
        && state(frame, end) == state) {
      end++;
    }
    return end - block;
  }

  /** The changes of these blocks are in the log, or nobody needs to know. */
  public void forgetChanges(int frame, int block, int blocks) {
    if (blocks == IndexPageFormat.BLOCKS) {
      Arrays.fill(changed, frame * MASK_LONGS, (frame + 1) * MASK_LONGS, 0);
      return;
    }
    for (int b = block; b < block + blocks; b++) {
      changed[frame * MASK_LONGS + (b >> 6)] &= ~(1L << b);
    }
  }

  /** All changes of {@link #firstPending} are in the log. */
  public void pendingDone() {
    int frame = pending[--pendingCount];
    flags[frame] &= ~PENDING;
    Arrays.fill(changed, frame * MASK_LONGS, (frame + 1) * MASK_LONGS, 0);
  }

  /**
   * Begins to write a page to its place: it is clean from here on unless it changes again, and
   * cannot be evicted until {@link #written}.
   */
  public void writing(int frame) {
    if ((flags[frame] & DIRTY) != 0) {
      dirtyCount--;
    }
    if ((flags[frame] & LOGGED) != 0) {
      loggedCount--;
    }
    flags[frame] &= ~(DIRTY | LOGGED | PENDING);
    flags[frame] |= WRITING;
    forgetChanges(frame, 0, IndexPageFormat.BLOCKS);
  }

  /**
   * Drops from the pending frames those that have been taken for writing; after a round of them.
   */
  public void dropWrittenFromPending() {
    int kept = 0;
    for (int i = 0; i < pendingCount; i++) {
      if ((flags[pending[i]] & PENDING) != 0) {
        pending[kept++] = pending[i];
      }
    }
    pendingCount = kept;
  }

  /** The page is in its place. */
  public void written(int frame) {
    flags[frame] &= ~WRITING;
  }

  /** Next frame at or after {@code from} that is dirty or logged, or {@link #NONE}. */
  public int nextUnwritten(int from) {
    for (int frame = from; frame < taken; frame++) {
      if ((flags[frame] & (DIRTY | LOGGED)) != 0) {
        return frame;
      }
    }
    return NONE;
  }

  @Override
  public void close() {
    arena.close();
  }
}
