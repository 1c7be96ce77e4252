package io.longhorn.engine.membership;

import io.longhorn.api.membership.MembershipRecord;
import java.util.Arrays;

/**
 * Whether this engine may still answer reads (K3): only while every member of the sets in force has
 * answered a request that was sent less than {@link #READ_WINDOW_NANOS} ago. A member that has
 * promised to another engine answers no more, so the permission ends by itself, and the other
 * engine waits that out before it acknowledges anything. Any answered frame of the session counts,
 * PROMISE and PING included; the time that counts is when it was <i>sent</i>. Loop thread;
 * allocates nothing.
 *
 * <p>Check it when a read is answered to the client, not only when it is sent to a member. If it
 * does not hold, PING the required members and answer when it holds again.
 */
public final class ReadWindow {
  /** How long an answer stands for its member. */
  public static final long READ_WINDOW_NANOS = 1_000_000_000L;

  /** How long an opener waits: the window and 10 % for clocks that run differently. */
  public static final long WAIT_NANOS = READ_WINDOW_NANOS + READ_WINDOW_NANOS / 10;

  private final long[] sentNanos = new long[MembershipRecord.MAX_REPLICAS];
  private int known;

  /** Nothing has been answered yet. */
  public ReadWindow() {}

  /**
   * A request of the session was answered.
   *
   * @param index of the member in the configured list
   * @param requestSentNanos when the request was sent
   */
  public void answered(int index, long requestSentNanos) {
    int bit = 1 << index;
    if ((known & bit) == 0 || requestSentNanos - sentNanos[index] > 0) {
      sentNanos[index] = requestSentNanos;
      known |= bit;
    }
  }

  /** The session is over: nothing that it answered counts. */
  public void ended(int index) {
    known &= ~(1 << index);
  }

  /** All sessions are over. */
  public void endedAll() {
    known = 0;
    Arrays.fill(sentNanos, 0);
  }

  /**
   * Whether reads may be answered now.
   *
   * @param requiredMask members of all sets in force; not empty
   */
  public boolean mayServeReads(long nowNanos, int requiredMask) {
    if (requiredMask == 0 || (requiredMask & ~known) != 0) {
      return false;
    }
    for (int left = requiredMask; left != 0; left &= left - 1) {
      if (nowNanos - sentNanos[Integer.numberOfTrailingZeros(left)] >= READ_WINDOW_NANOS) {
        return false;
      }
    }
    return true;
  }

  /**
   * Which of these members should be sent a PING: those whose last answered request was sent more
   * than {@code afterNanos} ago. A quarter of the window keeps an idle volume readable.
   */
  public int needsPing(long nowNanos, int mask, long afterNanos) {
    int wanted = mask & ~known;
    for (int left = mask & known; left != 0; left &= left - 1) {
      int index = Integer.numberOfTrailingZeros(left);
      if (nowNanos - sentNanos[index] >= afterNanos) {
        wanted |= 1 << index;
      }
    }
    return wanted;
  }
}
