package io.longhorn.orchestration.decision.lifecycle;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.Volume.State;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.Settings;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** 7.2/10: what has a volume mounted that was lost is started anew. */
final class RemountPlannerTest {
  private static StoredVolume world(boolean isAutomatic) {
    StoredVolume world = new StoredVolume(State.DETACHED, "-", "-");
    world.cluster.put(
        Settings.setting(Settings.Key.AUTO_DELETE_POD, Boolean.toString(isAutomatic)));
    return world;
  }

  @ParameterizedTest
  @CsvSource({
    "true,  'anew, and is restarted if something starts it again'",
    "false, 'anew; auto-delete-pod-when-volume-detached-unexpectedly is off: a person has to do that'",
  })
  void itIsToldOnceEachTime(boolean isAutomatic, String ends) {
    StoredVolume world = world(isAutomatic);
    for (long at : new long[] {50, 60}) {
      world.cluster.told.clear();
      world.plan((draft, volume) -> {
        Volume lost = volume.with(volume.status().withRemountRequested(at));
        draft.put(lost);
        RemountPlanner.plan(draft, lost);
      });
      assertThat(world.told()).containsExactly("RemountRequested");
      assertThat(world.cluster.told.getFirst().message()).endsWith(ends);
      world.cluster.told.clear();
      assertThat(world.plan(RemountPlanner::plan)).as("known").isEmpty();
    }
  }

  @ParameterizedTest
  @CsvSource({
    // automatic, something starts it again, started, lost, now -> to be restarted
    "true,  true,  900,  1000, 6000,  true",
    "true,  true,  999,  1000, 60000, true",
    "true,  true,  1000, 1000, 60000, false",
    "true,  true,  1001, 1000, 60000, false",
    "true,  true,  900,  1000, 5999,  false",
    "true,  true,  900,  0,    60000, false",
    "true,  false, 900,  1000, 60000, false",
    "false, true,  900,  1000, 60000, false",
  })
  void whoIsRestarted(
      boolean isAutomatic, boolean hasOwner, long started, long lost, long now, boolean expected) {
    StoredVolume world = world(isAutomatic);
    Volume volume = world.volume().with(world.volume().status().withRemountRequested(lost));
    Settings settings = new Draft(world.cluster.blankView()).settings();
    assertThat(RemountPlanner.isToBeRestarted(settings, volume, hasOwner, started, now))
        .isEqualTo(expected);
  }

  @Test
  void whatWasNeverLostIsNotToldOf() {
    assertThat(world(true).plan(RemountPlanner::plan)).isEmpty();
  }
}
