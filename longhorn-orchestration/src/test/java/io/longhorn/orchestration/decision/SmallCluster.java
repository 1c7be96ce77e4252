package io.longhorn.orchestration.decision;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.ReplicaMode;
import io.longhorn.api.VolumeId;
import io.longhorn.api.cluster.ClusterObject;
import io.longhorn.api.cluster.Condition;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.EngineImage;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.Node;
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.VolumeAttachment;
import io.longhorn.orchestration.decision.ManagerSeen.Reach;
import io.longhorn.orchestration.decision.ManagerSeen.State;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;
import java.util.function.UnaryOperator;

/**
 * A cluster in which instance managers, engines and replicas obey, crash, freeze and come back: the
 * world of the planners' tests. Stored objects are changed by plans, processes by actions; one
 * process advances at a time, when the test says so.
 */
final class SmallCluster {
  /** A process that an instance manager has started. */
  static final class Child {
    final String uuid;
    State state = State.STARTING;
    long pid;
    String message = "";

    Child(String uuid, long pid) {
      this.uuid = uuid;
      this.pid = pid;
    }

    boolean isOver() {
      return state == State.STOPPED || state == State.ERROR;
    }

    void end(State how, String why) {
      state = how;
      message = why;
      pid = 0;
    }
  }

  /** The instance manager of a node. */
  static final class Host {
    final String node;
    boolean isAlive;
    boolean isFrozen;
    long pid;
    final TreeMap<String, Child> processes = new TreeMap<>();

    /** What reached it while it was frozen: carried out when it thaws. */
    final List<Action.ProcessAction> late = new ArrayList<>();

    ManagerSeen seen = ManagerSeen.NOT_YET;

    Host(String node) {
      this.node = node;
    }

    void die() {
      isAlive = false;
      isFrozen = false;
      pid = 0;
      processes.clear();
      late.clear();
    }
  }

  final TreeMap<ObjectKey, ClusterObject> objects = new TreeMap<>();
  final TreeMap<String, Host> hosts = new TreeMap<>();
  final SortedSet<String> directories = new TreeSet<>();
  final List<Action.Tell> told = new ArrayList<>();
  boolean isStopping;
  long nowMillis = 1_000;
  private long counter = 100;

  SmallCluster(int nodes) {
    put(new EngineImage(Names.DEFAULT_IMAGE, "/bin/longhorn", "1"));
    for (int i = 1; i <= nodes; i++) {
      String name = "node-" + i;
      put(new Node(name, false, false, "/d/" + name, new Condition("Ready", false, "", "", 0)));
      put(
          new InstanceManager(
              Names.instanceManager(name),
              name,
              Names.DEFAULT_IMAGE,
              "unix:/m/" + name,
              InstanceManager.State.STOPPED,
              0,
              0));
      hosts.put(name, new Host(name));
    }
  }

  // ---- objects ----------------------------------------------------------------------------------

  void put(ClusterObject object) {
    objects.put(object.key(), object);
  }

  /** A volume with a replica on each of the first nodes. */
  void create(String name, int replicas) {
    for (int i = 1; i <= replicas; i++) {
      ReplicaId id = new ReplicaId(new UUID(++counter << 32, i));
      String replica = Names.replica(name, id);
      put(
          new Replica(
              replica,
              new Replica.Spec(
                  name, id, "node-" + i, "/d/node-" + i + "/replicas/" + replica, "default", false),
              Replica.Status.NONE));
    }
    put(
        new Engine(
            Names.engine(name, 0),
            new Engine.Spec(name, "", "default", "", false, true),
            Engine.Status.NONE));
    put(new VolumeAttachment(name, new TreeMap<>()));
    put(
        new Volume(
            name,
            new Volume.Spec(
                new VolumeId(new UUID(1, ++counter)), 1 << 20, replicas, false, "default", "", ""),
            new Volume.Status(
                Volume.State.CREATING, Volume.Robustness.UNKNOWN, "", "", "default", 0, List.of()),
            0));
  }

  Volume volume(String name) {
    return (Volume) get(ObjectKind.VOLUME, name).orElseThrow();
  }

  Engine engine(String volume) {
    return (Engine) get(ObjectKind.ENGINE, Names.engine(volume, 0)).orElseThrow();
  }

  Node node(String name) {
    return (Node) get(ObjectKind.NODE, name).orElseThrow();
  }

  InstanceManager manager(String node) {
    return (InstanceManager)
        get(ObjectKind.INSTANCE_MANAGER, Names.instanceManager(node)).orElseThrow();
  }

  VolumeAttachment attachment(String volume) {
    return (VolumeAttachment) get(ObjectKind.VOLUME_ATTACHMENT, volume).orElseThrow();
  }

  List<Replica> replicas(String volume) {
    return objects.values().stream()
        .filter(object -> object instanceof Replica)
        .map(object -> (Replica) object)
        .filter(replica -> replica.spec().volumeName().equals(volume))
        .toList();
  }

  Replica replicaOn(String volume, String node) {
    return replicas(volume).stream()
        .filter(replica -> replica.spec().nodeID().equals(node))
        .findFirst()
        .orElseThrow();
  }

  List<Volume> volumes() {
    return objects.values().stream()
        .filter(object -> object instanceof Volume)
        .map(object -> (Volume) object)
        .toList();
  }

  Optional<ClusterObject> get(ObjectKind kind, String name) {
    return Optional.ofNullable(objects.get(new ObjectKey(kind, name)));
  }

  void attach(String volume, String node) {
    attach(volume, node, node);
  }

  void attach(String volume, String node, String id) {
    Condition waiting = new Condition("Satisfied", false, "Waiting", "", nowMillis);
    put(
        attachment(volume)
            .with(new VolumeAttachment.Ticket(id, "longhorn-api", node, "", nowMillis, waiting)));
  }

  void detach(String volume) {
    put(new VolumeAttachment(volume, new TreeMap<>()));
  }

  void change(String volume, UnaryOperator<Volume> how) {
    put(how.apply(volume(volume)));
  }

  void power(String node, boolean isOff) {
    put(node(node).withPower(isOff));
  }

  // ---- the view ---------------------------------------------------------------------------------

  Host host(String node) {
    Host host = hosts.get(node);
    if (host == null) {
      throw new AssertionError("no node " + node);
    }
    return host;
  }

  Child process(String node, String name) {
    Child process = host(node).processes.get(name);
    if (process == null) {
      throw new AssertionError(node + " has no " + name);
    }
    return process;
  }

  /** Looks at every instance manager and every engine, as the watchers would. */
  ClusterView view() {
    TreeMap<String, ManagerSeen> managers = new TreeMap<>();
    for (Host host : hosts.values()) {
      host.seen = look(host);
      managers.put(Names.instanceManager(host.node), host.seen);
    }
    TreeMap<String, EngineSeen> engines = new TreeMap<>();
    for (ClusterObject object : objects.values()) {
      if (object instanceof Engine engine) {
        said(engine).ifPresent(seen -> engines.put(engine.name(), seen));
      }
    }
    return new ClusterView(nowMillis, objects, managers, engines, isStopping);
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
            new ManagerSeen.Instance(process.state, process.uuid, process.pid, process.message)));
    return new ManagerSeen(Reach.CONNECTED, host.pid, instances);
  }

  private Optional<EngineSeen> said(Engine engine) {
    Host host = hosts.get(engine.spec().nodeID());
    Child process = host == null ? null : host.processes.get(engine.name());
    if (process == null || process.state != State.RUNNING) {
      return Optional.empty();
    }
    TreeMap<ReplicaId, Engine.Member> members = new TreeMap<>();
    for (Replica replica : replicas(engine.spec().volumeName())) {
      Child copy = host(replica.spec().nodeID()).processes.get(replica.name());
      boolean isThere = copy != null && copy.state == State.RUNNING;
      members.put(
          replica.spec().id(),
          new Engine.Member(
              isThere ? ReplicaMode.RW : ReplicaMode.ERR, isThere ? "" : "gone", 0, 0));
    }
    boolean isServing =
        members.values().stream().anyMatch(member -> member.mode() == ReplicaMode.RW);
    return Optional.of(
        new EngineSeen(process.pid, isServing, 1, "", List.of("nbd://" + engine.name()), members));
  }

  // ---- what happens -----------------------------------------------------------------------------

  /** Stores what a plan wants stored, in its order. */
  void store(List<Action> plan) {
    for (Action action : plan) {
      switch (action) {
        case Action.Put(ClusterObject object) -> put(object);
        case Action.Remove(ObjectKey key) -> objects.remove(key);
        case Action.Tell tell -> told.add(tell);
        case Action.ProcessAction _ -> {}
      }
    }
  }

  /** Carries out what a plan wants of processes; what a frozen instance manager hears, it keeps. */
  void carryOut(Action.ProcessAction action) {
    Host host = host(nodeOf(action));
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
      case Action.CreateDirectory _,
          Action.DeleteDirectory _,
          Action.StartReplica _,
          Action.StartEngine _,
          Action.StopInstance _,
          Action.ForgetInstance _ -> {
        if (host.isFrozen) {
          host.late.add(action);
        } else if (host.isAlive) {
          ask(host, action);
        }
      }
    }
  }

  private static String nodeOf(Action.ProcessAction action) {
    return switch (action) {
      case Action.StartInstanceManager start -> start.node().name();
      case Action.KillInstanceManager kill -> kill.manager().nodeID();
      case Action.CreateDirectory create -> create.manager().nodeID();
      case Action.DeleteDirectory delete -> delete.manager().nodeID();
      case Action.StartReplica start -> start.manager().nodeID();
      case Action.StartEngine start -> start.manager().nodeID();
      case Action.StopInstance stop -> stop.manager().nodeID();
      case Action.ForgetInstance forget -> forget.manager().nodeID();
    };
  }

  private void ask(Host host, Action.ProcessAction action) {
    switch (action) {
      case Action.CreateDirectory create -> start(host, Names.creation(create.replica()));
      case Action.DeleteDirectory delete -> start(host, Names.deletion(delete.replica()));
      case Action.StartReplica start -> start(host, start.replica().name());
      case Action.StartEngine start -> start(host, start.engine().name());
      case Action.StopInstance(InstanceManager _, String name, String uuid) -> {
        Child process = host.processes.get(name);
        if (process != null && process.uuid.equals(uuid) && !process.isOver()) {
          process.state = State.STOPPING;
        }
      }
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

  private void start(Host host, String name) {
    Child there = host.processes.get(name);
    if (there == null || there.isOver()) {
      host.processes.put(name, new Child(new UUID(7, ++counter).toString(), ++counter));
    }
  }

  void thaw(Host host) {
    host.isFrozen = false;
    List<Action.ProcessAction> late = List.copyOf(host.late);
    host.late.clear();
    late.forEach(this::carryOut);
  }

  /** What is starting runs, what is stopping has stopped, what makes directories has made them. */
  boolean advance() {
    boolean isNews = false;
    for (Host host : hosts.values()) {
      for (String name : List.copyOf(host.processes.keySet())) {
        isNews |= advance(host, name);
      }
    }
    return isNews;
  }

  boolean advance(Host host, String name) {
    Child process = process(host.node, name);
    State before = process.state;
    boolean isCreation = name.endsWith("-create");
    boolean isDeletion = name.endsWith("-delete");
    switch (process.state) {
      case STARTING -> {
        if (isCreation || isDeletion) {
          String replica = name.substring(0, name.lastIndexOf('-'));
          if (isCreation) {
            directories.add(replica);
          } else {
            directories.remove(replica);
          }
          process.end(State.STOPPED, "");
        } else {
          process.state = State.RUNNING;
        }
      }
      case STOPPING -> process.end(State.STOPPED, "");
      case RUNNING, STOPPED, ERROR -> {}
    }
    return process.state != before;
  }

  void crash(String node, String name) {
    process(node, name).end(State.ERROR, "killed by signal 9");
  }

  /** One round: plan, store, carry out, let processes get on. Whether there was anything to do. */
  boolean round() {
    nowMillis += 10;
    List<Action> plan = ControlCore.plan(view());
    store(plan);
    for (Action action : plan) {
      if (action instanceof Action.ProcessAction process) {
        carryOut(process);
      }
    }
    return advance() || !plan.isEmpty();
  }

  /** Rounds until nothing is left to plan. */
  SmallCluster settle() {
    int rounds = 0;
    while (round()) {
      if (++rounds > 200) {
        throw new AssertionError("does not converge: " + ControlCore.plan(view()));
      }
    }
    return this;
  }
}
