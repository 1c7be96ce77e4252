package io.longhorn.orchestration.decision.replica;

import static io.longhorn.orchestration.decision.replica.ReplicaWorld.NOW;
import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.EngineId;
import io.longhorn.api.ReplicaMode;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.Membership;
import io.longhorn.api.cluster.Node;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Replica.Health;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.orchestration.decision.Action;
import io.longhorn.orchestration.decision.Capability;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.ManagerSeen;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.decision.Plan;
import io.longhorn.orchestration.decision.Settings;
import io.longhorn.orchestration.decision.volume.ReplenishPlanner;
import java.util.List;
import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Section 7.5: failed replicas are used again, missing ones are made. */
final class ReplenishPlannerTest {
  /** Longer ago than anybody waits for a replica to come back. */
  private static final long LONG_AGO = 601_000;

  private static Plan plan(ReplicaWorld world) {
    return world.plan(ReplenishPlanner::plan);
  }

  /** What was done: again=…, new=…; or what it waits for. */
  private static String outcome(ReplicaWorld world) {
    int before = world.replicas().size();
    SortedSet<String> failed = failed(world);
    Plan plan = plan(world);
    TreeSet<String> again = new TreeSet<>(failed);
    again.removeAll(failed(world));
    if (world.replicas().size() > before) {
      return "new";
    }
    return again.isEmpty()
        ? ReplicaWorld.waitsFor(plan)
        : "again " + String.join(" ", again.stream().map(ReplenishPlannerTest::number).toList());
  }

  private static SortedSet<String> failed(ReplicaWorld world) {
    TreeSet<String> failed = new TreeSet<>();
    world.replicas().stream()
        .filter(replica -> replica.spec().health().isFailed())
        .forEach(replica -> failed.add(replica.name()));
    return failed;
  }

  private static String number(String replica) {
    return replica.substring(replica.length() - 1);
  }

  // ---- 7.5/3: the last one that has the newest data ---------------------------------------------

  /** 7.5/3: as many as are wanted were coming back, none could, for the only source was off. */
  @ParameterizedTest
  @CsvSource({
    "nothing else,            again 1",
    "migrating,               again 1",
    "rebuilding switched off, again 1",
    "tried six times,         again 1",
    "being evicted,           again 1",
    "its node is off,         ''",
    "another one has it too,  ''",
    "its owner is gone too,   again 1",
    "detached,                ''",
    "attaching,               ''",
    "attaching by the owner,  again 1",
  })
  void whoAloneHasTheNewestDataComesBackBesideThoseThatMissedSome(String what, String expected) {
    ReplicaWorld world = ReplicaWorld.of(4, 3);
    world.addReplica(4, "node-4");
    world.fail(1, 1_000);
    world.members(1);
    for (int i = 2; i <= 4; i++) {
      world.says(i, ReplicaMode.ERR, "not in the record", 0);
    }
    switch (what) {
      case "migrating" -> world.spec(spec -> spec.withMigrationNodeID("node-2"));
      case "rebuilding switched off" -> world.set(Settings.Key.CONCURRENT_REPLICA_REBUILD, "0");
      case "tried six times" -> {
        Health health = world.replica(1).spec().health();
        Health tried =
            new Health(
                health.healthyAtMillis(),
                health.lastHealthyAtMillis(),
                health.failedAtMillis(),
                health.lastFailedAtMillis(),
                6);
        world.replicaSpec(1, spec -> spec.withHealth(tried));
      }
      case "being evicted" -> world.replicaSpec(1, spec -> spec.withEvictionRequested(true));
      case "its node is off" -> {
        world.notReady("node-1", Names.NODE_NOT_READY);
        world.put(world.manager("node-1").with(InstanceManager.State.UNKNOWN, 0, NOW));
      }
      case "another one has it too" -> world.members(1, 2);
      case "its owner is gone too" -> {
        // The guest had moved to the migration's target, which has crashed with it.
        saysItIs(world, 1);
        world.put(
            new Engine(
                Names.engine(ReplicaWorld.VOLUME, 1),
                world.engine().spec().withActive(false).withWanted(false),
                Engine.Status.NONE));
        isTakenBy(world, 2);
      }
      case "detached" -> world.status(now -> now.with(Volume.State.DETACHED, ""));
      case "attaching" -> world.status(now -> now.with(Volume.State.ATTACHING, ""));
      case "attaching by the owner" -> {
        // It has taken the volume and then lost whom it was to serve from: it waits for it.
        world.status(now -> now.with(Volume.State.ATTACHING, ""));
        saysItIs(world, 1);
        isTakenBy(world, 1);
      }
      default -> {}
    }
    assertThat(outcome(world)).isEqualTo(expected);
  }

  /** The engine has not said yet that it serves. */
  private static void saysItIs(ReplicaWorld world, long id) {
    Engine.Status said = world.engine().status();
    world.put(
        world
            .engine()
            .with(
                new Engine.Status(
                    said.instance(),
                    Optional.of(engineId(id)),
                    false,
                    1,
                    "claiming",
                    said.endpoints(),
                    said.replicas(),
                    said.currentImage())));
  }

  private static void isTakenBy(ReplicaWorld world, long id) {
    VolumeRecord record = world.membership().record();
    world.put(
        new Membership(
            ReplicaWorld.VOLUME, record.reserved(record.reservedGeneration() + 1, engineId(id))));
  }

  private static EngineId engineId(long id) {
    return new EngineId(new UUID(77, id));
  }

  // ---- 7.5/1, 7.5/2, 7.5/4: a new one -----------------------------------------------------------

  @ParameterizedTest
  @CsvSource({
    // Replica 3 of 3 is lost with its node for longer than anybody waits; node-4 is free. What
    // else?
    "7.5/1, nothing else,                new",
    "7.5/1, nothing is missing,          ''",
    "7.5/1, detached,                    ''",
    "7.5/1, attaching,                   ''",
    "7.5/1, being deleted,               ''",
    "7.5/1, the cluster goes down,       ''",
    "7.5/1, no record,                   ''",
    "7.5/1, the engine is unknown,       ''",
    "3.3/1, migrating,                   7.5/1",
    "3.3/1, two engines,                 7.5/1",
    "7.5/1, rebuilding switched off,     7.5/1",
    "7.5/1, no rebuild in this cluster,  7.5/1",
    "7.5/1, eight replicas already,      7.5/1",
    "7.5/2, another one is not in sync,  7.5/2",
    "7.5/2, another one is WO,           7.5/2",
    "7.5/2, a new one is being filled,   7.5/2",
    "7.5/5, another one is being deleted, new",
    "7.5/4, degraded for 599 s,          7.5/4",
    "7.5/4, degraded for 600 s,          new",
    "7.5/4, 60 s wanted and 61 s past,   new",
    "7.5/4, its engine misses it not yet, 7.5/4",
    "7.5/4, its disk is gone,            new",
    "7.5/4, its node is gone,            new",
    "7.5/4, an empty one on a lost node, new",
    "7.5/3, an empty one failed nearby,  7.5/3",
    "7.5/4, nobody failed: N was raised, new",
    "7.4/1, no place,                    7.4/4",
  })
  void whenANewReplicaIsMade(String rule, String what, String expected) {
    ReplicaWorld world = ReplicaWorld.of(4, 3);
    boolean isRecent = what.endsWith("599 s") || what.contains("gone") || what.contains("empty");
    world.fail(3, isRecent ? 599_000 : what.endsWith("600 s") ? 600_000 : LONG_AGO);
    world.notReady("node-3", Names.NODE_NOT_READY);
    switch (what) {
      case "nothing else", "degraded for 599 s", "degraded for 600 s" ->
          assertThat(world.volume().status().lastDegradedAtMillis()).isLessThan(NOW);
      case "nothing is missing" -> {
        world.addReplica(4, "node-4");
        world.says(4, ReplicaMode.RW, "", 1000);
      }
      case "detached" -> world.status(now -> now.with(Volume.State.DETACHED, ""));
      case "attaching" -> world.status(now -> now.with(Volume.State.ATTACHING, ""));
      case "being deleted" -> world.volume(now -> now.deletedAt(5));
      case "the cluster goes down" -> world.isStopping = true;
      case "no record" -> world.drop(world.membership());
      case "the engine is unknown" ->
          world.put(
              world
                  .engine()
                  .with(
                      world
                          .engine()
                          .status()
                          .with(
                              new InstanceView(
                                  InstanceView.State.UNKNOWN, true, "im", "uuid-e", 50, ""))));
      case "migrating" -> world.spec(spec -> spec.withMigrationNodeID("node-2"));
      case "two engines" ->
          world.put(
              new Engine(
                  Names.engine(ReplicaWorld.VOLUME, 1),
                  world.engine().spec().withActive(false),
                  Engine.Status.NONE));
      case "rebuilding switched off" -> world.set(Settings.Key.CONCURRENT_REPLICA_REBUILD, "0");
      case "no rebuild in this cluster" -> world.without(Capability.REBUILD);
      case "eight replicas already" -> {
        for (int i = 4; i <= 8; i++) {
          lose(world, i);
        }
      }
      case "another one is not in sync" -> world.says(2, ReplicaMode.ERR, "", 0);
      case "another one is WO" -> world.says(2, ReplicaMode.WO, "", 500);
      case "a new one is being filled" -> {
        world.addReplica(4, "node-4");
        world.replicaSpec(4, spec -> spec.withHealth(Health.NEW).withEvictionRequested(true));
      }
      case "another one is being deleted" -> {
        world.addReplica(4, "node-2");
        world.replicaSpec(4, spec -> spec.withHealth(Health.NEW).withWanted(false));
        world.instance(4, InstanceView.State.STOPPED, "");
        world.seen("node-2", Names.deletion(world.replica(4)), ManagerSeen.State.RUNNING);
      }
      case "60 s wanted and 61 s past" -> {
        world.set(Settings.Key.REPLICA_REPLENISHMENT_WAIT, "60");
        world.degradedAt(NOW - 61_000);
      }
      case "its engine misses it not yet" -> {
        // It was degraded once, long ago; this time nobody has noticed but its instance manager.
        world.says(3, ReplicaMode.RW, "", 1000);
        world.status(now -> now.with(Volume.Robustness.HEALTHY, NOW));
      }
      case "its disk is gone" -> world.node("node-3", now -> now.with(List.of()));
      case "its node is gone" -> world.drop(world.node("node-3"));
      case "an empty one on a lost node" ->
          world.replicaSpec(3, spec -> spec.withHealth(Health.NEW.failed(NOW - 1)));
      case "an empty one failed nearby" -> {
        world.addReplica(4, "node-4");
        world.replicaSpec(
            4, spec -> spec.withHealth(Health.NEW.failed(NOW - 1_000)).withWanted(false));
        world.instance(4, InstanceView.State.STOPPED, "");
      }
      case "nobody failed: N was raised" -> {
        world.drop(world.replica(3));
        world.degradedAt(NOW);
      }
      case "no place" -> world.node("node-4", now -> now.withCordon(true));
      default -> throw new AssertionError(what);
    }
    assertThat(outcome(world)).as(rule + " " + what).isEqualTo(expected);
  }

  /** One more replica that has failed, on the node that is down. */
  private static void lose(ReplicaWorld world, int number) {
    world.addReplica(number, "node-3");
    world.replicaSpec(
        number, spec -> spec.withHealth(spec.health().failed(NOW - 900_000)).withWanted(false));
  }

  @Test
  void aNewReplicaIsWantedEmptyAndWhereThereWasAPlace() {
    ReplicaWorld world = ReplicaWorld.of(4, 3);
    world.fail(3, LONG_AGO);
    world.notReady("node-3", Names.NODE_NOT_READY);
    plan(world);
    Replica made = world.fresh().getFirst();
    assertThat(made.spec().nodeID()).isEqualTo("node-4");
    assertThat(made.spec().directory()).isEqualTo("/disks/node-4/replicas/" + made.name());
    assertThat(made.spec().isWanted()).isTrue();
    assertThat(made.spec().isActive()).isTrue();
    assertThat(made.spec().health()).isEqualTo(Health.NEW);
    assertThat(made.spec().engineName()).isEqualTo("v-e-0");
    assertThat(made.spec().image()).isEqualTo(ReplicaWorld.IMAGE);
    assertThat(made.status()).isEqualTo(Replica.Status.NONE);
    // Applied, there is nothing left to plan.
    assertThat(plan(world).actions()).isEmpty();
  }

  @Test
  void aNewReplicaNeverHasTheNameOfOneThatThereWas() {
    // #9216: what is recycled may be taken for what it was.
    TreeSet<String> names = new TreeSet<>();
    ReplicaWorld world = ReplicaWorld.of(4, 3);
    world.fail(3, LONG_AGO);
    world.notReady("node-3", Names.NODE_NOT_READY);
    for (int i = 0; i < 50; i++) {
      plan(world);
      Replica made = world.fresh().getFirst();
      assertThat(names.add(made.name())).as("a new name").isTrue();
      world.drop(made);
      world.nowMillis++;
    }
    // Even if the clock stands still, while the other one is there or remembered.
    plan(world);
    Replica first = world.fresh().getFirst();
    world.replica(3, _ -> first.with(first.spec().withHealth(Health.NEW.failed(5))));
    assertThat(names.add(first.name())).isTrue();
  }

  @Test
  void whoWaitsLooksAgainWhenTheTimeHasCome() {
    ReplicaWorld world = ReplicaWorld.of(4, 3);
    world.fail(3, 100_000);
    world.notReady("node-3", Names.NODE_NOT_READY);
    assertThat(plan(world).lookAgainMillis()).isEqualTo(NOW + 500_000);
  }

  // ---- 7.5/3: again -----------------------------------------------------------------------------

  @ParameterizedTest
  @CsvSource({
    // Replica 3 of 3 failed a second ago; no other node. What else?
    "7.5/3, it is stopped,                         again 3",
    "7.5/3, its process is in error,               7.5/4",
    "7.5/3, its process is being stopped,          7.5/4",
    "7.5/3, nobody knows of its process,           7.5/4",
    "7.5/3, its instance manager is starting,      7.5/4",
    "7.5/4, its node is not ready,                 7.5/4",
    "7.5/4, its disk is not ready,                 7.5/4",
    "7.5/3, it is evicted,                         new",
    "7.5/3, it is of another image,                new",
    "7.5/3, its directory is being deleted,        new",
    "7.5/3, the engine does without it,            new",
    "7.5/3, its rebuild failed a second ago,       7.5/3",
    "7.5/3, its rebuild failed ten seconds ago,    again 3",
    "7.5/3, its third rebuild failed 39 s ago,     7.5/3",
    "7.5/3, its third rebuild failed 40 s ago,     again 3",
    "7.5/3, its fifth rebuild failed an hour ago,  again 3",
    "7.5/3, its sixth rebuild failed an hour ago,  new",
    "7.5/3, sixth and nobody can fill another one, again 3",
    "7.5/4, another one is on its node now,        7.5/4",
    "7.5/3, the volume migrates,                   again 3",
    "7.6/2, its node has five that come back,      7.6/2",
    "7.6/2, its node has four that come back,      again 3",
    "7.6/2, five of a volume that is detached,     again 3",
  })
  void whenAFailedReplicaIsUsedAgain(String rule, String what, String expected) {
    ReplicaWorld world = ReplicaWorld.of(3, 3);
    world.fail(3, 1_000);
    switch (what) {
      case "it is stopped" -> assertThat(world.replica(3).spec().health().isFailed()).isTrue();
      case "its process is in error" -> world.instance(3, InstanceView.State.ERROR, "killed");
      case "its process is being stopped" -> world.instance(3, InstanceView.State.STOPPING, "");
      case "nobody knows of its process" -> world.instance(3, InstanceView.State.UNKNOWN, "");
      case "its instance manager is starting" ->
          world.put(world.manager("node-3").with(InstanceManager.State.STARTING, 0, NOW));
      case "its node is not ready" -> world.notReady("node-3", Names.NODE_NOT_READY);
      case "its disk is not ready" ->
          world.disk(
              "node-3",
              disk ->
                  new Node.Disk(disk.id(), disk.path(), true, false, 0, 0, 0, disk.tags(), false));
      case "it is evicted" -> world.replicaSpec(3, spec -> spec.withEvictionRequested(true));
      case "it is of another image" -> world.replicaSpec(3, spec -> spec.withImage("old"));
      case "its directory is being deleted" ->
          world.seen("node-3", Names.deletion(world.replica(3)), ManagerSeen.State.RUNNING);
      case "the engine does without it" ->
          world.put(
              world
                  .engine()
                  .with(
                      world
                          .engine()
                          .spec()
                          .withReplicas(
                              new TreeSet<>(List.of(ReplicaWorld.name(1), ReplicaWorld.name(2))))));
      case "its rebuild failed a second ago" -> rebuildFailed(world, 0, 1_000);
      case "its rebuild failed ten seconds ago" -> rebuildFailed(world, 0, 10_000);
      case "its third rebuild failed 39 s ago" -> rebuildFailed(world, 2, 39_000);
      case "its third rebuild failed 40 s ago" -> rebuildFailed(world, 2, 40_000);
      case "its fifth rebuild failed an hour ago" -> rebuildFailed(world, 4, 3_600_000);
      case "its sixth rebuild failed an hour ago" -> rebuildFailed(world, 5, 3_600_000);
      case "sixth and nobody can fill another one" -> {
        rebuildFailed(world, 5, 3_600_000);
        world.without(Capability.REBUILD);
      }
      case "another one is on its node now" -> {
        world.drop(world.replica(2));
        world.saysNothingOf(2);
        world.addReplica(4, "node-3");
        world.says(4, ReplicaMode.RW, "", 0);
        world.members(1, 4);
      }
      case "the volume migrates" -> world.spec(spec -> spec.withMigrationNodeID("node-2"));
      case "its node has five that come back" -> comingBack(world, 5, Volume.State.ATTACHED);
      case "its node has four that come back" -> comingBack(world, 4, Volume.State.ATTACHED);
      case "five of a volume that is detached" -> comingBack(world, 5, Volume.State.DETACHED);
      default -> throw new AssertionError(what);
    }
    assertThat(outcome(world)).as(rule + " " + what).isEqualTo(expected);
  }

  private static void rebuildFailed(ReplicaWorld world, int retries, long agoMillis) {
    world.replicaSpec(
        3, spec -> spec.withHealth(new Health(0, 7, NOW - agoMillis, NOW - agoMillis, retries)));
    world.degradedAt(NOW - LONG_AGO);
  }

  /** So many other volumes whose replica on node-3 comes back. */
  private static void comingBack(ReplicaWorld world, int count, Volume.State state) {
    ReplicaWorld like = ReplicaWorld.of(3, 3);
    for (int i = 0; i < count; i++) {
      String name = "w" + i;
      like.fail(3, 1_000);
      Replica.Spec spec = like.replica(3).spec();
      Replica.Spec back =
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
              spec.health().reused(false));
      world.put(new Replica(Names.replica(name, spec.id()), back, Replica.Status.NONE));
      Volume volume = like.volume();
      world.put(new Volume(name, volume.spec(), volume.status().with(state, "node-1"), 0));
      world.put(new Membership(name, like.membership().record()));
      Engine engine = like.engine();
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
                  new TreeSet<>(),
                  new TreeSet<>()),
              engine.status()));
    }
  }

  @Test
  void theOneThatFailedLastIsUsedFirst() {
    ReplicaWorld world = ReplicaWorld.of(3, 3);
    world.fail(2, 5_000);
    world.fail(3, 9_000);
    // One of the two is enough.
    world.spec(spec -> spec.with(2, 0, spec.placement()));
    assertThat(outcome(world)).isEqualTo("again 2");
  }

  @Test
  void allThatAreMissingComeBackTogether() {
    ReplicaWorld world = ReplicaWorld.of(3, 3);
    world.fail(2, 5_000);
    world.fail(3, 9_000);
    assertThat(outcome(world)).isEqualTo("again 2 3");
    assertThat(plan(world).actions()).as("applied").isEmpty();
  }

  @Test
  void whatIsUsedAgainKeepsItsMemory() {
    ReplicaWorld world = ReplicaWorld.of(3, 3);
    world.fail(3, 1_000);
    plan(world);
    Health health = world.replica(3).spec().health();
    assertThat(health).isEqualTo(new Health(0, NOW - 100_000_000, 0, NOW - 1_000, 0));
    assertThat(world.replica(3).spec().isWanted()).isTrue();
    rebuildFailed(world, 1, 100_000);
    world.instance(3, InstanceView.State.STOPPED, "");
    plan(world);
    assertThat(world.replica(3).spec().health().rebuildRetryCount()).isEqualTo(2);
    assertThat(world.told.getLast().message()).endsWith(" is used again, try 3");
  }

  @Test
  void aMigrationThatLastsSaysWhatComesBackMeanwhile() {
    ReplicaWorld world = ReplicaWorld.of(3, 3);
    world.fail(3, 1_000);
    plan(world);
    world.spec(spec -> spec.withMigrationNodeID("node-2"));
    world.says(3, ReplicaMode.WO, "", 437);
    Plan plan = plan(world);
    assertThat(plan.reasons().getFirst().what().message())
        .isEqualTo(ReplicaWorld.name(3) + " comes back while the volume migrates: 40 % done");
    assertThat(plan.reasons().getFirst().what().type()).isEqualTo(Names.REPLICAS);
  }

  // ---- 7.5/7: best-effort -----------------------------------------------------------------------

  @ParameterizedTest
  @CsvSource({
    "7.5/7, node-3, BEST_EFFORT,  true,  new, healthy and none where it is attached",
    "7.5/7, node-2, BEST_EFFORT,  true,  '',  one is there",
    "7.5/7, node-3, DISABLED,     true,  '',  nobody wants it",
    "7.5/7, node-3, BEST_EFFORT,  false, '',  no place there",
  })
  void aHealthyVolumeGetsOneMoreWhereItIsAttached(
      String rule,
      String attached,
      Volume.Placement.DataLocality locality,
      boolean hasPlace,
      String expected,
      String what) {
    ReplicaWorld world = ReplicaWorld.of(4, 2);
    Volume.Placement any = Volume.Placement.ANYWHERE;
    world.spec(spec ->
        spec.with(
                2,
                0,
                new Volume.Placement(
                    locality,
                    any.nodeTags(),
                    any.diskTags(),
                    any.nodeSoftAntiAffinity(),
                    any.zoneSoftAntiAffinity(),
                    any.diskSoftAntiAffinity()))
            .withNodeID(attached));
    world.node("node-3", now -> now.withScheduling(hasPlace, false));
    assertThat(outcome(world)).as(rule + " " + what).isEqualTo(expected);
    assertThat(world.fresh()).allMatch(replica -> replica.spec().nodeID().equals("node-3"));
  }

  // ---- issues -----------------------------------------------------------------------------------

  @Test
  void issue7128And11397AVolumeThatCannotHealDoesNotCollectReplicas() {
    // Rule 7.5/2, 7.5/3: each new one fails at once, whatever is tried, for a day.
    ReplicaWorld world = ReplicaWorld.of(5, 3);
    world.fail(3, LONG_AGO);
    world.notReady("node-3", Names.NODE_NOT_READY);
    int starts = 0;
    for (int minute = 0; minute < 24 * 60; minute++) {
      for (Action action : plan(world).actions()) {
        starts += action instanceof Action.Put ? 1 : 0;
      }
      for (Replica replica : world.fresh()) {
        Replica.Spec spec = replica.spec();
        world.put(
            replica.with(spec.withHealth(spec.health().failed(world.nowMillis)).withWanted(false)));
      }
      world.nowMillis += 60_000;
    }
    assertThat(world.replicas().size()).isLessThanOrEqualTo(8);
    assertThat(starts).as("tries in a day").isBetween(5, 60);
  }

  @Test
  void issue6961NoNewReplicaAppearsWhileTheVolumeMigrates() {
    ReplicaWorld world = ReplicaWorld.of(4, 3);
    world.fail(3, LONG_AGO);
    world.notReady("node-3", Names.NODE_NOT_READY);
    world.status(now -> now.withNodes("node-1", "node-2"));
    plan(world);
    assertThat(world.fresh()).isEmpty();
    // Over, it is made.
    world.status(now -> now.withNodes("node-1", ""));
    plan(world);
    assertThat(world.fresh()).hasSize(1);
  }

  @Test
  void planningTwiceGivesTheSame() {
    ReplicaWorld world = ReplicaWorld.of(4, 3);
    world.fail(3, LONG_AGO);
    world.notReady("node-3", Names.NODE_NOT_READY);
    TreeMap<String, String> plans = new TreeMap<>();
    for (int i = 0; i < 2; i++) {
      Draft draft = world.draft();
      ReplenishPlanner.plan(draft, world.volume());
      plans.put(draft.plan().toString(), "");
    }
    assertThat(plans).hasSize(1);
  }
}
