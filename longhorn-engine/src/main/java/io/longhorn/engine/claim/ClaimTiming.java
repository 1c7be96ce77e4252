package io.longhorn.engine.claim;

import java.util.concurrent.TimeUnit;

/**
 * The bounds of a claim, in nanoseconds.
 *
 * @param quiesceNanos how long a claimant waits for the other engine's answer, and for the links of
 *     members
 * @param flushNanos how long an engine that has drained waits for its FLUSH before it answers a
 *     QUIESCE without it
 * @param validNanos how long after a QUIESCE was sent its answer counts (Q1); the engine that
 *     answered goes on {@link #resumeNanos} after it received it
 * @param claimBackNanos how long an engine that lost its claim does not claim
 * @param forwardNanos how long a forwarded request may go unanswered
 * @param holdNanos how long a request is held when a claim does not succeed, then EIO
 * @param retryNanos pause before the store, or a member, is asked again
 */
public record ClaimTiming(
    long quiesceNanos,
    long flushNanos,
    long validNanos,
    long claimBackNanos,
    long forwardNanos,
    long holdNanos,
    long retryNanos) {
  /** 500 ms, 400 ms, 2 s, 50 ms, 1 s, 60 s, 100 ms. */
  public static final ClaimTiming DEFAULT =
      new ClaimTiming(
          millis(500),
          millis(400),
          millis(2000),
          millis(50),
          millis(1000),
          millis(60_000),
          millis(100));

  /** All are positive; a QUIESCE is valid for longer than it is waited for. */
  public ClaimTiming {
    if (quiesceNanos <= 0
        || flushNanos <= 0
        || validNanos <= quiesceNanos
        || claimBackNanos <= 0
        || forwardNanos <= 0
        || holdNanos <= 0
        || retryNanos <= 0) {
      throw new IllegalArgumentException(
          "times have to be positive, and the answer to a QUIESCE valid for longer than it is"
              + " waited for");
    }
  }

  /** When an engine that stopped goes on without a claim: 10 % later, for clocks that differ. */
  long resumeNanos() {
    return validNanos + validNanos / 10;
  }

  private static long millis(long millis) {
    return TimeUnit.MILLISECONDS.toNanos(millis);
  }
}
