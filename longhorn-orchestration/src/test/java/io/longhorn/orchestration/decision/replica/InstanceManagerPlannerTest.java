package io.longhorn.orchestration.decision.replica;

import static io.longhorn.orchestration.decision.replica.ReplicaWorld.NOW;
import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.cluster.EngineImage;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.InstanceManager.State;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.orchestration.decision.Action;
import io.longhorn.orchestration.decision.Capability;
import io.longhorn.orchestration.decision.ManagerSeen;
import io.longhorn.orchestration.decision.ManagerSeen.Reach;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.decision.NodeSeen;
import io.longhorn.orchestration.decision.NodeSeen.Kube;
import io.longhorn.orchestration.decision.Plan;
import io.longhorn.orchestration.decision.Settings;
import io.longhorn.orchestration.decision.control.ControlCore;
import java.util.List;
import java.util.TreeMap;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Sections 6.1 and 5.9: what instance managers are doing, which there are to be, which go. */
final class InstanceManagerPlannerTest {
  private static final String NEW = "v2";

  /** Nodes that an orchestrator looks after, and a second image, not the default one yet. */
  private static ReplicaWorld world(int nodes) {
    ReplicaWorld world = ReplicaWorld.ofNodes(nodes);
    TreeSet<String> names = new TreeSet<>();
    for (int i = 1; i <= nodes; i++) {
      names.add("node-" + i);
      world.seen("node-" + i, new NodeSeen(Kube.TRUE, 3, true));
    }
    world.put(EngineImage.of(NEW, "/bin/next", "2", EngineImage.Versions.first("c2"), names));
    return world;
  }

  private static Plan plan(ReplicaWorld world) {
    Plan plan = ControlCore.planCluster(world.view());
    for (Action action : plan.actions()) {
      switch (action) {
        case Action.Put(var object) -> world.put(object);
        case Action.Remove(var key) ->
            world
                .find(key.kind(), key.name(), io.longhorn.api.cluster.ClusterObject.class)
                .ifPresent(world::drop);
        case Action.Tell tell -> world.told.add(tell);
        case Action.ProcessAction _ -> {}
      }
    }
    return plan;
  }

  private static InstanceManager old(ReplicaWorld world) {
    return world.manager("node-1");
  }

  private static boolean isThere(ReplicaWorld world, String name) {
    return world.find(ObjectKind.INSTANCE_MANAGER, name, InstanceManager.class).isPresent();
  }

  private static void see(ReplicaWorld world, String name, Reach reach, String... instances) {
    TreeMap<String, ManagerSeen.Instance> found = new TreeMap<>();
    for (String one : instances) {
      String[] parts = one.split("=");
      found.put(
          parts[0],
          new ManagerSeen.Instance(ManagerSeen.State.valueOf(parts[1]), "u-" + parts[0], 9, ""));
    }
    world.seen(name, new ManagerSeen(reach, reach == Reach.GONE ? 0 : 42, found));
  }

  // ---- 6.1 --------------------------------------------------------------------------------------

  @ParameterizedTest
  @CsvSource({
    // before, what the orchestrator says of the node, what is seen; the state then
    "6.1/1, STOPPED,  TRUE,    GONE,        STARTING",
    "6.1/2, RUNNING,  TRUE,    GONE,        ERROR",
    "6.1/2, RUNNING,  TRUE,    TERMINATING, ERROR",
    "6.1/3, ERROR,    TRUE,    STARTING,    STARTING",
    "6.1/4, STARTING, TRUE,    CONNECTED,   RUNNING",
    "6.1/5, RUNNING,  UNKNOWN, UNREACHABLE, UNKNOWN",
    "6.1/5, RUNNING,  UNKNOWN, CONNECTED,   UNKNOWN",
    "6.1/5, RUNNING,  GONE,    UNREACHABLE, UNKNOWN",
    "6.1/5, STARTING, UNKNOWN, STARTING,    UNKNOWN",
    "6.1/5, RUNNING,  UNKNOWN, TERMINATING, ERROR",
    "6.1/5, UNKNOWN,  UNKNOWN, TERMINATING, ERROR",
    "6.1/5, UNKNOWN,  UNKNOWN, GONE,        ERROR",
    "6.1/5, ERROR,    UNKNOWN, UNREACHABLE, ERROR",
    "6.1/5, RUNNING,  TRUE,    UNREACHABLE, UNKNOWN",
    "6.1/5, UNKNOWN,  TRUE,    CONNECTED,   RUNNING",
    "6.1/5, RUNNING,  FALSE,   CONNECTED,   RUNNING",
  })
  void states(String rule, State before, Kube kube, Reach reach, State expected) {
    ReplicaWorld world = world(1);
    world.put(old(world).with(before, 42, 1));
    world.seen("node-1", new NodeSeen(kube, NOW, true));
    see(world, old(world).name(), reach);
    plan(world);
    assertThat(old(world).state()).as(rule).isEqualTo(expected);
    long since = before == expected ? 1 : NOW;
    assertThat(old(world).sinceMillis()).isEqualTo(since);
    assertThat(plan(world).actions())
        .as("applied")
        .noneMatch(action -> action instanceof Action.Put);
  }

  @Test
  void thePidIsThatOfTheProcessThereIs() {
    ReplicaWorld world = world(1);
    world.seen(old(world).name(), new ManagerSeen(Reach.CONNECTED, 77, new TreeMap<>()));
    plan(world);
    assertThat(old(world).pid()).isEqualTo(77);
    world.seen(old(world).name(), new ManagerSeen(Reach.UNREACHABLE, 0, new TreeMap<>()));
    plan(world);
    assertThat(old(world).pid()).as("does not answer").isEqualTo(77);
    world.seen(old(world).name(), new ManagerSeen(Reach.GONE, 0, new TreeMap<>()));
    plan(world);
    assertThat(old(world).pid()).as("gone").isZero();
  }

  @ParameterizedTest
  @CsvSource({
    // 6.1/6: started again on its own node; before, cordoned, off, the cluster goes down, image
    "6.1/6, ERROR,   false, false, false, true,  StartInstanceManager",
    "6.1/6, STOPPED, false, false, false, true,  StartInstanceManager",
    "6.1/6, ERROR,   true,  false, false, true,  ''",
    "6.1/6, STOPPED, true,  false, false, true,  ''",
    "6.1/6, ERROR,   false, true,  false, true,  ''",
    "6.1/6, ERROR,   false, false, true,  true,  ''",
    "6.1/6, ERROR,   false, false, false, false, ''",
  })
  void whenOneIsStartedAgain(
      String rule,
      State before,
      boolean isCordoned,
      boolean isOff,
      boolean isStopping,
      boolean hasImage,
      String expected) {
    ReplicaWorld world = world(1);
    world.put(old(world).with(before, 0, 1));
    world.node("node-1", now -> now.withCordon(isCordoned).withPower(isOff));
    world.isStopping = isStopping;
    if (!hasImage) {
      world.drop(
          world.find(ObjectKind.ENGINE_IMAGE, ReplicaWorld.IMAGE, EngineImage.class).orElseThrow());
    }
    see(world, old(world).name(), Reach.GONE);
    Plan plan = plan(world);
    assertThat(ReplicaWorld.done(plan)).as(rule).isEqualTo(expected);
    assertThat(plan.reasons().stream().anyMatch(why -> why.what().reason().equals("6.1/6")))
        .as("that it waits is said")
        .isEqualTo(isCordoned);
    if (isCordoned) {
      assertThat(old(world).state()).isEqualTo(before);
      world.node("node-1", now -> now.withCordon(false));
      assertThat(ReplicaWorld.done(plan(world))).isEqualTo("StartInstanceManager");
    }
  }

  @Test
  void aCrashIsToldOnce() {
    ReplicaWorld world = world(1);
    see(world, old(world).name(), Reach.GONE);
    plan(world);
    plan(world);
    assertThat(world.told)
        .extracting(tell -> tell.reason())
        .containsExactly("InstanceManagerCrashed");
  }

  // ---- which there are to be --------------------------------------------------------------------

  @ParameterizedTest
  @CsvSource({
    // setting; what is special of node-2; kinds that it has afterwards
    "5.9/1, all-in-one, nothing,            ALL_IN_ONE",
    "5.9/1, separate,   nothing,            ENGINE REPLICA",
    "5.9/5, separate,   no disks,           ENGINE",
    "5.9/1, all-in-one, no disks,           ALL_IN_ONE",
    "5.9/1, all-in-one, image not deployed, ''",
    "5.9/1, all-in-one, node down,          ''",
    "5.9/1, all-in-one, cordoned,           ALL_IN_ONE",
    "5.9/1, all-in-one, cannot,             ''",
  })
  void whatIsMissingIsMade(String rule, String types, String what, String expected) {
    ReplicaWorld world = world(2).set(Settings.Key.INSTANCE_MANAGER_TYPES, types);
    world.set(Settings.Key.DEFAULT_INSTANCE_MANAGER_IMAGE, NEW);
    switch (what) {
      case "nothing" -> assertThat(world.managers()).hasSize(2);
      case "no disks" -> world.node("node-2", now -> now.with(List.of()));
      case "image not deployed" ->
          world.put(
              EngineImage.of(
                  NEW,
                  "/bin/next",
                  "2",
                  EngineImage.Versions.first("c2"),
                  new TreeSet<>(List.of("node-1"))));
      case "node down" -> world.seen("node-2", new NodeSeen(Kube.UNKNOWN, NOW, false));
      case "cordoned" -> world.node("node-2", now -> now.withCordon(true));
      case "cannot" -> world.without(Capability.MANAGE_INSTANCE_MANAGERS);
      default -> throw new AssertionError(what);
    }
    plan(world);
    List<InstanceManager> made =
        world.managers().stream()
            .filter(one -> one.nodeID().equals("node-2") && one.image().equals(NEW))
            .toList();
    assertThat(String.join(" ", made.stream().map(one -> one.type().name()).sorted().toList()))
        .as(rule)
        .isEqualTo(expected);
    for (InstanceManager one : made) {
      assertThat(one.name()).isEqualTo(Names.instanceManager("node-2", one.type(), NEW));
      assertThat(one.state()).isEqualTo(State.STOPPED);
    }
    int count = world.managers().size();
    plan(world);
    assertThat(world.managers()).as("once").hasSize(count);
  }

  // ---- 5.9 --------------------------------------------------------------------------------------

  @ParameterizedTest
  @CsvSource({
    // state and what is seen of the one of the old image, what it has; what is done to it
    "5.9/1, default, RUNNING, CONNECTED,   '',                    '',                  keep",
    "5.9/1, default, ERROR,   GONE,        '',                    StartInstanceManager, keep",
    "5.9/2, old,     RUNNING, CONNECTED,   v-e-0=RUNNING,         '',                  keep",
    "5.9/2, old,     RUNNING, CONNECTED,   v-r-00000001=STARTING, '',                  keep",
    "5.9/2, old,     RUNNING, CONNECTED,   v-e-0=STOPPING,        '',                  keep",
    "5.9/3, old,     UNKNOWN, UNREACHABLE, '',                    '',                  keep",
    "5.9/3, old,     RUNNING, UNREACHABLE, '',                    '',                  keep",
    "5.9/4, old,     RUNNING, CONNECTED,   '',                    KillInstanceManager, keep",
    "5.9/4, old,     RUNNING, CONNECTED,   v-e-0=STOPPED,         KillInstanceManager, keep",
    "5.9/4, old,     RUNNING, CONNECTED,   v-e-0=ERROR,           KillInstanceManager, keep",
    "5.9/4, old,     STARTING, STARTING,   '',                    KillInstanceManager, keep",
    "5.9/4, old,     ERROR,   TERMINATING, '',                    KillInstanceManager, keep",
    "5.9/4, old,     ERROR,   GONE,        '',                    '',                  gone",
    "5.9/4, old,     RUNNING, GONE,        '',                    '',                  gone",
    "5.9/4, old,     STOPPED, GONE,        '',                    '',                  gone",
    "5.9/6, no node, RUNNING, CONNECTED,   v-e-0=RUNNING,         '',                  keep",
    "5.9/6, no node, UNKNOWN, UNREACHABLE, '',                    '',                  keep",
    "5.9/6, no node, ERROR,   TERMINATING, '',                    '',                  gone",
    "5.9/6, no node, RUNNING, GONE,        '',                    '',                  gone",
    "5.9/1, cannot,  RUNNING, CONNECTED,   '',                    '',                  keep",
    "5.9/1, not seen, RUNNING, NOT_SEEN,   '',                    '',                  keep",
    "5.9/1, going down, RUNNING, CONNECTED, '',                   '',                  keep",
  })
  void whichGo(
      String rule,
      String what,
      State before,
      Reach reach,
      String instance,
      String done,
      String then) {
    ReplicaWorld world = world(1);
    InstanceManager manager = old(world).with(before, 42, 1);
    world.put(manager);
    if (!what.equals("default")) {
      world.set(Settings.Key.DEFAULT_INSTANCE_MANAGER_IMAGE, NEW);
    }
    switch (what) {
      case "no node" -> world.drop(world.node("node-1"));
      case "cannot" -> world.without(Capability.MANAGE_INSTANCE_MANAGERS);
      case "going down" -> world.isStopping = true;
      default -> assertThat(world.node("node-1").isCordoned()).isFalse();
    }
    if (instance.isEmpty()) {
      see(world, manager.name(), reach);
    } else {
      see(world, manager.name(), reach, instance);
    }
    Plan plan = plan(world);
    String asked =
        plan.actions().stream()
            .filter(action -> action instanceof Action.ManagerAction)
            // There is no volume of what it has: that is somebody else's decision.
            .filter(action -> !(action instanceof Action.ForgetInstance))
            .filter(action -> !(action instanceof Action.StopInstance))
            .map(action -> action.getClass().getSimpleName())
            .reduce("", (a, b) -> b);
    assertThat(asked).as(rule + " " + what).isEqualTo(done);
    assertThat(isThere(world, manager.name())).isEqualTo(then.equals("keep"));
  }

  @Test
  void aReplicaInstanceManagerGoesFromANodeWithoutDisks() {
    // Rule 5.9/5
    ReplicaWorld world = world(1).set(Settings.Key.INSTANCE_MANAGER_TYPES, "separate");
    plan(world);
    String name = Names.instanceManager("node-1", InstanceManager.Type.REPLICA, ReplicaWorld.IMAGE);
    see(world, name, Reach.CONNECTED);
    plan(world);
    assertThat(isThere(world, name)).isTrue();
    world.node("node-1", now -> now.with(List.of()));
    assertThat(plan(world).actions())
        .anyMatch(action ->
            action instanceof Action.KillInstanceManager(InstanceManager one)
                && one.name().equals(name));
    see(world, name, Reach.GONE);
    plan(world);
    assertThat(isThere(world, name)).isFalse();
  }

  @ParameterizedTest
  @CsvSource({"5.9/2, all-in-one", "5.9/2, separate"})
  void theOldOneOfTheAttachedNodeStaysAsLongAsAnEngineRunsInIt(String rule, String types) {
    // The first seed's table in small: three nodes, the engine on node-1, replicas moved already.
    ReplicaWorld world = world(3).set(Settings.Key.INSTANCE_MANAGER_TYPES, types);
    for (int i = 0; i < 3; i++) {
      plan(world);
      seeAll(world, "");
    }
    int before = world.managers().size();
    world.set(Settings.Key.DEFAULT_INSTANCE_MANAGER_IMAGE, NEW);
    String engine =
        Names.instanceManager(
            "node-1",
            types.equals("separate")
                ? InstanceManager.Type.ENGINE
                : InstanceManager.Type.ALL_IN_ONE,
            ReplicaWorld.IMAGE);
    for (int i = 0; i < 5; i++) {
      seeAll(world, engine);
      plan(world);
    }
    assertThat(before).as(rule).isEqualTo(types.equals("separate") ? 6 : 3);
    assertThat(world.managers()).as("new ones, and one old one").hasSize(before + 1);
    assertThat(isThere(world, engine)).isTrue();
    // Detached: the last one goes too (#2144, #9540).
    for (int i = 0; i < 3; i++) {
      seeAll(world, "");
      plan(world);
    }
    assertThat(world.managers()).hasSize(before).allMatch(one -> one.image().equals(NEW));
  }

  /** All that are to run answer; those that were told to end are gone; one has an engine. */
  private static void seeAll(ReplicaWorld world, String withEngine) {
    String image = world.draft().settings().text(Settings.Key.DEFAULT_INSTANCE_MANAGER_IMAGE);
    String types = world.draft().settings().text(Settings.Key.INSTANCE_MANAGER_TYPES);
    for (InstanceManager one : world.managers()) {
      boolean isWanted =
          one.image().equals(image)
              && (one.type() == InstanceManager.Type.ALL_IN_ONE) == types.equals("all-in-one");
      if (one.name().equals(withEngine)) {
        see(world, one.name(), Reach.CONNECTED, "v-e-0=RUNNING");
      } else {
        see(world, one.name(), isWanted ? Reach.CONNECTED : Reach.GONE);
      }
    }
  }

  // ---- issues -----------------------------------------------------------------------------------

  @Test
  void issue6479AnInstanceManagerThatNobodyReachesIsKeptHoweverLong() {
    ReplicaWorld world = world(1).set(Settings.Key.DEFAULT_INSTANCE_MANAGER_IMAGE, NEW);
    see(world, old(world).name(), Reach.CONNECTED, "v-e-0=RUNNING");
    plan(world);
    world.seen("node-1", new NodeSeen(Kube.UNKNOWN, NOW, false));
    see(world, old(world).name(), Reach.UNREACHABLE);
    for (int day = 0; day < 10; day++) {
      world.nowMillis += 86_400_000;
      assertThat(ReplicaWorld.done(plan(world))).isEmpty();
      assertThat(isThere(world, "instance-manager-node-1")).isTrue();
    }
    // It is back, with what runs in it.
    world.seen("node-1", new NodeSeen(Kube.TRUE, world.nowMillis, true));
    see(world, old(world).name(), Reach.CONNECTED, "v-e-0=RUNNING");
    plan(world);
    assertThat(old(world).state()).isEqualTo(State.RUNNING);
  }

  @Test
  void issue8735TheFateOfANodeIsKnownWhenItsInstanceManagerIsGivenUp() {
    // Rule 6.1/5, 8/4: down, doubt; told to end, an error, which no doubt overwrites.
    ReplicaWorld world = world(1);
    world.seen("node-1", new NodeSeen(Kube.UNKNOWN, NOW, false));
    see(world, old(world).name(), Reach.UNREACHABLE);
    plan(world);
    assertThat(old(world).state()).as("8/2").isEqualTo(State.UNKNOWN);
    see(world, old(world).name(), Reach.TERMINATING);
    plan(world);
    assertThat(old(world).state()).as("8/4").isEqualTo(State.ERROR);
    see(world, old(world).name(), Reach.UNREACHABLE);
    plan(world);
    assertThat(old(world).state()).isEqualTo(State.ERROR);
  }
}
