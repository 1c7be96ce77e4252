package io.longhorn.orchestration.decision.replica;

import static io.longhorn.orchestration.decision.replica.ReplicaWorld.NOW;
import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.ReplicaMode;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Replica.Health;
import io.longhorn.api.cluster.Volume;
import io.longhorn.orchestration.decision.Capability;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.decision.Plan;
import io.longhorn.orchestration.decision.Settings;
import io.longhorn.orchestration.decision.volume.RebuildPlanner;
import io.longhorn.orchestration.decision.volume.ReplenishPlanner;
import java.util.List;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Section 7.6: when a new replica is filled, and what happens if that fails. */
final class RebuildPlannerTest {
  /** Two in sync of three; the third is new, empty, and runs. */
  private static ReplicaWorld world() {
    ReplicaWorld world = ReplicaWorld.of(5, 3);
    world.drop(world.replica(3));
    world.saysNothingOf(3);
    world.put(
        new io.longhorn.api.cluster.Membership(
            ReplicaWorld.VOLUME, ReplicaWorld.of(2, 2).membership().record()));
    empty(world, 4, "node-4");
    return world;
  }

  private static void empty(ReplicaWorld world, int number, String node) {
    world.addReplica(number, node);
    world.replicaSpec(number, spec -> spec.withHealth(Health.NEW));
  }

  private static Plan plan(ReplicaWorld world) {
    return world.plan(RebuildPlanner::plan);
  }

  private static void use(ReplicaWorld world, int... numbers) {
    TreeSet<String> names = new TreeSet<>();
    for (int number : numbers) {
      names.add(ReplicaWorld.name(number));
    }
    Engine engine = world.engine();
    world.put(engine.with(engine.spec().withReplicas(names)));
  }

  private static boolean uses(ReplicaWorld world, int number) {
    return world.engine().spec().replicas().contains(ReplicaWorld.name(number));
  }

  // ---- when it begins ---------------------------------------------------------------------------

  @ParameterizedTest
  @CsvSource({
    // what is special; whether replica 4 is filled now; what is waited for
    "7.6/1, nothing,                         true,  7.6/1",
    "7.6/1, it does not run yet,             false, 7.6/1",
    "7.6/1, another one is being filled,     false, 7.6/1",
    "7.6/1, another one is resynced,         true,  7.6/1",
    "7.6/2, its node fills five others,      false, 7.6/2",
    "7.6/2, its node fills four others,      true,  7.6/1",
    "7.6/2, a limit of 0,                    false, 7.6/2",
    "3.3/2, the volume migrates,             false, 7.6/4",
    "3.3/2, it is about to be migrated,      false, 7.6/4",
    "7.6/4, another engine is left,          false, 7.6/4",
    "7.6/3, it has failed,                   false, ''",
    "7.6/1, it was stopped with its volume,  false, 7.6/1",
    "7.6/1, it is not needed any more,       false, ''",
    "7.6/1, nobody can fill it,              false, ''",
    "7.6/1, the volume is detached,          false, ''",
    "7.6/1, the engine does not run,         false, ''",
    "7.6/1, the volume is being deleted,     false, ''",
  })
  void whenItBegins(String rule, String what, boolean begins, String waits) {
    ReplicaWorld world = world();
    switch (what) {
      case "nothing" -> assertThat(uses(world, 4)).isFalse();
      case "it does not run yet" -> world.instance(4, InstanceView.State.STARTING, "");
      case "another one is being filled" -> {
        empty(world, 5, "node-5");
        use(world, 1, 2, 5);
      }
      case "another one is resynced" -> {
        world.members(1);
        world.replicaSpec(2, spec -> spec.withHealth(spec.health().failed(5).reused(false)));
        world.says(2, ReplicaMode.WO, "", 300);
      }
      case "its node fills five others" -> others(world, 5);
      case "its node fills four others" -> others(world, 4);
      case "a limit of 0" -> world.set(Settings.Key.CONCURRENT_REPLICA_REBUILD, "0");
      case "the volume migrates" -> world.status(now -> now.withNodes("node-1", "node-2"));
      case "it is about to be migrated" -> world.spec(spec -> spec.withMigrationNodeID("node-2"));
      case "another engine is left" ->
          world.put(
              new Engine(
                  Names.engine(ReplicaWorld.VOLUME, 1),
                  world.engine().spec().withActive(false),
                  Engine.Status.NONE));
      case "it has failed" ->
          world.replicaSpec(4, spec -> spec.withHealth(spec.health().failed(NOW)));
      case "it was stopped with its volume" -> world.replicaSpec(4, spec -> spec.withWanted(false));
      case "it is not needed any more" -> world.spec(spec -> spec.with(2, 0, spec.placement()));
      case "nobody can fill it" -> world.without(Capability.REBUILD);
      case "the volume is detached" -> world.status(now -> now.with(Volume.State.DETACHED, ""));
      case "the engine does not run" ->
          world.put(world.engine().with(world.engine().status().with(InstanceView.NONE)));
      case "the volume is being deleted" -> world.volume(now -> now.deletedAt(4));
      default -> throw new AssertionError(what);
    }
    Plan plan = plan(world);
    assertThat(uses(world, 4)).as(rule + " " + what).isEqualTo(begins);
    assertThat(ReplicaWorld.waitsFor(plan)).as(rule + " " + what).isEqualTo(waits);
    if (!what.equals("it was stopped with its volume")) {
      assertThat(plan(world).actions()).as("applied").isEmpty();
    }
  }

  /** So many other volumes with a replica that is being filled on node-4. */
  private static void others(ReplicaWorld world, int count) {
    for (int i = 0; i < count; i++) {
      String name = "w" + i;
      Replica like = world.replica(4);
      Replica.Spec spec = like.spec();
      String replica = Names.replica(name, spec.id());
      world.put(
          new Replica(
              replica,
              new Replica.Spec(
                  name,
                  spec.id(),
                  spec.nodeID(),
                  spec.diskID(),
                  spec.directory(),
                  spec.image(),
                  true,
                  Names.engine(name, 0),
                  true,
                  false,
                  Health.NEW),
              like.status()));
      world.put(new Volume(name, world.volume().spec(), world.volume().status(), 0));
      world.put(new io.longhorn.api.cluster.Membership(name, world.membership().record()));
      world.put(
          new Engine(
              Names.engine(name, 0),
              new Engine.Spec(
                  name,
                  "node-1",
                  ReplicaWorld.IMAGE,
                  "",
                  true,
                  true,
                  new TreeSet<>(List.of(replica)),
                  new TreeSet<>()),
              world.engine().status()));
    }
  }

  @Test
  void anEngineThatUsedAllUsesThoseThatItsRecordKnowsAndTheNewOne() {
    ReplicaWorld world = world();
    plan(world);
    assertThat(world.engine().spec().replicas())
        .containsExactly(ReplicaWorld.name(1), ReplicaWorld.name(2), ReplicaWorld.name(4));
    assertThat(world.told.getLast().reason()).isEqualTo("RebuildStarted");
  }

  @Test
  void ofTwoThatWaitOneIsFilledAfterTheOther() {
    ReplicaWorld world = world();
    world.spec(spec -> spec.with(4, 0, spec.placement()));
    empty(world, 5, "node-5");
    plan(world);
    assertThat(uses(world, 4)).isTrue();
    assertThat(uses(world, 5)).isFalse();
    // Rule 7.6/1: the first is in.
    world.members(1, 2, 4);
    world.says(4, ReplicaMode.RW, "", 1000);
    plan(world);
    assertThat(uses(world, 5)).isTrue();
  }

  @Test
  void progressIsSaidInStepsSoThatItIsNotStoredAllTheTime() {
    ReplicaWorld world = world();
    use(world, 1, 2, 4);
    world.says(4, ReplicaMode.WO, "", 401);
    Plan first = plan(world);
    assertThat(first.reasons().getFirst().what().message())
        .isEqualTo(ReplicaWorld.name(4) + " is being filled: 40 % done");
    world.says(4, ReplicaMode.WO, "", 499);
    assertThat(plan(world).reasons()).isEqualTo(first.reasons());
  }

  // ---- when it fails ----------------------------------------------------------------------------

  @ParameterizedTest
  @CsvSource({
    "7.6/3, its process is in error,             true",
    "7.6/3, its engine gives it up,              true",
    "7.6/3, its node is down,                    true",
    "7.6/3, its engine has not reached it yet,   false",
    "7.6/3, nobody knows of its process,         false",
    "7.6/3, it was in sync and its engine lost it, false",
  })
  void whatCountsAsAFailedRebuild(String rule, String what, boolean isFailed) {
    ReplicaWorld world = world();
    use(world, 1, 2, 4);
    switch (what) {
      case "its process is in error" ->
          world.instance(4, InstanceView.State.ERROR, "killed by signal 9");
      case "its engine gives it up" ->
          world.says(4, ReplicaMode.ERR, "rebuild failed: no space left", 0);
      case "its node is down" -> {
        world.instance(4, InstanceView.State.UNKNOWN, "");
        world.notReady("node-4", Names.NODE_NOT_READY);
      }
      case "its engine has not reached it yet" ->
          world.says(4, ReplicaMode.ERR, "not connected", 0);
      case "nobody knows of its process" -> world.instance(4, InstanceView.State.UNKNOWN, "");
      case "it was in sync and its engine lost it" -> {
        world.members(1, 2, 4);
        world.says(4, ReplicaMode.ERR, "rebuild failed: not this time", 0);
      }
      default -> throw new AssertionError(what);
    }
    plan(world);
    assertThat(world.replica(4).spec().health().isFailed())
        .as(rule + " " + what)
        .isEqualTo(isFailed);
    assertThat(world.replica(4).spec().isWanted()).as("wanted").isEqualTo(!isFailed);
    assertThat(uses(world, 4)).as("used").isEqualTo(!isFailed);
    assertThat(plan(world).actions()).as("applied").isEmpty();
  }

  @Test
  void anEmptyOneThatSomebodyElseMarkedIsTakenOutOfItsEngineToo() {
    // Rule 7.6/3: used again, it is filled when it is its turn, not at once.
    ReplicaWorld world = world();
    use(world, 1, 2, 4);
    world.replicaSpec(4, spec -> spec.withHealth(Health.NEW.failed(NOW)).withWanted(false));
    plan(world);
    assertThat(uses(world, 4)).isFalse();
    assertThat(world.told).extracting(tell -> tell.reason()).containsExactly("RebuildFailed");
    assertThat(plan(world).actions()).isEmpty();
  }

  @ParameterizedTest
  @CsvSource({
    // One that was in sync was used again, and runs. What its engine says, and for how long:
    // failed?
    "7.6/3, ERR, true,  59999,  false",
    "7.6/3, ERR, true,  60000,  true",
    "7.6/3, WO,  true,  999999, false",
    "7.6/3, ERR, false, 999999, false",
  })
  void whoDoesNotComeBackIsGivenUpAfterAWhile(
      String rule, ReplicaMode mode, boolean isServing, long afterMillis, boolean isFailed) {
    ReplicaWorld world = ReplicaWorld.of(3, 3);
    world.fail(3, 5);
    world.plan(ReplenishPlanner::plan);
    world.replica(3, now -> now.with(world.running("node-3")));
    world.says(3, mode, "damaged", 0);
    if (!isServing) {
      world.says(1, ReplicaMode.ERR, "", 0);
      world.says(2, ReplicaMode.ERR, "", 0);
    }
    for (long at : new long[] {0, 1, afterMillis}) {
      world.nowMillis = NOW + at;
      Plan plan = plan(world);
      // As the control core keeps it.
      world.status(now -> now.with(plan.reasons().stream().map(reason -> reason.what()).toList()));
    }
    assertThat(world.replica(3).spec().health().isFailed()).as(rule).isEqualTo(isFailed);
    assertThat(world.replica(3).spec().isWanted()).isEqualTo(!isFailed);
    if (isFailed) {
      assertThat(world.told.getLast().message()).endsWith(" did not come back: damaged");
      // Stopped, it is tried again like one that could not be filled.
      world.instance(3, InstanceView.State.STOPPED, "");
      assertThat(world.plan(ReplenishPlanner::plan).lookAgainMillis())
          .isEqualTo(world.nowMillis + 10_000);
    }
  }

  @Test
  void whoDoesNotComeBackIsGivenUpWhereNobodyCanFillAnotherOneToo() {
    ReplicaWorld world = ReplicaWorld.of(3, 3).without(Capability.REBUILD);
    world.fail(3, 5);
    world.plan(ReplenishPlanner::plan);
    world.replica(3, now -> now.with(world.running("node-3")));
    Plan plan = plan(world);
    assertThat(ReplicaWorld.waitsFor(plan)).isEqualTo("7.6/3");
    assertThat(plan.lookAgainMillis()).isEqualTo(NOW + 60_000);
  }

  @Test
  void aRebuildThatFailsAgainAndAgainIsTriedAfterEverLongerPauses() {
    ReplicaWorld world = world();
    StringBuilder pauses = new StringBuilder();
    for (int i = 0; i < 6; i++) {
      use(world, 1, 2, 4);
      world.instance(4, InstanceView.State.ERROR, "killed");
      plan(world);
      world.instance(4, InstanceView.State.STOPPED, "");
      long failedAt = world.nowMillis;
      for (Plan plan = world.plan(ReplenishPlanner::plan);
          world.replica(4).spec().health().isFailed();
          plan = world.plan(ReplenishPlanner::plan)) {
        if (plan.lookAgainMillis() == Long.MAX_VALUE) {
          // Rule 7.5/5: not again.
          assertThat(pauses.toString()).isEqualTo("10 20 40 80 160 ");
          return;
        }
        world.nowMillis = plan.lookAgainMillis();
      }
      pauses.append((world.nowMillis - failedAt) / 1000).append(' ');
    }
    throw new AssertionError("tried for ever: " + pauses);
  }

  // ---- issues -----------------------------------------------------------------------------------

  @Test
  void issue10495WhatIsBeingFilledHoldsTheLayoutOfTheVolume() {
    ReplicaWorld world = world();
    assertThat(RebuildPlanner.beingFilled(world.draft(), world.volume())).isEmpty();
    use(world, 1, 2, 4);
    assertThat(RebuildPlanner.beingFilled(world.draft(), world.volume()))
        .hasValueSatisfying(one -> assertThat(one.name()).isEqualTo(ReplicaWorld.name(4)));
    world.members(1, 2, 4);
    assertThat(RebuildPlanner.beingFilled(world.draft(), world.volume())).isEmpty();
  }

  @Test
  void issue6961AnEngineIsNotGivenANewReplicaWhileTheVolumeMigrates() {
    ReplicaWorld world = world();
    world.spec(spec -> spec.withMigrationNodeID("node-2"));
    plan(world);
    assertThat(world.engine().spec().replicas()).isEmpty();
    // What was being filled when the migration began goes on.
    use(world, 1, 2, 4);
    plan(world);
    assertThat(uses(world, 4)).isTrue();
    assertThat(world.replica(4).spec().isWanted()).isTrue();
  }
}
