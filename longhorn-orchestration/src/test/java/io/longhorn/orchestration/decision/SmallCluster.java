package io.longhorn.orchestration.decision;

import io.longhorn.api.EngineId;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.ReplicaMode;
import io.longhorn.api.VolumeId;
import io.longhorn.api.cluster.ClusterObject;
import io.longhorn.api.cluster.Condition;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.EngineImage;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.Membership;
import io.longhorn.api.cluster.Node;
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.VolumeAttachment;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.RecordStamp;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.orchestration.decision.ManagerSeen.Reach;
import io.longhorn.orchestration.decision.ManagerSeen.State;
import io.longhorn.orchestration.decision.control.ControlCore;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * A cluster in which instance managers, engines and replicas obey, crash, freeze and come back: the
 * world of the planners' tests. Stored objects are changed by plans, processes by actions; one
 * process advances at a time, when the test says so.
 *
 * <p>Its engines are the simplest that keep the promises on which decisions rest: the one that
 * starts as the volume's own takes the next generation; the owner leaves replicas that are gone out
 * of the record, as long as one member is left, and takes them in again one step after they came
 * back; an engine that a migration prepares owns nothing before it {@link #claim claims}.
 */
public final class SmallCluster {
  /** A process that an instance manager has started. */
  public static final class Child {
    public final String uuid;
    public State state = State.STARTING;
    public long pid;
    public String message = "";

    /** Of a replica: it does not hold its directory. */
    public boolean isStandby;

    /** Of an engine. */
    public final EngineId id;

    public boolean isActive;
    boolean hasOpened;
    public String image = "";
    public SortedSet<ReplicaId> used = new TreeSet<>();

    Child(String uuid, long number) {
      this(uuid, new EngineId(new UUID(8, number)));
      pid = number;
    }

    private Child(String uuid, EngineId id) {
      this.uuid = uuid;
      this.id = id;
    }

    private Child copy() {
      Child copy = new Child(uuid, id);
      copy.state = state;
      copy.pid = pid;
      copy.message = message;
      copy.isStandby = isStandby;
      copy.isActive = isActive;
      copy.hasOpened = hasOpened;
      copy.image = image;
      copy.used = new TreeSet<>(used);
      return copy;
    }

    public boolean isOver() {
      return state == State.STOPPED || state == State.ERROR;
    }

    public boolean isRunning() {
      return state == State.RUNNING;
    }

    public void end(State how, String why) {
      state = how;
      message = why;
      pid = 0;
    }
  }

  /** An instance manager's process. */
  public static final class Host {
    public final String node;

    /** What its object is called. */
    public final String manager;

    public boolean isAlive;
    public boolean isFrozen;
    public long pid;
    public final TreeMap<String, Child> processes = new TreeMap<>();

    /** What reached it while it was frozen: carried out when it thaws. */
    public final List<Action.ProcessAction> late = new ArrayList<>();

    ManagerSeen seen = ManagerSeen.NOT_YET;

    Host(String node, String manager) {
      this.node = node;
      this.manager = manager;
    }

    private Host copy() {
      Host copy = new Host(node, manager);
      copy.isAlive = isAlive;
      copy.isFrozen = isFrozen;
      copy.pid = pid;
      processes.forEach((name, process) -> copy.processes.put(name, process.copy()));
      copy.late.addAll(late);
      copy.seen = seen;
      return copy;
    }

    public void die() {
      isAlive = false;
      isFrozen = false;
      pid = 0;
      processes.clear();
      late.clear();
    }
  }

  public final TreeMap<ObjectKey, ClusterObject> objects = new TreeMap<>();

  /** By node: the instance manager of the first image that starts everything. */
  public final TreeMap<String, Host> hosts = new TreeMap<>();

  /** All others, by their names. */
  public final TreeMap<String, Host> otherHosts = new TreeMap<>();

  /** What an orchestrator says of nodes; nothing unless a test puts it there. */
  public final TreeMap<String, NodeSeen> kube = new TreeMap<>();

  /** Names of the directories that there are; each that of the replica it was made for. */
  public final SortedSet<String> directories = new TreeSet<>();

  public final List<Action.Tell> told = new ArrayList<>();
  public final Set<Capability> capabilities = EnumSet.allOf(Capability.class);

  /** Whether engines tell which start of them they are. */
  public boolean isIdTold = true;

  /** Images whose programs end as soon as they are started. */
  public final SortedSet<String> broken = new TreeSet<>();

  /** Why switches of engines fail; empty if they do not. */
  public String swapError = "";

  /** Whether switches of engines that were begun go no further for now. */
  public boolean isSwapSlow;

  /** Tries to switch that failed, by engine, as an executor reports them. */
  public final TreeMap<String, SwapSeen> swaps = new TreeMap<>();

  /** Switches that have begun, by engine. */
  public final TreeMap<String, Action.SwapEngine> swapping = new TreeMap<>();

  public boolean isStopping;
  public long nowMillis = 1_000;
  private long counter = 100;

  /** Nodes named node-1, node-2, …, whose instance managers have not been started yet. */
  public SmallCluster(int nodes) {
    SortedSet<String> names = new TreeSet<>();
    for (int i = 1; i <= nodes; i++) {
      names.add("node-" + i);
    }
    put(image(Names.DEFAULT_IMAGE, names));
    for (String name : names) {
      put(Node.of(name, "/d/" + name, new Condition("Ready", false, "", "", 0)));
      put(manager(name, InstanceManager.State.STOPPED, 0));
      hosts.put(name, new Host(name, managerName(name)));
    }
  }

  /** Another cluster that is now as this one is. */
  public SmallCluster copy() {
    SmallCluster copy = new SmallCluster(0);
    copy.objects.clear();
    copy.objects.putAll(objects);
    hosts.forEach((name, host) -> copy.hosts.put(name, host.copy()));
    otherHosts.forEach((name, host) -> copy.otherHosts.put(name, host.copy()));
    copy.kube.putAll(kube);
    copy.directories.addAll(directories);
    copy.told.addAll(told);
    copy.capabilities.retainAll(capabilities);
    copy.isIdTold = isIdTold;
    copy.broken.addAll(broken);
    copy.swapError = swapError;
    copy.isSwapSlow = isSwapSlow;
    copy.swaps.putAll(swaps);
    copy.swapping.putAll(swapping);
    copy.isStopping = isStopping;
    copy.nowMillis = nowMillis;
    copy.counter = counter;
    return copy;
  }

  private static EngineImage image(String name, SortedSet<String> nodes) {
    return EngineImage.of(
        name, "/bin/longhorn", "1", EngineImage.Versions.first("commit-" + name), nodes);
  }

  /** The instance manager of a node, in a state. */
  public static InstanceManager manager(String node, InstanceManager.State state, long pid) {
    return new InstanceManager(
        managerName(node),
        node,
        InstanceManager.Type.ALL_IN_ONE,
        Names.DEFAULT_IMAGE,
        "unix:/m/" + node,
        state,
        pid,
        0);
  }

  /** What the instance manager of a node is called. */
  public static String managerName(String node) {
    return Names.instanceManager(node, InstanceManager.Type.ALL_IN_ONE, Names.DEFAULT_IMAGE);
  }

  // ---- objects ----------------------------------------------------------------------------------

  public void put(ClusterObject object) {
    objects.put(object.key(), object);
  }

  /** Another image, on every node. */
  public void addImage(String name) {
    put(image(name, new TreeSet<>(hosts.keySet())));
  }

  /** A volume with a replica on each of the first nodes. */
  public void create(String name, int replicas) {
    create(name, replicas, false);
  }

  public void create(String name, int replicas, boolean isMigratable) {
    List<ReplicaId> ids = new ArrayList<>();
    String engine = Names.engine(name, 0);
    for (int i = 1; i <= replicas; i++) {
      ReplicaId id = new ReplicaId(new UUID(++counter << 32, i));
      ids.add(id);
      String replica = Names.replica(name, id);
      put(
          new Replica(
              replica,
              new Replica.Spec(
                  name,
                  id,
                  "node-" + i,
                  Node.ONLY_DISK,
                  Names.directory("/d/node-" + i, replica),
                  Names.DEFAULT_IMAGE,
                  false,
                  engine,
                  true,
                  false,
                  Replica.Health.NEW),
              Replica.Status.NONE));
    }
    put(
        new Engine(
            engine, Engine.Spec.stopped(name, Names.DEFAULT_IMAGE, true), Engine.Status.NONE));
    put(new VolumeAttachment(name, new TreeMap<>()));
    put(new Membership(name, VolumeRecord.ofNewVolume(MembershipRecord.ofNewVolume(ids))));
    put(
        new Volume(
            name,
            Volume.Spec.of(
                new VolumeId(new UUID(1, ++counter)),
                1 << 20,
                replicas,
                isMigratable,
                Names.DEFAULT_IMAGE),
            Volume.Status.creating(Names.DEFAULT_IMAGE),
            0));
  }

  public Volume volume(String name) {
    return (Volume) get(ObjectKind.VOLUME, name).orElseThrow();
  }

  /** The first engine of a volume. */
  public Engine engine(String volume) {
    return engine(volume, 0);
  }

  public Engine engine(String volume, int number) {
    return (Engine) get(ObjectKind.ENGINE, Names.engine(volume, number)).orElseThrow();
  }

  public List<Engine> engines(String volume) {
    return all(Engine.class, engine -> engine.spec().volumeName().equals(volume));
  }

  public Node node(String name) {
    return (Node) get(ObjectKind.NODE, name).orElseThrow();
  }

  public InstanceManager manager(String node) {
    return (InstanceManager) get(ObjectKind.INSTANCE_MANAGER, managerName(node)).orElseThrow();
  }

  public VolumeAttachment attachment(String volume) {
    return (VolumeAttachment) get(ObjectKind.VOLUME_ATTACHMENT, volume).orElseThrow();
  }

  public VolumeRecord record(String volume) {
    return ((Membership) get(ObjectKind.MEMBERSHIP, volume).orElseThrow()).record();
  }

  public void record(String volume, VolumeRecord record) {
    put(new Membership(volume, record));
  }

  /** Replicas of a volume, those that stand by too. */
  public List<Replica> replicas(String volume) {
    return all(Replica.class, replica -> replica.spec().volumeName().equals(volume));
  }

  /** Its own replica on a node. */
  public Replica replicaOn(String volume, String node) {
    return replicas(volume).stream()
        .filter(replica -> replica.spec().isActive() && replica.spec().nodeID().equals(node))
        .findFirst()
        .orElseThrow();
  }

  public List<Volume> volumes() {
    return all(Volume.class, _ -> true);
  }

  private <T extends ClusterObject> List<T> all(Class<T> type, Predicate<T> filter) {
    return objects.values().stream()
        .filter(type::isInstance)
        .map(type::cast)
        .filter(filter)
        .toList();
  }

  public Optional<ClusterObject> get(ObjectKind kind, String name) {
    return Optional.ofNullable(objects.get(new ObjectKey(kind, name)));
  }

  /** A person's ticket, named as its node. */
  public void attach(String volume, String node) {
    attach(volume, node, node);
  }

  public void attach(String volume, String node, String id) {
    attach(volume, node, id, "longhorn-api");
  }

  /** A ticket as Kubernetes makes it, named as its node. */
  public void attachCsi(String volume, String node) {
    attach(volume, node, node, "csi-attacher");
  }

  public void attach(String volume, String node, String id, String type) {
    Condition waiting = new Condition("Satisfied", false, "Waiting", "", nowMillis);
    put(
        attachment(volume)
            .with(new VolumeAttachment.Ticket(id, type, node, "", false, nowMillis, waiting)));
  }

  /** All tickets go. */
  public void detach(String volume) {
    put(new VolumeAttachment(volume, new TreeMap<>()));
  }

  public void detach(String volume, String id) {
    put(attachment(volume).without(id));
  }

  public void change(String volume, UnaryOperator<Volume> how) {
    put(how.apply(volume(volume)));
  }

  public void power(String node, boolean isOff) {
    put(node(node).withPower(isOff));
  }

  public void cordon(String node, boolean isCordoned) {
    put(node(node).withCordon(isCordoned));
  }

  // ---- the view ---------------------------------------------------------------------------------

  public Host host(String node) {
    Host host = hosts.get(node);
    if (host == null) {
      throw new AssertionError("no node " + node);
    }
    return host;
  }

  /** Every instance manager that there is, or was. */
  public List<Host> allHosts() {
    List<Host> all = new ArrayList<>(hosts.values());
    all.addAll(otherHosts.values());
    return all;
  }

  private List<Host> hostsOn(String node) {
    return allHosts().stream().filter(host -> host.node.equals(node)).toList();
  }

  private Host hostOf(InstanceManager manager) {
    return manager.name().equals(managerName(manager.nodeID()))
        ? host(manager.nodeID())
        : otherHosts.computeIfAbsent(
            manager.name(), _ -> new Host(manager.nodeID(), manager.name()));
  }

  public Child process(String node, String name) {
    return hostsOn(node).stream()
        .map(host -> host.processes.get(name))
        .filter(Objects::nonNull)
        .findFirst()
        .orElseThrow(() -> new AssertionError(node + " has no " + name));
  }

  /** Looks at every instance manager and every engine, as the watchers would. */
  public ClusterView view() {
    ClusterView view = blankView();
    all(InstanceManager.class, _ -> true).forEach(this::hostOf);
    for (Host host : allHosts()) {
      host.seen = look(host);
      view.seen(host.manager, host.seen);
    }
    swaps.forEach(view::seen);
    for (Engine engine : all(Engine.class, _ -> true)) {
      said(engine).ifPresent(seen -> view.seen(engine.name(), seen));
    }
    return view;
  }

  /** What is stored, before anybody has looked at anything. */
  public ClusterView blankView() {
    ClusterView view = new ClusterView(capabilities);
    view.now(nowMillis);
    view.stopping(isStopping);
    objects.values().forEach(view::put);
    kube.forEach(view::seen);
    return view;
  }

  /** What was last seen of the instance manager of a node. */
  public ManagerSeen seen(String node) {
    return host(node).seen;
  }

  /** Another control plane begins: it has seen nothing yet. */
  public void restart() {
    allHosts().forEach(host -> host.seen = ManagerSeen.NOT_YET);
  }

  /** A process in a state, of which no plan knows. */
  public Child child(State state) {
    Child child = new Child(new UUID(7, ++counter).toString(), ++counter);
    child.state = state;
    return child;
  }

  /** Another process of the same start, in a state. */
  public Child another(Child before, State state) {
    Child child = new Child(before.uuid, ++counter);
    child.state = state;
    return child;
  }

  private static ManagerSeen look(Host host) {
    if (!host.isAlive) {
      return new ManagerSeen(Reach.GONE, 0, new TreeMap<>());
    }
    if (host.isFrozen) {
      return new ManagerSeen(Reach.UNREACHABLE, host.seen.pid(), host.seen.instances());
    }
    TreeMap<String, ManagerSeen.Instance> instances = new TreeMap<>();
    host.processes.forEach((name, process) ->
        instances.put(
            name,
            new ManagerSeen.Instance(
                process.state, process.uuid, process.pid, process.message, process.isStandby)));
    return new ManagerSeen(Reach.CONNECTED, host.pid, instances);
  }

  private Optional<EngineSeen> said(Engine engine) {
    for (Host host : allHosts()) {
      Child process = host.processes.get(engine.name());
      String uuid = engine.status().instance().uuid();
      boolean isMeant = uuid.isEmpty() || process == null || process.uuid.equals(uuid);
      if (process != null && process.isRunning() && isMeant) {
        return Optional.of(said(engine.spec().volumeName(), engine.name(), process));
      }
    }
    return Optional.empty();
  }

  private EngineSeen said(String volume, String name, Child process) {
    VolumeRecord record = record(volume);
    TreeMap<ReplicaId, Engine.Member> members = new TreeMap<>();
    for (ReplicaId id : process.used) {
      ReplicaMode mode =
          !isHeld(volume, id)
              ? ReplicaMode.ERR
              : record.membership().members().contains(id) ? ReplicaMode.RW : ReplicaMode.WO;
      String why =
          switch (mode) {
            case RW -> "";
            case WO -> "comes back";
            case ERR -> "gone";
          };
      members.put(id, new Engine.Member(mode, why, 0, 0));
    }
    boolean isOwner = record.isOwnedBy(process.id, record.reservedGeneration());
    boolean mayServe = isOwner || record.claimants().contains(process.id);
    boolean isServing =
        mayServe && members.values().stream().anyMatch(member -> member.mode() == ReplicaMode.RW);
    return new EngineSeen(
        process.pid,
        isIdTold ? Optional.of(process.id) : Optional.empty(),
        process.image,
        isServing,
        isOwner ? record.reservedGeneration() : 0,
        isServing ? "" : "no replica in sync",
        List.of("nbd://" + name),
        members);
  }

  /** Whether a process serves the directory of a replica. */
  private boolean isHeld(String volume, ReplicaId id) {
    return replicas(volume).stream()
        .filter(replica -> replica.spec().id().equals(id))
        .flatMap(replica ->
            hostsOn(replica.spec().nodeID()).stream()
                .map(host -> host.processes.get(replica.name())))
        .anyMatch(process -> process != null && process.isRunning() && !process.isStandby);
  }

  // ---- what engines do --------------------------------------------------------------------------

  /** An engine's guest writes: the engine makes the volume its own. */
  public void claim(String engine) {
    String volume = Names.volumeOf(engine);
    Child process = running(engine).orElseThrow(() -> new AssertionError(engine));
    VolumeRecord record = record(volume);
    record(volume, record.reserved(record.reservedGeneration() + 1, process.id));
  }

  private Optional<Child> running(String engine) {
    return allHosts().stream()
        .map(host -> host.processes.get(engine))
        .filter(process -> process != null && process.isRunning())
        .findFirst();
  }

  private boolean open(String volume, Child process) {
    Optional<ClusterObject> stored = get(ObjectKind.MEMBERSHIP, volume);
    if (stored.isEmpty() || !process.isActive) {
      return false;
    }
    VolumeRecord record = record(volume);
    boolean hasSource = record.membership().members().stream().anyMatch(id -> isHeld(volume, id));
    if (process.hasOpened || !hasSource) {
      return false;
    }
    process.hasOpened = true;
    record(volume, record.reserved(record.reservedGeneration() + 1, process.id));
    return true;
  }

  /** The owner keeps the record: who is gone leaves it, who is back comes in again. */
  private boolean keepRecord(String volume, Child process) {
    if (get(ObjectKind.MEMBERSHIP, volume).isEmpty()) {
      return false;
    }
    VolumeRecord record = record(volume);
    if (!record.isOwnedBy(process.id, record.reservedGeneration())) {
      return false;
    }
    MembershipRecord before = record.membership();
    SortedSet<ReplicaId> members = new TreeSet<>();
    boolean hasMember = before.members().stream().anyMatch(id -> isHeld(volume, id));
    for (ReplicaId id : process.used) {
      boolean mayJoin = before.members().contains(id) || hasMember;
      if (mayJoin && isHeld(volume, id)) {
        members.add(id);
      }
    }
    if (members.isEmpty() || members.equals(before.members())) {
      return false;
    }
    RecordStamp next = new RecordStamp(record.reservedGeneration(), before.stamp().number() + 1);
    MembershipRecord now = before.next(next, members);
    SortedMap<ReplicaId, RecordStamp> left = new TreeMap<>(now.leftAt());
    left.keySet().retainAll(process.used);
    record(volume, record.withMembership(new MembershipRecord(next, now.members(), left)));
    return true;
  }

  // ---- what happens -----------------------------------------------------------------------------

  /** All that is to be done, of the cluster and of each volume. */
  public static List<Action> plan(ClusterView view) {
    List<Action> all = new ArrayList<>();
    ControlCore.planAll(view).forEach(plan -> all.addAll(plan.actions()));
    return all;
  }

  public List<Action> plan() {
    return plan(view());
  }

  /** Stores what a plan wants stored, in its order. */
  public void store(List<Action> plan) {
    for (Action action : plan) {
      switch (action) {
        case Action.Put(ClusterObject object) -> put(object);
        case Action.Remove(ObjectKey key) -> objects.remove(key);
        case Action.Tell tell -> told.add(tell);
        case Action.ProcessAction _ -> {}
      }
    }
  }

  /**
   * Stores the plan of one planner: with what it said a volume waits for, as the whole plan has it.
   */
  public List<Action> store(Draft draft, String volume) {
    draft
        .volume(volume)
        .ifPresent(now -> draft.put(now.with(now.status().with(draft.conditionsOf(now)))));
    List<Action> actions = draft.plan().actions();
    store(actions);
    return actions;
  }

  /** Carries out what a plan wants of processes; what a frozen instance manager hears, it keeps. */
  public void carryOut(Action.ProcessAction action) {
    Host host =
        switch (action) {
          case Action.ManagerAction asked -> hostOf(asked.manager());
        };
    switch (action) {
      case Action.StartInstanceManager _ -> {
        if (!host.isAlive) {
          host.isAlive = true;
          host.pid = ++counter;
        }
      }
      case Action.KillInstanceManager kill -> {
        if (host.isAlive && host.pid == kill.manager().pid()) {
          host.die();
        }
      }
      case Action.ManagerAction _ -> {
        if (host.isFrozen) {
          host.late.add(action);
        } else if (host.isAlive) {
          ask(host, action);
        }
      }
    }
  }

  /** The node where an action is carried out. */
  public static String nodeOf(Action.ProcessAction action) {
    return switch (action) {
      case Action.ManagerAction asked -> asked.manager().nodeID();
    };
  }

  private void ask(Host host, Action.ProcessAction action) {
    switch (action) {
      case Action.CreateDirectory create -> start(host, Names.creation(create.replica()));
      case Action.DeleteDirectory delete -> start(host, Names.deletion(delete.replica()));
      case Action.StartReplica start ->
          start(host, start.replica().name())
              .ifPresent(process -> {
                process.isStandby = start.isStandby();
                process.image = start.image().name();
              });
      case Action.StartEngine start ->
          start(host, start.engine().name())
              .ifPresent(
                  process -> prepare(process, start.engine(), start.replicas(), start.image()));
      case Action.SwapEngine swap -> swap(host, swap);
      case Action.ConfigureEngine configure ->
          live(host, configure.engine().name())
              .ifPresent(process -> process.used = ids(configure.replicas()));
      case Action.FinishMigration finish ->
          live(host, finish.winner().name())
              .filter(Child::isRunning)
              .ifPresent(process -> finish(finish, process));
      case Action.PromoteReplica promote -> promote(host, promote);
      case Action.StopInstance(InstanceManager _, String name, String uuid) ->
          live(host, name)
              .filter(process -> process.uuid.equals(uuid))
              .ifPresent(process -> process.state = State.STOPPING);
      case Action.ForgetInstance(InstanceManager _, String name, String uuid) -> {
        Child process = host.processes.get(name);
        if (process != null && process.uuid.equals(uuid) && process.isOver()) {
          host.processes.remove(name);
        }
      }
      case Action.StartInstanceManager _, Action.KillInstanceManager _ ->
          throw new AssertionError(action);
    }
  }

  private static Optional<Child> live(Host host, String name) {
    return Optional.ofNullable(host.processes.get(name)).filter(process -> !process.isOver());
  }

  private Optional<Child> start(Host host, String name) {
    if (live(host, name).isPresent()) {
      return Optional.empty();
    }
    Child child = child(State.STARTING);
    host.processes.put(name, child);
    return Optional.of(child);
  }

  private static void prepare(
      Child process, Engine engine, List<Replica> replicas, EngineImage image) {
    process.isActive = engine.spec().isActive();
    process.image = image.name();
    process.used = ids(replicas);
  }

  private static SortedSet<ReplicaId> ids(List<Replica> replicas) {
    return replicas.stream()
        .map(replica -> replica.spec().id())
        .collect(Collectors.toCollection(TreeSet::new));
  }

  /** Begun once, however often it is asked for. */
  private void swap(Host host, Action.SwapEngine swap) {
    Optional<Child> old = live(host, swap.engine().name()).filter(Child::isRunning);
    if (old.isPresent() && !old.get().image.equals(swap.image().name())) {
      // One that had begun in another process has ended with it.
      swapping.merge(
          swap.engine().name(),
          swap,
          (begun, now) -> uuidOf(begun).equals(uuidOf(now)) ? begun : now);
      if (!isSwapSlow) {
        goOnSwapping(swap.engine().name());
      }
    }
  }

  private static String uuidOf(Action.SwapEngine swap) {
    return swap.engine().status().instance().uuid();
  }

  /**
   * A switch that has begun goes on to its end, if the old process is there: the new one takes the
   * volume and the clients over if the record lets it, or gives up. The instance stays the same,
   * and is where the new process is.
   */
  public void goOnSwapping(String engine) {
    Action.SwapEngine swap = swapping.remove(engine);
    Host host = hostOf(swap.manager());
    Optional<Child> old = live(host, engine).filter(Child::isRunning);
    if (old.isEmpty()) {
      return;
    }
    VolumeRecord record = record(swap.volume().name());
    boolean isOpen = record.phase() == VolumeRecord.Phase.SWAPPING;
    boolean isOwner = record.owner().filter(old.get().id::equals).isPresent();
    Host taker = hostOf(swap.next());
    boolean isFree = taker.isAlive && (taker == host || live(taker, engine).isEmpty());
    String error =
        !swapError.isEmpty()
            ? swapError
            : broken.contains(swap.image().name())
                ? "exit code 1"
                : !isFree
                    ? taker.manager + " cannot start it"
                    : !isOpen ? "the record does not let it" : isOwner ? "" : "fenced";
    if (!error.isEmpty()) {
      swaps.put(engine, SwapSeen.failed(swap, error));
      return;
    }
    Child next = another(old.get(), State.RUNNING);
    prepare(next, swap.engine(), swap.replicas(), swap.image());
    next.hasOpened = true;
    host.processes.remove(engine);
    taker.processes.put(engine, next);
    record(
        swap.volume().name(),
        record(swap.volume().name()).reserved(record.reservedGeneration() + 1, next.id));
  }

  private void finish(Action.FinishMigration finish, Child winner) {
    String volume = finish.winner().spec().volumeName();
    VolumeRecord record = record(volume);
    if (record.isOwnedBy(winner.id, record.reservedGeneration())
        && record.reservedGeneration() > finish.generation()) {
      return;
    }
    if (!record.claimants().contains(winner.id)) {
      // Who is not named does not claim, and never will.
      return;
    }
    VolumeRecord owned =
        record.isOwnedBy(winner.id, record.reservedGeneration())
            ? record
            : record.reserved(record.reservedGeneration() + 1, winner.id);
    winner.isActive = true;
    winner.hasOpened = true;
    record(
        volume,
        new VolumeRecord(
            owned.membership(),
            owned.reservedGeneration(),
            owned.owner(),
            new TreeSet<>(List.of(winner.id)),
            VolumeRecord.Phase.NONE));
  }

  private void promote(Host host, Action.PromoteReplica promote) {
    Optional<Child> standby = live(host, promote.standby().name()).filter(Child::isRunning);
    if (standby.isPresent() && standby.get().isStandby) {
      // Who held it goes on as one that stands by.
      hostsOn(host.node)
          .forEach(other ->
              live(other, promote.holder().name()).ifPresent(holder -> holder.isStandby = true));
      if (lockedBy(host, promote.standby()) == null) {
        standby.get().isStandby = false;
      }
    }
  }

  public void thaw(Host host) {
    host.isFrozen = false;
    List<Action.ProcessAction> late = List.copyOf(host.late);
    host.late.clear();
    late.forEach(this::carryOut);
  }

  /** What is starting runs, what is stopping has stopped, what makes directories has made them. */
  public boolean advance() {
    boolean isNews = false;
    for (Host host : allHosts()) {
      for (String name : List.copyOf(host.processes.keySet())) {
        isNews |= advance(host, name);
      }
    }
    return isNews;
  }

  public boolean advance(Host host, String name) {
    Child process = host.processes.get(name);
    State before = process.state;
    switch (process.state) {
      case STARTING -> {
        if (name.endsWith("-create")) {
          directories.add(directoryOf(name));
          process.end(State.STOPPED, "");
        } else if (name.endsWith("-delete")) {
          directories.remove(directoryOf(name));
          process.end(State.STOPPED, "");
        } else {
          run(host, name, process);
        }
      }
      case STOPPING -> process.end(State.STOPPED, "");
      case RUNNING -> {
        String volume = Names.volumeOf(name);
        if (Names.numberOf(name) >= 0) {
          return open(volume, process) || keepRecord(volume, process);
        }
      }
      case STOPPED, ERROR -> {}
    }
    return process.state != before;
  }

  /** The directory that a process makes or deletes: that of whoever had it first. */
  private static String directoryOf(String name) {
    String replica = name.substring(0, name.lastIndexOf('-'));
    return replica.matches(".*-r-[0-9a-f]{8}-[0-9]+")
        ? replica.substring(0, replica.lastIndexOf('-'))
        : replica;
  }

  private void run(Host host, String name, Child process) {
    Replica replica = (Replica) get(ObjectKind.REPLICA, name).orElse(null);
    if (broken.contains(process.image)) {
      process.end(State.ERROR, "exit code 1");
    } else if (replica != null && !process.isStandby && lockedBy(host, replica) != null) {
      process.end(State.ERROR, "the directory is locked by " + lockedBy(host, replica));
    } else {
      process.state = State.RUNNING;
    }
  }

  private @Nullable String lockedBy(Host host, Replica replica) {
    return replicas(replica.spec().volumeName()).stream()
        .filter(other -> !other.name().equals(replica.name()))
        .filter(other -> other.spec().id().equals(replica.spec().id()))
        .filter(other ->
            hostsOn(host.node).stream()
                .anyMatch(
                    there -> live(there, other.name()).filter(one -> !one.isStandby).isPresent()))
        .map(Replica::name)
        .findFirst()
        .orElse(null);
  }

  public void crash(String node, String name) {
    process(node, name).end(State.ERROR, "killed by signal 9");
  }

  /** One round: plan, store, carry out, let processes get on. Whether there was anything to do. */
  public boolean round() {
    nowMillis += 10;
    List<Action> plan = plan();
    store(plan);
    for (Action action : plan) {
      if (action instanceof Action.ProcessAction process) {
        carryOut(process);
      }
    }
    return advance() || !plan.isEmpty();
  }

  /** Rounds until nothing is left to plan. */
  public SmallCluster settle() {
    int rounds = 0;
    while (round()) {
      if (++rounds > 200) {
        throw new AssertionError("does not converge: " + plan());
      }
    }
    return this;
  }
}
