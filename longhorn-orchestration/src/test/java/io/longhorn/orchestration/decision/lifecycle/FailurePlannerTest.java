package io.longhorn.orchestration.decision.lifecycle;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.ReplicaMode;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Replica.Health;
import io.longhorn.api.cluster.Volume.State;
import java.util.List;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Which replicas have failed and which are well: the text below the table of 7.2. */
final class FailurePlannerTest {
  private static final long NOW = StoredVolume.NOW;

  /** Of one replica, the others are well; {@code health} as {@link #health} reads it. */
  private static StoredVolume world(
      State state, InstanceView.State process, boolean isWanted, String health, String mode) {
    StoredVolume world =
        new StoredVolume(state, "node-1", state == State.ATTACHED ? "node-1" : "-");
    world.healthyReplicas(InstanceView.State.RUNNING);
    Engine engine = world.engine(InstanceView.State.RUNNING, true, 3);
    Replica second = world.replica(2);
    TreeMap<ReplicaId, Engine.Member> members = new TreeMap<>(engine.status().replicas());
    if (mode.equals("-")) {
      members.remove(second.spec().id());
    } else {
      members.put(
          second.spec().id(), new Engine.Member(ReplicaMode.valueOf(mode), "its reason", 0, 0));
    }
    world.cluster.put(
        engine.with(
            new Engine.Status(
                engine.status().instance(),
                engine.status().id(),
                true,
                1,
                "",
                List.of(),
                members,
                "")));
    world.cluster.put(
        second
            .with(second.spec().withWanted(isWanted).withHealth(health(health)))
            .with(
                new Replica.Status(
                    true,
                    process == InstanceView.State.RUNNING,
                    StoredVolume.process(process, isWanted))));
    return world;
  }

  private static Health health(String words) {
    return switch (words) {
      case "new" -> Health.NEW;
      case "healthy" -> Health.NEW.healthy(1_000);
      case "failed" -> Health.NEW.healthy(1_000).failed(NOW);
      case "failed-just" ->
          Health.NEW.healthy(1_000).failed(NOW - FailurePlanner.RETURN_MILLIS + 1);
      case "failed-long" -> Health.NEW.healthy(1_000).failed(NOW - FailurePlanner.RETURN_MILLIS);
      case "returning" -> Health.NEW.healthy(1_000).failed(2_000).reused(false);
      default -> throw new AssertionError(words);
    };
  }

  private static String words(Health health) {
    return health.isFailed() ? "failed" : health.isHealthy() ? "healthy" : "neither";
  }

  @ParameterizedTest
  @CsvSource({
    // rule; state; process, wanted, health; mode -> health, wanted, told
    // its process is gone, or could not start: also while it comes back, or nobody speaks of it
    "7.2/8, ATTACHED,  ERROR,    true,  healthy,     RW,  failed,  false, -",
    "7.2/8, ATTACHED,  ERROR,    true,  healthy,     ERR, failed,  false, -",
    "7.2/8, ATTACHED,  ERROR,    true,  healthy,     -,   failed,  false, -",
    "7.2/8, ATTACHED,  ERROR,    true,  new,         -,   failed,  false, -",
    "7.2/8, ATTACHED,  ERROR,    true,  returning,   WO,  failed,  false, -",
    "7.2/8, ATTACHED,  ERROR,    true,  failed-just, ERR, failed,  false, -",
    "7.2/8, ATTACHING, ERROR,    true,  healthy,     RW,  failed,  false, -",
    "7.2/8, DETACHING, ERROR,    true,  healthy,     RW,  failed,  false, -",
    // it was told to end
    "7.2/8, ATTACHED,  ERROR,    false, healthy,     -,   healthy, false, -",
    "7.2/8, DETACHING, ERROR,    false, healthy,     -,   healthy, false, -",
    // its engine has lost it: it may come back by itself for a while
    "7.2/8, ATTACHED,  RUNNING,  true,  healthy,     ERR, failed,  true,  ReplicaFailed",
    "7.2/8, ATTACHED,  RUNNING,  true,  failed,      ERR, failed,  true,  -",
    "7.2/8, ATTACHED,  RUNNING,  true,  failed-just, ERR, failed,  true,  -",
    "7.2/8, ATTACHED,  RUNNING,  true,  failed-long, ERR, failed,  false, -",
    "7.2/8, ATTACHED,  RUNNING,  false, failed-long, ERR, failed,  false, -",
    "7.2/8, ATTACHED,  STOPPED,  true,  healthy,     ERR, failed,  true,  ReplicaFailed",
    "7.2/8, ATTACHED,  STARTING, true,  healthy,     ERR, failed,  true,  ReplicaFailed",
    // whose process cannot be seen can be judged by the engine, and cannot be stopped
    "7.2/8, ATTACHED,  UNKNOWN,  true,  healthy,     ERR, failed,  true,  ReplicaFailed",
    "7.2/8, ATTACHED,  UNKNOWN,  true,  failed-long, ERR, failed,  true,  -",
    // that is nobody's word
    "I9,    ATTACHED,  UNKNOWN,  true,  healthy,     RW,  healthy, true,  -",
    "I9,    ATTACHED,  UNKNOWN,  true,  healthy,     WO,  healthy, true,  -",
    "I9,    ATTACHED,  UNKNOWN,  true,  healthy,     -,   healthy, true,  -",
    "I9,    ATTACHED,  RUNNING,  true,  healthy,     -,   healthy, true,  -",
    "I9,    ATTACHED,  STOPPED,  true,  healthy,     RW,  healthy, true,  -",
    // an engine that is still beginning, or ending, has lost nobody
    "7.2/8, ATTACHING, RUNNING,  true,  healthy,     ERR, healthy, true,  -",
    "7.2/8, DETACHING, RUNNING,  true,  healthy,     ERR, healthy, true,  -",
    // coming back: who brings it back sees to it
    "7.2/8, ATTACHED,  RUNNING,  true,  returning,   ERR, neither, true,  -",
    "7.2/8, ATTACHED,  RUNNING,  true,  new,         ERR, neither, true,  -",
    // in sync, or on the way
    "7.2/9, ATTACHED,  RUNNING,  true,  new,         RW,  healthy, true,  -",
    "7.2/9, ATTACHED,  RUNNING,  true,  returning,   RW,  healthy, true,  -",
    "7.2/9, ATTACHED,  RUNNING,  true,  failed,      RW,  healthy, true,  -",
    "7.2/9, ATTACHED,  RUNNING,  true,  healthy,     RW,  healthy, true,  -",
    "7.2/9, ATTACHED,  RUNNING,  true,  failed,      WO,  neither, true,  -",
    "7.2/9, ATTACHED,  RUNNING,  true,  failed-long, WO,  neither, true,  -",
    "7.2/9, ATTACHED,  RUNNING,  true,  healthy,     WO,  healthy, true,  -",
    "7.2/9, ATTACHED,  RUNNING,  true,  returning,   WO,  neither, true,  -",
    "7.2/9, ATTACHING, RUNNING,  true,  new,         RW,  neither, true,  -",
    // being stopped, its engine has not noticed
    "7.2/9, ATTACHED,  RUNNING,  false, failed,      RW,  failed,  false, -",
    "7.2/9, ATTACHED,  STOPPING, false, failed,      WO,  failed,  false, -",
  })
  void row(
      String rule,
      State state,
      InstanceView.State process,
      boolean isWanted,
      String health,
      String mode,
      String expected,
      boolean isWantedThen,
      String told) {
    StoredVolume world = world(state, process, isWanted, health, mode);
    world.plan(FailurePlanner::plan);
    Replica then = world.replica(2);
    assertThat(words(then.spec().health())).as(rule).isEqualTo(expected);
    assertThat(then.spec().isWanted()).as("wanted").isEqualTo(isWantedThen);
    assertThat(world.told()).isEqualTo(told.equals("-") ? List.of() : List.of(told));
    assertThat(List.of(world.replica(1), world.replica(3)))
        .as("the others")
        .allMatch(other -> other.spec().health().equals(Health.NEW.healthy(1_000)));
    assertThat(world.plan(FailurePlanner::plan)).as("again").isEmpty();
  }

  /** What has been is never forgotten (7.2/9): two of the four times are memory. */
  @Test
  void theTimesOfALife() {
    @Nullable Replica now;
    StoredVolume world = world(State.ATTACHED, InstanceView.State.RUNNING, true, "new", "RW");
    world.plan(FailurePlanner::plan);
    now = world.replica(2);
    assertThat(now.spec().health()).isEqualTo(new Health(NOW, NOW, 0, 0, 0));
    world = world(State.ATTACHED, InstanceView.State.ERROR, true, "healthy", "ERR");
    world.plan(FailurePlanner::plan);
    now = world.replica(2);
    assertThat(now.spec().health()).isEqualTo(new Health(1_000, 1_000, NOW, NOW, 0));
    world = world(State.ATTACHED, InstanceView.State.RUNNING, true, "returning", "RW");
    world.plan(FailurePlanner::plan);
    now = world.replica(2);
    assertThat(now.spec().health()).isEqualTo(new Health(NOW, NOW, 0, 2_000, 0));
    world = world(State.ATTACHED, InstanceView.State.ERROR, true, "returning", "ERR");
    world.plan(FailurePlanner::plan);
    now = world.replica(2);
    assertThat(now.spec().health()).isEqualTo(new Health(0, 1_000, NOW, NOW, 0));
  }

  @Test
  void itLooksAgainWhenOneHasHadItsTimeToComeBack() {
    StoredVolume world = world(State.ATTACHED, InstanceView.State.RUNNING, true, "healthy", "ERR");
    assertThat(world.lookAgain(FailurePlanner::plan)).isEqualTo(NOW + FailurePlanner.RETURN_MILLIS);
    world = world(State.ATTACHED, InstanceView.State.RUNNING, true, "healthy", "RW");
    assertThat(world.lookAgain(FailurePlanner::plan)).isEqualTo(Long.MAX_VALUE);
  }

  /** The owner's word counts, and only that of an engine that runs. */
  @Test
  void onlyTheOwnerSaysWhoIsWell() {
    StoredVolume world = world(State.ATTACHED, InstanceView.State.RUNNING, true, "healthy", "ERR");
    world.engine(1, "node-2", false, InstanceView.State.RUNNING, true, 3);
    world.record(1, 1, 2, 3);
    assertThat(world.plan(FailurePlanner::plan)).isEmpty();
    world.record(0, 1, 2, 3);
    world.plan(FailurePlanner::plan);
    assertThat(world.replica(2).spec().health().isFailed()).isTrue();
    StoredVolume lost = world(State.ATTACHED, InstanceView.State.RUNNING, true, "healthy", "ERR");
    Engine engine = lost.cluster.engine("v");
    lost.cluster.put(
        engine.with(
            new Engine.Status(
                StoredVolume.process(InstanceView.State.UNKNOWN, true),
                engine.status().id(),
                true,
                1,
                "",
                List.of(),
                engine.status().replicas(),
                "")));
    assertThat(lost.plan(FailurePlanner::plan)).as("what it said last").isEmpty();
  }

  /** Those that stand by are their makers' to judge. */
  @Test
  void oneThatStandsByIsLeftAlone() {
    StoredVolume world = world(State.ATTACHED, InstanceView.State.RUNNING, true, "healthy", "RW");
    Replica own = world.replica(2);
    Replica standby =
        new Replica(
            own.name() + "-1",
            own.spec().withEngine("v-e-1", false).withHealth(Health.NEW),
            new Replica.Status(true, false, StoredVolume.process(InstanceView.State.ERROR, true)));
    world.cluster.put(standby);
    assertThat(world.plan(FailurePlanner::plan)).isEmpty();
  }
}
