package io.longhorn.replica.posix;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.function.DoubleSupplier;
import java.util.function.IntUnaryOperator;

/** Bytes that the calling thread puts on the heap per round of something, once compiled. */
public final class Allocation {
  /**
   * Half the smallest object: more than this in the mean is an object in every other round. What is
   * left below it on a busy machine are wake-ups, not rounds.
   */
  public static final double NOTHING = 8;

  private static final int ROUNDS = 5_000;

  /** How long the compiler may take: on a busy machine it is behind. */
  private static final Duration PATIENCE = Duration.ofSeconds(40);

  private Allocation() {}

  /**
   * What the calling thread allocates per round.
   *
   * @param rounds does as many rounds as it is told
   */
  public static double perRound(IntUnaryOperator rounds) {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    return lowest(() -> {
      long before = threads.getCurrentThreadAllocatedBytes();
      int sink = rounds.applyAsInt(ROUNDS);
      long after = threads.getCurrentThreadAllocatedBytes();
      return sink == Integer.MIN_VALUE ? Double.NaN : (after - before) / (double) ROUNDS;
    });
  }

  /**
   * The lowest figure of as many batches as it takes to be nothing: the first ones run interpreted
   * and link the call sites, and how long that lasts is the compiler's affair.
   *
   * @param batch runs a batch and answers the bytes per round
   */
  public static double lowest(DoubleSupplier batch) {
    long deadline = System.nanoTime() + PATIENCE.toNanos();
    double lowest = Double.MAX_VALUE;
    while (lowest >= NOTHING && System.nanoTime() < deadline) {
      lowest = Math.min(lowest, batch.getAsDouble());
    }
    return lowest;
  }
}
