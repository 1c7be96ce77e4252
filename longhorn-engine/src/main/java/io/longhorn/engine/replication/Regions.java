package io.longhorn.engine.replication;

/**
 * What the core asks of, and tells, the one who keeps the write-intent regions of its volume. Loop
 * thread only; allocates nothing.
 */
public interface Regions {
  /** Whether members may differ in the range since an unclean stop (E1). */
  boolean isUnreconciled(long offset, int length);

  /**
   * Members may differ in the range from now on: a write failed on all of them, or was given up.
   */
  void unreconciled(long offset, int length);

  /** A write, zero or trim of the range is about to be sent; one that makes members equal too. */
  void writeSent(long offset, int length);

  /** The same range, once: every member it was sent to has answered or is lost. */
  void writeEnded(long offset, int length);

  /** Whether a FLUSH of all members now covers everything acknowledged (E8); if not, it waits. */
  boolean mayFlush();

  /** A FLUSH is about to be sent to every required member; returns its number. */
  long flushSent();

  /** The FLUSH of that number was answered by every required member (E5), or failed. */
  void flushEnded(long number, boolean isDurable);
}
