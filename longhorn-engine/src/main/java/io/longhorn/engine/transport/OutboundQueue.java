package io.longhorn.engine.transport;

import io.longhorn.api.memory.Loan;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.jspecify.annotations.Nullable;

/**
 * Bytes waiting to leave one stream: ranges of loans by reference, small messages copied into a
 * ring; neighbours in the ring are one range. Gathers up to {@link #MAX_RANGES_A_CALL} ranges for
 * one system call. Loop thread only.
 */
final class OutboundQueue {
  /** IOV_MAX of Linux. */
  static final int MAX_RANGES_A_CALL = 1024;

  /** Most bytes gathered for one call: more than a socket buffer takes. */
  private static final long MAX_BYTES_A_CALL = 4L << 20;

  private static final int IOVEC_BYTES = 16;
  private static final int FIRST_RANGES = 256;

  private final MemorySegment ring;
  private final long ringAddress;
  private final MemorySegment iovecs;

  private long[] addresses = new long[FIRST_RANGES];
  private int[] lengths = new int[FIRST_RANGES];
  private @Nullable Loan[] loans = new @Nullable Loan[FIRST_RANGES];
  private int head;
  private int count;

  /** Ring positions only grow; a position modulo the ring's size is an index. */
  private long ringHead;

  private long ringTail;
  private int headSent;
  private long bytes;

  OutboundQueue(Arena arena) {
    ring = arena.allocate(Stream.COPY_RING_BYTES, 64);
    ringAddress = ring.address();
    iovecs = arena.allocate((long) MAX_RANGES_A_CALL * IOVEC_BYTES, 16);
  }

  long bytes() {
    return bytes;
  }

  /** Bytes of the ring that are in use. */
  long copiedBytes() {
    return ringTail - ringHead;
  }

  boolean copy(MemorySegment source, long at, int length) {
    int size = Stream.COPY_RING_BYTES;
    int index = (int) (ringTail % size);
    long skip = index + length > size ? size - index : 0;
    if (ringTail + skip + length - ringHead > size) {
      return false;
    }
    ringTail += skip;
    index = (int) (ringTail % size);
    MemorySegment.copy(source, at, ring, index, length);
    long address = ringAddress + index;
    if (count > 0 && skip == 0) {
      int last = (head + count - 1) & (addresses.length - 1);
      if (loans[last] == null && addresses[last] + lengths[last] == address) {
        lengths[last] += length;
        ringTail += length;
        bytes += length;
        return true;
      }
    }
    push(address, length, null);
    ringTail += length;
    return true;
  }

  void append(Loan loan, int at, int length) {
    loan.retain();
    push(loan.address() + at, length, loan);
  }

  private void push(long address, int length, @Nullable Loan loan) {
    if (count == addresses.length) {
      grow();
    }
    int slot = (head + count) & (addresses.length - 1);
    addresses[slot] = address;
    lengths[slot] = length;
    loans[slot] = loan;
    count++;
    bytes += length;
  }

  private void grow() {
    int old = addresses.length;
    long[] nextAddresses = new long[2 * old];
    int[] nextLengths = new int[2 * old];
    @Nullable Loan[] nextLoans = new @Nullable Loan[2 * old];
    for (int i = 0; i < count; i++) {
      int slot = (head + i) & (old - 1);
      nextAddresses[i] = addresses[slot];
      nextLengths[i] = lengths[slot];
      nextLoans[i] = loans[slot];
    }
    addresses = nextAddresses;
    lengths = nextLengths;
    loans = nextLoans;
    head = 0;
  }

  /** Fills the iovec array from the head of the queue; returns how many entries. */
  int gather() {
    int ranges = 0;
    long total = 0;
    while (ranges < count && ranges < MAX_RANGES_A_CALL && total < MAX_BYTES_A_CALL) {
      int slot = (head + ranges) & (addresses.length - 1);
      int sent = ranges == 0 ? headSent : 0;
      iovecs.set(ValueLayout.JAVA_LONG, (long) ranges * IOVEC_BYTES, addresses[slot] + sent);
      iovecs.set(ValueLayout.JAVA_LONG, (long) ranges * IOVEC_BYTES + 8, lengths[slot] - sent);
      total += lengths[slot] - sent;
      ranges++;
    }
    return ranges;
  }

  long iovecAddress() {
    return iovecs.address();
  }

  /** {@code sent} bytes have left; gives loans back. */
  void sent(long sent) {
    bytes -= sent;
    long left = sent;
    while (left > 0) {
      int rest = lengths[head] - headSent;
      if (left < rest) {
        headSent += (int) left;
        if (loans[head] == null) {
          freeRingTo(addresses[head] + headSent);
        }
        return;
      }
      left -= rest;
      dropHead();
    }
  }

  /** Drops everything; gives loans back. */
  void clear() {
    while (count > 0) {
      dropHead();
    }
    bytes = 0;
  }

  private void dropHead() {
    Loan loan = loans[head];
    if (loan != null) {
      loans[head] = null;
      loan.close();
    } else {
      freeRingTo(addresses[head] + lengths[head]);
    }
    head = (head + 1) & (addresses.length - 1);
    headSent = 0;
    count--;
    if (count == 0) {
      ringHead = 0;
      ringTail = 0;
    }
  }

  /** What was copied before this address has left. */
  private void freeRingTo(long address) {
    long index = address - ringAddress;
    long position = ringHead - ringHead % Stream.COPY_RING_BYTES + index;
    ringHead = position < ringHead ? position + Stream.COPY_RING_BYTES : position;
    if (ringHead > ringTail) {
      throw new IllegalStateException("copy ring: head " + ringHead + " passed tail " + ringTail);
    }
  }
}
