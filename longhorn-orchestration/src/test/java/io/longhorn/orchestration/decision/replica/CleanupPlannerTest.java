package io.longhorn.orchestration.decision.replica;

import static io.longhorn.orchestration.decision.replica.ReplicaWorld.NOW;
import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.ReplicaMode;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Replica.Health;
import io.longhorn.api.cluster.Volume;
import io.longhorn.orchestration.decision.Capability;
import io.longhorn.orchestration.decision.ManagerSeen;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.decision.Plan;
import io.longhorn.orchestration.decision.volume.CleanupPlanner;
import io.longhorn.orchestration.decision.volume.RebuildPlanner;
import java.util.Collections;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Sections 7.5, 7.7 and 3.5: which replicas are taken away, and how. */
final class CleanupPlannerTest {
  private static final long MINUTE = 60_000;

  private static Plan plan(ReplicaWorld world) {
    return world.plan(CleanupPlanner::plan);
  }

  private static boolean isThere(ReplicaWorld world, int number) {
    return world.find(ObjectKind.REPLICA, ReplicaWorld.name(number), Replica.class).isPresent();
  }

  private static void use(ReplicaWorld world, int... numbers) {
    TreeSet<String> names = new TreeSet<>();
    for (int number : numbers) {
      names.add(ReplicaWorld.name(number));
    }
    Engine engine = world.engine();
    world.put(engine.with(engine.spec().withReplicas(names)));
  }

  // ---- 7.5/5 ------------------------------------------------------------------------------------

  @ParameterizedTest
  @CsvSource({
    // Replica 3 of 3 failed an hour ago and is stopped. What else? What is asked of processes
    "7.5/5, nothing,                               ''",
    "7.5/5, five rebuilds failed,                  DeleteDirectory",
    "7.5/5, four rebuilds failed,                  ''",
    "7.5/5, stale for a minute,                    DeleteDirectory",
    "7.5/5, not stale for a minute,                ''",
    "7.5/5, stale but kept for ever,               ''",
    "7.5/5, of another image,                      DeleteDirectory",
    "7.5/5, of another image in an upgrade,        ''",
    "7.5/5, stale in an upgrade,                   DeleteDirectory",
    "7.5/5, stale and the volume is detached,      DeleteDirectory",
    "7.7/4, evicted and a new one is in sync,        DeleteDirectory",
    "7.7/4, evicted and nobody in its place,         ''",
    "7.5/5, stale and one of eight,                DeleteDirectory",
    "7.5/5, fresh and one of eight,                DeleteDirectory",
    // The last of them, whatever it is.
    "7.3/2, stale but the record names it,           ''",
    "7.3/2, stale and the others are no better,      ''",
    "7.3/2, stale; one other has been well since,    DeleteDirectory",
    "7.3/2, five rebuilds failed; never healthy,     DeleteDirectory",
    // Not now.
    "3.3/3, stale while the volume migrates,         ''",
    "3.3/3, stale with two engines,                  ''",
    "7.5/5, stale in a volume that is deleted,       ''",
    "7.5/5, stale while the cluster goes down,       ''",
    "7.5/5, stale and no record,                     ''",
    "7.5/5, stale and nobody can fill another,       ''",
    "7.5/5, stale and it stands by for a migration,  ''",
    "8/6, stale and its instance manager is gone,  ''",
    "8/6, stale and its process is still there,    ''",
    "8/6, stale and nobody knows of its process,   ''",
  })
  void whichFailedReplicaIsTakenAway(String rule, String what, String expected) {
    ReplicaWorld world = ReplicaWorld.of(5, 3);
    world.fail(3, 60 * MINUTE);
    stale(world, 59);
    switch (what) {
      case "nothing" -> stale(world, 2880);
      case "five rebuilds failed" -> retries(world, 5);
      case "four rebuilds failed" -> retries(world, 4);
      case "stale for a minute" -> assertThat(isThere(world, 3)).isTrue();
      case "not stale for a minute" -> stale(world, 61);
      case "stale but kept for ever" -> stale(world, 0);
      case "of another image" -> {
        stale(world, 0);
        world.replicaSpec(3, spec -> spec.withImage("old"));
      }
      case "of another image in an upgrade" -> {
        stale(world, 0);
        world.replicaSpec(3, spec -> spec.withImage("new"));
        world.spec(spec -> spec.withImage("new"));
      }
      case "stale in an upgrade" -> world.spec(spec -> spec.withImage("new"));
      case "stale and the volume is detached" ->
          world.status(now -> now.with(Volume.State.DETACHED, ""));
      case "evicted and a new one is in sync" -> {
        evict(world);
        world.addReplica(4, "node-4");
        world.says(4, ReplicaMode.RW, "", 0);
        world.members(1, 2, 4);
      }
      case "evicted and nobody in its place" -> evict(world);
      case "stale and one of eight" -> eight(world);
      case "fresh and one of eight" -> {
        stale(world, 0);
        eight(world);
      }
      case "stale but the record names it" -> world.members(1, 2, 3);
      case "stale and the others are no better" -> {
        for (int other = 1; other <= 2; other++) {
          world.replicaSpec(other, spec -> spec.withHealth(new Health(7, 7, 0, 8, 0)));
        }
      }
      case "stale; one other has been well since" ->
          world.replicaSpec(1, spec -> spec.withHealth(new Health(7, 7, 0, 8, 0)));
      case "five rebuilds failed; never healthy" -> {
        world.replicaSpec(3, spec -> spec.withHealth(new Health(0, 0, 5, 5, 5)));
        for (int other = 1; other <= 2; other++) {
          world.replicaSpec(other, spec -> spec.withHealth(new Health(7, 7, 0, 8, 0)));
        }
      }
      case "stale while the volume migrates" ->
          world.spec(spec -> spec.withMigrationNodeID("node-2"));
      case "stale with two engines" ->
          world.put(
              new Engine(
                  Names.engine(ReplicaWorld.VOLUME, 1),
                  world.engine().spec().withActive(false),
                  Engine.Status.NONE));
      case "stale in a volume that is deleted" -> world.volume(now -> now.deletedAt(3));
      case "stale while the cluster goes down" -> world.isStopping = true;
      case "stale and no record" -> world.drop(world.membership());
      case "stale and nobody can fill another" -> world.without(Capability.REBUILD);
      case "stale and it stands by for a migration" ->
          world.replicaSpec(3, spec -> spec.withEngine("v-e-1", false));
      case "stale and its instance manager is gone" ->
          world.put(world.manager("node-3").with(InstanceManager.State.ERROR, 0, NOW));
      case "stale and its process is still there" ->
          world.seen("node-3", ReplicaWorld.name(3), ManagerSeen.State.STOPPED);
      case "stale and nobody knows of its process" ->
          world.instance(3, InstanceView.State.UNKNOWN, "");
      default -> throw new AssertionError(what);
    }
    assertThat(ReplicaWorld.done(plan(world))).as(rule + " " + what).isEqualTo(expected);
    assertThat(isThere(world, 3)).as("its object is there as long as its directory").isTrue();
  }

  private static void stale(ReplicaWorld world, int minutes) {
    world.spec(spec -> spec.with(spec.numberOfReplicas(), minutes, spec.placement()));
  }

  private static void retries(ReplicaWorld world, int count) {
    stale(world, 0);
    world.replicaSpec(3, spec -> spec.withHealth(new Health(0, 7, 9, 9, count)));
  }

  private static void evict(ReplicaWorld world) {
    stale(world, 0);
    world.replicaSpec(3, spec -> spec.withEvictionRequested(true));
  }

  /**
   * As many as a record can have; all but the first two have failed, the third before the others.
   */
  private static void eight(ReplicaWorld world) {
    for (int i = 4; i <= 8; i++) {
      world.addReplica(i, "node-5");
      world.replicaSpec(i, spec -> spec.withHealth(spec.health().failed(NOW - 1)));
      world.instance(i, InstanceView.State.STOPPED, "");
    }
  }

  @Test
  void itsDirectoryIsDeletedThenItsObject() {
    ReplicaWorld world = ReplicaWorld.of(4, 3);
    world.fail(3, 60 * MINUTE);
    stale(world, 59);
    use(world, 1, 2, 3);
    assertThat(ReplicaWorld.done(plan(world))).isEqualTo("DeleteDirectory");
    assertThat(world.engine().spec().replicas())
        .as("its engine does without it")
        .containsExactly(ReplicaWorld.name(1), ReplicaWorld.name(2));
    assertThat(world.told).extracting(tell -> tell.reason()).containsExactly("ReplicaDeleted");
    String deletion = Names.deletion(world.replica(3));
    world.seen("node-3", deletion, ManagerSeen.State.RUNNING);
    assertThat(plan(world).actions()).as("while it is deleted").isEmpty();
    world.seen("node-3", deletion, ManagerSeen.State.ERROR);
    assertThat(ReplicaWorld.done(plan(world))).as("once more").isEqualTo("DeleteDirectory");
    world.seen("node-3", deletion, ManagerSeen.State.STOPPED);
    plan(world);
    assertThat(isThere(world, 3)).isFalse();
    assertThat(world.told).as("told once").hasSize(1);
    assertThat(plan(world).actions()).isEmpty();
  }

  @Test
  void aMigrationDoesNotKeepWhatIsBeingDeleted() {
    // Rule 3.3/3: it began when the directory of one of two was on its way out already.
    ReplicaWorld world = ReplicaWorld.of(4, 4);
    world.fail(3, 60 * MINUTE);
    stale(world, 59);
    assertThat(ReplicaWorld.done(plan(world))).isEqualTo("DeleteDirectory");
    world.fail(4, 60 * MINUTE);
    world.spec(spec -> spec.withMigrationNodeID("node-2"));
    String deletion = Names.deletion(world.replica(3));
    world.seen("node-3", deletion, ManagerSeen.State.RUNNING);
    assertThat(plan(world).actions()).as("while it is deleted").isEmpty();
    world.seen("node-3", deletion, ManagerSeen.State.ERROR);
    assertThat(ReplicaWorld.done(plan(world))).as("once more").isEqualTo("DeleteDirectory");
    world.seen("node-3", deletion, ManagerSeen.State.STOPPED);
    plan(world);
    assertThat(isThere(world, 3)).isFalse();
    assertThat(isThere(world, 4)).as("it is not its turn").isTrue();
    assertThat(plan(world).actions()).isEmpty();
  }

  @Test
  void aDirectoryThatIsBeingMadeIsMadeBeforeItIsDeleted() {
    ReplicaWorld world = ReplicaWorld.of(4, 3);
    world.fail(3, 60 * MINUTE);
    stale(world, 59);
    world.replica(3, now -> now.with(Replica.Status.NONE));
    assertThat(ReplicaWorld.done(plan(world))).as("not made yet").isEmpty();
    world.seen("node-3", Names.creation(world.replica(3)), ManagerSeen.State.ERROR);
    assertThat(ReplicaWorld.done(plan(world))).as("cannot be made").isEqualTo("DeleteDirectory");
  }

  @Test
  void whatWasOnANodeThatIsGoneIsGone() {
    // Rule 8/6, 7.5/5
    ReplicaWorld world = ReplicaWorld.of(4, 3);
    world.fail(3, MINUTE);
    world.drop(world.node("node-3"));
    assertThat(ReplicaWorld.done(plan(world))).isEmpty();
    assertThat(isThere(world, 3)).isFalse();
  }

  // ---- 7.5/6, 7.7 -------------------------------------------------------------------------------

  @ParameterizedTest
  @CsvSource({
    // Four in sync of three wanted, attached to node-1. What else? Who is left out, 0: nobody
    "7.5/6, nothing,                            4",
    "7.5/6, three in sync,                      0",
    "7.7/4,   the first is evicted,               1",
    "7.7/4,   the first two are evicted,          1",
    "7.5/6, the second node is not ready,       2",
    "7.5/6, the second disk is not ready,       2",
    "7.5/6, best-effort and the last is local,  3",
    "7.5/6, evicted before not ready,           1",
    "7.5/6, the first two are on one node,      2",
    "7.5/6, the first two are in one zone,      2",
    "7.5/6, the record says otherwise,          0",
    "7.5/6, one is being filled,                0",
    "7.5/6, while it is upgraded,               0",
    "7.5/6, while it migrates,                  0",
    "7.5/6, while it is detached,               0",
    "7.5/6, nobody can fill another one,        0",
  })
  void whichOfTooManyIsLeftOut(String rule, String what, int expected) {
    ReplicaWorld world = ReplicaWorld.of(5, 4);
    stale(world, 0);
    world.spec(spec -> spec.with(3, 0, spec.placement()));
    switch (what) {
      case "nothing" -> assertThat(world.replicas()).hasSize(4);
      case "three in sync" -> {
        world.says(4, ReplicaMode.ERR, "", 0);
        world.members(1, 2, 3);
      }
      case "the first is evicted" -> world.replicaSpec(1, spec -> spec.withEvictionRequested(true));
      case "the first two are evicted" -> {
        world.replicaSpec(1, spec -> spec.withEvictionRequested(true));
        world.replicaSpec(2, spec -> spec.withEvictionRequested(true));
        world.replicaSpec(1, spec -> spec.withHealth(spec.health()));
        // Of two, the name decides, backwards: leave the first to be found by its node.
        world.notReady("node-1", "ManagerPodDown");
      }
      case "the second node is not ready" -> world.notReady("node-2", "ManagerPodDown");
      case "the second disk is not ready" ->
          world.disk(
              "node-2",
              disk ->
                  new io.longhorn.api.cluster.Node.Disk(
                      disk.id(), disk.path(), true, false, 0, 0, 0, disk.tags(), false));
      case "best-effort and the last is local" -> {
        Volume.Placement any = Volume.Placement.ANYWHERE;
        world.spec(spec ->
            spec.with(
                    3,
                    0,
                    new Volume.Placement(
                        Volume.Placement.DataLocality.BEST_EFFORT,
                        any.nodeTags(),
                        any.diskTags(),
                        any.nodeSoftAntiAffinity(),
                        any.zoneSoftAntiAffinity(),
                        any.diskSoftAntiAffinity()))
                .withNodeID("node-4"));
      }
      case "evicted before not ready" -> {
        world.replicaSpec(1, spec -> spec.withEvictionRequested(true));
        world.notReady("node-2", "ManagerPodDown");
      }
      case "the first two are on one node" -> world.addReplica(2, "node-1");
      case "the first two are in one zone" -> {
        for (String node : new String[] {"node-1", "node-2"}) {
          world.node(node, now -> now.with("z", Collections.emptySortedSet()));
        }
      }
      case "the record says otherwise" -> world.members(1, 2, 3);
      case "one is being filled" -> {
        world.addReplica(5, "node-5");
        world.replicaSpec(5, spec -> spec.withHealth(Health.NEW));
        use(world, 1, 2, 3, 4, 5);
      }
      case "while it is upgraded" -> world.spec(spec -> spec.withImage("new"));
      case "while it migrates" -> world.spec(spec -> spec.withMigrationNodeID("node-2"));
      case "while it is detached" -> world.status(now -> now.with(Volume.State.DETACHED, ""));
      case "nobody can fill another one" -> world.without(Capability.REBUILD);
      default -> throw new AssertionError(what);
    }
    TreeSet<String> before = new TreeSet<>();
    world.replicas().forEach(replica -> before.add(replica.name()));
    Plan plan = plan(world);
    TreeSet<String> after = new TreeSet<>(world.engine().spec().replicas());
    String left =
        after.isEmpty()
            ? "0"
            : String.valueOf(
                before.stream()
                    .filter(name -> !after.contains(name))
                    .mapToInt(name -> Integer.parseInt(name.substring(name.length() - 1)))
                    .sum());
    boolean isAsIt = after.equals(before);
    assertThat(isAsIt ? "0" : left).as(rule + " " + what).isEqualTo(String.valueOf(expected));
    assertThat(ReplicaWorld.done(plan)).as("its directory is not touched yet").isEmpty();
    assertThat(plan(world).actions()).as("applied").isEmpty();
  }

  @Test
  void whatIsLeftOutGoesWhenTheRecordDoesNotNameItAnyMore() {
    ReplicaWorld world = ReplicaWorld.of(4, 4);
    world.spec(spec -> spec.with(3, 0, spec.placement()));
    plan(world);
    assertThat(world.engine().spec().replicas()).hasSize(3);
    // Its engine has not heard of it yet: nobody else is left out meanwhile.
    assertThat(plan(world).actions()).isEmpty();
    world.saysNothingOf(4);
    world.members(1, 2, 3);
    plan(world);
    assertThat(world.replica(4).spec().isWanted()).isFalse();
    world.instance(4, InstanceView.State.STOPPED, "");
    assertThat(ReplicaWorld.done(plan(world))).isEqualTo("DeleteDirectory");
    assertThat(world.told)
        .extracting(tell -> tell.reason())
        .containsExactly("ReplicaLeftOut", "ReplicaDeleted");
  }

  @Test
  void oneThatWaitsToBeFilledGoesIfItIsNotNeededAnyMore() {
    // Rule 7.5/6: the one that had failed is back.
    ReplicaWorld world = ReplicaWorld.of(4, 3);
    world.addReplica(4, "node-4");
    world.replicaSpec(4, spec -> spec.withHealth(Health.NEW));
    use(world, 1, 2, 3);
    plan(world);
    assertThat(world.replica(4).spec().isWanted()).isFalse();
    world.replicaSpec(4, spec -> spec.withWanted(true));
    world.spec(spec -> spec.with(4, 0, spec.placement()));
    plan(world);
    assertThat(world.replica(4).spec().isWanted()).as("it is needed").isTrue();
  }

  @Test
  void whatIsBeingDeletedGoesAlsoIfItWouldBeNeededAgain() {
    // Rule 7.5/5: it was too many, and another one left while its directory was being deleted.
    ReplicaWorld world = ReplicaWorld.of(4, 3);
    world.addReplica(4, "node-4");
    world.replicaSpec(4, spec -> spec.withHealth(Health.NEW).withWanted(false));
    world.instance(4, InstanceView.State.STOPPED, "");
    use(world, 1, 2, 3);
    assertThat(ReplicaWorld.done(plan(world))).isEqualTo("DeleteDirectory");
    String deletion = Names.deletion(world.replica(4));
    world.seen("node-4", deletion, ManagerSeen.State.RUNNING);
    world.members(1, 2);
    world.plan(RebuildPlanner::plan);
    assertThat(world.replica(4).spec().isWanted()).as("to be filled").isFalse();
    // As if it had been wanted again before anybody saw that its deletion had begun.
    world.replicaSpec(4, spec -> spec.withWanted(true));
    assertThat(plan(world).actions()).as("it is only stored").hasSize(1);
    assertThat(world.replica(4).spec().isWanted()).as("while it is deleted").isFalse();
    world.replicaSpec(4, spec -> spec.withHealth(spec.health().failed(ReplicaWorld.NOW)));
    world.seen("node-4", deletion, ManagerSeen.State.STOPPED);
    plan(world);
    assertThat(isThere(world, 4)).as("failed, for it has no directory").isFalse();
  }

  // ---- issues -----------------------------------------------------------------------------------

  @ParameterizedTest
  @CsvSource({"3.5, true", "3.5, false"})
  void issue7396And5632ADirectoryThatAnotherReplicaNamesIsNotDeleted(
      String rule, boolean isFirstActive) {
    ReplicaWorld world = ReplicaWorld.of(4, 3);
    world.fail(3, 60 * MINUTE);
    stale(world, 59);
    Replica partner =
        new Replica(
            Names.standby(world.replica(3), world.replicas()),
            world.replica(3).spec().withEngine("v-e-1", !isFirstActive),
            Replica.Status.NONE);
    world.put(partner);
    for (int i = 0; i < 5; i++) {
      assertThat(ReplicaWorld.done(plan(world))).as(rule).isEmpty();
    }
    assertThat(isThere(world, 3)).as("its object goes").isFalse();
    // Now it is the only one that names it.
    world.put(partner.with(partner.spec().withEngine("v-e-1", true)).with(world.running("node-3")));
    world.put(world.replicas().getLast().with(new Replica.Status(true, false, InstanceView.NONE)));
    assertThat(ReplicaWorld.done(plan(world))).isEqualTo("DeleteDirectory");
  }

  @Test
  void issue5992WhatNobodyHasSaidIsNotTakenForNothing() {
    // An engine that has just started says nothing: nobody is too many, nobody is missing.
    ReplicaWorld world = ReplicaWorld.of(4, 4);
    world.spec(spec -> spec.with(3, 0, spec.placement()));
    for (int i = 1; i <= 4; i++) {
      world.saysNothingOf(i);
    }
    assertThat(plan(world).actions()).isEmpty();
    world.drop(world.membership());
    assertThat(plan(world).actions()).isEmpty();
  }

  @Test
  void ofTheLastTwoThatAreNotSafeNoneIsTakenAway() {
    // Rule 7.3: each would count on the other one.
    ReplicaWorld world = ReplicaWorld.of(4, 2);
    stale(world, 59);
    for (int i = 1; i <= 2; i++) {
      world.instance(i, InstanceView.State.STOPPED, "");
      world.replicaSpec(
          i, spec -> spec.withHealth(spec.health().failed(NOW - 60 * MINUTE)).withWanted(false));
    }
    world.status(now -> now.with(Volume.State.DETACHED, ""));
    assertThat(plan(world).actions()).isEmpty();
  }
}
