package io.longhorn.engine.client;

import java.util.Optional;

/**
 * What a run of a {@link VerifyingLoad} did and saw.
 *
 * @param reads that were answered, each one checked
 * @param writes that were answered
 * @param zeroes that were answered
 * @param trims that were answered
 * @param flushes that were answered
 * @param bytes read and written
 * @param errors calls that failed; their effect is unknown, which the model allows for
 * @param longestPauseMillis the longest time in which nothing was answered
 * @param firstError what failed first
 * @param firstMismatch what a read should not have returned, with its offset; the run ended there
 */
public record LoadReport(
    long reads,
    long writes,
    long zeroes,
    long trims,
    long flushes,
    long bytes,
    long errors,
    long longestPauseMillis,
    Optional<String> firstError,
    Optional<String> firstMismatch) {
  /** Whether every read returned what it may. */
  public boolean isClean() {
    return firstMismatch.isEmpty();
  }

  /** All operations that were answered. */
  public long operations() {
    return reads + writes + zeroes + trims + flushes;
  }
}
