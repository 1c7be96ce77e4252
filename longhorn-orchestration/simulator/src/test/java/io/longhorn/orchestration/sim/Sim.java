package io.longhorn.orchestration.sim;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.VolumeId;
import io.longhorn.api.cluster.ClusterObject;
import io.longhorn.api.cluster.Condition;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.EngineImage;
import io.longhorn.api.cluster.Event;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.Membership;
import io.longhorn.api.cluster.Node;
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Setting;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.VolumeAttachment;
import io.longhorn.api.cluster.VolumeAttachment.Ticket;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.orchestration.decision.ClusterView;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.decision.Plan;
import io.longhorn.orchestration.decision.Settings;
import io.longhorn.orchestration.decision.volume.AdmissionRule;
import io.longhorn.orchestration.decision.volume.SchedulingRule;
import io.longhorn.orchestration.decision.volume.UpgradeRule;
import io.longhorn.orchestration.sim.volume.SimEngine;
import io.longhorn.orchestration.sim.volume.SimGuest;
import io.longhorn.orchestration.sim.volume.SimProcess;
import io.longhorn.orchestration.sim.volume.SimReplica;
import io.longhorn.orchestration.sim.volume.World;
import io.longhorn.orchestration.sim.world.SimDirectory;
import io.longhorn.orchestration.sim.world.SimFailure;
import io.longhorn.orchestration.sim.world.SimKnobs;
import io.longhorn.orchestration.sim.world.SimNetwork;
import io.longhorn.orchestration.sim.world.SimNode;
import io.longhorn.orchestration.sim.world.SimScheduler;
import io.longhorn.orchestration.sim.world.SimTrace;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.BiFunction;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * A cluster in virtual time: the real planners, reconciler, engine cores and wire codec, on
 * simulated machines. The same seed and the same calls give the same trace. Invariants are checked
 * after every event; what does not hold is thrown as {@link SimFailure} by whatever lets time pass.
 *
 * <p>Operations are what a person, Kubernetes or bad luck does; each happens at once. Time passes
 * only in {@link #run}, {@link #runUntil}, {@link #settle} and {@link #step}. One thread.
 */
public final class Sim {
  /** Kind of the tickets that Kubernetes makes. */
  public static final String CSI = "csi-attacher";

  /** Where the control plane, the store and Kubernetes are, for {@link #partition}. */
  public static final String CONTROL = SimTrace.CONTROL;

  private static final long QUIET_NANOS = 3_000 * SimScheduler.MILLI;
  private static final int MAX_AT_ONE_TIME = 20_000;
  private static final long BOOT_MILLIS = 120_000;
  private static final long BLOCK_BYTES = 4096;

  /**
   * A line that the control plane told.
   *
   * @param millis since the simulation began
   * @param about what it is about, for example {@code v1}
   */
  public record Told(long millis, boolean isWarning, String reason, String message, String about) {
    @Override
    public String toString() {
      return reason + ": " + message;
    }
  }

  /** The five fields that say where a volume is. */
  public record NodeFields(
      String migrationNodeID,
      String nodeID,
      String currentMigrationNodeID,
      String currentNodeID,
      String pendingNodeID) {
    /** As {@code kubectl get volume -o yaml | grep -i nodeid} prints them. */
    @Override
    public String toString() {
      return "migrationNodeID: "
          + quoted(migrationNodeID)
          + "\nnodeID: "
          + quoted(nodeID)
          + "\ncurrentMigrationNodeID: "
          + quoted(currentMigrationNodeID)
          + "\ncurrentNodeID: "
          + quoted(currentNodeID)
          + "\npendingNodeID: "
          + quoted(pendingNodeID);
    }

    private static String quoted(String node) {
      return node.isEmpty() ? "\"\"" : node;
    }
  }

  private final SimKnobs knobs;
  private final SimScheduler scheduler;
  private final SimTrace trace;
  private final SortedMap<String, SimNode> machines = new TreeMap<>();
  private final SimStore store = new SimStore();
  private final World world;
  private final SimNetwork network;
  private final SimExecutor executor;
  private final SimKubernetes kubernetes;
  private final SimControl control;
  private final SimRecords records;
  private final Invariants invariants;
  private final TreeMap<String, SimGuest> guests = new TreeMap<>();
  private final List<Told> told = new ArrayList<>();
  private long steps;
  private int atOneTime;

  /** Three nodes, nothing goes wrong by itself. */
  public Sim(long seed) {
    this(seed, List.of("n1", "n2", "n3"), false, new SimKnobs());
  }

  /**
   * A cluster that has just been installed: control plane and instance managers run.
   *
   * @param isTyped whether each node has an instance manager for engines and one for replicas
   */
  public Sim(long seed, List<String> nodes, boolean isTyped, SimKnobs knobs) {
    this.knobs = knobs;
    scheduler = new SimScheduler(seed);
    trace = new SimTrace(scheduler, nodes, knobs.isTold);
    nodes.forEach(name -> machines.put(name, new SimNode(name)));
    network = new SimNetwork(scheduler, machines, knobs.network);
    records = new SimRecords(scheduler, knobs, store);
    records.connect(network);
    world = new World(scheduler, network, machines, knobs, trace, records, watcher());
    executor = new SimExecutor(world);
    kubernetes = new SimKubernetes(world, executor, this::isManager);
    executor.connect(kubernetes);
    invariants = new Invariants(world, store, kubernetes);
    executor.gate(invariants);
    control = new SimControl(world, store, executor);
    store.listen(this::stored);
    install(nodes, isTyped);
    control.start();
    boolean isUp = runUntil(this::areManagersUp, BOOT_MILLIS) && settle(BOOT_MILLIS);
    if (!isUp) {
      throw new SimFailure("boot", "the cluster does not come up");
    }
  }

  private World.Watcher watcher() {
    return new World.Watcher() {
      @Override
      public void engineChanged(SimEngine engine) {
        executor.engineChanged(engine);
      }

      @Override
      public void touched(String volume) {
        invariants.touch(volume);
      }
    };
  }

  private void install(List<String> nodes, boolean isTyped) {
    if (isTyped) {
      setting(Settings.Key.INSTANCE_MANAGER_TYPES, "separate");
    }
    addImage(Names.DEFAULT_IMAGE, "commit-1");
    for (String name : nodes) {
      store.add(Node.of(name, "/disks/" + name, condition(Names.READY, false)));
    }
  }

  private Condition condition(String type, boolean isTrue) {
    return new Condition(type, isTrue, "", "", scheduler.nowMillis());
  }

  private boolean areManagersUp() {
    List<InstanceManager> managers = store.all(ObjectKind.INSTANCE_MANAGER, InstanceManager.class);
    return managers.size() >= machines.size()
        && managers.stream().allMatch(one -> one.state() == InstanceManager.State.RUNNING)
        && store.all(ObjectKind.NODE, Node.class).stream().allMatch(node -> node.ready().isTrue());
  }

  private void stored(ObjectKey key, @Nullable ClusterObject object) {
    if (object instanceof Event event) {
      told.add(
          new Told(
              event.atMillis() - SimScheduler.EPOCH_MILLIS,
              event.isWarning(),
              event.reason(),
              event.message(),
              event.about().name()));
      trace.tell(CONTROL, () -> "** " + event.reason() + ": " + event.message());
      return;
    }
    if (object == null && key.kind() == ObjectKind.INSTANCE_MANAGER) {
      kubernetes.collect(key.name());
    }
    scheduler.active();
    trace.tell(CONTROL, () -> SimWords.of(key, object));
  }

  private boolean isManager(String name) {
    return store.get(new ObjectKey(ObjectKind.INSTANCE_MANAGER, name)).isPresent();
  }

  // ---- time -------------------------------------------------------------------------------------

  /** Milliseconds since it began. */
  public long nowMillis() {
    return scheduler.nowNanos() / SimScheduler.MILLI;
  }

  /** The next event happens; whatever it touched is checked. */
  public void step() {
    steps++;
    long before = scheduler.nowNanos();
    scheduler.step();
    atOneTime = scheduler.nowNanos() == before ? atOneTime + 1 : 0;
    if (atOneTime > MAX_AT_ONE_TIME) {
      throw new SimFailure("spin", "things happen for ever and no time passes");
    }
    invariants.check();
  }

  /** So much time passes. */
  public void run(long millis) {
    long end = scheduler.nowNanos() + millis * SimScheduler.MILLI;
    while (scheduler.nextNanos() <= end) {
      step();
    }
    scheduler.passUntil(end);
  }

  /** Time passes until it is so, at most so much; whether it is. */
  public boolean runUntil(BooleanSupplier isSo, long millis) {
    long end = scheduler.nowNanos() + millis * SimScheduler.MILLI;
    while (!isSo.getAsBoolean()) {
      if (scheduler.nextNanos() > end) {
        scheduler.passUntil(end);
        return isSo.getAsBoolean();
      }
      step();
    }
    return true;
  }

  /**
   * Time passes until nothing is left to do, at most so much; whether nothing is. What waits for
   * something that nobody is doing does not count: a node that is down, a person's decision.
   */
  public boolean settle(long millis) {
    long end = scheduler.nowNanos() + millis * SimScheduler.MILLI;
    while (true) {
      long quiet = scheduler.lastActivityNanos() + QUIET_NANOS;
      if (scheduler.isIdle() && scheduler.nextNanos() > quiet && quiet <= end) {
        scheduler.passUntil(quiet);
        return true;
      }
      if (scheduler.nextNanos() > end) {
        scheduler.passUntil(end);
        return false;
      }
      step();
    }
  }

  // ---- what a person does -----------------------------------------------------------------------

  /** A volume; throws if there is no place for it. */
  public void createVolume(String name, int replicas, boolean isMigratable) {
    Optional<String> refusal = tryCreateVolume(name, replicas, isMigratable);
    if (refusal.isPresent()) {
      throw new IllegalStateException("no place for " + name + ": " + refusal.get());
    }
  }

  /** A volume; why not, if there is no place for it. */
  public Optional<String> tryCreateVolume(String name, int replicas, boolean isMigratable) {
    String image = settings().text(Settings.Key.DEFAULT_ENGINE_IMAGE);
    Volume volume =
        new Volume(
            name,
            Volume.Spec.of(
                new VolumeId(scheduler.newUuid(1)),
                BLOCK_BYTES * knobs.blocks,
                replicas,
                isMigratable,
                image),
            Volume.Status.creating(image),
            0);
    SchedulingRule.Answer answer =
        SchedulingRule.place(new Draft(view()), SchedulingRule.Request.ofNew(volume));
    return switch (answer) {
      case SchedulingRule.Answer.Nowhere(_, String why) -> Optional.of(why);
      case SchedulingRule.Answer.Places(List<SchedulingRule.Place> places) -> {
        create(volume, places);
        yield Optional.empty();
      }
    };
  }

  private void create(Volume volume, List<SchedulingRule.Place> places) {
    String name = volume.name();
    String image = volume.spec().image();
    List<ReplicaId> ids = new ArrayList<>();
    for (SchedulingRule.Place place : places) {
      ReplicaId id = new ReplicaId(scheduler.newUuid(2));
      ids.add(id);
      String replica = Names.replica(name, id);
      store.add(
          new Replica(
              replica,
              new Replica.Spec(
                  name,
                  id,
                  place.nodeID(),
                  place.diskID(),
                  place.diskPath() + "/replicas/" + replica,
                  image,
                  false,
                  Names.engine(name, 0),
                  true,
                  false,
                  Replica.Health.NEW),
              Replica.Status.NONE));
    }
    store.add(
        new Engine(
            Names.engine(name, 0), Engine.Spec.stopped(name, image, true), Engine.Status.NONE));
    store.add(new Membership(name, VolumeRecord.ofNewVolume(MembershipRecord.ofNewVolume(ids))));
    store.add(new VolumeAttachment(name, new TreeMap<>()));
    store.add(volume);
    guests.put(name, new SimGuest(world, name, () -> attachedAt(name)));
  }

  private String attachedAt(String name) {
    return store
        .find(ObjectKind.VOLUME, name, Volume.class)
        .filter(volume -> volume.status().state() == Volume.State.ATTACHED)
        .map(volume -> volume.status().currentNodeID())
        .orElse("");
  }

  /** Asks for its deletion. */
  public void deleteVolume(String name) {
    store.change(
        ObjectKind.VOLUME, name, Volume.class, volume -> volume.deletedAt(scheduler.nowMillis()));
  }

  /** Kubernetes wants a volume at a node; why not, if it is refused. */
  public Optional<String> attach(String ticket, String volume, String node) {
    return attachAs(CSI, ticket, volume, node);
  }

  /** Somebody wants a volume at a node; why not, if it is refused. */
  public Optional<String> attachAs(String type, String ticket, String volume, String node) {
    Ticket wanted =
        new Ticket(
            ticket, type, node, "", false, scheduler.nowMillis(), condition("Satisfied", false));
    VolumeAttachment before = attachment(volume);
    Optional<String> refusal = AdmissionRule.refusal(volume(volume), before, wanted);
    trace.tell(
        CONTROL, () -> "attach " + ticket + " " + node + refusal.map(r -> ": " + r).orElse(""));
    if (refusal.isEmpty()) {
      store.change(
          ObjectKind.VOLUME_ATTACHMENT, volume, VolumeAttachment.class, now -> now.with(wanted));
    }
    return refusal;
  }

  /** Who wanted it so does no more. */
  public void detach(String ticket, String volume) {
    trace.tell(CONTROL, () -> "detach " + ticket);
    store.change(
        ObjectKind.VOLUME_ATTACHMENT, volume, VolumeAttachment.class, now -> now.without(ticket));
  }

  /** Nothing new is to be placed on a node. */
  public void cordon(String node) {
    changeNode(node, true);
  }

  /** The other way round. */
  public void uncordon(String node) {
    changeNode(node, false);
  }

  private void changeNode(String name, boolean isCordoned) {
    trace.tell(CONTROL, () -> (isCordoned ? "cordon " : "uncordon ") + name);
    store.change(ObjectKind.NODE, name, Node.class, node -> node.withCordon(isCordoned));
  }

  /** A node is changed as an operator may. */
  public void changeNode(String name, UnaryOperator<Node> how) {
    store.change(ObjectKind.NODE, name, Node.class, how);
  }

  /** A setting of the cluster. */
  public void setting(Settings.Key key, String value) {
    trace.tell(CONTROL, () -> "set " + key.key() + " " + value);
    ObjectKey object = new ObjectKey(ObjectKind.SETTING, key.key());
    store.put(
        Settings.setting(key, value), store.get(object).map(found -> found.version()).orElse(0L));
  }

  /** An engine image that is on every node. */
  public void addImage(String name, String gitCommit) {
    addImage(name, EngineImage.Versions.first(gitCommit), new TreeSet<>(machines.keySet()));
  }

  /** An engine image. */
  public void addImage(String name, EngineImage.Versions versions, SortedSet<String> nodes) {
    store.add(EngineImage.of(name, "/images/" + name, name, versions, nodes));
  }

  /** Where an engine image is. */
  public void deployImage(String name, SortedSet<String> nodes) {
    store.change(ObjectKind.ENGINE_IMAGE, name, EngineImage.class, image -> image.on(nodes));
  }

  /** A volume is to run from an image; why not, if it is refused. To the old one: rolled back. */
  public Optional<String> upgrade(String volume, String image) {
    UpgradeRule.Answer answer = UpgradeRule.request(view(), volume, image);
    trace.tell(CONTROL, () -> "upgrade " + volume + " to " + image + ": " + answer);
    switch (answer) {
      case UpgradeRule.Answer.Accepted(Volume next) -> put(next);
      case UpgradeRule.Answer.RolledBack(Volume next) -> put(next);
      case UpgradeRule.Answer.Refused(_, String why) -> {
        return Optional.of(why);
      }
    }
    return Optional.empty();
  }

  private void put(Volume next) {
    store.change(ObjectKind.VOLUME, next.name(), Volume.class, now -> now.with(next.spec()));
  }

  // ---- what Kubernetes and bad luck do ----------------------------------------------------------

  /** {@code kubectl delete pod} of every instance manager of a node. */
  public void killInstanceManager(String node) {
    managersOn(node).forEach(this::deletePod);
  }

  /** The same for those of one type. */
  public void killInstanceManager(String node, InstanceManager.Type type) {
    for (InstanceManager manager : store.all(ObjectKind.INSTANCE_MANAGER, InstanceManager.class)) {
      if (manager.nodeID().equals(node) && manager.type() == type) {
        deletePod(manager.name());
      }
    }
  }

  /** {@code kubectl delete pod} of one. */
  public void deletePod(String manager) {
    kubernetes.deletePod(manager);
  }

  /** {@code kill -9} of every instance manager of a node. */
  public void killInstanceManagerHard(String node) {
    managersOn(node).forEach(kubernetes::killPod);
  }

  /** Names of instance managers whose pods are there. */
  public List<String> managersOn(String node) {
    return kubernetes.podsOn(node).stream().map(pod -> pod.name).toList();
  }

  /** {@code kill -9} of a process, by its name; whether there was one. */
  public boolean killProcess(String name) {
    boolean isFound = false;
    for (SimPod pod : kubernetes.pods()) {
      if (pod.instance(name).filter(one -> !one.isOver()).isPresent()) {
        trace.tell(pod.machine.name(), () -> "kill -9 " + name);
        pod.kill(name);
        isFound = true;
      }
    }
    return isFound;
  }

  /** {@code kill -9} of the process that has the directory of a volume on a node. */
  public boolean killReplica(String volume, String node) {
    for (SimReplica replica : world.replicasOf(volume)) {
      if (replica.node().equals(node) && replica.isHolder()) {
        return killProcess(replica.name());
      }
    }
    return false;
  }

  /** Somebody starts, beside the process that has the directory of a replica, another one of it. */
  public void startReplicaAgain(String volume, String node) {
    for (SimReplica replica : world.replicasOf(volume)) {
      if (replica.node().equals(node) && replica.isHolder()) {
        trace.tell(node, () -> replica.name() + " is started once more, by hand");
        SimReplica other =
            new SimReplica(
                world,
                replica.name(),
                machine(node),
                volume,
                replica.id(),
                replica.directory().path,
                replica.image(),
                false);
        if (!other.serve().isEmpty()) {
          other.kill();
        }
        return;
      }
    }
  }

  /** Nothing happens in a process for so long. */
  public boolean freeze(String name, long millis) {
    for (SimProcess process : world.processes()) {
      if (process.name().equals(name) && process.isListening()) {
        trace.tell(process.node(), () -> "stop " + name);
        process.freeze();
        scheduler.after(
            millis * SimScheduler.MILLI,
            () -> {
              trace.tell(process.node(), () -> "go on " + name);
              process.thaw();
            });
        return true;
      }
    }
    return false;
  }

  /** The power of a node goes. */
  public void powerOff(String node) {
    SimNode machine = machine(node);
    if (machine.isOn()) {
      trace.tell(node, () -> "power off");
      kubernetes.poweredOff(node);
      machine.powerOff(scheduler, knobs.tearsBlocks);
      network.vanished(node);
      network.changed();
    }
  }

  /** It comes back. */
  public void powerOn(String node) {
    SimNode machine = machine(node);
    if (!machine.isOn()) {
      trace.tell(node, () -> "power on");
      machine.powerOn();
      kubernetes.poweredOn(node);
      network.changed();
    }
  }

  private SimNode machine(String node) {
    SimNode machine = machines.get(node);
    if (machine == null) {
      throw new IllegalArgumentException("there is no node " + node);
    }
    return machine;
  }

  /** Whether its power is on. */
  public boolean isOn(String node) {
    return machine(node).isOn();
  }

  /** Whether Kubernetes takes it for not ready. */
  public boolean isNotReady(String node) {
    return kubernetes.isNotReady(node);
  }

  /** A node says of itself for so long that it is not ready. */
  public void kubeletBlip(String node, long millis) {
    kubernetes.blip(node, millis);
  }

  /** Nothing goes between any of these and any of those; {@link #CONTROL} may be among them. */
  public void partition(Collection<String> some, Collection<String> others) {
    trace.tell(CONTROL, () -> "cut " + some + " from " + others);
    some.forEach(a -> others.forEach(b -> network.cut(a, b)));
    network.changed();
  }

  /** Nothing is cut any more. */
  public void heal() {
    if (network.hasCuts()) {
      trace.tell(CONTROL, () -> "nothing is cut");
      network.mendAll();
      network.changed();
    }
  }

  /** The store does not answer engines, or does again. */
  public void storeDown(boolean isDown) {
    trace.tell(CONTROL, () -> "the store is " + (isDown ? "down" : "up"));
    records.down(isDown);
  }

  /** The control plane ends. */
  public void killControlPlane() {
    control.kill();
  }

  /** It ends when so many more changes of objects were stored. */
  public void killControlPlaneAfterWrites(long writes) {
    control.killAfterWrites(writes);
  }

  /** The same, and a new one starts after a while. */
  public void restartControlPlaneAfterWrites(long writes, Runnable whenKilled) {
    control.killAfterWrites(
        writes,
        () -> {
          whenKilled.run();
          control.startLater();
        });
  }

  /** A new one starts at once. */
  public void startControlPlane() {
    control.start();
  }

  /** A new one starts after a while. */
  public void startControlPlaneLater() {
    control.startLater();
  }

  /** Whether there is one. */
  public boolean isControlPlaneUp() {
    return control.isUp();
  }

  /** The control plane takes up to so much longer for everything. */
  public void slowControlPlane(long millis) {
    control.slow(millis);
  }

  /** Other decisions than the real ones. */
  public void decideBy(BiFunction<ClusterView, String, Plan> planner) {
    control.decideBy(planner);
  }

  /** The real decisions. */
  public static BiFunction<ClusterView, String, Plan> realDecisions() {
    return SimControl.REAL;
  }

  /** Engines that are started on a node take so much longer. */
  public void stallEngineStart(String node, long millis) {
    executor.stall(node, millis);
  }

  /** All trouble ends: machines on, nothing cut, nothing lost, nobody cordoned or slow. */
  public void healEverything() {
    knobs.calm();
    network.breakOneOf(0);
    slowControlPlane(0);
    storeDown(false);
    heal();
    for (String node : machines.keySet()) {
      powerOn(node);
      stallEngineStart(node, 0);
      if (store.find(ObjectKind.NODE, node, Node.class).filter(Node::isCordoned).isPresent()) {
        uncordon(node);
      }
    }
    control.spare();
    if (!control.isUp()) {
      control.start();
    }
  }

  /** How it behaves; links break as they say from now on. */
  public SimKnobs knobs() {
    network.breakOneOf(knobs.breakLinkOneOf);
    return knobs;
  }

  /** One frame of so many ends its link; 0 for none. */
  public void breakLinks(int oneOf) {
    knobs.breakLinkOneOf = oneOf;
    network.breakOneOf(oneOf);
  }

  // ---- guests -----------------------------------------------------------------------------------

  /** The virtual machine of a volume. */
  public SimGuest guest(String volume) {
    SimGuest guest = guests.get(volume);
    if (guest == null) {
      throw new IllegalArgumentException("there was never a volume " + volume);
    }
    return guest;
  }

  /** Has every block read by the guest; what is wrong with them, empty if nothing is. */
  public Optional<String> verify(String volume) {
    SimGuest guest = guest(volume);
    boolean wasDone = runUntil(guest::isDone, 120_000);
    guest.readAll();
    if (!wasDone || !runUntil(guest::isDone, 120_000)) {
      return Optional.of("no answers: " + guest);
    }
    return SimWords.difference(world, volume);
  }

  // ---- reading ----------------------------------------------------------------------------------

  /** All that was told, in order. */
  public List<Told> told() {
    return List.copyOf(told);
  }

  /** The objects of a kind. */
  public <T extends ClusterObject> List<T> objects(ObjectKind kind, Class<T> type) {
    return store.all(kind, type);
  }

  /** An object. */
  public <T extends ClusterObject> Optional<T> find(ObjectKind kind, String name, Class<T> type) {
    return store.find(kind, name, type);
  }

  /** Called for each object that is stored from now on, when it is. */
  public void onStored(Consumer<ClusterObject> listener) {
    store.listen((_, object) -> {
      if (object != null) {
        listener.accept(object);
      }
    });
  }

  /** A volume. */
  public Volume volume(String name) {
    return store
        .find(ObjectKind.VOLUME, name, Volume.class)
        .orElseThrow(() -> new IllegalArgumentException("there is no volume " + name));
  }

  private VolumeAttachment attachment(String volume) {
    return store
        .find(ObjectKind.VOLUME_ATTACHMENT, volume, VolumeAttachment.class)
        .orElseThrow(() -> new IllegalArgumentException("there is no volume " + volume));
  }

  /** Where a volume is. */
  public NodeFields nodeFields(String name) {
    Volume volume = volume(name);
    return new NodeFields(
        volume.spec().migrationNodeID(),
        volume.spec().nodeID(),
        volume.status().currentMigrationNodeID(),
        volume.status().currentNodeID(),
        "");
  }

  /** The record of a volume. */
  public VolumeRecord record(String volume) {
    return world
        .recordOf(volume)
        .orElseThrow(() -> new IllegalArgumentException("there is no volume " + volume));
  }

  /** Whether a ticket has what it asks for. */
  public boolean isSatisfied(String ticket, String volume) {
    Ticket found = attachment(volume).tickets().get(ticket);
    return found != null && found.satisfied().isTrue();
  }

  /** Engine processes of a volume that are there. */
  public List<SimEngine> engines(String volume) {
    return world.enginesOf(volume);
  }

  /** Replica processes of a volume that are there. */
  public List<SimReplica> replicas(String volume) {
    return world.replicasOf(volume);
  }

  /** What runs: a line for each pod and for each process in it. */
  public List<String> processes() {
    return SimWords.processes(kubernetes.pods());
  }

  /** The directories that are there. */
  public List<SimDirectory> directories() {
    return world.directories();
  }

  /** All objects, as a control plane that begins now would see them. */
  public ClusterView view() {
    List<ClusterObject> all = new ArrayList<>();
    for (ObjectKind kind : ObjectKind.values()) {
      if (kind != ObjectKind.EVENT) {
        store.list(kind).forEach(found -> all.add(found.object()));
      }
    }
    return ClusterView.of(scheduler.nowMillis(), all);
  }

  /** What the control plane sees; empty while there is none. */
  Optional<ClusterView> seenByControlPlane() {
    return control.view();
  }

  /** The settings. */
  public Settings settings() {
    return new Settings(
        key -> store.find(ObjectKind.SETTING, key, Setting.class).map(Setting::value));
  }

  /** How much happened: events that were carried out. */
  public long events() {
    return steps;
  }

  /** How often invariants were looked at. */
  public long checks() {
    return invariants.checks();
  }

  /** How often an engine of a volume was started. */
  public int engineStarts(String volume) {
    return executor.engineStarts(volume);
  }

  /** What happened, for a reader: a column for each node. */
  public String trace() {
    return trace.text();
  }

  /** The last lines of it. */
  public String trace(int lines) {
    return trace.text(lines);
  }

  /**
   * What is left over when everything should be at rest: processes, directories and objects that
   * nobody needs, volumes that are not as their tickets say. Empty if nothing is.
   */
  public Optional<String> checkQuiet() {
    return new Leftovers(world, store, kubernetes).find();
  }
}
