package io.longhorn.engine.reconcile;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.fail;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Thousands of small worlds, each from its seed: no read is stale or contradicts an earlier one,
 * members differ only where one has a mark, nobody is marked as equal who has what others had on
 * its disk not, and in the end all are equal, on disk, without marks. With any rule switched off
 * the same worlds show why it exists.
 */
final class ReconcileRandomTest {
  private static final int STEPS = 800;
  private static final int RUNS = Integer.getInteger("reconcile.runs", 2000);

  @Test
  void readsNeverContradictAndMarksCoverEveryDifference() {
    long reads = 0;
    long returns = 0;
    long clears = 0;
    for (long seed = 1; seed <= RUNS; seed++) {
      Outcome outcome = run(seed, "", true, false);
      if (!outcome.violation.isEmpty()) {
        Outcome told = run(seed, "", true, true);
        fail("seed " + seed + ": " + told.violation + "\n" + told.world.story());
      }
      reads += outcome.world.reads();
      returns += outcome.world.returns();
      clears += outcome.world.clears();
    }
    System.out.printf(
        "reconcile: seeds 1 to %d, %d reads, %d returns, %d marks cleared%n",
        RUNS, reads, returns, clears);
    assertThat(reads).isGreaterThan(30L * RUNS);
    assertThat(returns).isGreaterThan(RUNS / 2);
    assertThat(clears).isGreaterThan(RUNS);
  }

  @ParameterizedTest
  @CsvSource({
    "E1, 300",
    "E2, 300",
    "E3, 3000",
    "E4, 4000",
    "E5, 3000",
    "E6, 1000",
    "E7, 1000",
    "E8, 8000",
    "E9, 1000",
    "K1, 100"
  })
  void withoutItAReadIsWrong(String rule, int seeds) {
    for (long seed = 1; seed <= seeds; seed++) {
      Outcome outcome = run(seed, rule, false, false);
      if (!outcome.violation.isEmpty()) {
        System.out.printf(
            "reconcile without %s: seed %d of %d: %s%n", rule, seed, seeds, outcome.violation);
        return;
      }
    }
    fail("without " + rule + " nothing went wrong in seeds 1 to " + seeds);
  }

  private record Outcome(String violation, ReconcileWorld world) {}

  private static Outcome run(long seed, String without, boolean heals, boolean isTold) {
    ReconcileRules rules =
        new ReconcileRules(
            !"E1".equals(without),
            !"E3".equals(without),
            !"E4".equals(without),
            !"E5".equals(without),
            !"E6".equals(without),
            !"E7".equals(without),
            !"E8".equals(without),
            !"E9".equals(without));
    ReconcileWorld.CallerRules caller =
        new ReconcileWorld.CallerRules(!"E2".equals(without), !"K1".equals(without));
    ReconcileWorld world = new ReconcileWorld(seed, 2 + (int) (seed % 2), rules, caller, isTold);
    try {
      world.run(STEPS);
      if (heals) {
        world.heal();
      }
    } catch (ReconcileWorld.Violation e) {
      return new Outcome(e.getMessage(), world);
    }
    return new Outcome("", world);
  }
}
