package io.longhorn.orchestration.scenario;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.orchestration.sim.world.SimKnobs.Sabotage;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What random scenarios are worth: each rule that is broken on purpose is missed, and soon. */
final class SabotageTest {
  private static final int MOST_SEEDS = 100;

  /** By which invariants; one that is broken shows as another one too, whichever is seen first. */
  private static List<String> expected(Sabotage what) {
    return switch (what) {
      case REPLICA_DROPS_WRITES -> List.of("I1", "I2");
      case ENGINE_COUNTS_ONE_ANSWER -> List.of("I2");
      case REPLICA_HAS_NO_GATE -> List.of("I3");
      case ENGINE_SKIPS_RECONCILE -> List.of("I1", "I3", "I4");
      case REPLICA_FORGETS_ITS_RECORD -> List.of("I5");
      case REPLICA_IGNORES_FLUSH -> List.of("I6");
      case ENGINE_COPIES_FROM_ANYBODY -> List.of("I7");
      case REPLICA_IGNORES_LOCK, EXECUTOR_DELETES_SHARED_DIRECTORY -> List.of("I8");
      case EXECUTOR_STOPS_IN_DOUBT -> List.of("I9");
    };
  }

  @ParameterizedTest
  @EnumSource(Sabotage.class)
  void whatIsDoneWrongIsFound(Sabotage what) {
    List<String> found = new ArrayList<>();
    for (long seed = 1; seed <= MOST_SEEDS; seed++) {
      Optional<String> failure = RandomScenario.play(seed, false, EnumSet.of(what)).failure();
      failure.ifPresent(found::add);
      boolean isExpected =
          failure.filter(why -> expected(what).stream().anyMatch(why::startsWith)).isPresent();
      if (isExpected) {
        return;
      }
    }
    assertThat(found).as("what %s shows as", what).containsAnyOf("one of " + expected(what));
  }
}
