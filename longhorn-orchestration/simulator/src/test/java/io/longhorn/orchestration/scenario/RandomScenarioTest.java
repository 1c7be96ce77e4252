package io.longhorn.orchestration.scenario;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** A thousand random scenarios; {@code ./build sim} plays more. */
@Tag("long")
final class RandomScenarioTest {
  private static final long FIRST = 1;
  private static final long SEEDS = 1_000;

  @Test
  void whateverHappensItEndsWellAndNothingIsLost() {
    RandomRun run = new RandomRun(FIRST);
    run.run(() -> run.begun(FIRST) >= SEEDS, 3);
    assertThat(run.lines()).as(run.summary()).isEmpty();
  }

  @Test
  void theSameSeedGivesTheSameTrace() {
    String trace = RandomScenario.play(7, true).trace();
    assertThat(trace).isNotEmpty().isEqualTo(RandomScenario.play(7, true).trace());
    assertThat(trace).isNotEqualTo(RandomScenario.play(8, true).trace());
  }
}
