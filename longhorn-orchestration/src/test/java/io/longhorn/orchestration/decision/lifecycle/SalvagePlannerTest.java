package io.longhorn.orchestration.decision.lifecycle;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Replica.Health;
import io.longhorn.api.cluster.Volume.Robustness;
import io.longhorn.api.cluster.Volume.State;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.decision.Settings;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Rule 7.2/7 and section 7.3/1: how a volume that is faulted can be used again. */
final class SalvagePlannerTest {
  private static final long NOW = StoredVolume.NOW;

  /** All that have failed did so just now, after they were in sync. */
  private static StoredVolume world(String failed, String members) {
    StoredVolume world = new StoredVolume(State.DETACHED, "-", "-");
    world.healthyReplicas(InstanceView.State.STOPPED);
    world.record(0, numbers(members));
    for (int node : numbers(failed)) {
      fail(world, node, Health.NEW.healthy(1_000).failed(NOW - node));
    }
    world.cluster.change("v", volume -> volume.with(volume.status().with(Robustness.FAULTED, 1)));
    return world;
  }

  private static void fail(StoredVolume world, int node, Health health) {
    Replica replica = world.replica(node);
    world.cluster.put(replica.with(replica.spec().withHealth(health)));
  }

  private static Integer[] numbers(String words) {
    return List.of(words.split(" ", -1)).stream().map(Integer::valueOf).toArray(Integer[]::new);
  }

  private static String failed(StoredVolume world) {
    List<String> failed = new ArrayList<>();
    for (int node = 1; node <= StoredVolume.REPLICAS; node++) {
      if (world.replica(node).spec().health().isFailed()) {
        failed.add(Integer.toString(node));
      }
    }
    return String.join(" ", failed);
  }

  private static Robustness planned(StoredVolume world) {
    world.plan(SalvagePlanner::plan);
    return world.volume().status().robustness();
  }

  @ParameterizedTest
  @CsvSource({
    // rule, failed, in the newest record -> robustness, failed, told
    "7.2/7, 1,     1 2 3, UNKNOWN, 1,     -",
    "7.2/7, 1 2,   1 2 3, UNKNOWN, 1 2,   -",
    "7.2/7, 2 3,   1,     UNKNOWN, 2 3,   -",
    "7.3/1,   1 2 3, 1 2 3, UNKNOWN, '',    AutoSalvaged",
    // only who has the newest data, although another one failed later, or has not failed at all
    "7.3/1,   1 2 3, 1,     UNKNOWN, 2 3,   AutoSalvaged",
    "7.3/1,   1 2 3, 2 3,   UNKNOWN, 1,     AutoSalvaged",
    "7.3/1,   1,     1,     UNKNOWN, '',    AutoSalvaged",
    "7.3/1,   2,     2,     UNKNOWN, '',    AutoSalvaged",
  })
  void row(
      String rule,
      String failed,
      String members,
      Robustness expected,
      String failedThen,
      String told) {
    StoredVolume world = world(failed, members);
    assertThat(planned(world)).as(rule).isEqualTo(expected);
    assertThat(failed(world)).isEqualTo(failedThen);
    assertThat(world.volume().status().remountRequestedAtMillis()).isEqualTo(NOW);
    assertThat(world.told()).isEqualTo(told.equals("-") ? List.of() : List.of(told));
    assertThat(world.plan(SalvagePlanner::plan)).as("again").isEmpty();
  }

  /**
   * 7.3/1: what keeps it from being used again is said, and for as long as it holds nothing is
   * done.
   */
  @ParameterizedTest
  @CsvSource({
    "off,     auto-salvage is off: a person has to decide",
    "down,    'is on node-1, which is down'",
    "manager, cannot be started on node-1 now",
    "unknown, is unknown",
    "removed, no replica that has the newest data is there any more",
  })
  void whatIsInTheWayIsSaid(String what, String message) {
    StoredVolume world = world("1 2 3", "1");
    Replica first = world.replica(1);
    switch (what) {
      case "off" -> world.cluster.put(Settings.setting(Settings.Key.AUTO_SALVAGE, "false"));
      case "down" -> world.down("node-1");
      case "manager" -> world.manager("node-1", InstanceManager.State.STARTING);
      case "unknown" ->
          world.cluster.put(
              first.with(
                  new Replica.Status(
                      true, true, StoredVolume.process(InstanceView.State.UNKNOWN, false))));
      default -> world.cluster.objects.remove(first.key());
    }
    assertThat(planned(world)).isEqualTo(Robustness.FAULTED);
    assertThat(world.volume().status().condition(Names.WAITING))
        .hasValueSatisfying(waits -> {
          assertThat(waits.reason()).isEqualTo("7.3/1");
          assertThat(waits.message()).contains(message);
        });
    assertThat(world.volume().status().remountRequestedAtMillis()).isZero();
    assertThat(world.told()).isEmpty();
  }

  /** 7.3/1: any member of the newest record is enough; those that cannot come now come later. */
  @Test
  void whoCannotBeStartedNowDoesNotKeepTheOthersWaiting() {
    StoredVolume world = world("1 2 3", "1 2 3");
    world.down("node-1");
    assertThat(planned(world)).isEqualTo(Robustness.UNKNOWN);
    assertThat(failed(world)).isEqualTo("1");
  }

  /** One whose directory is damaged is not salvaged in a loop as fast as it fails. */
  @ParameterizedTest
  @CsvSource({
    // was in sync since, tries, failed ago -> waits for
    "true,  0, 0,      0",
    "true,  3, 0,      0",
    "false, 0, 0,      0",
    "false, 1, 0,      10000",
    "false, 1, 9999,   1",
    "false, 1, 10000,  0",
    "false, 2, 10000,  10000",
    "false, 3, 30000,  10000",
    "false, 9, 30000,  30000",
  })
  void oneThatFailsAgainAndAgainIsTriedLessAndLessOften(
      boolean wasHealthy, int tries, long failedAgo, long waits) {
    StoredVolume world = world("1 2 3", "1");
    long at = NOW - failedAgo;
    fail(world, 1, new Health(wasHealthy ? 1_000 : 0, 1_000, at, at, tries));
    if (waits == 0) {
      assertThat(planned(world)).isEqualTo(Robustness.UNKNOWN);
      Health then = world.replica(1).spec().health();
      assertThat(then).isEqualTo(new Health(0, 1_000, 0, at, wasHealthy ? tries : tries + 1));
    } else {
      assertThat(world.lookAgain(SalvagePlanner::plan)).isEqualTo(NOW + waits);
      assertThat(planned(world)).isEqualTo(Robustness.FAULTED);
      world.cluster.nowMillis += waits;
      assertThat(planned(world)).isEqualTo(Robustness.UNKNOWN);
    }
  }

  @ParameterizedTest
  @CsvSource({
    // state, wanted on, robustness, deleted
    "DETACHING, -,      FAULTED, false",
    "ATTACHED,  node-1, FAULTED, false",
    "DETACHED,  node-1, FAULTED, false",
    "DETACHED,  -,      UNKNOWN, false",
    "DETACHED,  -,      FAULTED, true",
  })
  void onlyWhatIsFaultedAndDetachedIsSalvaged(
      State state, String spec, Robustness robustness, boolean isDeleted) {
    StoredVolume world = world("1 2 3", "1 2 3");
    world.cluster.change(
        "v",
        volume ->
            volume
                .with(volume.spec().withNodeID(StoredVolume.text(spec)))
                .with(volume.status().with(state, "").with(robustness, 1))
                .deletedAt(isDeleted ? 7 : 0));
    assertThat(world.plan(SalvagePlanner::plan)).isEmpty();
  }
}
