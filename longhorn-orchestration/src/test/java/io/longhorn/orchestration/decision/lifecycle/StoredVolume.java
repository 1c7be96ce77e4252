package io.longhorn.orchestration.decision.lifecycle;

import io.longhorn.api.EngineId;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.ReplicaMode;
import io.longhorn.api.cluster.Condition;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.Node;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Replica.Health;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.Volume.State;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.RecordStamp;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.orchestration.decision.Action;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.decision.SmallCluster;
import java.util.List;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;
import java.util.function.BiConsumer;

/**
 * A volume v with three replicas on three nodes that are ready, as a test wants it stored: for the
 * tables of single planners. Nobody has looked at anything.
 */
final class StoredVolume {
  static final int REPLICAS = 3;
  static final long NOW = 100_000;

  /** When what was healthy before the test became so. */
  static final long HEALTHY_SINCE = 1_000;

  final SmallCluster cluster = new SmallCluster(REPLICAS);

  StoredVolume(State state, String spec, String current) {
    cluster.create("v", REPLICAS, true);
    cluster.nowMillis = NOW;
    for (String node : cluster.hosts.keySet()) {
      manager(node, InstanceManager.State.RUNNING);
      ready(node, true, "KubeletReady");
    }
    replicas(InstanceView.State.STOPPED, false, Health.NEW);
    engine(InstanceView.State.STOPPED, false, 0);
    cluster.change(
        "v",
        volume ->
            volume
                .with(volume.spec().withNodeID(text(spec)))
                .with(volume.status().with(state, text(current))));
  }

  /** "-" for nothing. */
  static String text(String word) {
    return word.equals("-") ? "" : word;
  }

  static InstanceView process(InstanceView.State state, boolean isStarted) {
    boolean isThere = state != InstanceView.State.STOPPED;
    return new InstanceView(
        state, isStarted, isThere ? "im" : "", isThere ? "u" : "", isThere ? 9 : 0, "");
  }

  static EngineId engineId(int number) {
    return new EngineId(new UUID(9, number));
  }

  void ready(String name, boolean isReady, String reason) {
    Node node = cluster.node(name);
    cluster.put(node.with(node.kube(), new Condition("Ready", isReady, reason, "", 0)));
  }

  void down(String node) {
    ready(node, false, Names.NODE_NOT_READY);
  }

  void manager(String node, InstanceManager.State state) {
    cluster.put(cluster.manager(node).with(state, 42, NOW));
  }

  /** The volume's engine on node-1; with as many of its replicas in sync. */
  Engine engine(InstanceView.State state, boolean isWanted, int inSync) {
    return engine(0, "node-1", true, state, isWanted, inSync);
  }

  Engine engine(
      int number,
      String node,
      boolean isActive,
      InstanceView.State state,
      boolean isWanted,
      int inSync) {
    boolean isRunning = state == InstanceView.State.RUNNING;
    TreeMap<ReplicaId, Engine.Member> members = new TreeMap<>();
    if (isRunning) {
      for (Replica replica : cluster.replicas("v")) {
        boolean isIn = members.size() < inSync;
        members.put(
            replica.spec().id(),
            new Engine.Member(
                isIn ? ReplicaMode.RW : ReplicaMode.WO, isIn ? "" : "is copied", 0, 0));
      }
    }
    Engine engine =
        new Engine(
            Names.engine("v", number),
            Engine.Spec.stopped("v", Names.DEFAULT_IMAGE, isActive)
                .on(node, "")
                .withWanted(isWanted),
            new Engine.Status(
                process(state, isWanted),
                // What it has said is known for as long as it may run.
                isRunning || state == InstanceView.State.UNKNOWN
                    ? Optional.of(engineId(number))
                    : Optional.empty(),
                inSync > 0,
                1,
                "held",
                isRunning ? List.of("nbd://v") : List.of(),
                members,
                isRunning ? Names.DEFAULT_IMAGE : ""));
    cluster.put(engine);
    return engine;
  }

  void replicas(InstanceView.State state, boolean isWanted, Health health) {
    for (Replica replica : cluster.replicas("v")) {
      cluster.put(
          replica
              .with(replica.spec().withWanted(isWanted).withHealth(health))
              .with(
                  new Replica.Status(
                      true, state == InstanceView.State.RUNNING, process(state, isWanted))));
    }
  }

  /** Replicas have been in sync, and run if that is said. */
  void healthyReplicas(InstanceView.State state) {
    replicas(state, state == InstanceView.State.RUNNING, Health.NEW.healthy(HEALTHY_SINCE));
  }

  Replica replica(int node) {
    return cluster.replicaOn("v", "node-" + node);
  }

  /** The record names the replicas of these nodes, the others have left; an engine owns it. */
  void record(int ownerNumber, Integer... nodes) {
    TreeSet<ReplicaId> members = new TreeSet<>();
    for (int node : nodes) {
      members.add(replica(node).spec().id());
    }
    VolumeRecord first = cluster.record("v");
    MembershipRecord membership = first.membership();
    if (!membership.members().equals(members)) {
      membership = membership.next(new RecordStamp(1, 2), members);
    }
    VolumeRecord record =
        new VolumeRecord(membership, 1, Optional.empty(), new TreeSet<>(), VolumeRecord.Phase.NONE);
    cluster.record("v", ownerNumber < 0 ? record : record.reserved(2, engineId(ownerNumber)));
  }

  Volume volume() {
    return cluster.volume("v");
  }

  /** What one planner makes of it, stored. */
  List<Action> plan(BiConsumer<Draft, Volume> planner) {
    Draft draft = new Draft(cluster.blankView());
    planner.accept(draft, volume());
    return cluster.store(draft, "v");
  }

  /** Time at which the planner wants to look again. */
  long lookAgain(BiConsumer<Draft, Volume> planner) {
    Draft draft = new Draft(cluster.blankView());
    planner.accept(draft, volume());
    return draft.plan().lookAgainMillis();
  }

  List<String> told() {
    return cluster.told.stream().map(Action.Tell::reason).toList();
  }
}
