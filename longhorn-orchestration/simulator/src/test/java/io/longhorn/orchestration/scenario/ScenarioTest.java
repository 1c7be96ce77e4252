package io.longhorn.orchestration.scenario;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/**
 * One test for each scenario file. {@code -Dscenarios.rewrite} writes their outputs anew; what they
 * expect has to hold then too. {@code -Dscenarios.only=2.1} plays those whose names begin so,
 * {@code -Dscenarios.seeds=100} with as many different timings.
 */
final class ScenarioTest {
  private static final long SEED = 1;

  /** Played on as many seeds. */
  private static final long SEEDS = Long.getLong("scenarios.seeds", 3);

  /** No scenario lets the control plane store as many objects. */
  private static final int MOST_WRITES = 400;

  @TestFactory
  Stream<DynamicTest> everyScenarioGoesAsItsFileSays() {
    String only = System.getProperty("scenarios.only", "");
    return Scenario.all().stream()
        .filter(scenario -> scenario.name().startsWith(only))
        .map(scenario -> DynamicTest.dynamicTest(scenario.name(), () -> play(scenario)));
  }

  private static void play(Scenario scenario) throws IOException {
    assertThat(scenario.title()).startsWith(scenario.number() + "  ");
    assertThat(List.of("Seed", "Promise", "Guest", "Nodes"))
        .allMatch(fact -> scenario.fact(fact).isPresent());
    String played = scenario.render(new Play(scenario, SimStage.onSeed(SEED), 0).run());
    if (System.getProperty("scenarios.rewrite") != null) {
      Files.writeString(Scenario.folder().resolve(scenario.name() + Scenario.ENDING), played);
    } else {
      assertThat(played).isEqualTo(scenario.render(scenario.outputs()));
    }
    if (Play.isWithKills(scenario)) {
      playWithKills(scenario);
    } else {
      playOnOtherSeeds(scenario);
    }
  }

  /** Every delay is another one: what it prints may differ then, what it expects may not. */
  private static void playOnOtherSeeds(Scenario scenario) {
    for (long seed = SEED + 1; seed <= SEEDS; seed++) {
      try {
        new Play(scenario, SimStage.onSeed(seed), 0).run();
      } catch (AssertionError | RuntimeException e) {
        throw new AssertionError("on seed " + seed + ": " + e.getMessage(), e);
      }
    }
  }

  /** What it prints may differ then; what it expects may not, but for one line that is lost. */
  private static void playWithKills(Scenario scenario) {
    int writes = 1;
    boolean wasKilled = true;
    while (wasKilled) {
      Play play = new Play(scenario, SimStage.onSeed(SEED), writes);
      try {
        play.run();
      } catch (AssertionError | RuntimeException e) {
        throw new AssertionError("killed after write " + writes + ": " + e.getMessage(), e);
      }
      wasKilled = play.wasKilled();
      writes++;
      assertThat(writes).isLessThan(MOST_WRITES);
    }
    assertThat(writes).as("it was never killed").isGreaterThan(2);
  }
}
