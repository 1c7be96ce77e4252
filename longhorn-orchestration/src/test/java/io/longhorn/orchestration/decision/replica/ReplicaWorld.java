package io.longhorn.orchestration.decision.replica;

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
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Replica.Health;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.Volume.Robustness;
import io.longhorn.api.cluster.VolumeAttachment;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.RecordStamp;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.orchestration.decision.Action;
import io.longhorn.orchestration.decision.Capability;
import io.longhorn.orchestration.decision.ClusterView;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.ManagerSeen;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.decision.NodeSeen;
import io.longhorn.orchestration.decision.Plan;
import io.longhorn.orchestration.decision.Settings;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;

/**
 * One volume {@code v} of replicas r1, r2, … on node-1, node-2, …, attached to node-1, all in sync,
 * as a starting point: a test changes what its case is about, lets one planner plan, and looks.
 */
final class ReplicaWorld {
  static final String VOLUME = "v";
  static final String IMAGE = "default";
  static final long SIZE = 1 << 20;

  /** Now. */
  static final long NOW = 1_000_000_000_000L;

  final List<Action.Tell> told = new ArrayList<>();
  private final EnumSet<Capability> capabilities = EnumSet.allOf(Capability.class);
  private final TreeMap<ObjectKey, ClusterObject> objects = new TreeMap<>();
  private final TreeMap<String, ManagerSeen> managers = new TreeMap<>();
  private final TreeMap<String, NodeSeen> nodesSeen = new TreeMap<>();
  long nowMillis = NOW;
  boolean isStopping;

  /** Nodes node-1, node-2, …, each with an instance manager that runs, and nothing else. */
  static ReplicaWorld ofNodes(int count) {
    ReplicaWorld world = new ReplicaWorld();
    TreeSet<String> names = new TreeSet<>();
    for (int i = 1; i <= count; i++) {
      names.add("node-" + i);
      world.addNode("node-" + i);
    }
    world.put(EngineImage.of(IMAGE, "/bin/longhorn", "1", EngineImage.Versions.first("c1"), names));
    return world;
  }

  /** A volume of some replicas on so many nodes. */
  static ReplicaWorld of(int nodes, int replicas) {
    ReplicaWorld world = ofNodes(nodes);
    List<ReplicaId> ids = new ArrayList<>();
    for (int i = 1; i <= replicas; i++) {
      ids.add(id(i));
    }
    Volume.Spec spec =
        Volume.Spec.of(new VolumeId(new UUID(7, 7)), SIZE, replicas, true, IMAGE)
            .withNodeID("node-1");
    Volume.Status status =
        Volume.Status.creating(IMAGE)
            .with(Volume.State.ATTACHED, "node-1")
            .with(Robustness.HEALTHY, NOW);
    world.put(new Volume(VOLUME, spec, status, 0));
    world.put(new VolumeAttachment(VOLUME, new TreeMap<>()));
    world.put(new Membership(VOLUME, VolumeRecord.ofNewVolume(MembershipRecord.ofNewVolume(ids))));
    world.put(world.engineOn("node-1"));
    for (int i = 1; i <= replicas; i++) {
      world.addReplica(i, "node-" + i);
    }
    for (int i = 1; i <= replicas; i++) {
      world.says(i, ReplicaMode.RW, "", 1000);
    }
    return world;
  }

  static ReplicaId id(int number) {
    return new ReplicaId(new UUID((long) number << 32, number));
  }

  static String name(int number) {
    return Names.replica(VOLUME, id(number));
  }

  private void addNode(String name) {
    Condition ready = new Condition("Ready", true, "KubeletReady", "", 1);
    put(Node.of(name, "/disks/" + name, ready));
    InstanceManager manager =
        new InstanceManager(
            Names.instanceManager(name, InstanceManager.Type.ALL_IN_ONE, IMAGE),
            name,
            InstanceManager.Type.ALL_IN_ONE,
            IMAGE,
            "",
            InstanceManager.State.RUNNING,
            42,
            1);
    put(manager);
    managers.put(manager.name(), new ManagerSeen(ManagerSeen.Reach.CONNECTED, 42, new TreeMap<>()));
  }

  Engine engineOn(String node) {
    InstanceView running =
        new InstanceView(InstanceView.State.RUNNING, true, manager(node).name(), "uuid-e", 50, "");
    Engine.Status status =
        new Engine.Status(
            running, Optional.empty(), true, 1, "", List.of("nbd://v"), new TreeMap<>(), IMAGE);
    return new Engine(
        Names.engine(VOLUME, 0), Engine.Spec.stopped(VOLUME, IMAGE, true).on(node, ""), status);
  }

  /** A replica that has been in sync since long ago, and runs. */
  Replica addReplica(int number, String node) {
    Replica.Spec spec =
        new Replica.Spec(
            VOLUME,
            id(number),
            node,
            Node.ONLY_DISK,
            Names.directory("/disks/" + node, name(number)),
            IMAGE,
            true,
            Names.engine(VOLUME, 0),
            true,
            false,
            Health.NEW.healthy(NOW - 100_000_000));
    Replica replica = new Replica(name(number), spec, running(node));
    put(replica);
    return replica;
  }

  Replica.Status running(String node) {
    return new Replica.Status(
        true,
        true,
        new InstanceView(InstanceView.State.RUNNING, true, manager(node).name(), "uuid-r", 60, ""));
  }

  // ---- changes ----------------------------------------------------------------------------------

  void put(ClusterObject object) {
    objects.put(object.key(), object);
  }

  void drop(ClusterObject object) {
    objects.remove(object.key());
  }

  ReplicaWorld without(Capability capability) {
    capabilities.remove(capability);
    return this;
  }

  ReplicaWorld set(Settings.Key key, String value) {
    put(Settings.setting(key, value));
    return this;
  }

  void volume(UnaryOperator<Volume> how) {
    put(how.apply(volume()));
  }

  void spec(UnaryOperator<Volume.Spec> how) {
    volume(now -> now.with(how.apply(now.spec())));
  }

  void status(UnaryOperator<Volume.Status> how) {
    volume(now -> now.with(how.apply(now.status())));
  }

  void degradedAt(long millis) {
    status(now -> now.with(Robustness.HEALTHY, 0).with(Robustness.DEGRADED, millis));
  }

  void node(String name, UnaryOperator<Node> how) {
    put(how.apply(node(name)));
  }

  void disk(String node, UnaryOperator<Node.Disk> how) {
    node(node, now -> now.with(List.of(how.apply(now.disks().getFirst()))));
  }

  void notReady(String node, String reason) {
    node(node, now -> now.with(now.kube(), new Condition("Ready", false, reason, "", 1)));
  }

  void replica(int number, UnaryOperator<Replica> how) {
    put(how.apply(replica(number)));
  }

  void replicaSpec(int number, UnaryOperator<Replica.Spec> how) {
    replica(number, now -> now.with(how.apply(now.spec())));
  }

  void instance(int number, InstanceView.State state, String message) {
    replica(
        number,
        now -> {
          InstanceView before = now.status().instance();
          return now.with(
              new Replica.Status(
                  true,
                  state == InstanceView.State.RUNNING,
                  new InstanceView(
                      state, false, before.instanceManagerName(), before.uuid(), 0, message)));
        });
  }

  /** What the engine says of a replica. */
  void says(int number, ReplicaMode mode, String reason, int permille) {
    says(id(number), mode, reason, permille);
  }

  void says(ReplicaId id, ReplicaMode mode, String reason, int permille) {
    Engine before = engine();
    TreeMap<ReplicaId, Engine.Member> members = new TreeMap<>(before.status().replicas());
    members.put(id, new Engine.Member(mode, reason, permille, 0));
    engine(before, members);
  }

  /** The engine does not speak of a replica any more. */
  void saysNothingOf(int number) {
    Engine before = engine();
    TreeMap<ReplicaId, Engine.Member> members = new TreeMap<>(before.status().replicas());
    members.remove(id(number));
    engine(before, members);
  }

  private void engine(Engine before, SortedMap<ReplicaId, Engine.Member> members) {
    Engine.Status status = before.status();
    put(
        before.with(
            new Engine.Status(
                status.instance(),
                status.id(),
                status.isServing(),
                status.generation(),
                status.state(),
                status.endpoints(),
                members,
                status.currentImage())));
  }

  /** The record names these replicas from now on, with those that left before. */
  void members(int... numbers) {
    TreeSet<ReplicaId> members = new TreeSet<>();
    for (int number : numbers) {
      members.add(id(number));
    }
    members(members);
  }

  void members(SortedSet<ReplicaId> members) {
    MembershipRecord before = membership().record().membership();
    RecordStamp next = new RecordStamp(before.stamp().generation(), before.stamp().number() + 1);
    put(new Membership(VOLUME, VolumeRecord.ofNewVolume(before.next(next, members))));
  }

  /** It failed so long ago while it was in sync, was stopped, and left the set; told by all. */
  void fail(int number, long agoMillis) {
    replica(
        number,
        now ->
            now.with(
                now.spec()
                    .withWanted(false)
                    .withHealth(now.spec().health().failed(nowMillis - agoMillis))));
    instance(number, InstanceView.State.STOPPED, "");
    says(number, ReplicaMode.ERR, "gone", 0);
    int[] rest =
        replicas().stream()
            .filter(replica -> !replica.spec().health().isFailed())
            .mapToInt(ReplicaWorld::number)
            .toArray();
    members(rest);
    degradedAt(nowMillis - agoMillis);
  }

  private static int number(Replica replica) {
    return (int) replica.spec().id().uuid().getLeastSignificantBits();
  }

  /** What the instance manager of a node has, besides what it had. */
  void seen(String node, String instance, ManagerSeen.State state) {
    ManagerSeen before = managers.get(manager(node).name());
    TreeMap<String, ManagerSeen.Instance> instances = new TreeMap<>(before.instances());
    instances.put(instance, new ManagerSeen.Instance(state, "uuid-" + instance, 77, ""));
    managers.put(manager(node).name(), new ManagerSeen(before.reach(), before.pid(), instances));
  }

  void seen(String manager, ManagerSeen seen) {
    managers.put(manager, seen);
  }

  void seen(String node, NodeSeen seen) {
    nodesSeen.put(node, seen);
  }

  // ---- reading ----------------------------------------------------------------------------------

  <T extends ClusterObject> Optional<T> find(ObjectKind kind, String name, Class<T> type) {
    return Optional.ofNullable(objects.get(new ObjectKey(kind, name))).map(type::cast);
  }

  Volume volume() {
    return find(ObjectKind.VOLUME, VOLUME, Volume.class).orElseThrow();
  }

  Engine engine() {
    return find(ObjectKind.ENGINE, Names.engine(VOLUME, 0), Engine.class).orElseThrow();
  }

  Membership membership() {
    return find(ObjectKind.MEMBERSHIP, VOLUME, Membership.class).orElseThrow();
  }

  VolumeAttachment attachment() {
    return find(ObjectKind.VOLUME_ATTACHMENT, VOLUME, VolumeAttachment.class).orElseThrow();
  }

  Node node(String name) {
    return find(ObjectKind.NODE, name, Node.class).orElseThrow();
  }

  InstanceManager manager(String node) {
    return find(
            ObjectKind.INSTANCE_MANAGER,
            Names.instanceManager(node, InstanceManager.Type.ALL_IN_ONE, IMAGE),
            InstanceManager.class)
        .orElseThrow();
  }

  Replica replica(int number) {
    return find(ObjectKind.REPLICA, name(number), Replica.class).orElseThrow();
  }

  List<Replica> replicas() {
    return objects.values().stream()
        .filter(object -> object instanceof Replica)
        .map(object -> (Replica) object)
        .toList();
  }

  List<InstanceManager> managers() {
    return objects.values().stream()
        .filter(object -> object instanceof InstanceManager)
        .map(object -> (InstanceManager) object)
        .toList();
  }

  /** Replicas that the test did not make. */
  List<Replica> fresh() {
    return replicas().stream()
        .filter(replica -> !replica.name().equals(name(number(replica))))
        .toList();
  }

  ClusterView view() {
    ClusterView view = new ClusterView(capabilities);
    view.now(nowMillis);
    view.stopping(isStopping);
    objects.values().forEach(view::put);
    managers.forEach(view::seen);
    nodesSeen.forEach(view::seen);
    return view;
  }

  Draft draft() {
    return new Draft(view());
  }

  // ---- planning ---------------------------------------------------------------------------------

  /** Lets a planner of the volume plan and stores that. */
  Plan plan(BiConsumer<Draft, Volume> planner) {
    return planAll(draft -> draft.volume(VOLUME).ifPresent(now -> planner.accept(draft, now)));
  }

  /** Lets planners plan and stores that. */
  Plan planAll(Consumer<Draft> planner) {
    Draft draft = draft();
    planner.accept(draft);
    Plan plan = draft.plan();
    for (Action action : plan.actions()) {
      switch (action) {
        case Action.Put(ClusterObject object) -> put(object);
        case Action.Remove(ObjectKey key) -> objects.remove(key);
        case Action.Tell tell -> told.add(tell);
        case Action.ProcessAction _ -> {}
      }
    }
    return plan;
  }

  /** The rule for which a plan says that it waits; empty if it does not. */
  static String waitsFor(Plan plan) {
    return plan.reasons().stream().map(reason -> reason.what().reason()).findFirst().orElse("");
  }

  /** What is asked of processes. */
  static String done(Plan plan) {
    return plan.actions().stream()
        .filter(action -> action instanceof Action.ProcessAction)
        .map(action -> action.getClass().getSimpleName())
        .collect(Collectors.joining(" "));
  }
}
