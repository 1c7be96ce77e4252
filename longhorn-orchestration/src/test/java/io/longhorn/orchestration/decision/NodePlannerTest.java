package io.longhorn.orchestration.decision;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.InstanceManager.State;
import io.longhorn.orchestration.decision.ManagerSeen.Reach;
import java.util.List;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Section 6.1: what is said of an instance manager and its node, and what is done about it. */
final class NodePlannerTest {
  private static List<Action> plan(SmallCluster cluster, Reach reach, long pid) {
    TreeMap<String, ManagerSeen> managers = new TreeMap<>();
    managers.put("instance-manager-node-1", new ManagerSeen(reach, pid, new TreeMap<>()));
    return ControlCore.plan(
        new ClusterView(5_000, cluster.objects, managers, new TreeMap<>(), cluster.isStopping));
  }

  private static SmallCluster cluster(State before, boolean isOff) {
    SmallCluster cluster = new SmallCluster(1);
    InstanceManager manager = cluster.manager("node-1");
    cluster.put(manager.with(before, before == State.STOPPED ? 0 : 42, 1));
    cluster.power("node-1", isOff);
    return cluster;
  }

  private static String done(List<Action> plan) {
    return plan.stream()
        .filter(action -> action instanceof Action.ProcessAction)
        .map(action -> action.getClass().getSimpleName())
        .reduce("nothing", (a, b) -> b);
  }

  @ParameterizedTest
  @CsvSource({
    // before, off, reach, state then, ready, done
    "STOPPED,  false, GONE,        STARTING, false, StartInstanceManager",
    "STARTING, false, GONE,        STARTING, false, StartInstanceManager",
    "STARTING, false, CONNECTED,   RUNNING,  true,  nothing",
    "STOPPED,  false, CONNECTED,   RUNNING,  true,  nothing",
    "RUNNING,  false, CONNECTED,   RUNNING,  true,  nothing",
    "RUNNING,  false, GONE,        ERROR,    false, StartInstanceManager",
    "RUNNING,  false, UNREACHABLE, UNKNOWN,  false, nothing",
    "UNKNOWN,  false, UNREACHABLE, UNKNOWN,  false, nothing",
    "UNKNOWN,  false, CONNECTED,   RUNNING,  true,  nothing",
    "UNKNOWN,  false, GONE,        ERROR,    false, StartInstanceManager",
    "ERROR,    false, GONE,        ERROR,    false, StartInstanceManager",
    "ERROR,    false, UNREACHABLE, ERROR,    false, nothing",
    "ERROR,    false, CONNECTED,   RUNNING,  true,  nothing",
    "STOPPED,  false, UNREACHABLE, STOPPED,  false, nothing",
    "STARTING, false, UNREACHABLE, UNKNOWN,  false, nothing",
    "RUNNING,  true,  CONNECTED,   UNKNOWN,  false, KillInstanceManager",
    "RUNNING,  true,  UNREACHABLE, UNKNOWN,  false, KillInstanceManager",
    "UNKNOWN,  true,  GONE,        UNKNOWN,  false, nothing",
    "ERROR,    true,  GONE,        ERROR,    false, nothing",
    "ERROR,    true,  CONNECTED,   ERROR,    false, KillInstanceManager",
  })
  void row(State before, boolean isOff, Reach reach, State expected, boolean isReady, String done) {
    SmallCluster cluster = cluster(before, isOff);
    List<Action> plan = plan(cluster, reach, reach == Reach.GONE ? 0 : 42);
    cluster.store(plan);
    assertThat(cluster.manager("node-1").state()).isEqualTo(expected);
    assertThat(cluster.node("node-1").ready().isTrue()).isEqualTo(isReady);
    assertThat(done(plan)).isEqualTo(done);
    assertThat(plan(cluster, reach, reach == Reach.GONE ? 0 : 42))
        .as("planned again, stored")
        .noneMatch(action -> action instanceof Action.Put || action instanceof Action.Tell);
  }

  @Test
  void thePidIsThatOfTheProcessThereIs() {
    SmallCluster cluster = cluster(State.RUNNING, false);
    cluster.store(plan(cluster, Reach.CONNECTED, 77));
    assertThat(cluster.manager("node-1").pid()).isEqualTo(77);
    cluster.store(plan(cluster, Reach.UNREACHABLE, 0));
    assertThat(cluster.manager("node-1").pid()).as("does not answer").isEqualTo(77);
    cluster.store(plan(cluster, Reach.GONE, 0));
    assertThat(cluster.manager("node-1").pid()).as("gone").isZero();
  }

  @Test
  void sinceIsWhenTheStateChangedAndNotWhenItWasLookedAt() {
    SmallCluster cluster = cluster(State.RUNNING, false);
    cluster.store(plan(cluster, Reach.CONNECTED, 42));
    assertThat(cluster.manager("node-1").sinceMillis()).isEqualTo(1);
    cluster.store(plan(cluster, Reach.GONE, 0));
    assertThat(cluster.manager("node-1").sinceMillis()).isEqualTo(5_000);
  }

  @Test
  void whyANodeIsNotReadyHasItsWord() {
    SmallCluster cluster = cluster(State.RUNNING, true);
    cluster.store(plan(cluster, Reach.CONNECTED, 42));
    assertThat(cluster.node("node-1").ready().reason()).isEqualTo("KubernetesNodeNotReady");
    cluster.power("node-1", false);
    cluster.store(plan(cluster, Reach.GONE, 0));
    assertThat(cluster.node("node-1").ready().reason()).isEqualTo("InstanceManagerNotRunning");
    cluster.store(plan(cluster, Reach.CONNECTED, 43));
    assertThat(cluster.node("node-1").ready().reason()).isEqualTo("KubeletReady");
  }

  @Test
  void nothingIsStartedWhileTheClusterGoesDown() {
    SmallCluster cluster = cluster(State.RUNNING, false);
    cluster.isStopping = true;
    assertThat(done(plan(cluster, Reach.GONE, 0))).isEqualTo("nothing");
  }
}
