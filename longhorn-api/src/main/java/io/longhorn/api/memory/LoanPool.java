package io.longhorn.api.memory;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Lends page-aligned off-heap blocks of a few sizes, last returned first (warm in cache). One owner
 * thread. Memory is taken in slabs as it is first needed, up to a limit in bytes, and freed all at
 * once by {@link #close} or {@link #closeWhenBack}, never while a loan is out. In steady state it
 * allocates nothing.
 *
 * <p>A slab is cut into blocks of one size. At the limit a slab that has all of its blocks back is
 * cut anew for the size that is asked for: whatever was lent before, a pool that has everything
 * back can lend any size.
 */
public final class LoanPool implements AutoCloseable {
  /** Block sizes, ascending; a request is served from the smallest that fits. */
  private static final int[] SIZES = {4 << 10, 32 << 10, 128 << 10, 256 << 10};

  /** Largest block that can be lent. */
  public static final int MAX_BLOCK_BYTES = SIZES[SIZES.length - 1];

  private static final int PAGE_BYTES = 4096;
  private static final int SLAB_BYTES = 512 << 10;

  private final long limitBytes;
  private final Arena arena = Arena.ofShared();
  private final List<List<Loan>> free = new ArrayList<>();
  private final List<Slab> slabs = new ArrayList<>();
  private int lent;
  private boolean isClosed;

  /** A piece of memory and its blocks, by the size it was ever cut to. */
  static final class Slab {
    private final MemorySegment memory;
    private final Loan[] @Nullable [] blocks = new Loan[SIZES.length][];
    private int sizeClass;
    private int lent;

    private Slab(MemorySegment memory) {
      this.memory = memory;
    }
  }

  /**
   * A pool that grows to at most {@code limitBytes} of off-heap memory.
   *
   * @param limitBytes at least one slab (512 KiB)
   */
  public LoanPool(long limitBytes) {
    if (limitBytes < SLAB_BYTES) {
      throw new IllegalArgumentException(
          "limit of " + limitBytes + " bytes is less than one slab of " + SLAB_BYTES);
    }
    this.limitBytes = limitBytes;
    for (int i = 0; i < SIZES.length; i++) {
      free.add(new ArrayList<>());
    }
  }

  /**
   * Lends a block of at least {@code bytes}, or returns null when the pool is at its limit: the
   * caller stops taking work and tries again when a loan has come back.
   *
   * @param bytes 0 to {@link #MAX_BLOCK_BYTES}
   */
  public @Nullable Loan take(int bytes) {
    int sizeClass = sizeClass(bytes);
    if (isClosed) {
      throw new IllegalStateException("loan pool is closed");
    }
    List<Loan> list = free.get(sizeClass);
    if (list.isEmpty() && !grow(sizeClass)) {
      return null;
    }
    Loan loan = list.removeLast();
    loan.lent();
    loan.slab().lent++;
    lent++;
    return loan;
  }

  /** How many loans are out. */
  public int lent() {
    return lent;
  }

  /** Off-heap memory taken so far, in bytes; never more than the limit. */
  public long takenBytes() {
    return (long) slabs.size() * SLAB_BYTES;
  }

  void giveBack(Loan loan) {
    free.get(loan.slab().sizeClass).add(loan);
    loan.slab().lent--;
    lent--;
    if (isClosed && lent == 0) {
      arena.close();
    }
  }

  /**
   * Frees the memory; nothing can be taken any more. Nobody may hold a loan; throws {@link
   * IllegalStateException} if somebody does. Closing again does nothing.
   */
  @Override
  public void close() {
    if (lent != 0) {
      throw new IllegalStateException(lent + " loans are still out");
    }
    if (!isClosed) {
      isClosed = true;
      arena.close();
    }
  }

  /**
   * {@link #close} for an owner that ends before its borrowers: nothing can be taken any more, and
   * the memory is freed when the last loan is back, which may be now.
   */
  public void closeWhenBack() {
    if (!isClosed) {
      isClosed = true;
      if (lent == 0) {
        arena.close();
      }
    }
  }

  private static int sizeClass(int bytes) {
    for (int i = 0; bytes >= 0 && i < SIZES.length; i++) {
      if (bytes <= SIZES[i]) {
        return i;
      }
    }
    throw new IllegalArgumentException(
        bytes + " bytes are not 0 to the largest block of " + MAX_BLOCK_BYTES);
  }

  private boolean grow(int sizeClass) {
    if (takenBytes() + SLAB_BYTES <= limitBytes) {
      Slab slab = new Slab(arena.allocate(SLAB_BYTES, PAGE_BYTES));
      slabs.add(slab);
      cut(slab, sizeClass);
      return true;
    }
    for (Slab slab : slabs) {
      if (slab.lent == 0) {
        free.get(slab.sizeClass).removeIf(loan -> loan.slab() == slab);
        cut(slab, sizeClass);
        return true;
      }
    }
    return false;
  }

  private void cut(Slab slab, int sizeClass) {
    slab.sizeClass = sizeClass;
    Loan[] blocks = slab.blocks[sizeClass];
    if (blocks == null) {
      int size = SIZES[sizeClass];
      blocks = new Loan[SLAB_BYTES / size];
      for (int i = 0; i < blocks.length; i++) {
        blocks[i] = new Loan(this, slab, slab.memory.asSlice((long) i * size, size));
      }
      slab.blocks[sizeClass] = blocks;
    }
    List<Loan> list = free.get(sizeClass);
    for (int i = blocks.length - 1; i >= 0; i--) {
      list.add(blocks[i]);
    }
  }
}
