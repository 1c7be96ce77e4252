package io.longhorn.orchestration.execution;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.VolumeException;
import io.longhorn.api.VolumeId;
import io.longhorn.api.cluster.Condition;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.EngineImage;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.Membership;
import io.longhorn.api.cluster.Node;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.VolumeAttachment;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.orchestration.Await;
import io.longhorn.orchestration.decision.Action;
import io.longhorn.orchestration.decision.Capability;
import io.longhorn.orchestration.decision.ClusterView;
import io.longhorn.orchestration.decision.EngineSeen;
import io.longhorn.orchestration.decision.ManagerSeen;
import io.longhorn.orchestration.decision.ManagerSeen.Reach;
import io.longhorn.orchestration.decision.ManagerSeen.State;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.store.ClusterStore;
import io.longhorn.orchestration.store.MemoryClusterStore;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;
import java.util.function.Predicate;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * What every executor has to do: actions may be repeated, late, or meant for another start of a
 * process, and what came of them is seen. Each test has one volume with two replicas on one node.
 */
abstract class ActionExecutorContract {
  static final String NODE = "node-1";

  private final ReplicaId first = new ReplicaId(new UUID(1L << 60, 1));
  private final ReplicaId second = new ReplicaId(new UUID(2L << 60, 2));
  private final ClusterView view = new ClusterView(Set.of());
  private final Observation observation = new Observation(() -> {});
  private final ClusterStore store = new MemoryClusterStore();
  private ActionExecutor executor;
  private InstanceManager manager;
  private EngineImage image;
  private Volume volume;
  private List<Replica> replicas;
  private Engine engine;

  /** One for a cluster whose objects are in this store. */
  abstract ActionExecutor executor(ClusterStore forObjects);

  /** Where the instance manager takes calls, if it takes any. */
  abstract String managerAddress();

  /** What processes are started from. */
  abstract String launcher();

  /** The disk of the node. */
  abstract String disk();

  @BeforeEach
  final void begin() {
    manager =
        new InstanceManager(
            "im",
            NODE,
            InstanceManager.Type.ALL_IN_ONE,
            Names.DEFAULT_IMAGE,
            managerAddress(),
            InstanceManager.State.STOPPED,
            0,
            0);
    image =
        EngineImage.of(
            Names.DEFAULT_IMAGE,
            launcher(),
            "1",
            EngineImage.Versions.first("1"),
            new TreeSet<>(Set.of(NODE)));
    volume =
        new Volume(
            "v",
            Volume.Spec.of(new VolumeId(new UUID(7, 7)), 1 << 20, 2, false, Names.DEFAULT_IMAGE),
            Volume.Status.creating(Names.DEFAULT_IMAGE),
            0);
    replicas = List.of(replica(first), replica(second));
    engine =
        new Engine(
            "v-e-0",
            Engine.Spec.stopped("v", Names.DEFAULT_IMAGE, true).on(NODE, ""),
            Engine.Status.NONE);
    VolumeRecord record = VolumeRecord.ofNewVolume(MembershipRecord.ofNewVolume(ids()));
    store.put(new Membership("v", record), ClusterStore.ABSENT);
    store.put(new VolumeAttachment("v", new TreeMap<>()), ClusterStore.ABSENT);
    store.put(volume, ClusterStore.ABSENT);
    executor = executor(store);
    executor.observe(observation);
    executor.watch(targets(true, false));
  }

  @AfterEach
  final void end() {
    executor.execute(new Action.KillInstanceManager(managerAsSeen()));
    Await.until("it is gone", () -> seen().reach() == Reach.GONE);
    executor.close();
    store.close();
  }

  private List<ReplicaId> ids() {
    return List.of(first, second);
  }

  private Replica replica(ReplicaId id) {
    String name = Names.replica("v", id);
    return new Replica(
        name,
        new Replica.Spec(
            "v",
            id,
            NODE,
            Node.ONLY_DISK,
            Names.directory(disk(), name),
            Names.DEFAULT_IMAGE,
            true,
            "v-e-0",
            true,
            false,
            Replica.Health.NEW),
        Replica.Status.NONE);
  }

  private Targets targets(boolean hasManager, boolean hasEngine) {
    TreeMap<String, InstanceManager> managers = new TreeMap<>();
    TreeMap<String, Engine> engines = new TreeMap<>();
    if (hasManager) {
      managers.put(manager.name(), manager);
    }
    if (hasEngine) {
      engines.put(engine.name(), engine);
    }
    return new Targets(managers, engines);
  }

  // ---- what is seen -----------------------------------------------------------------------------

  final ManagerSeen seen() {
    observation.drainTo(view);
    return view.manager(manager.name());
  }

  private Optional<EngineSeen> seenEngine() {
    observation.drainTo(view);
    return view.engine(engine.name());
  }

  /** As a planner would name it: with the process that it has. */
  private InstanceManager managerAsSeen() {
    return manager.with(InstanceManager.State.RUNNING, seen().pid(), 0);
  }

  private Optional<ManagerSeen.Instance> instance(String name) {
    return Optional.ofNullable(seen().instances().get(name));
  }

  private ManagerSeen.Instance awaitInstance(
      String what, String name, Predicate<ManagerSeen.Instance> isSo) {
    Await.until(name + " " + what, () -> instance(name).filter(isSo).isPresent());
    return instance(name).orElseThrow();
  }

  private ManagerSeen.Instance awaitState(String name, State state) {
    return awaitInstance("is " + state, name, one -> one.state() == state);
  }

  private void awaitGone(String name) {
    Await.until(name + " is forgotten", () -> instance(name).isEmpty());
  }

  // ---- what is done -----------------------------------------------------------------------------

  private void execute(Action.ProcessAction action) {
    executor.execute(action);
  }

  private void startManager() {
    Node node = Node.of(NODE, disk(), new Condition("", true, "", "", 0));
    execute(new Action.StartInstanceManager(manager, node, image));
    Await.until("it answers", () -> seen().reach() == Reach.CONNECTED);
  }

  private Action.CreateDirectory create(Replica replica) {
    return new Action.CreateDirectory(managerAsSeen(), replica, volume, replicas, image);
  }

  private Action.StartReplica start(Replica replica) {
    return new Action.StartReplica(managerAsSeen(), replica, image, false);
  }

  private Action.StartEngine startEngine() {
    return new Action.StartEngine(managerAsSeen(), engine, volume, replicas, image);
  }

  private Action.StopInstance stop(String name, String uuid) {
    return new Action.StopInstance(managerAsSeen(), name, uuid);
  }

  private Action.ForgetInstance forget(String name, String uuid) {
    return new Action.ForgetInstance(managerAsSeen(), name, uuid);
  }

  private void createAll() {
    startManager();
    for (Replica replica : replicas) {
      execute(create(replica));
      awaitState(Names.creation(replica), State.STOPPED);
    }
  }

  private void serve() {
    createAll();
    for (Replica replica : replicas) {
      execute(start(replica));
      awaitState(replica.name(), State.RUNNING);
    }
    executor.watch(targets(true, true));
    execute(startEngine());
    awaitState(engine.name(), State.RUNNING);
  }

  // ---- instance managers ------------------------------------------------------------------------

  @Test
  final void anInstanceManagerThatWasNotStartedIsGone() {
    Await.until("it is seen", () -> seen().reach() == Reach.GONE);
    assertThatThrownBy(() -> execute(start(replicas.getFirst())))
        .isInstanceOf(VolumeException.class);
  }

  @Test
  final void anInstanceManagerIsStartedOnceAndKilledWithAllItHas() {
    startManager();
    long pid = seen().pid();
    assertThat(pid).isPositive();
    startManager();
    assertThat(seen().pid()).isEqualTo(pid);
    execute(create(replicas.getFirst()));
    awaitState(Names.creation(replicas.getFirst()), State.STOPPED);
    execute(start(replicas.getFirst()));
    awaitState(replicas.getFirst().name(), State.RUNNING);
    execute(new Action.KillInstanceManager(managerAsSeen()));
    Await.until("it is gone", () -> seen().reach() == Reach.GONE);
    assertThat(seen().instances()).isEmpty();
    startManager();
    assertThat(seen().pid()).isNotEqualTo(pid);
    assertThat(seen().instances()).isEmpty();
  }

  // ---- directories ------------------------------------------------------------------------------

  @Test
  final void aDirectoryIsMadeOnceAndDeletedOnce() {
    startManager();
    Replica replica = replicas.getFirst();
    execute(create(replica));
    ManagerSeen.Instance made = awaitState(Names.creation(replica), State.STOPPED);
    assertThat(made.pid()).isZero();
    execute(new Action.DeleteDirectory(managerAsSeen(), replica));
    ManagerSeen.Instance deleted = awaitState(Names.deletion(replica), State.STOPPED);
    execute(forget(Names.creation(replica), made.uuid()));
    execute(forget(Names.deletion(replica), deleted.uuid()));
    awaitGone(Names.creation(replica));
    awaitGone(Names.deletion(replica));
    // Deleted already.
    execute(new Action.DeleteDirectory(managerAsSeen(), replica));
    awaitState(Names.deletion(replica), State.STOPPED);
    // A request that comes only now makes no directory: it would be nobody's.
    execute(create(replica));
    execute(start(replica));
    awaitState(replica.name(), State.ERROR);
    assertThat(instance(Names.creation(replica))).isEmpty();
  }

  /** Of one that was killed nobody knows what it had done. */
  @Test
  final void aDirectoryThatIsThereIsMadeForTheNextInstanceManager() {
    startManager();
    Replica replica = replicas.getFirst();
    execute(create(replica));
    awaitState(Names.creation(replica), State.STOPPED);
    execute(new Action.KillInstanceManager(managerAsSeen()));
    Await.until("it is gone", () -> seen().reach() == Reach.GONE);
    startManager();
    execute(create(replica));
    ManagerSeen.Instance again =
        awaitInstance("is over", Names.creation(replica), one -> one.isOver());
    assertThat(again.state()).as(again.message()).isEqualTo(State.STOPPED);
    execute(start(replica));
    awaitState(replica.name(), State.RUNNING);
  }

  /** I8: what is asked may be from a plan that did not know yet that it was started. */
  @Test
  final void aDirectoryThatAProcessHasIsNotDeleted() {
    createAll();
    Replica replica = replicas.getFirst();
    execute(start(replica));
    ManagerSeen.Instance running = awaitState(replica.name(), State.RUNNING);
    execute(new Action.DeleteDirectory(managerAsSeen(), replica));
    ManagerSeen.Instance refused = awaitState(Names.deletion(replica), State.ERROR);
    assertThat(refused.message()).contains(replica.spec().directory() + " is in use");
    execute(stop(replica.name(), running.uuid()));
    awaitInstance("is over", replica.name(), one -> one.isOver());
    execute(new Action.DeleteDirectory(managerAsSeen(), replica));
    awaitState(Names.deletion(replica), State.STOPPED);
    execute(start(replica));
    // There is nothing any more that could be served.
    awaitInstance(
        "has failed",
        replica.name(),
        one -> one.state() == State.ERROR && !one.uuid().equals(running.uuid()));
  }

  // ---- processes --------------------------------------------------------------------------------

  @Test
  final void aProcessIsStartedOnceStoppedOnceAndForgotten() {
    createAll();
    Replica replica = replicas.getFirst();
    execute(start(replica));
    ManagerSeen.Instance running = awaitState(replica.name(), State.RUNNING);
    assertThat(running.pid()).isPositive();
    assertThat(running.isStandby()).isFalse();
    execute(start(replica));
    assertThat(awaitState(replica.name(), State.RUNNING).uuid()).isEqualTo(running.uuid());
    // What runs is not forgotten.
    try {
      execute(forget(replica.name(), running.uuid()));
    } catch (VolumeException _) {
      // Refused is as good.
    }
    assertThat(awaitState(replica.name(), State.RUNNING).uuid()).isEqualTo(running.uuid());
    execute(stop(replica.name(), running.uuid()));
    ManagerSeen.Instance over = awaitInstance("is over", replica.name(), one -> one.isOver());
    assertThat(over.uuid()).isEqualTo(running.uuid());
    assertThat(over.pid()).isZero();
    execute(stop(replica.name(), running.uuid()));
    execute(forget(replica.name(), running.uuid()));
    awaitGone(replica.name());
    execute(forget(replica.name(), running.uuid()));
    execute(stop(replica.name(), running.uuid()));
  }

  @Test
  final void anActionForAnotherStartOfAProcessDoesNothing() {
    createAll();
    Replica replica = replicas.getFirst();
    execute(start(replica));
    String old = awaitState(replica.name(), State.RUNNING).uuid();
    execute(stop(replica.name(), old));
    awaitInstance("is over", replica.name(), one -> one.isOver());
    // What has ended need not be forgotten to be started again.
    execute(start(replica));
    ManagerSeen.Instance next =
        awaitInstance("runs again", replica.name(), one -> !one.uuid().equals(old));
    execute(stop(replica.name(), old));
    execute(forget(replica.name(), old));
    assertThat(awaitState(replica.name(), State.RUNNING).uuid()).isEqualTo(next.uuid());
  }

  @Test
  final void anEngineSaysWhoItIsAndIsForgottenWhenNobodyAsks() {
    serve();
    Await.until("it has spoken", () -> seenEngine().isPresent());
    long pid = instance(engine.name()).orElseThrow().pid();
    Await.until("it serves", () -> seenEngine().filter(EngineSeen::isServing).isPresent());
    EngineSeen said = seenEngine().orElseThrow();
    assertThat(said.pid()).isEqualTo(pid);
    assertThat(said.endpoints()).isNotEmpty();
    assertThat(said.replicas().keySet()).containsExactlyElementsOf(ids());
    execute(startEngine());
    assertThat(awaitState(engine.name(), State.RUNNING).pid()).isEqualTo(pid);
    executor.watch(targets(true, false));
    Await.until("nobody asks", () -> seenEngine().isEmpty());
    execute(stop(engine.name(), instance(engine.name()).orElseThrow().uuid()));
    awaitInstance("is over", engine.name(), one -> one.isOver());
  }

  @Test
  final void whatItCannotDoItSaysAndDoesNotDo() {
    serve();
    ManagerSeen.Instance before = instance(engine.name()).orElseThrow();
    Set<Capability> can = executor.capabilities();
    if (!can.contains(Capability.LIVE_UPGRADE)) {
      InstanceManager manager = managerAsSeen();
      requireRefused(new Action.SwapEngine(manager, manager, engine, volume, replicas, image));
    }
    if (!can.contains(Capability.MIGRATION)) {
      requireRefused(new Action.FinishMigration(managerAsSeen(), engine, 0));
    }
    if (!can.contains(Capability.MIGRATION) && !can.contains(Capability.LIVE_UPGRADE)) {
      requireRefused(new Action.PromoteReplica(managerAsSeen(), replicas.get(0), replicas.get(1)));
    }
    assertThat(awaitState(engine.name(), State.RUNNING)).isEqualTo(before);
    assertThat(executor.capabilities()).isEqualTo(can);
  }

  private void requireRefused(Action.ProcessAction action) {
    assertThatThrownBy(() -> execute(action)).isInstanceOf(VolumeException.class);
  }
}
