package io.longhorn.engine.membership;

import io.longhorn.api.membership.MembershipRecord;

/**
 * Which members look failed: those with a request that is unanswered for unusually long by their
 * own latency statistics, while another member has answered a request that was sent later. So a
 * slow client, a slow network of this engine, or a disk that is slow everywhere accuses nobody.
 * Never below {@link #FLOOR_NANOS}; at most {@link #CEILING_NANOS} for requests that do not sync.
 *
 * <p>When the loop itself stood still (SIGCONT, a collection), deadlines restart: nobody could have
 * been heard. Idle members are sent PING by the caller, so that there always is a request.
 *
 * <p>Loop thread; allocates nothing; time enters as nanoseconds of a monotonic clock.
 */
public final class SuspicionCore {
  /** What a request waits for; they have statistics of their own. */
  public enum Kind {
    /** READ, WRITE, ZERO, TRIM, PING. */
    ANSWER,
    /** FLUSH and FUA: a disk's cache may take seconds to empty. */
    SYNC
  }

  /** No {@link Kind#ANSWER} is unusual before this. */
  public static final long FLOOR_NANOS = 1_000_000_000L;

  /** Every {@link Kind#ANSWER} is unusual after this. */
  public static final long CEILING_NANOS = 2_000_000_000L;

  /** No {@link Kind#SYNC} is unusual before this. */
  public static final long SYNC_FLOOR_NANOS = 10_000_000_000L;

  /** Every {@link Kind#SYNC} is unusual after this. */
  public static final long SYNC_CEILING_NANOS = 60_000_000_000L;

  /** A pause between two turns of the loop that counts as standing still. */
  public static final long STALL_NANOS = 400_000_000L;

  /** Stands for no unanswered request. */
  public static final long NONE = Long.MIN_VALUE;

  private final LatencyStatistics[] answers = new LatencyStatistics[MembershipRecord.MAX_REPLICAS];
  private final LatencyStatistics[] syncs = new LatencyStatistics[MembershipRecord.MAX_REPLICAS];
  private final long[] answeredSentNanos = new long[MembershipRecord.MAX_REPLICAS];
  private int hasAnswered;
  private boolean hasTurned;
  private long turnNanos;
  private long restartNanos;

  /** Knows nobody yet. */
  public SuspicionCore() {
    for (int i = 0; i < answers.length; i++) {
      answers[i] = new LatencyStatistics();
      syncs[i] = new LatencyStatistics();
    }
  }

  /** A member answered. */
  public void answered(int index, Kind kind, long sentNanos, long nowNanos) {
    int bit = 1 << index;
    if ((hasAnswered & bit) == 0 || sentNanos - answeredSentNanos[index] > 0) {
      answeredSentNanos[index] = sentNanos;
      hasAnswered |= bit;
    }
    long counted = Math.max(0, Math.min(nowNanos - sentNanos, nowNanos - restartNanos));
    statistics(index, kind).sample(hasTurned ? counted : nowNanos - sentNanos);
  }

  /** The member's link is over; a new one starts without a past. */
  public void reset(int index) {
    hasAnswered &= ~(1 << index);
    answers[index].reset();
    syncs[index].reset();
  }

  /**
   * Says that the loop turns; to be called at least every 100 ms, before {@link #suspects}.
   * Restarts the deadlines if it stood still for {@link #STALL_NANOS} or longer.
   */
  public void turned(long nowNanos) {
    if (!hasTurned || nowNanos - turnNanos >= STALL_NANOS) {
      restartNanos = nowNanos;
    }
    hasTurned = true;
    turnNanos = nowNanos;
  }

  /**
   * The members that look failed.
   *
   * @param membersMask members to judge and to compare with: those with a link
   * @param oldestAnswerNanos per index, when the oldest unanswered request of {@link Kind#ANSWER}
   *     was sent, or {@link #NONE}
   * @param oldestSyncNanos the same for {@link Kind#SYNC}
   */
  public int suspects(
      long nowNanos, int membersMask, long[] oldestAnswerNanos, long[] oldestSyncNanos) {
    int suspects = 0;
    for (int left = membersMask; left != 0; left &= left - 1) {
      int index = Integer.numberOfTrailingZeros(left);
      if (isOverdue(nowNanos, index, Kind.ANSWER, oldestAnswerNanos[index], membersMask)
          || isOverdue(nowNanos, index, Kind.SYNC, oldestSyncNanos[index], membersMask)) {
        suspects |= 1 << index;
      }
    }
    return suspects;
  }

  /** How long a request of this kind may take at this member, in nanoseconds. */
  public long deadlineNanos(int index, Kind kind) {
    long unusual = statistics(index, kind).unusualNanos();
    return switch (kind) {
      case ANSWER -> Math.clamp(unusual, FLOOR_NANOS, CEILING_NANOS);
      case SYNC -> Math.clamp(unusual, SYNC_FLOOR_NANOS, SYNC_CEILING_NANOS);
    };
  }

  private LatencyStatistics statistics(int index, Kind kind) {
    return switch (kind) {
      case ANSWER -> answers[index];
      case SYNC -> syncs[index];
    };
  }

  private boolean isOverdue(
      long nowNanos, int index, Kind kind, long oldestNanos, int membersMask) {
    if (oldestNanos == NONE) {
      return false;
    }
    long since = hasTurned && restartNanos - oldestNanos > 0 ? restartNanos : oldestNanos;
    return nowNanos - since >= deadlineNanos(index, kind)
        && anotherAnsweredLater(index, oldestNanos, membersMask);
  }

  private boolean anotherAnsweredLater(int index, long oldestNanos, int membersMask) {
    for (int left = membersMask & hasAnswered & ~(1 << index); left != 0; left &= left - 1) {
      int other = Integer.numberOfTrailingZeros(left);
      if (answeredSentNanos[other] - oldestNanos > 0) {
        return true;
      }
    }
    return false;
  }

  /**
   * Smoothed latency of one member and how much it varies, as TCP estimates its round trips: mean
   * += (sample - mean) / 8, deviation += (|sample - mean| - deviation) / 4. Allocates nothing.
   */
  static final class LatencyStatistics {
    private static final int MEAN_SHIFT = 3;
    private static final int DEVIATION_SHIFT = 2;

    private long meanNanos;
    private long deviationNanos;
    private boolean hasSample;

    /** Takes a sample; a negative one (a clock that went back) counts as 0. */
    void sample(long latencyNanos) {
      long latency = Math.max(0, latencyNanos);
      if (!hasSample) {
        hasSample = true;
        meanNanos = latency;
        deviationNanos = latency / 2;
        return;
      }
      long difference = latency - meanNanos;
      meanNanos += difference >> MEAN_SHIFT;
      deviationNanos += (Math.abs(difference) - deviationNanos) >> DEVIATION_SHIFT;
    }

    /** What an answer should not take longer than: mean and eight deviations; 0 before a sample. */
    long unusualNanos() {
      return meanNanos + 8 * deviationNanos;
    }

    void reset() {
      meanNanos = 0;
      deviationNanos = 0;
      hasSample = false;
    }
  }
}
