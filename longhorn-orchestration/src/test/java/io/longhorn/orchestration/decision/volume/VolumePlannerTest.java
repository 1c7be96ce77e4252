package io.longhorn.orchestration.decision.volume;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.ReplicaMode;
import io.longhorn.api.cluster.Condition;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.Node;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.Volume.Robustness;
import io.longhorn.api.cluster.Volume.State;
import io.longhorn.orchestration.decision.Action;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.decision.SmallCluster;
import java.util.List;
import java.util.Optional;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Sections 7.1 and 7.2: one volume, as it is stored, and what becomes of it in one plan. */
final class VolumePlannerTest {
  private static final int REPLICAS = 3;

  private static InstanceView process(InstanceView.State state, boolean isStarted) {
    boolean isThere = state != InstanceView.State.STOPPED;
    return new InstanceView(
        state, isStarted, isThere ? "im" : "", isThere ? "u" : "", isThere ? 9 : 0, "");
  }

  /** A volume with replicas on three nodes that are ready. */
  private static SmallCluster cluster(State state, String spec, String current) {
    SmallCluster cluster = new SmallCluster(REPLICAS);
    cluster.create("v", REPLICAS);
    for (String name : cluster.hosts.keySet()) {
      Node node = cluster.node(name);
      cluster.put(node.with(node.kube(), new Condition("Ready", true, "KubeletReady", "", 0)));
    }
    cluster.change(
        "v",
        volume ->
            volume
                .with(volume.spec().withNodeID(text(spec)))
                .with(volume.status().with(state, text(current))));
    return cluster;
  }

  private static String text(String word) {
    return word.equals("-") ? "" : word;
  }

  private static void engine(
      SmallCluster cluster, InstanceView.State state, boolean isWanted, int inSync) {
    TreeMap<ReplicaId, Engine.Member> members = new TreeMap<>();
    if (state == InstanceView.State.RUNNING) {
      for (Replica replica : cluster.replicas("v")) {
        boolean isIn = members.size() < inSync;
        members.put(
            replica.spec().id(),
            new Engine.Member(
                isIn ? ReplicaMode.RW : ReplicaMode.WO, isIn ? "" : "is copied", 0, 0));
      }
    }
    boolean isRunning = state == InstanceView.State.RUNNING;
    cluster.put(
        new Engine(
            "v-e-0",
            Engine.Spec.stopped("v", "default", true).on("node-1", "").withWanted(isWanted),
            new Engine.Status(
                process(state, isWanted),
                Optional.empty(),
                inSync > 0,
                1,
                "held",
                isRunning ? List.of("nbd://v") : List.of(),
                members,
                isRunning ? "default" : "")));
  }

  private static void replicas(SmallCluster cluster, InstanceView.State state, boolean isWanted) {
    for (Replica replica : cluster.replicas("v")) {
      cluster.put(
          replica.wanted(isWanted).with(new Replica.Status(true, false, process(state, isWanted))));
    }
  }

  private static Volume planned(SmallCluster cluster) {
    cluster.nowMillis = 9;
    Draft draft = new Draft(cluster.blankView());
    VolumePlanner.plan(draft, cluster.volume("v"));
    cluster.store(draft, "v");
    return cluster.volume("v");
  }

  private static boolean wantsReplicas(SmallCluster cluster) {
    List<Boolean> wanted =
        cluster.replicas("v").stream().map(replica -> replica.spec().isWanted()).toList();
    assertThat(wanted.stream().distinct()).as("all or none").hasSize(1);
    return wanted.getFirst();
  }

  @ParameterizedTest
  @CsvSource({
    // spec, current, state; engine, wanted; replicas, wanted -> state, current; engine, replicas
    // wanted nowhere
    "-, node-1, ATTACHED,  RUNNING,  true,  RUNNING,  true,  DETACHING, node-1, false, true",
    "-, -,      ATTACHING, STARTING, true,  RUNNING,  true,  DETACHING, -,      false, true",
    "-, -,      ATTACHING, STOPPED,  false, STARTING, true,  DETACHING, -,      false, false",
    "-, node-1, DETACHING, STOPPING, false, RUNNING,  true,  DETACHING, node-1, false, true",
    "-, node-1, DETACHING, UNKNOWN,  false, RUNNING,  true,  DETACHING, node-1, false, true",
    "-, node-1, DETACHING, STOPPED,  false, RUNNING,  true,  DETACHING, node-1, false, false",
    "-, node-1, DETACHING, ERROR,    false, RUNNING,  true,  DETACHING, node-1, false, false",
    "-, node-1, DETACHING, STOPPED,  false, STOPPING, false, DETACHING, node-1, false, false",
    "-, node-1, DETACHING, STOPPED,  false, STOPPED,  false, DETACHED,  -,      false, false",
    "-, node-1, DETACHING, STOPPED,  false, ERROR,    false, DETACHED,  -,      false, false",
    "-, -,      DETACHED,  STOPPED,  false, STOPPED,  false, DETACHED,  -,      false, false",
    "-, node-1, DETACHED,  STOPPED,  false, STOPPED,  false, DETACHED,  -,      false, false",
    "-, -,      DETACHED,  RUNNING,  true,  RUNNING,  true,  DETACHING, -,      false, true",
    // wanted, and on its way
    "node-1, -, DETACHED,  STOPPED,  false, STOPPED,  false, ATTACHING, -,      false, true",
    "node-1, -, ATTACHING, STOPPED,  false, STARTING, true,  ATTACHING, -,      false, true",
    "node-1, -, ATTACHING, STOPPED,  false, RUNNING,  true,  ATTACHING, -,      true,  true",
    "node-1, -, ATTACHING, STOPPED,  false, ERROR,    true,  ATTACHING, -,      false, true",
    "node-1, -, ATTACHING, STARTING, true,  RUNNING,  true,  ATTACHING, -,      true,  true",
    "node-1, -, ATTACHING, RUNNING,  true,  RUNNING,  true,  ATTACHED,  node-1, true,  true",
    "node-1, -, ATTACHING, ERROR,    true,  STARTING, true,  ATTACHING, -,      true,  true",
    "node-1, -, DETACHING, STOPPING, false, RUNNING,  true,  DETACHING, -,      false, true",
    "node-1, -, DETACHING, STOPPED,  false, STOPPED,  false, DETACHED,  -,      false, false",
    // where it is wanted
    "node-1, node-1, ATTACHED,  RUNNING, true,  RUNNING, true,  ATTACHED,  node-1, true,  true",
    "node-1, node-1, ATTACHED,  RUNNING, true,  STOPPED, false, ATTACHED,  node-1, true,  true",
    "node-1, node-1, ATTACHED,  UNKNOWN, true,  UNKNOWN, true,  ATTACHED,  node-1, true,  true",
    "node-1, node-1, DETACHING, STOPPED, false, STOPPED, false, DETACHED,  -,      false, false",
    // wanted elsewhere
    "node-2, node-1, ATTACHED,  RUNNING, true,  RUNNING, true,  DETACHING, node-1, false, true",
    "node-2, node-1, DETACHING, STOPPED, false, RUNNING, true,  DETACHING, node-1, false, false",
  })
  void row(
      String spec,
      String current,
      State state,
      InstanceView.State engine,
      boolean isEngineWanted,
      InstanceView.State replicas,
      boolean areReplicasWanted,
      State expected,
      String currentThen,
      boolean wantsEngine,
      boolean wantsReplicas) {
    SmallCluster cluster = cluster(state, spec, current);
    engine(cluster, engine, isEngineWanted, REPLICAS);
    replicas(cluster, replicas, areReplicasWanted);
    Volume volume = planned(cluster);
    assertThat(volume.status().state()).isEqualTo(expected);
    assertThat(volume.status().currentNodeID()).isEqualTo(text(currentThen));
    assertThat(cluster.engine("v").spec().isWanted()).as("engine").isEqualTo(wantsEngine);
    assertThat(wantsReplicas(cluster)).as("replicas").isEqualTo(wantsReplicas);
    boolean isAtRest =
        expected == State.DETACHED
            || (expected == State.ATTACHED && engine != InstanceView.State.UNKNOWN);
    assertThat(volume.status().condition("Waiting").isPresent())
        .as("who waits says for what")
        .isEqualTo(!isAtRest);
  }

  @ParameterizedTest
  @CsvSource({
    // state, engine, started by being wanted, in sync, before -> robustness
    "ATTACHED,  RUNNING,  3, HEALTHY,  HEALTHY",
    "ATTACHED,  RUNNING,  3, DEGRADED, HEALTHY",
    "ATTACHED,  RUNNING,  2, HEALTHY,  DEGRADED",
    "ATTACHED,  RUNNING,  1, HEALTHY,  DEGRADED",
    "ATTACHED,  RUNNING,  0, HEALTHY,  DEGRADED",
    "ATTACHED,  UNKNOWN,  0, HEALTHY,  UNKNOWN",
    "ATTACHED,  ERROR,    0, HEALTHY,  FAULTED",
    "ATTACHED,  ERROR,    0, FAULTED,  FAULTED",
    "ATTACHING, ERROR,    0, UNKNOWN,  FAULTED",
    "ATTACHING, STARTING, 0, UNKNOWN,  UNKNOWN",
    "ATTACHING, RUNNING,  0, UNKNOWN,  UNKNOWN",
    "ATTACHING, RUNNING,  2, UNKNOWN,  DEGRADED",
    "DETACHING, STOPPING, 0, FAULTED,  FAULTED",
    "DETACHING, STOPPING, 0, HEALTHY,  HEALTHY",
    "DETACHING, STOPPED,  0, FAULTED,  UNKNOWN",
    "DETACHED,  STOPPED,  0, UNKNOWN,  UNKNOWN",
  })
  void robustness(
      State state, InstanceView.State engine, int inSync, Robustness before, Robustness expected) {
    boolean isUp = state == State.ATTACHED || state == State.ATTACHING;
    SmallCluster cluster = cluster(state, isUp ? "node-1" : "-", isUp ? "node-1" : "-");
    cluster.change("v", volume -> volume.with(volume.status().with(before, 1)));
    engine(cluster, engine, isUp, inSync);
    replicas(cluster, isUp ? InstanceView.State.RUNNING : InstanceView.State.STOPPED, isUp);
    Volume volume = planned(cluster);
    assertThat(volume.status().robustness()).isEqualTo(expected);
    assertThat(cluster.told.stream().map(Action.Tell::reason))
        .as("a crash is told once")
        .filteredOn("DetachedUnexpectedly"::equals)
        .hasSize(expected == Robustness.FAULTED && before != expected ? 1 : 0);
  }

  @Test
  void whenItBecameDegradedIsKeptUntilItIsSoAgain() {
    SmallCluster cluster = cluster(State.ATTACHED, "node-1", "node-1");
    engine(cluster, InstanceView.State.RUNNING, true, 2);
    replicas(cluster, InstanceView.State.RUNNING, true);
    assertThat(planned(cluster).status().lastDegradedAtMillis()).isEqualTo(9);
    cluster.change("v", volume -> volume.with(volume.status().with(Robustness.HEALTHY, 70)));
    assertThat(cluster.volume("v").status().lastDegradedAtMillis()).isEqualTo(9);
    assertThat(cluster.told.getFirst().message())
        .startsWith("volume v is degraded: v-r-")
        .endsWith(" (is copied)");
  }

  @Test
  void ioThatIsHeldIsSaid() {
    SmallCluster cluster = cluster(State.ATTACHED, "node-1", "node-1");
    engine(cluster, InstanceView.State.RUNNING, true, 0);
    replicas(cluster, InstanceView.State.ERROR, true);
    assertThat(planned(cluster).status().condition("Waiting"))
        .hasValueSatisfying(waits -> {
          assertThat(waits.reason()).isEqualTo("IoHeld");
          assertThat(waits.message()).isEqualTo("I/O is held: held");
        });
  }

  @Test
  void aVolumeIsMadeWhenEveryDirectoryIs() {
    SmallCluster cluster = cluster(State.CREATING, "-", "-");
    for (Replica replica : cluster.replicas("v")) {
      assertThat(planned(cluster).status().state()).isEqualTo(State.CREATING);
      cluster.put(replica.with(new Replica.Status(true, false, InstanceView.NONE)));
    }
    assertThat(planned(cluster).status().state()).isEqualTo(State.DETACHED);
    assertThat(cluster.volume("v").status().conditions()).isEmpty();
  }

  @Test
  void oneOfThreeReplicasIsEnoughWhenTheOthersCannotCome() {
    SmallCluster cluster = cluster(State.ATTACHING, "node-1", "-");
    engine(cluster, InstanceView.State.STOPPED, false, 0);
    replicas(cluster, InstanceView.State.RUNNING, true);
    // One failed to start, the node of another is down.
    Replica second = cluster.replicaOn("v", "node-2");
    cluster.put(
        second.with(new Replica.Status(true, false, process(InstanceView.State.ERROR, false))));
    Replica third = cluster.replicaOn("v", "node-3");
    cluster.put(third.with(new Replica.Status(true, false, InstanceView.NONE)));
    assertThat(planned(cluster).status().state()).isEqualTo(State.ATTACHING);
    assertThat(cluster.engine("v").spec().isWanted()).as("the third may still come").isFalse();
    Node down = cluster.node("node-3");
    cluster.put(down.with(down.kube(), new Condition("Ready", false, "Gone", "", 0)));
    planned(cluster);
    assertThat(cluster.engine("v").spec().isWanted()).isTrue();
  }

  /** On a node whose power is off nothing can be stopped, and nothing can do harm. */
  @Test
  void anEngineOutOfReachOnANodeThatIsOffCountsAsStopped() {
    SmallCluster cluster = cluster(State.DETACHING, "-", "node-1");
    engine(cluster, InstanceView.State.UNKNOWN, false, 0);
    replicas(cluster, InstanceView.State.STOPPED, false);
    assertThat(planned(cluster).status().state()).isEqualTo(State.DETACHING);
    Node node = cluster.node("node-1");
    cluster.put(node.with(node.kube(), new Condition("Ready", false, Names.NODE_NOT_READY, "", 0)));
    assertThat(planned(cluster).status().state()).isEqualTo(State.DETACHED);
  }
}
