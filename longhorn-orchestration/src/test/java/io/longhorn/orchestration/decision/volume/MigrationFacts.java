package io.longhorn.orchestration.decision.volume;

import io.longhorn.api.EngineId;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.ReplicaMode;
import io.longhorn.api.VolumeId;
import io.longhorn.api.cluster.ClusterObject;
import io.longhorn.api.cluster.Condition;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.Membership;
import io.longhorn.api.cluster.Node;
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.Volume.Robustness;
import io.longhorn.api.cluster.Volume.State;
import io.longhorn.api.cluster.VolumeAttachment;
import io.longhorn.api.cluster.VolumeAttachment.Ticket;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.RecordStamp;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.orchestration.decision.Action;
import io.longhorn.orchestration.decision.Capability;
import io.longhorn.orchestration.decision.ClusterView;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.ManagerSeen;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.decision.Plan;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;
import java.util.function.BiConsumer;
import java.util.function.UnaryOperator;

/**
 * What the planners of migrations look at, put together piece by piece: volume v with a replica on
 * each of n1, n2 and n3, attached to n1 where engine v-e-0 (O) runs and owns it. Nothing here acts.
 */
final class MigrationFacts {
  static final String O = "v-e-0";
  static final String G = "v-e-1";
  static final EngineId O_ID = new EngineId(new UUID(8, 1));
  static final EngineId G_ID = new EngineId(new UUID(8, 2));

  final TreeMap<ObjectKey, ClusterObject> objects = new TreeMap<>();
  final Set<Capability> capabilities = EnumSet.allOf(Capability.class);
  long nowMillis = 1_000;

  private MigrationFacts() {
    for (int i = 1; i <= 3; i++) {
      String node = "n" + i;
      put(Node.of(node, "/d", new Condition("Ready", true, "", "", 0)));
      put(
          new InstanceManager(
              Names.instanceManager(node, InstanceManager.Type.ALL_IN_ONE, Names.DEFAULT_IMAGE),
              node,
              InstanceManager.Type.ALL_IN_ONE,
              Names.DEFAULT_IMAGE,
              "unix:/m/" + node,
              InstanceManager.State.RUNNING,
              7,
              0));
      put(replica(i));
    }
    put(new VolumeAttachment("v", new TreeMap<>()));
    MembershipRecord first = MembershipRecord.ofNewVolume(List.of(id(1), id(2), id(3)));
    VolumeRecord record = VolumeRecord.ofNewVolume(first);
    record = record.reserved(record.reservedGeneration() + 1, O_ID);
    put(new Membership("v", with(record, List.of(O_ID), VolumeRecord.Phase.NONE)));
    put(engine(O, "n1", true, O_ID));
    put(
        new Volume(
            "v",
            Volume.Spec.of(new VolumeId(new UUID(1, 1)), 1 << 20, 3, true, Names.DEFAULT_IMAGE)
                .withNodeID("n1"),
            Volume.Status.creating(Names.DEFAULT_IMAGE)
                .with(State.ATTACHED, "n1")
                .with(Robustness.HEALTHY, 1),
            0));
  }

  /** Attached to n1. */
  static MigrationFacts attached() {
    return new MigrationFacts();
  }

  /** Attached to n1, ready to be moved to n2, both tickets there. */
  static MigrationFacts ready() {
    MigrationFacts facts = new MigrationFacts();
    facts.ticket("n1").ticket("n2").nodes("n1", "n2", "n1", "n2");
    facts.put(engine(G, "n2", false, G_ID));
    for (int i = 1; i <= 3; i++) {
      facts.put(facts.clone(i, 1, G));
    }
    facts.record(record -> with(record, List.of(O_ID, G_ID), VolumeRecord.Phase.MIGRATING));
    return facts;
  }

  static ReplicaId id(int number) {
    return new ReplicaId(new UUID((long) number << 32, number));
  }

  static InstanceView instance(InstanceView.State state) {
    return switch (state) {
      case STOPPED -> InstanceView.NONE;
      case STARTING -> new InstanceView(state, false, "", "u", 5, "");
      case RUNNING, UNKNOWN, STOPPING -> new InstanceView(state, true, "", "u", 5, "");
      case ERROR -> new InstanceView(state, true, "", "u", 0, "killed");
    };
  }

  static VolumeRecord with(
      VolumeRecord record, List<EngineId> claimants, VolumeRecord.Phase phase) {
    return new VolumeRecord(
        record.membership(),
        record.reservedGeneration(),
        record.owner(),
        new TreeSet<>(claimants),
        phase);
  }

  private static Engine engine(String name, String node, boolean isActive, EngineId id) {
    TreeMap<ReplicaId, Engine.Member> members = new TreeMap<>();
    for (int i = 1; i <= 3; i++) {
      members.put(id(i), new Engine.Member(ReplicaMode.RW, "", 0, 0));
    }
    return new Engine(
        name,
        Engine.Spec.stopped("v", Names.DEFAULT_IMAGE, isActive).on(node, ""),
        new Engine.Status(
            instance(InstanceView.State.RUNNING),
            Optional.of(id),
            true,
            1,
            "",
            List.of("nbd://" + name),
            members,
            Names.DEFAULT_IMAGE));
  }

  private static Replica replica(int number) {
    String name = Names.replica("v", id(number));
    return new Replica(
        name,
        new Replica.Spec(
            "v",
            id(number),
            "n" + number,
            Node.ONLY_DISK,
            "/d/replicas/" + name,
            Names.DEFAULT_IMAGE,
            true,
            O,
            true,
            false,
            Replica.Health.NEW.healthy(10)),
        new Replica.Status(true, true, instance(InstanceView.State.RUNNING)));
  }

  /** What stands by for the replica of that number. */
  Replica clone(int number, int count, String engine) {
    Replica of = replica(number);
    return new Replica(
        of.name() + "-" + count,
        of.spec().withEngine(engine, false).withHealth(Replica.Health.NEW),
        new Replica.Status(true, false, instance(InstanceView.State.RUNNING)));
  }

  // ---- changes ----------------------------------------------------------------------------------

  void put(ClusterObject object) {
    objects.put(object.key(), object);
  }

  MigrationFacts remove(ObjectKind kind, String name) {
    objects.remove(new ObjectKey(kind, name));
    return this;
  }

  MigrationFacts volume(UnaryOperator<Volume> how) {
    put(how.apply(volume()));
    return this;
  }

  MigrationFacts nodes(String node, String migration, String current, String currentMigration) {
    return volume(volume ->
        volume
            .with(volume.spec().with(node, migration))
            .with(volume.status().withNodes(current, currentMigration)));
  }

  MigrationFacts state(State state) {
    return volume(
        volume -> volume.with(volume.status().with(state, volume.status().currentNodeID())));
  }

  MigrationFacts robustness(Robustness robustness) {
    return volume(volume -> volume.with(volume.status().with(robustness, 1)));
  }

  MigrationFacts ticket(String node) {
    return ticket(node, "csi-attacher", node, false);
  }

  MigrationFacts ticket(String id, String type, String node, boolean isFrontendDisabled) {
    Condition waiting = new Condition("Satisfied", false, "Waiting", "", 1);
    put(
        attachment()
            .with(
                new Ticket(
                    id,
                    type,
                    node,
                    "unix:/" + node,
                    isFrontendDisabled,
                    attachment().tickets().size(),
                    waiting)));
    return this;
  }

  MigrationFacts without(String ticket) {
    put(attachment().without(ticket));
    return this;
  }

  MigrationFacts engine(String name, UnaryOperator<Engine> how) {
    put(how.apply(engine(name)));
    return this;
  }

  MigrationFacts process(String engine, InstanceView.State state) {
    return engine(engine, found -> found.with(found.status().with(instance(state))));
  }

  MigrationFacts replica(String name, UnaryOperator<Replica> how) {
    put(how.apply(replica(name)));
    return this;
  }

  MigrationFacts replicaProcess(String name, InstanceView.State state) {
    return replica(
        name,
        found ->
            found.with(
                new Replica.Status(
                    true,
                    found.status().isHolder() && state == InstanceView.State.RUNNING,
                    instance(state))));
  }

  /** What an engine says of a replica; null: nothing. */
  MigrationFacts mode(String engine, int number, Optional<ReplicaMode> mode) {
    return engine(
        engine,
        found -> {
          TreeMap<ReplicaId, Engine.Member> members = new TreeMap<>(found.status().replicas());
          members.remove(id(number));
          mode.ifPresent(one -> members.put(id(number), new Engine.Member(one, "", 0, 0)));
          Engine.Status before = found.status();
          return found.with(
              new Engine.Status(
                  before.instance(),
                  before.id(),
                  before.isServing(),
                  before.generation(),
                  before.state(),
                  before.endpoints(),
                  members,
                  before.currentImage()));
        });
  }

  MigrationFacts record(UnaryOperator<VolumeRecord> how) {
    put(new Membership("v", how.apply(record())));
    return this;
  }

  MigrationFacts owner(EngineId id) {
    return record(record -> record.reserved(record.reservedGeneration() + 1, id));
  }

  MigrationFacts members(Integer... numbers) {
    return record(record ->
        record.withMembership(
            record
                .membership()
                .next(
                    new RecordStamp(
                        record.reservedGeneration(), record.membership().stamp().number() + 1),
                    new TreeSet<>(List.of(numbers).stream().map(MigrationFacts::id).toList()))));
  }

  MigrationFacts notReady(String node, String reason) {
    Node before = (Node) objects.get(new ObjectKey(ObjectKind.NODE, node));
    put(before.with(before.kube(), new Condition("Ready", false, reason, "", 1)));
    return this;
  }

  // ---- reading ----------------------------------------------------------------------------------

  Volume volume() {
    return (Volume) get(ObjectKind.VOLUME, "v");
  }

  VolumeAttachment attachment() {
    return (VolumeAttachment) get(ObjectKind.VOLUME_ATTACHMENT, "v");
  }

  VolumeRecord record() {
    return ((Membership) get(ObjectKind.MEMBERSHIP, "v")).record();
  }

  Engine engine(String name) {
    return (Engine) get(ObjectKind.ENGINE, name);
  }

  Replica replica(String name) {
    return (Replica) get(ObjectKind.REPLICA, name);
  }

  boolean has(ObjectKind kind, String name) {
    return objects.containsKey(new ObjectKey(kind, name));
  }

  private ClusterObject get(ObjectKind kind, String name) {
    return Optional.ofNullable(objects.get(new ObjectKey(kind, name))).orElseThrow();
  }

  static String r(int number) {
    return Names.replica("v", id(number));
  }

  static String c(int number) {
    return r(number) + "-1";
  }

  List<String> engines() {
    return objects.keySet().stream()
        .filter(key -> key.kind() == ObjectKind.ENGINE)
        .map(ObjectKey::name)
        .toList();
  }

  List<Replica> replicas() {
    return objects.values().stream()
        .filter(Replica.class::isInstance)
        .map(Replica.class::cast)
        .toList();
  }

  ClusterView view() {
    ClusterView view = new ClusterView(capabilities);
    view.now(nowMillis);
    objects.values().forEach(view::put);
    for (ClusterObject object : objects.values()) {
      if (object instanceof InstanceManager manager) {
        view.seen(manager.name(), new ManagerSeen(ManagerSeen.Reach.CONNECTED, 7, new TreeMap<>()));
      }
    }
    return view;
  }

  /** What a planner decides. */
  Plan plan(BiConsumer<Draft, Volume> planner) {
    return plan(view(), planner);
  }

  static Plan plan(ClusterView view, BiConsumer<Draft, Volume> planner) {
    Draft draft = new Draft(view);
    planner.accept(draft, draft.volume("v").orElseThrow());
    draft
        .volume("v")
        .ifPresent(
            volume -> draft.put(volume.with(volume.status().with(draft.conditionsOf(volume)))));
    return draft.plan();
  }

  /** The same, stored. */
  Plan apply(BiConsumer<Draft, Volume> planner) {
    Plan plan = plan(planner);
    plan.actions().forEach(this::store);
    return plan;
  }

  void store(Action action) {
    switch (action) {
      case Action.Put(ClusterObject object) -> put(object);
      case Action.Remove(ObjectKey key) -> objects.remove(key);
      case Action.Tell _, Action.ProcessAction _ -> {}
    }
  }

  static List<String> told(Plan plan) {
    return plan.actions().stream()
        .filter(Action.Tell.class::isInstance)
        .map(action -> ((Action.Tell) action).message())
        .toList();
  }

  static List<String> waits(Plan plan) {
    return plan.reasons().stream().map(reason -> reason.what().reason()).toList();
  }
}
