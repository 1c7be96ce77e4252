package io.longhorn.engine.transport;

import io.longhorn.api.memory.Loan;
import java.lang.foreign.MemorySegment;

/**
 * One connected byte stream on a {@link VolumeLoop}. Loop thread only. What is appended leaves in
 * order, together, at the end of the turn, in as few system calls as the kernel allows.
 */
public interface Stream {
  /** Bytes that may be copied in while nothing has left yet: what {@link #copy} can hold. */
  int COPY_RING_BYTES = 512 << 10;

  /** Queued bytes above which {@link #isCongested}: take no new work for this peer. */
  long CONGESTED_BYTES = 4L << 20;

  /** Copied bytes above which {@link #isCongested}: the ring keeps room for what is under way. */
  long CONGESTED_COPIED_BYTES = COPY_RING_BYTES / 4;

  /**
   * Appends a copy of {@code length} bytes. Returns false, and appends nothing, if the copy ring is
   * full; that never happens to a caller that stops at {@link #isCongested} or bounds its small
   * messages.
   */
  boolean copy(MemorySegment source, long at, int length);

  /**
   * Appends {@code length} bytes of a loan from {@code at} on; retains the loan until they have
   * left or the stream is closed.
   */
  void append(Loan loan, int at, int length);

  /** Bytes appended that have not left. */
  long queuedBytes();

  /**
   * Whether more than {@link #CONGESTED_BYTES} are queued, or more than {@link
   * #CONGESTED_COPIED_BYTES} of copies.
   */
  boolean isCongested();

  /** Reads again after {@link StreamHandler#receiveCapacity} was 0. */
  void resumeReading();

  /** Sends what is queued, then closes. */
  void closeWhenSent(String reason);

  /** Closes at once; queued bytes are dropped. Idempotent. The handler is told. */
  void close(String reason);

  /**
   * {@link #close} as soon as the current call is over: for a caller that must not be called back
   * now.
   */
  void closeLater(String reason);

  /** Whether it can still send. */
  boolean isOpen();

  /** Who is at the other end, for a log line. */
  String peer();
}
