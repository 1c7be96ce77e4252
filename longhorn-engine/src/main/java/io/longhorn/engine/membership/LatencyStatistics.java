package io.longhorn.engine.membership;

/**
 * Smoothed latency of one member and how much it varies, as TCP estimates its round trips: mean +=
 * (sample - mean) / 8, deviation += (|sample - mean| - deviation) / 4. Allocates nothing.
 */
final class LatencyStatistics {
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
