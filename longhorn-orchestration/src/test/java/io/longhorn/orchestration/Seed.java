package io.longhorn.orchestration;

import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;

/**
 * Randomness of a test: the same in every run unless {@code -Dlonghorn.seed=N} asks for another.
 */
public final class Seed {
  private static final long DEFAULT = 20_261_120;

  private Seed() {}

  /** A generator whose seed is printed. */
  public static RandomGenerator random(String test) {
    long seed = Long.getLong("longhorn.seed", DEFAULT);
    System.out.println(test + ": -Dlonghorn.seed=" + seed);
    return RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
  }
}
