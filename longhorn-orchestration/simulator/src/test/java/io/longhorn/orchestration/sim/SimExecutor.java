package io.longhorn.orchestration.sim;

import io.longhorn.api.IoError;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.VolumeException;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.EngineImage;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.RecordStamp;
import io.longhorn.orchestration.decision.Action;
import io.longhorn.orchestration.decision.Action.ManagerAction;
import io.longhorn.orchestration.decision.Action.ProcessAction;
import io.longhorn.orchestration.decision.Capability;
import io.longhorn.orchestration.decision.ManagerSeen;
import io.longhorn.orchestration.decision.NodeSeen;
import io.longhorn.orchestration.decision.SwapSeen;
import io.longhorn.orchestration.execution.ActionExecutor;
import io.longhorn.orchestration.execution.Observation;
import io.longhorn.orchestration.execution.Targets;
import io.longhorn.orchestration.sim.volume.SimEngine;
import io.longhorn.orchestration.sim.volume.SimReplica;
import io.longhorn.orchestration.sim.volume.World;
import io.longhorn.orchestration.sim.world.SimDirectory;
import io.longhorn.orchestration.sim.world.SimKnobs.Sabotage;
import io.longhorn.orchestration.sim.world.SimNode;
import io.longhorn.orchestration.sim.world.SimScheduler;
import io.longhorn.orchestration.sim.world.SimTrace;
import java.util.Collection;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * Hands and eyes of the simulated control plane. What it carries out takes time, and may be lost,
 * done twice or late; what it sees is late, and may be missing while a node cannot be reached.
 */
final class SimExecutor implements ActionExecutor, SimKubernetes.Listener {
  /** What may be done to something before it is done. */
  interface Gate {
    /** Throws if that must not be. */
    void beforeAction(ProcessAction action);

    /** Throws if that must not be. */
    void beforeDeletion(Replica replica, SimDirectory directory);
  }

  private final World world;
  private final SimScheduler scheduler;
  private final TreeMap<String, Long> lastSeenNanos = new TreeMap<>();
  private final TreeMap<String, ManagerSeen> lastManagers = new TreeMap<>();
  private final TreeMap<String, Long> stalledUntil = new TreeMap<>();
  private final TreeMap<String, Integer> starts = new TreeMap<>();
  private final SortedSet<String> managers = new TreeSet<>();

  /** Where engines are looked for that are to be looked at. */
  private final TreeMap<String, String> engines = new TreeMap<>();

  private @Nullable SimKubernetes kubernetes;
  private @Nullable Observation observation;
  private @Nullable Gate gate;

  SimExecutor(World world) {
    this.world = world;
    scheduler = world.scheduler;
  }

  void connect(SimKubernetes cluster) {
    kubernetes = cluster;
  }

  void gate(Gate before) {
    gate = before;
  }

  private SimKubernetes kubernetes() {
    SimKubernetes there = kubernetes;
    if (there == null) {
      throw new IllegalStateException("not connected");
    }
    return there;
  }

  @Override
  public Set<Capability> capabilities() {
    return EnumSet.allOf(Capability.class);
  }

  /** Engines that are started on a node within this time take so long. */
  void stall(String node, long millis) {
    stalledUntil.put(node, millis);
  }

  // ---- eyes -------------------------------------------------------------------------------------

  @Override
  public void observe(Observation to) {
    observation = to;
    lastManagers.clear();
    // What Kubernetes says is read before anybody is connected to.
    world.nodes.keySet().forEach(node -> nodeSeen(node, SimScheduler.MILLI));
  }

  @Override
  public void watch(Targets targets) {
    SortedSet<String> fresh = new TreeSet<>(targets.managers().keySet());
    fresh.removeAll(managers);
    managers.retainAll(targets.managers().keySet());
    // One of the same name that is made later is looked at anew.
    lastManagers.keySet().retainAll(targets.managers().keySet());
    managers.addAll(fresh);
    fresh.forEach(this::managerChanged);
    Observation to = observation;
    for (String gone : List.copyOf(engines.keySet())) {
      Engine target = targets.engines().get(gone);
      if (target == null || !isLookedAt(gone, target.spec().nodeID())) {
        // One of the same name that is left over elsewhere is not it.
        engines.remove(gone);
        if (to != null) {
          to.forgetEngine(gone);
        }
      }
    }
    for (Engine target : targets.engines().values()) {
      String name = target.name();
      if (engines.put(name, target.spec().nodeID()) == null) {
        world.processes().stream()
            .filter(process -> process.name().equals(name))
            .forEach(process -> {
              if (process instanceof SimEngine engine) {
                engineChanged(engine);
              }
            });
      }
    }
  }

  /** Nobody looks any more. */
  void forget() {
    observation = null;
    managers.clear();
    engines.clear();
    lastManagers.clear();
  }

  /** Later, and what is seen later of one thing later. */
  private void seenLater(String what, long extraNanos, Runnable then) {
    seenAfter(what, world.knobs.seen.pick(scheduler) + extraNanos, then);
  }

  private void seenAfter(String what, long nanos, Runnable then) {
    Observation to = observation;
    if (to == null) {
      return;
    }
    long at = Math.max(scheduler.nowNanos() + nanos, lastSeenNanos.getOrDefault(what, 0L));
    lastSeenNanos.put(what, at);
    scheduler.after(
        at - scheduler.nowNanos(),
        () -> {
          if (observation == to) {
            then.run();
          }
        });
  }

  @Override
  public void managerChanged(String name) {
    if (!managers.contains(name)) {
      return;
    }
    ManagerSeen before = lastManagers.getOrDefault(name, ManagerSeen.NOT_YET);
    ManagerSeen now = kubernetes().manager(name, before);
    if (now.equals(before)) {
      return;
    }
    lastManagers.put(name, now);
    // A connection that goes silent is given up after a while.
    long silence =
        now.reach() == ManagerSeen.Reach.UNREACHABLE ? scheduler.millisBetween(1_000, 2_000) : 0;
    seenLater(
        "manager " + name,
        silence,
        () -> {
          Observation to = observation;
          if (to != null) {
            to.manager(name, now);
          }
        });
    if (now.reach() == ManagerSeen.Reach.CONNECTED
        && before.reach() != ManagerSeen.Reach.CONNECTED) {
      // Its engines are spoken to again.
      kubernetes()
          .pod(name)
          .ifPresent(pod ->
              pod.instances().values().forEach(one -> one.engine().ifPresent(this::engineChanged)));
    }
  }

  @Override
  public void nodeChanged(String name) {
    NodeSeen now = kubernetes().node(name);
    if (now.kube() != NodeSeen.Kube.TRUE && world.knobs.does(Sabotage.EXECUTOR_STOPS_IN_DOUBT)) {
      stopEngines(name);
    }
    nodeSeen(name, world.knobs.seen.pick(scheduler));
  }

  private void nodeSeen(String name, long nanos) {
    NodeSeen now = kubernetes().node(name);
    seenAfter(
        "node " + name,
        nanos,
        () -> {
          Observation to = observation;
          if (to != null) {
            to.node(name, now);
          }
        });
  }

  private void stopEngines(String node) {
    for (SimPod pod : kubernetes().podsOn(node)) {
      for (SimPod.Instance one : List.copyOf(pod.instances().values())) {
        if (one.engine().isPresent()) {
          InstanceManager manager =
              new InstanceManager(
                  pod.name, node, pod.type, pod.image, "", InstanceManager.State.RUNNING, 0, 0);
          perform(
              new Action.StopInstance(manager, one.name, one.uuid),
              new Observation(() -> {}),
              () -> {});
        }
      }
    }
  }

  private boolean isLookedAt(String engine, String node) {
    return node.equals(engines.get(engine));
  }

  /** An engine has something else to say. */
  void engineChanged(SimEngine engine) {
    if (!isLookedAt(engine.name(), engine.node()) || !kubernetes().isReached(engine.node())) {
      return;
    }
    var now = engine.seen();
    // Another process of an engine that is to take over is not asked before it has.
    boolean isCurrent =
        kubernetes().podsOn(engine.node()).stream()
            .flatMap(pod -> pod.instance(engine.name()).stream())
            .filter(one -> !one.isTaking)
            .anyMatch(one -> one.pid == engine.pid() || one.engine().isEmpty());
    if (isCurrent) {
      seenLater(
          "engine " + engine.name(),
          0,
          () -> {
            Observation to = observation;
            boolean isReached =
                isLookedAt(engine.name(), engine.node()) && kubernetes().isReached(engine.node());
            if (to != null && isReached) {
              to.engine(engine.name(), now);
            }
          });
    }
  }

  // ---- hands ------------------------------------------------------------------------------------

  @Override
  public void execute(ProcessAction action) {
    throw new VolumeException(IoError.UNSUPPORTED, "carried out in virtual time only");
  }

  /**
   * Carries out: later, perhaps not at all, perhaps twice; then says that it is over. What is on
   * its way is on a connection: the second time it is the same process that is asked, or nobody.
   */
  void carryOut(ProcessAction action, Observation to, Runnable whenEnded) {
    if (scheduler.happens(world.knobs.loseActionOneOf)) {
      world.trace.tell(SimTrace.CONTROL, () -> "lost: " + SimControl.told(action));
      scheduler.after(scheduler.millisBetween(100, 2_000), whenEnded);
      return;
    }
    long delay = world.knobs.action.pick(scheduler);
    if (scheduler.happens(world.knobs.slowActionOneOf)) {
      delay += scheduler.millisBetween(1_000, 10_000);
    }
    boolean isRepeated = scheduler.happens(world.knobs.repeatActionOneOf);
    long pause = isRepeated ? scheduler.millisBetween(10, 5_000) : 0;
    scheduler.after(
        delay,
        () -> {
          Optional<SimPod> asked = asked(action);
          perform(action, to, whenEnded);
          if (isRepeated) {
            scheduler.after(
                pause,
                () -> {
                  if (asked(action).equals(asked)) {
                    world.trace.tell(SimTrace.CONTROL, () -> "again: " + SimControl.told(action));
                    perform(action, to, () -> {});
                  }
                });
          }
        });
  }

  /** The instance manager that takes a request, whether it can be reached now or not. */
  private Optional<SimPod> asked(ProcessAction action) {
    return action instanceof ManagerAction one
        ? kubernetes().pod(one.manager().name()).filter(SimPod::isRunning)
        : Optional.empty();
  }

  private void perform(ProcessAction action, Observation to, Runnable whenEnded) {
    scheduler.active();
    if (gate != null) {
      gate.beforeAction(action);
    }
    switch (action) {
      case Action.StartInstanceManager(InstanceManager manager, _, _) -> {
        kubernetes().createPod(manager);
        whenEnded.run();
      }
      case Action.KillInstanceManager(InstanceManager manager) -> {
        kubernetes().deletePod(manager.name());
        whenEnded.run();
      }
      case ManagerAction other -> {
        Optional<SimPod> pod = kubernetes().pod(other.manager().name());
        boolean isThere =
            pod.filter(found -> found.isRunning() && kubernetes().isReached(found.machine.name()))
                .isPresent();
        if (isThere) {
          perform(pod.get(), other, to, whenEnded);
        } else {
          // Nobody answers.
          scheduler.after(scheduler.millisBetween(500, 2_000), whenEnded);
        }
      }
    }
  }

  private void perform(SimPod pod, ManagerAction action, Observation to, Runnable whenEnded) {
    switch (action) {
      case Action.CreateDirectory create ->
          pod.runOnce(action.subject(), () -> create(pod.machine, create));
      case Action.DeleteDirectory(_, Replica replica) ->
          pod.run(action.subject(), () -> delete(pod.machine, replica));
      case Action.StartReplica(_, Replica replica, EngineImage image, boolean isStandby) ->
          pod.start(
              replica.name(),
              0,
              () ->
                  new SimReplica(
                      world,
                      replica.name(),
                      pod.machine,
                      replica.spec().volumeName(),
                      replica.spec().id(),
                      replica.spec().directory(),
                      image.name(),
                      isStandby));
      case Action.PromoteReplica(_, Replica standby, Replica holder) ->
          promote(pod, standby, holder);
      case Action.StartEngine(
              _,
              Engine engine,
              Volume volume,
              List<Replica> replicas,
              EngineImage image) ->
          pod.start(
              engine.name(),
              stall(pod.machine),
              () -> started(pod.machine, engine, volume, replicas, image));
      case Action.SwapEngine swap -> {
        swap(pod, swap, to, whenEnded);
        return;
      }
      case Action.ConfigureEngine(_, Engine engine, List<Replica> replicas) ->
          pod.instance(engine.name())
              .flatMap(SimPod.Instance::engine)
              .ifPresent(process -> process.configure(ids(replicas)));
      case Action.FinishMigration(_, Engine winner, long generation) ->
          pod.instance(winner.name())
              .flatMap(SimPod.Instance::engine)
              .filter(process -> winner.status().id().equals(Optional.of(process.id())))
              .ifPresent(process -> process.finish(generation));
      case Action.StopInstance(_, String instance, String uuid) -> {
        if (world.knobs.does(Sabotage.EXECUTOR_DELETES_SHARED_DIRECTORY)) {
          pod.instance(instance)
              .flatMap(SimPod.Instance::replica)
              .ifPresent(replica -> deleteShared(pod.machine, replica));
        }
        pod.stop(instance, uuid);
      }
      case Action.ForgetInstance(_, String instance, String uuid) -> pod.forget(instance, uuid);
      case Action.StartInstanceManager _, Action.KillInstanceManager _ ->
          throw new IllegalStateException("not for an instance manager: " + action);
    }
    whenEnded.run();
  }

  private long stall(SimNode machine) {
    return stalledUntil.getOrDefault(machine.name(), 0L) * SimScheduler.MILLI;
  }

  private static SortedSet<ReplicaId> ids(Collection<Replica> replicas) {
    SortedSet<ReplicaId> ids = new TreeSet<>();
    replicas.forEach(replica -> ids.add(replica.spec().id()));
    return ids;
  }

  /** How often an engine of a volume was started. */
  int engineStarts(String volume) {
    return starts.getOrDefault(volume, 0);
  }

  private SimEngine started(
      SimNode machine, Engine engine, Volume volume, List<Replica> replicas, EngineImage image) {
    starts.merge(volume.name(), 1, Integer::sum);
    return engine(machine, engine, volume, replicas, image);
  }

  private SimEngine engine(
      SimNode machine, Engine engine, Volume volume, List<Replica> replicas, EngineImage image) {
    return new SimEngine(
        world,
        engine.name(),
        machine,
        volume.name(),
        volume.spec().id(),
        image.name(),
        ids(replicas));
  }

  private void swap(SimPod pod, Action.SwapEngine action, Observation to, Runnable whenEnded) {
    String name = action.engine().name();
    Optional<SimPod.Instance> one = pod.instance(name);
    Optional<SimEngine> old = one.flatMap(SimPod.Instance::engine);
    boolean isNews =
        old.filter(process -> !process.image().equals(action.image().name())).isPresent()
            && one.get().swap == null
            && one.get().state == ManagerSeen.State.RUNNING;
    Optional<SimPod> taker = kubernetes().pod(action.next().name());
    if (!isNews || taker.isEmpty()) {
      whenEnded.run();
      return;
    }
    SimEngine next =
        engine(pod.machine, action.engine(), action.volume(), action.replicas(), action.image());
    pod.swap(
        name,
        next,
        taker.get(),
        stall(pod.machine),
        why -> {
          if (!why.isEmpty()) {
            seenLater("swap " + name, 0, () -> to.swap(name, SwapSeen.failed(action, why)));
          } else {
            engineChanged(next);
          }
          whenEnded.run();
        });
  }

  private String create(SimNode machine, Action.CreateDirectory action) {
    Replica replica = action.replica();
    String path = replica.spec().directory();
    boolean isNew =
        action.volume().status().state() == Volume.State.CREATING
            && world.oracle(action.volume().name()).answers() == 0;
    MembershipRecord record =
        isNew
            ? MembershipRecord.ofNewVolume(List.copyOf(ids(action.all())))
            : alone(replica.spec().id());
    Optional<SimDirectory> there = machine.directory(path);
    if (there.isPresent()) {
      return there.get().isAsMade(replica.spec().id(), record)
          ? ""
          : path + " is a replica already";
    }
    SimDirectory made =
        new SimDirectory(
            path, action.volume().spec().id(), replica.spec().id(), world.knobs.blocks, record);
    machine.directories().put(path, made);
    world.made(made);
    world.trace.tell(machine.name(), () -> path + " is made");
    return "";
  }

  /** A record that is older than any that counts. */
  private static MembershipRecord alone(ReplicaId id) {
    return new MembershipRecord(new RecordStamp(0, 0), new TreeSet<>(List.of(id)), new TreeMap<>());
  }

  private String delete(SimNode machine, Replica replica) {
    SimDirectory there = machine.directories().get(replica.spec().directory());
    if (there != null) {
      if (there.holder != 0) {
        // It is deleted under the lock that whoever has it holds.
        return there.path + " is in use";
      }
      if (gate != null) {
        gate.beforeDeletion(replica, there);
      }
      machine.directories().remove(there.path);
      world.deleted(there);
      world.trace.tell(machine.name(), () -> there.path + " is deleted");
    }
    return "";
  }

  private void deleteShared(SimNode machine, SimReplica replica) {
    Gate before = gate;
    for (SimDirectory directory : machine.directories().values()) {
      if (directory.replica.equals(replica.id()) && before != null) {
        before.beforeDeletion(
            new Replica(
                replica.name(),
                new Replica.Spec(
                    replica.volume(),
                    replica.id(),
                    machine.name(),
                    "",
                    directory.path,
                    "",
                    false,
                    "",
                    false,
                    false,
                    Replica.Health.NEW),
                Replica.Status.NONE),
            directory);
      }
    }
  }

  private void promote(SimPod pod, Replica standby, Replica holder) {
    Optional<SimReplica> to = pod.instance(standby.name()).flatMap(SimPod.Instance::replica);
    Optional<SimReplica> from =
        kubernetes().podsOn(pod.machine.name()).stream()
            .flatMap(other -> other.instance(holder.name()).stream())
            .flatMap(one -> one.replica().stream())
            .filter(SimReplica::isHolder)
            .findFirst();
    if (to.isEmpty() || !to.get().isStandby()) {
      return;
    }
    if (from.isPresent()) {
      from.get().handOver(to.get());
    } else {
      to.get().promote();
    }
  }
}
