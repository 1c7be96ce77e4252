package io.longhorn.engine.membership;

import java.util.concurrent.TimeUnit;

/**
 * How long an opening waits for members, in nanoseconds.
 *
 * @param graceNanos from the first answer, and again from the first promise asked for, until an
 *     opening goes on without members that do not answer
 * @param retryNanos pause after another engine was in the way; engines that start together should
 *     have different ones
 * @param refreshNanos how old the answers of replicas may be while there are too few
 */
public record MembershipTiming(long graceNanos, long retryNanos, long refreshNanos) {
  /** 2 s, 0.3 s, 5 s. */
  public static final MembershipTiming DEFAULT =
      new MembershipTiming(
          TimeUnit.SECONDS.toNanos(2), TimeUnit.MILLISECONDS.toNanos(300), 5_000_000_000L);

  /** All are positive. */
  public MembershipTiming {
    if (graceNanos <= 0 || retryNanos <= 0 || refreshNanos <= 0) {
      throw new IllegalArgumentException(
          "times have to be positive: " + graceNanos + ", " + retryNanos + ", " + refreshNanos);
    }
  }
}
