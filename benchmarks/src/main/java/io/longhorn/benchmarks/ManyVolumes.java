package io.longhorn.benchmarks;

import io.longhorn.api.EngineId;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.ReplicaMode;
import io.longhorn.api.VolumeId;
import io.longhorn.api.cluster.ClusterObject;
import io.longhorn.api.cluster.Condition;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.EngineImage;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.Membership;
import io.longhorn.api.cluster.Node;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.Volume.Robustness;
import io.longhorn.api.cluster.VolumeAttachment;
import io.longhorn.api.cluster.VolumeAttachment.Ticket;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.orchestration.decision.Action;
import io.longhorn.orchestration.decision.Capability;
import io.longhorn.orchestration.decision.ClusterView;
import io.longhorn.orchestration.decision.EngineSeen;
import io.longhorn.orchestration.decision.ManagerSeen;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.decision.Plan;
import io.longhorn.orchestration.decision.control.ControlCore;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;

/**
 * A cluster at rest: every volume attached and healthy, with three replicas, nothing to be done.
 */
final class ManyVolumes {
  private static final int REPLICAS = 3;
  private static final int MOST_ROUNDS = 20;
  private static final String IMAGE = Names.DEFAULT_IMAGE;

  private final ClusterView view = new ClusterView(EnumSet.allOf(Capability.class));
  private final int nodes;
  private final List<TreeMap<String, ManagerSeen.Instance>> instances = new ArrayList<>();

  private ManyVolumes(int nodes) {
    this.nodes = nodes;
  }

  /** So many volumes on so many nodes. */
  static ClusterView of(int volumes, int nodes) {
    ManyVolumes cluster = new ManyVolumes(nodes);
    cluster.view.now(1_000_000);
    cluster.addNodes();
    for (int i = 0; i < volumes; i++) {
      cluster.addVolume(i);
    }
    for (int i = 0; i < nodes; i++) {
      cluster.view.seen(
          manager(i),
          new ManagerSeen(ManagerSeen.Reach.CONNECTED, 1 + i, cluster.instances.get(i)));
    }
    cluster.settle();
    return cluster.view;
  }

  static String volume(int i) {
    return String.format(Locale.ROOT, "volume-%05d", i);
  }

  private static String node(int i) {
    return String.format(Locale.ROOT, "node-%03d", i);
  }

  private static String manager(int i) {
    return Names.instanceManager(node(i), InstanceManager.Type.ALL_IN_ONE, IMAGE);
  }

  private void addNodes() {
    TreeSet<String> names = new TreeSet<>();
    for (int i = 0; i < nodes; i++) {
      names.add(node(i));
      view.put(Node.of(node(i), "/disk", new Condition(Names.READY, true, "", "", 1)));
      view.put(
          new InstanceManager(
              manager(i),
              node(i),
              InstanceManager.Type.ALL_IN_ONE,
              IMAGE,
              "unix:/m" + i,
              InstanceManager.State.RUNNING,
              1 + i,
              1));
      instances.add(new TreeMap<>());
    }
    view.put(EngineImage.of(IMAGE, "/image", "1", EngineImage.Versions.first("1"), names));
  }

  private InstanceView start(String name, int node) {
    long pid = 100_000L + instances.get(node).size();
    String uuid = new UUID(node, pid).toString();
    instances
        .get(node)
        .put(name, new ManagerSeen.Instance(ManagerSeen.State.RUNNING, uuid, pid, ""));
    return new InstanceView(InstanceView.State.RUNNING, true, manager(node), uuid, pid, "");
  }

  private void addVolume(int i) {
    String name = volume(i);
    String home = node(i % nodes);
    String engineName = Names.engine(name, 0);
    TreeMap<ReplicaId, Engine.Member> members = new TreeMap<>();
    for (int r = 0; r < REPLICAS; r++) {
      ReplicaId id = new ReplicaId(new UUID((i * 16L + r) << 32, 1));
      members.put(id, new Engine.Member(ReplicaMode.RW, "", 0, 0));
      view.put(replica(name, engineName, id, (i + r) % nodes));
    }
    EngineId engineId = new EngineId(new UUID(i, 2));
    addEngine(engineName, name, i % nodes, engineId, members);
    MembershipRecord first = MembershipRecord.ofNewVolume(List.copyOf(members.keySet()));
    VolumeRecord record = VolumeRecord.ofNewVolume(first).reserved(1, engineId);
    view.put(new Membership(name, record));
    Condition satisfied = new Condition("Satisfied", true, "Attached", "", 1);
    Ticket ticket = new Ticket("t", "csi-attacher", home, "", false, 1, satisfied);
    view.put(new VolumeAttachment(name, new TreeMap<>()).with(ticket));
    Volume.Spec spec =
        Volume.Spec.of(new VolumeId(new UUID(i, 3)), 1L << 30, REPLICAS, true, IMAGE);
    view.put(
        new Volume(
            name,
            spec.withNodeID(home),
            Volume.Status.creating(IMAGE)
                .with(Volume.State.ATTACHED, home)
                .with(Robustness.HEALTHY, 1),
            0));
  }

  private void addEngine(
      String name,
      String volume,
      int node,
      EngineId id,
      SortedMap<ReplicaId, Engine.Member> members) {
    List<String> endpoints = List.of("nbd://" + volume);
    InstanceView instance = start(name, node);
    view.put(
        new Engine(
            name,
            Engine.Spec.stopped(volume, IMAGE, true).on(node(node), ""),
            new Engine.Status(
                instance, Optional.of(id), true, 1, "open", endpoints, members, IMAGE)));
    view.seen(
        name,
        new EngineSeen(
            instance.pid(), Optional.of(id), IMAGE, true, 1, "open", endpoints, members));
  }

  private Replica replica(String volume, String engine, ReplicaId id, int node) {
    String name = Names.replica(volume, id);
    return new Replica(
        name,
        new Replica.Spec(
            volume,
            id,
            node(node),
            Node.ONLY_DISK,
            Names.directory("/disk", name),
            IMAGE,
            true,
            engine,
            true,
            false,
            Replica.Health.NEW.healthy(1)),
        new Replica.Status(true, true, start(name, node)));
  }

  /** What is stored is brought to where no plan changes it; a process has to be left alone. */
  private void settle() {
    for (int i = 0; i < MOST_ROUNDS; i++) {
      boolean isSettled = true;
      for (Plan plan : ControlCore.planAll(view)) {
        for (Action action : plan.actions()) {
          isSettled &= action instanceof Action.Tell;
          apply(action);
        }
      }
      if (isSettled) {
        view.takeDirty();
        view.takeClusterDirty();
        return;
      }
    }
    throw new IllegalStateException("the cluster does not come to rest");
  }

  private void apply(Action action) {
    switch (action) {
      case Action.Put(ClusterObject object) -> view.put(object);
      case Action.Tell _ -> {}
      default -> throw new IllegalStateException("the cluster is not at rest: " + action);
    }
  }
}
