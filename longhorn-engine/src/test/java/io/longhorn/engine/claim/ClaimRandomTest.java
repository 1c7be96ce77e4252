package io.longhorn.engine.claim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.fail;

import io.longhorn.engine.claim.ClaimRules.Rule;
import io.longhorn.engine.claim.ClaimWorld.Action;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Thousands of small worlds, each from its seed: whatever the guest does on both sides of a
 * migration, no read is stale or contradicts another, no acknowledged write is lost, no old one
 * comes back, there is one writer, and the migration ends when the trouble is over. With any rule
 * switched off the same worlds show why it exists.
 */
final class ClaimRandomTest {
  private static final int STEPS = 800;
  private static final int RUNS = Integer.getInteger("claim.runs", 2000);

  @Test
  void nothingIsStaleOrLostAndTheMigrationEnds() {
    long servings = 0;
    long acks = 0;
    long reads = 0;
    long flushes = 0;
    for (long seed = 1; seed <= RUNS; seed++) {
      ClaimWorld world = world(seed, ClaimRules.ALL, Action.NOTHING, false);
      String violation = run(world, true);
      if (!violation.isEmpty()) {
        ClaimWorld told = world(seed, ClaimRules.ALL, Action.NOTHING, true);
        run(told, true);
        fail("seed " + seed + ": " + violation + "\n" + told.story());
      }
      servings += world.servings();
      acks += world.acks();
      reads += world.reads();
      flushes += world.flushes();
    }
    System.out.printf(
        "claim: seeds 1 to %d, %d times an engine began to serve, %d writes, %d reads, %d flushes%n",
        RUNS, servings, acks, reads, flushes);
    assertThat(servings).isGreaterThan(4L * RUNS);
    assertThat(acks).isGreaterThan(5L * RUNS);
    assertThat(reads).isGreaterThan(5L * RUNS);
    assertThat(flushes).isGreaterThan(RUNS);
  }

  /** Each rule is needed: without it one of the first so many seeds breaks a property. */
  @ParameterizedTest
  @CsvSource({
    "K1, CUT, 500",
    "K2, NOTHING, 500",
    "K3, SPLIT, 2000",
    "K4, CUT_PEER, 2000",
    "K5, NOTHING, 1000",
    "K6, NOTHING, 2000",
    "K7, NOTHING, 4000",
    "C1, NOTHING, 500",
    "F1, NOTHING, 1000",
    "Q1, CUT, 2000"
  })
  void withoutItSomethingGoesWrong(Rule rule, Action focus, int seeds) {
    for (long seed = 1; seed <= seeds; seed++) {
      String violation = run(world(seed, ClaimRules.without(rule), focus, false), false);
      if (!violation.isEmpty()) {
        System.out.printf("claim, without %s: seed %d of %d: %s%n", rule, seed, seeds, violation);
        return;
      }
    }
    fail("without " + rule + " nothing went wrong in seeds 1 to " + seeds);
  }

  private static ClaimWorld world(long seed, ClaimRules rules, Action focus, boolean isTold) {
    return new ClaimWorld(seed, 2 + (int) (seed % 2), rules, focus, isTold);
  }

  private static String run(ClaimWorld world, boolean heals) {
    try {
      world.run(STEPS);
      if (heals) {
        world.heal();
      }
      return "";
    } catch (ClaimWorld.Violation e) {
      return e.getMessage();
    }
  }
}
