package io.longhorn.orchestration.decision.cluster;

import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.EngineImage;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.InstanceView.State;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.orchestration.decision.Action;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.EngineSeen;
import io.longhorn.orchestration.decision.ManagerSeen;
import io.longhorn.orchestration.decision.Names;
import java.util.List;
import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * The processes of engines and replicas: first what they are doing ({@link #observe}), then, when
 * it is decided which are wanted, what has to be started or stopped ({@link #act}). A process stays
 * bound to the instance manager that started it; a new one is started by the default one of its
 * node.
 */
public final class InstancePlanner {
  private InstancePlanner() {}

  // ---- what they are doing ----------------------------------------------------------------------

  /** What the processes of a volume are doing. */
  public static void observe(Draft draft, String volume) {
    Volume found = draft.volume(volume).orElseThrow();
    for (Replica replica : draft.replicasOf(found)) {
      Optional<InstanceManager> manager = draft.managerOf(replica);
      if (manager.map(draft::isSeen).orElse(true)) {
        draft.put(observed(draft, manager, replica));
      }
    }
    for (Engine engine : draft.enginesOf(volume)) {
      Optional<InstanceManager> manager = draft.managerOf(engine);
      // What nobody has looked at yet, because the control plane is a new one, stays as it was.
      if (manager.map(draft::isSeen).orElse(true)) {
        draft.put(observed(draft, manager, engine));
      }
    }
  }

  private static Replica observed(Draft draft, Optional<InstanceManager> manager, Replica replica) {
    Replica.Status before = replica.status();
    ManagerSeen.Instance seen = instance(draft, manager, replica.name());
    InstanceView view =
        InstanceRule.derive(
            before.instance(), replica.spec().isWanted(), true, manager.orElse(null), seen);
    if (crashed(before.instance(), view)) {
      draft.tell(replica, true, "ReplicaCrashed", replica.name() + ": " + view.message());
    }
    boolean isCreated = before.isCreated() || hasEnded(draft, manager, Names.creation(replica));
    boolean isHolder =
        switch (view.currentState()) {
          case RUNNING -> seen == null ? before.isHolder() : !seen.isStandby();
          case UNKNOWN, STOPPING -> before.isHolder();
          case STOPPED, STARTING, ERROR -> false;
        };
    return replica.with(new Replica.Status(isCreated, isHolder, view));
  }

  private static Engine observed(Draft draft, Optional<InstanceManager> manager, Engine engine) {
    Engine.Status before = engine.status();
    InstanceView view =
        InstanceRule.derive(
            before.instance(),
            engine.spec().isWanted(),
            false,
            manager.orElse(null),
            instance(draft, manager, engine.name()));
    if (crashed(before.instance(), view)) {
      draft.tell(engine, true, "EngineCrashed", engine.name() + ": " + view.message());
    }
    Engine.Status status = before.with(view);
    if (view.mayRun() && status.currentImage().isEmpty()) {
      status = status.withCurrentImage(engine.spec().image());
    }
    Optional<EngineSeen> said =
        draft
            .seen(engine)
            .filter(
                _ -> view.currentState() == State.RUNNING || view.currentState() == State.STARTING)
            .filter(seen -> seen.pid() == view.pid());
    if (said.isEmpty()) {
      return engine.with(status);
    }
    EngineSeen seen = said.get();
    return engine.with(
        new Engine.Status(
            view,
            seen.id(),
            seen.isServing(),
            seen.generation(),
            seen.state(),
            seen.endpoints(),
            seen.replicas(),
            seen.image().isEmpty() ? status.currentImage() : seen.image()));
  }

  private static boolean crashed(InstanceView before, InstanceView now) {
    return before.currentState() != State.ERROR
        && now.currentState() == State.ERROR
        && now.isStarted();
  }

  private static ManagerSeen.@Nullable Instance instance(
      Draft draft, Optional<InstanceManager> manager, String name) {
    return manager.map(draft::seen).map(seen -> seen.instances().get(name)).orElse(null);
  }

  private static boolean hasEnded(Draft draft, Optional<InstanceManager> manager, String name) {
    ManagerSeen.Instance seen = instance(draft, manager, name);
    return seen != null && seen.state() == ManagerSeen.State.STOPPED;
  }

  // ---- what has to be done ----------------------------------------------------------------------

  /** What has to be started and stopped of a volume, once it is decided what is wanted. */
  public static void act(Draft draft, String volume) {
    Optional<Volume> found = draft.volume(volume);
    if (found.isEmpty()) {
      return;
    }
    for (Replica replica : draft.replicasOf(found.get())) {
      draft
          .managerOf(replica)
          .filter(manager -> isReachable(draft, manager))
          .ifPresent(manager -> act(draft, found.get(), manager, replica));
    }
    for (Engine engine : draft.enginesOf(volume)) {
      draft
          .managerOf(engine)
          .filter(manager -> isReachable(draft, manager))
          .ifPresent(manager -> act(draft, found.get(), manager, engine));
      stopElsewhere(draft, engine);
    }
  }

  /** Whether it takes calls. */
  static boolean isReachable(Draft draft, InstanceManager manager) {
    return manager.state() == InstanceManager.State.RUNNING
        && draft.seen(manager).reach() == ManagerSeen.Reach.CONNECTED;
  }

  /**
   * Stops an engine that is under another instance manager than its own: a start that came late,
   * when the volume had moved. Two of them would fence each other for ever.
   */
  private static void stopElsewhere(Draft draft, Engine engine) {
    String own = draft.managerOf(engine).map(InstanceManager::name).orElse("");
    for (InstanceManager manager : draft.instanceManagers()) {
      if (!manager.name().equals(own) && isReachable(draft, manager)) {
        stop(draft, manager, engine.name());
      }
    }
  }

  /**
   * Forgets what has ended and belongs to no object. What runs and is not known here is left alone:
   * nobody can say whose it is.
   */
  public static void forgetStrays(Draft draft) {
    for (InstanceManager manager : draft.instanceManagers()) {
      if (isReachable(draft, manager)) {
        draft
            .seen(manager)
            .instances()
            .forEach((name, seen) -> {
              if (seen.isOver() && !isKnown(draft, manager, name)) {
                draft.act(new Action.ForgetInstance(manager, name, seen.uuid()));
              }
            });
      }
    }
  }

  private static boolean isKnown(Draft draft, InstanceManager manager, String name) {
    String volume = Names.volumeOf(name);
    SortedSet<String> known = new TreeSet<>();
    known.addAll(draft.view().enginesOf(volume).keySet());
    for (Replica replica : draft.view().replicasOf(volume).values()) {
      if (replica.spec().nodeID().equals(manager.nodeID())) {
        known.add(replica.name());
        known.add(Names.creation(replica));
        known.add(Names.deletion(replica));
      }
    }
    return known.contains(name);
  }

  /** Whether an engine of this name may still run under another instance manager. */
  private static boolean runsElsewhere(Draft draft, InstanceManager own, Engine engine) {
    return draft.instanceManagers().stream()
        .filter(manager -> !manager.name().equals(own.name()))
        .filter(manager -> isReachable(draft, manager))
        .map(manager -> draft.seen(manager).instances().get(engine.name()))
        .anyMatch(seen -> seen != null && !seen.isOver());
  }

  private static void act(Draft draft, Volume volume, InstanceManager manager, Replica replica) {
    Optional<EngineImage> image = draft.image(replica.spec().image());
    if (image.isEmpty()) {
      return;
    }
    String creation = Names.creation(replica);
    ManagerSeen.Instance creating = draft.seen(manager).instances().get(creation);
    if (replica.status().isCreated()) {
      if (creating != null) {
        draft.act(new Action.ForgetInstance(manager, creation, creating.uuid()));
      }
    } else {
      // One that is taken away before it is made is made first, if that works: what was asked
      // already
      // may come late, and would leave a directory that nobody knows.
      boolean isRetried =
          replica.spec().isWanted() || volume.status().state() == Volume.State.CREATING;
      boolean isFailed = creating != null && creating.state() == ManagerSeen.State.ERROR;
      if (!volume.isDeleted() && (creating == null || (isFailed && isRetried))) {
        List<Replica> all = draft.activeReplicasOf(volume);
        draft.act(new Action.CreateDirectory(manager, replica, volume, all, image.get()));
      }
      return;
    }
    InstanceView view = replica.status().instance();
    if (!replica.spec().isWanted()) {
      stop(draft, manager, replica.name());
    } else if (!view.mayRun()) {
      draft.act(
          new Action.StartReplica(
              manager, replica, image.get(), hasPartner(draft, volume, replica)));
    }
  }

  /** Whether there is another replica object of the same directory: then one stands by. */
  private static boolean hasPartner(Draft draft, Volume volume, Replica replica) {
    return draft.replicasOf(volume).stream()
        .anyMatch(other ->
            !other.name().equals(replica.name())
                && other.spec().id().equals(replica.spec().id())
                && (other.status().isHolder() || !replica.spec().isActive()));
  }

  private static void act(Draft draft, Volume volume, InstanceManager manager, Engine engine) {
    Optional<EngineImage> image = draft.image(engine.spec().image());
    InstanceView view = engine.status().instance();
    if (!engine.spec().isWanted()) {
      stop(draft, manager, engine.name());
    } else if (!view.mayRun()
        && !view.isStarted()
        && image.isPresent()
        && !runsElsewhere(draft, manager, engine)) {
      draft.act(
          new Action.StartEngine(
              manager, engine, volume, replicasFor(draft, volume, engine), image.get()));
    }
  }

  /** What an engine is to use; one that names none uses them all. */
  private static List<Replica> replicasFor(Draft draft, Volume volume, Engine engine) {
    return draft.replicasOf(volume).stream()
        .filter(replica ->
            engine.spec().replicas().isEmpty()
                ? replica.spec().isActive()
                : engine.spec().replicas().contains(replica.name()))
        .toList();
  }

  private static void stop(Draft draft, InstanceManager manager, String name) {
    ManagerSeen.Instance seen = draft.seen(manager).instances().get(name);
    if (seen == null) {
      return;
    }
    switch (seen.state()) {
      case STARTING, RUNNING -> draft.act(new Action.StopInstance(manager, name, seen.uuid()));
      case STOPPED, ERROR -> draft.act(new Action.ForgetInstance(manager, name, seen.uuid()));
      case STOPPING -> {}
    }
  }
}
