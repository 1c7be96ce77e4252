package io.longhorn.api.memory;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;

/**
 * A lent block of off-heap memory with one responsible party, who closes it. Page-aligned. A loan
 * has one owner thread (its pool's); other threads may touch the bytes while the owner waits for
 * them, but only the owner takes, retains and closes.
 */
public final class Loan implements AutoCloseable {
  private final LoanPool pool;
  private final LoanPool.Slab slab;
  private final MemorySegment segment;
  private final ByteBuffer buffer;
  private final long address;
  private int references;

  Loan(LoanPool pool, LoanPool.Slab slab, MemorySegment segment) {
    this.pool = pool;
    this.slab = slab;
    this.segment = segment;
    this.buffer = segment.asByteBuffer();
    this.address = segment.address();
  }

  void lent() {
    references = 1;
    buffer.clear();
  }

  LoanPool.Slab slab() {
    return slab;
  }

  /** The memory, whole capacity; contents are whatever the last borrower left. */
  public MemorySegment segment() {
    return segment;
  }

  /**
   * The same memory as a direct buffer; position and limit belong to the responsible party and are
   * those of the whole block when it is lent. Big-endian as buffers are.
   */
  public ByteBuffer buffer() {
    return buffer;
  }

  /** Address of the first byte, for system calls; page-aligned. */
  public long address() {
    return address;
  }

  /** Bytes in the block. */
  public int capacity() {
    return buffer.capacity();
  }

  /** Adds one responsible party; each one closes once. */
  public void retain() {
    if (references <= 0) {
      throw new IllegalStateException("loan retained after it was given back");
    }
    references++;
  }

  /**
   * Gives the block back when the last responsible party closes; throws {@link
   * IllegalStateException} if closed too often.
   */
  @Override
  public void close() {
    if (references <= 0) {
      throw new IllegalStateException("loan closed twice");
    }
    if (--references == 0) {
      pool.giveBack(this);
    }
  }
}
