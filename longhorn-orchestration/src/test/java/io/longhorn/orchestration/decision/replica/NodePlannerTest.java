package io.longhorn.orchestration.decision.replica;

import static io.longhorn.orchestration.decision.replica.ReplicaWorld.NOW;
import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.cluster.Condition;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.InstanceManager.State;
import io.longhorn.api.cluster.Node;
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
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Section 8, rule 1, and 6.1: nodes, with and without an orchestrator, and what follows. */
final class NodePlannerTest {
  /** Everything that belongs to no volume is planned, and stored. */
  private static Plan plan(ReplicaWorld world) {
    Plan plan = ControlCore.planCluster(world.view());
    for (Action action : plan.actions()) {
      switch (action) {
        case Action.Put(var object) -> world.put(object);
        case Action.Tell tell -> world.told.add(tell);
        case Action.Remove _, Action.ProcessAction _ -> {}
      }
    }
    return plan;
  }

  // ---- with an orchestrator ---------------------------------------------------------------------

  @ParameterizedTest
  @CsvSource({
    // what was known; what the orchestrator says, for how long, whether our agent answers; the
    // reason
    "8/1, KubeletReady,           TRUE,    99000, true,  KubeletReady",
    "8/1, KubeletReady,           TRUE,    99000, false, ManagerPodDown",
    "8/1, KubernetesNodeNotReady, TRUE,    0,     true,  KubeletReady",
    "8/1, KubernetesNodeGone,     TRUE,    0,     true,  KubeletReady",
    "8/1, KubeletReady,           FALSE,   0,     true,  KubeletReady",
    "8/1, KubeletReady,           FALSE,   14999, true,  KubeletReady",
    "8/1, KubeletReady,           FALSE,   15000, true,  KubernetesNodeNotReady",
    "8/1, KubeletReady,           FALSE,   14999, false, ManagerPodDown",
    "8/1, ManagerPodDown,         FALSE,   14999, true,  KubeletReady",
    "8/1, KubernetesNodeNotReady, FALSE,   100,   true,  KubernetesNodeNotReady",
    "8/1, KubeletReady,           UNKNOWN, 0,     true,  KubernetesNodeNotReady",
    "8/1, KubeletReady,           UNKNOWN, 99000, false, KubernetesNodeNotReady",
    "8/1, ManagerPodDown,         UNKNOWN, 0,     true,  KubernetesNodeNotReady",
    "8/1, KubeletReady,           GONE,    0,     true,  KubernetesNodeGone",
    "8/1, KubernetesNodeNotReady, GONE,    0,     false, KubernetesNodeGone",
  })
  void whatTheOrchestratorSays(
      String rule, String known, Kube kube, long forMillis, boolean isServed, String expected) {
    ReplicaWorld world = ReplicaWorld.ofNodes(1);
    world.notReady("node-1", known);
    world.node(
        "node-1",
        now ->
            now.with(
                now.kube(), new Condition("Ready", known.equals("KubeletReady"), known, "", 1)));
    world.seen("node-1", new NodeSeen(kube, NOW - forMillis, isServed));
    plan(world);
    Condition ready = world.node("node-1").ready();
    assertThat(ready.reason()).as(rule).isEqualTo(expected);
    assertThat(ready.isTrue()).isEqualTo(expected.equals("KubeletReady"));
    assertThat(world.draft().isDown("node-1"))
        .as("down")
        .isEqualTo(expected.startsWith("KubernetesNode"));
    assertThat(plan(world).actions()).as("applied").isEmpty();
  }

  @Test
  void whoIsNotBelievedYetIsLookedAtAgainInTime() {
    ReplicaWorld world = ReplicaWorld.ofNodes(1);
    world.seen("node-1", new NodeSeen(Kube.FALSE, NOW - 5_000, true));
    assertThat(plan(world).lookAgainMillis()).isEqualTo(NOW + 10_000);
    world.nowMillis = NOW + 10_000;
    plan(world);
    assertThat(world.node("node-1").ready().reason()).isEqualTo(Names.NODE_NOT_READY);
    assertThat(world.node("node-1").kube().sinceMillis()).isEqualTo(NOW - 5_000);
  }

  @Test
  void whereThereIsAnOrchestratorItsSilenceIsNoNews() {
    ReplicaWorld world = ReplicaWorld.ofNodes(1);
    world.seen("node-1", new NodeSeen(Kube.TRUE, 3, true));
    plan(world);
    // Another control plane, to which nobody has said anything yet; the instance manager is gone.
    ReplicaWorld next = ReplicaWorld.ofNodes(1);
    next.put(world.node("node-1"));
    next.seen(next.manager("node-1").name(), new ManagerSeen(Reach.GONE, 0, new TreeMap<>()));
    plan(next);
    assertThat(next.node("node-1").ready().isTrue()).isTrue();
  }

  @Test
  void anInstanceManagerThatCrashedDoesNotMakeItsNodeNotReady() {
    ReplicaWorld world = ReplicaWorld.ofNodes(1);
    world.seen("node-1", new NodeSeen(Kube.TRUE, 3, true));
    world.seen(world.manager("node-1").name(), new ManagerSeen(Reach.GONE, 0, new TreeMap<>()));
    plan(world);
    assertThat(world.manager("node-1").state()).isEqualTo(State.ERROR);
    assertThat(world.node("node-1").ready().isTrue()).isTrue();
  }

  @Test
  void issue7302And13109AndHarvester10285ANodeThatFlapsIsLeftAlone() {
    // Its agent restarts, again and again, each time for less than 15 s: nobody is told of
    // anything.
    ReplicaWorld world = ReplicaWorld.of(3, 3);
    for (int i = 0; i < 20; i++) {
      Kube kube = i % 2 == 0 ? Kube.FALSE : Kube.TRUE;
      for (long past = 0; past < 14_000; past += 1_000) {
        world.nowMillis = NOW + i * 14_000L + past;
        world.seen("node-1", new NodeSeen(kube, NOW + i * 14_000L, true));
        Plan plan = plan(world);
        assertThat(ReplicaWorld.done(plan)).isEmpty();
        assertThat(world.node("node-1").ready().isTrue()).isTrue();
        assertThat(world.manager("node-1").state()).isEqualTo(State.RUNNING);
      }
    }
    assertThat(world.told).isEmpty();
  }

  // ---- without ----------------------------------------------------------------------------------

  @ParameterizedTest
  @CsvSource({
    // before, power off, what is seen; state then, ready, what is done. As it always was on one
    // machine.
    "6.1/1, STOPPED,  false, GONE,        STARTING, false, StartInstanceManager",
    "6.1/1, STARTING, false, GONE,        STARTING, false, StartInstanceManager",
    "6.1/3, STOPPED,  false, STARTING,    STARTING, false, ''",
    "6.1/3, ERROR,    false, STARTING,    STARTING, false, ''",
    "6.1/3, RUNNING,  false, STARTING,    STARTING, false, ''",
    "6.1/4, STARTING, false, CONNECTED,   RUNNING,  true,  ''",
    "6.1/4, STOPPED,  false, CONNECTED,   RUNNING,  true,  ''",
    "6.1/4, RUNNING,  false, CONNECTED,   RUNNING,  true,  ''",
    "6.1/4, UNKNOWN,  false, CONNECTED,   RUNNING,  true,  ''",
    "6.1/4, ERROR,    false, CONNECTED,   RUNNING,  true,  ''",
    "6.1/2, RUNNING,  false, GONE,        ERROR,    false, StartInstanceManager",
    "6.1/2, UNKNOWN,  false, GONE,        ERROR,    false, StartInstanceManager",
    "6.1/2, ERROR,    false, GONE,        ERROR,    false, StartInstanceManager",
    "6.1/2, RUNNING,  false, TERMINATING, ERROR,    false, ''",
    "6.1/2, UNKNOWN,  false, TERMINATING, ERROR,    false, ''",
    "6.1/2, STARTING, false, TERMINATING, ERROR,    false, ''",
    "6.1/5, RUNNING,  false, UNREACHABLE, UNKNOWN,  false, ''",
    "6.1/5, STARTING, false, UNREACHABLE, UNKNOWN,  false, ''",
    "6.1/5, UNKNOWN,  false, UNREACHABLE, UNKNOWN,  false, ''",
    "6.1/5, ERROR,    false, UNREACHABLE, ERROR,    false, ''",
    "6.1/5, STOPPED,  false, UNREACHABLE, STOPPED,  false, ''",
    "6.1/5, RUNNING,  true,  CONNECTED,   UNKNOWN,  false, KillInstanceManager",
    "6.1/5, RUNNING,  true,  UNREACHABLE, UNKNOWN,  false, KillInstanceManager",
    "6.1/5, UNKNOWN,  true,  GONE,        UNKNOWN,  false, ''",
    "6.1/5, ERROR,    true,  GONE,        ERROR,    false, ''",
    "6.1/5, ERROR,    true,  CONNECTED,   ERROR,    false, KillInstanceManager",
    "6.1/2, UNKNOWN,  true,  TERMINATING, ERROR,    false, KillInstanceManager",
  })
  void aNodeFollowsFromItsInstanceManager(
      String rule,
      State before,
      boolean isOff,
      Reach reach,
      State expected,
      boolean isReady,
      String done) {
    ReplicaWorld world = ReplicaWorld.ofNodes(1).without(Capability.MANAGE_INSTANCE_MANAGERS);
    world.put(world.manager("node-1").with(before, before == State.STOPPED ? 0 : 42, 1));
    world.node("node-1", now -> now.withPower(isOff));
    see(world, reach);
    Plan plan = plan(world);
    assertThat(world.manager("node-1").state()).as(rule).isEqualTo(expected);
    assertThat(world.node("node-1").ready().isTrue()).isEqualTo(isReady);
    assertThat(ReplicaWorld.done(plan)).isEqualTo(done);
    assertThat(plan(world).actions())
        .as("planned again, stored")
        .noneMatch(action -> action instanceof Action.Put || action instanceof Action.Tell);
  }

  private static void see(ReplicaWorld world, Reach reach) {
    world.seen(
        world.manager("node-1").name(),
        new ManagerSeen(reach, reach == Reach.GONE ? 0 : 42, new TreeMap<>()));
  }

  @Test
  void whyANodeIsNotReadyHasItsWord() {
    ReplicaWorld world = ReplicaWorld.ofNodes(1);
    world.node("node-1", now -> now.withPower(true));
    plan(world);
    assertThat(world.node("node-1").ready().reason()).isEqualTo("KubernetesNodeNotReady");
    assertThat(world.node("node-1").ready().message()).isEqualTo("the power of node-1 is off");
    world.node("node-1", now -> now.withPower(false));
    see(world, Reach.GONE);
    plan(world);
    assertThat(world.node("node-1").ready().reason()).isEqualTo("InstanceManagerNotRunning");
    assertThat(world.node("node-1").ready().message())
        .isEqualTo("instance-manager-node-1 is error");
    see(world, Reach.CONNECTED);
    plan(world);
    assertThat(world.node("node-1").ready().reason()).isEqualTo("KubeletReady");
    assertThat(world.told)
        .extracting(tell -> tell.reason())
        .containsExactly("NodeNotReady", "NodeNotReady", "InstanceManagerCrashed", "NodeReady");
  }

  @Test
  void whatNobodyHasLookedAtStaysAsItWas() {
    ReplicaWorld world = ReplicaWorld.ofNodes(1);
    world.seen(world.manager("node-1").name(), ManagerSeen.NOT_YET);
    assertThat(plan(world).actions()).isEmpty();
    assertThat(world.node("node-1").ready().isTrue()).isTrue();
  }

  @Test
  void aNodeWithTwoKindsOfInstanceManagersNeedsBoth() {
    ReplicaWorld world = ReplicaWorld.ofNodes(1);
    world.set(Settings.Key.INSTANCE_MANAGER_TYPES, "separate");
    world.drop(world.manager("node-1"));
    for (InstanceManager.Type type :
        List.of(InstanceManager.Type.ENGINE, InstanceManager.Type.REPLICA)) {
      InstanceManager manager =
          new InstanceManager(
              Names.instanceManager("node-1", type, ReplicaWorld.IMAGE),
              "node-1",
              type,
              ReplicaWorld.IMAGE,
              "",
              State.RUNNING,
              42,
              1);
      world.put(manager);
      world.seen(manager.name(), new ManagerSeen(Reach.CONNECTED, 42, new TreeMap<>()));
    }
    plan(world);
    assertThat(world.node("node-1").ready().isTrue()).isTrue();
    String replicas =
        Names.instanceManager("node-1", InstanceManager.Type.REPLICA, ReplicaWorld.IMAGE);
    world.seen(replicas, new ManagerSeen(Reach.UNREACHABLE, 42, new TreeMap<>()));
    plan(world);
    Node node = world.node("node-1");
    assertThat(node.ready().isTrue()).isFalse();
    assertThat(node.ready().message()).isEqualTo(replicas + " is unknown");
  }
}
