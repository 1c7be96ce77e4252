package io.longhorn.orchestration.sim;

import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.orchestration.decision.ManagerSeen;
import io.longhorn.orchestration.decision.ManagerSeen.Reach;
import io.longhorn.orchestration.decision.NodeSeen;
import io.longhorn.orchestration.decision.NodeSeen.Kube;
import io.longhorn.orchestration.sim.volume.World;
import io.longhorn.orchestration.sim.world.SimNode;
import io.longhorn.orchestration.sim.world.SimScheduler;
import io.longhorn.orchestration.sim.world.SimScheduler.Timer;
import io.longhorn.orchestration.sim.world.SimTrace;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * What Kubernetes does: takes a silent node for not ready, gives the pods of a node that is not
 * ready a deletion timestamp after a while, has pods started and ended on their nodes. Pods that
 * are gone are not made anew here.
 */
final class SimKubernetes {
  /** Who is told of it. */
  interface Listener {
    /** Something else may be said of an instance manager. */
    void managerChanged(String name);

    /** Something else is said of a node. */
    void nodeChanged(String name);
  }

  private static final class Kubelet {
    final SimNode machine;
    NodeSeen seen;
    boolean isBooted = true;
    @Nullable Timer silence;
    @Nullable Timer eviction;
    @Nullable Timer back;

    Kubelet(SimNode machine, NodeSeen seen) {
      this.machine = machine;
      this.seen = seen;
    }
  }

  private final World world;
  private final SimScheduler scheduler;
  private final Listener listener;
  private final Predicate<String> hasOwner;
  private final TreeMap<String, Kubelet> kubelets = new TreeMap<>();
  private final TreeMap<String, SimPod> pods = new TreeMap<>();

  SimKubernetes(World world, Listener listener, Predicate<String> hasOwner) {
    this.world = world;
    this.listener = listener;
    this.hasOwner = hasOwner;
    scheduler = world.scheduler;
    for (SimNode node : world.nodes.values()) {
      kubelets.put(
          node.name(), new Kubelet(node, new NodeSeen(Kube.TRUE, scheduler.nowMillis(), true)));
    }
    world.network.whenChanged(this::look);
  }

  // ---- what is said -----------------------------------------------------------------------------

  NodeSeen node(String name) {
    return kubelet(name).seen;
  }

  boolean isNotReady(String name) {
    return kubelet(name).seen.kube() != Kube.TRUE;
  }

  private Kubelet kubelet(String name) {
    Kubelet found = kubelets.get(name);
    if (found == null) {
      throw new IllegalArgumentException("there is no node " + name);
    }
    return found;
  }

  Optional<SimPod> pod(String name) {
    return Optional.ofNullable(pods.get(name));
  }

  List<SimPod> podsOn(String node) {
    List<SimPod> found = new ArrayList<>();
    for (SimPod pod : pods.values()) {
      if (pod.machine.name().equals(node)) {
        found.add(pod);
      }
    }
    return found;
  }

  List<SimPod> pods() {
    return List.copyOf(pods.values());
  }

  /** What the control plane would see of an instance manager now. */
  ManagerSeen manager(String name, ManagerSeen before) {
    SimPod pod = pods.get(name);
    if (pod == null) {
      return new ManagerSeen(Reach.GONE, 0, new TreeMap<>());
    }
    if (pod.isDeleted()) {
      return new ManagerSeen(Reach.TERMINATING, before.pid(), before.instances());
    }
    if (!isReached(pod.machine.name())) {
      return new ManagerSeen(Reach.UNREACHABLE, before.pid(), before.instances());
    }
    return switch (pod.phase()) {
      case STARTING -> new ManagerSeen(Reach.STARTING, 0, new TreeMap<>());
      case RUNNING -> new ManagerSeen(Reach.CONNECTED, pod.pid, pod.listing());
      case DEAD -> new ManagerSeen(Reach.GONE, 0, new TreeMap<>());
    };
  }

  boolean isReached(String node) {
    return kubelet(node).isBooted && world.network.isConnected(node, SimTrace.CONTROL);
  }

  // ---- pods -------------------------------------------------------------------------------------

  void createPod(InstanceManager manager) {
    if (pods.containsKey(manager.name())) {
      return;
    }
    SimPod pod =
        new SimPod(
            world,
            manager,
            kubelet(manager.nodeID()).machine,
            () -> listener.managerChanged(manager.name()));
    pods.put(pod.name, pod);
    listener.managerChanged(pod.name);
    collect(pod.name);
    scheduler.after(world.knobs.podStart.pick(scheduler), () -> startPod(pod));
  }

  /** What owns a pod may be gone: then the pod is deleted, some time later. */
  void collect(String name) {
    scheduler.after(
        scheduler.millisBetween(500, 3_000),
        () -> {
          if (!hasOwner.test(name)) {
            deletePod(name);
          }
        });
  }

  private void startPod(SimPod pod) {
    if (pods.get(pod.name) != pod || pod.isDeleted()) {
      return;
    }
    if (isReached(pod.machine.name())) {
      pod.runs();
    } else {
      scheduler.inBackground(1_000 * SimScheduler.MILLI, () -> startPod(pod));
    }
  }

  /**
   * {@code kubectl delete pod}: a deletion timestamp now; the node's agent, if it can be reached,
   * has its processes ended, and then it is gone.
   */
  void deletePod(String name) {
    SimPod pod = pods.get(name);
    if (pod != null && !pod.isDeleted()) {
      world.trace.tell(SimTrace.CONTROL, () -> "pod " + name + " is to be deleted");
      pod.delete();
      terminate(pod);
    }
  }

  private void terminate(SimPod pod) {
    if (!isReached(pod.machine.name())) {
      return;
    }
    scheduler.after(
        world.knobs.podEnds.pick(scheduler),
        () -> {
          if (isReached(pod.machine.name())) {
            pod.die(false);
            scheduler.after(world.knobs.podGone.pick(scheduler), () -> remove(pod));
          }
        });
  }

  /** {@code kill -9}: its processes end, and it is gone, at once. */
  void killPod(String name) {
    SimPod pod = pods.get(name);
    if (pod != null) {
      pod.die(false);
      remove(pod);
    }
  }

  private void remove(SimPod pod) {
    if (pods.remove(pod.name, pod)) {
      world.trace.tell(pod.machine.name(), () -> "pod " + pod.name + " is gone");
      scheduler.active();
      listener.managerChanged(pod.name);
    }
  }

  // ---- nodes ------------------------------------------------------------------------------------

  /** A node says of itself for a while that it is not ready; nothing else happens there. */
  void blip(String node, long millis) {
    say(kubelet(node), Kube.FALSE);
    scheduler.after(
        millis * SimScheduler.MILLI,
        () -> {
          if (kubelet(node).seen.kube() == Kube.FALSE) {
            say(kubelet(node), Kube.TRUE);
          }
        });
  }

  void poweredOff(String node) {
    Kubelet kubelet = kubelet(node);
    kubelet.isBooted = false;
    podsOn(node).forEach(pod -> pod.die(true));
    podsOn(node).forEach(pod -> listener.managerChanged(pod.name));
    look(kubelet);
  }

  void poweredOn(String node) {
    Kubelet kubelet = kubelet(node);
    scheduler.after(
        world.knobs.boot.pick(scheduler),
        () -> {
          if (kubelet.machine.isOn() && !kubelet.isBooted) {
            kubelet.isBooted = true;
            world.trace.tell(node, () -> node + " has booted");
            // What had run there does not run any more.
            podsOn(node).stream()
                .filter(pod -> pod.phase() == SimPod.Phase.DEAD)
                .forEach(this::remove);
            look(kubelet);
          }
        });
  }

  private void look() {
    kubelets.values().forEach(this::look);
  }

  private void look(Kubelet kubelet) {
    String name = kubelet.machine.name();
    podsOn(name).forEach(pod -> listener.managerChanged(pod.name));
    if (isReached(name)) {
      heard(kubelet);
    } else if (kubelet.silence == null && kubelet.seen.kube() != Kube.UNKNOWN) {
      cancel(kubelet.back);
      kubelet.back = null;
      kubelet.silence =
          scheduler.inBackground(
              world.knobs.notReadyMillis * SimScheduler.MILLI, () -> silent(kubelet));
    } else {
      cancel(kubelet.back);
      kubelet.back = null;
    }
  }

  private void silent(Kubelet kubelet) {
    kubelet.silence = null;
    say(kubelet, Kube.UNKNOWN);
    evictLater(kubelet);
  }

  private void evictLater(Kubelet kubelet) {
    kubelet.eviction =
        scheduler.inBackground(
            world.knobs.evictionMillis * SimScheduler.MILLI,
            () -> {
              kubelet.eviction = null;
              String name = kubelet.machine.name();
              world.trace.tell(SimTrace.CONTROL, () -> "pods of " + name + " are evicted");
              podsOn(name).forEach(pod -> deletePod(pod.name));
            });
  }

  private void heard(Kubelet kubelet) {
    cancel(kubelet.silence);
    kubelet.silence = null;
    if (kubelet.back == null) {
      kubelet.back = scheduler.after(scheduler.millisBetween(500, 4_000), () -> back(kubelet));
    }
  }

  private void back(Kubelet kubelet) {
    kubelet.back = null;
    if (!isReached(kubelet.machine.name())) {
      return;
    }
    if (kubelet.seen.kube() == Kube.UNKNOWN) {
      cancel(kubelet.eviction);
      kubelet.eviction = null;
      say(kubelet, Kube.TRUE);
    }
    // What was to end while nobody heard of the node ends now.
    podsOn(kubelet.machine.name()).stream().filter(SimPod::isDeleted).forEach(this::terminate);
  }

  private void cancel(@Nullable Timer timer) {
    if (timer != null) {
      scheduler.cancel(timer);
    }
  }

  private void say(Kubelet kubelet, Kube what) {
    if (kubelet.seen.kube() != what) {
      kubelet.seen = new NodeSeen(what, scheduler.nowMillis(), true);
      world.trace.tell(
          SimTrace.CONTROL, () -> "node " + kubelet.machine.name() + " is ready: " + what);
      scheduler.active();
      listener.nodeChanged(kubelet.machine.name());
    }
  }
}
