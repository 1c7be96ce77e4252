package io.longhorn.orchestration.decision;

import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.EngineImage;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.InstanceView.State;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import java.util.List;
import java.util.Optional;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * The processes of engines and replicas: first what they are doing ({@link #observe}), then, when
 * it is decided which are wanted, what has to be started or stopped ({@link #act}).
 */
final class InstancePlanner {
  private InstancePlanner() {}

  // ---- what they are doing ----------------------------------------------------------------------

  static void observe(Draft draft) {
    for (Replica replica : draft.replicas()) {
      if (isSeen(draft, replica.spec().nodeID())) {
        draft.put(observed(draft, replica));
      }
    }
    for (Engine engine : draft.engines()) {
      if (isSeen(draft, engine.spec().nodeID())) {
        draft.put(observed(draft, engine));
      }
    }
  }

  /** What nobody has looked at yet, because the daemon is a new one, stays as it was. */
  private static boolean isSeen(Draft draft, String node) {
    return draft.instanceManagerOn(node).map(draft::isSeen).orElse(true);
  }

  private static Replica observed(Draft draft, Replica replica) {
    Optional<InstanceManager> manager = draft.instanceManagerOn(replica.spec().nodeID());
    Replica.Status before = replica.status();
    InstanceView view =
        InstanceRule.derive(
            before.instance(),
            replica.spec().isWanted(),
            true,
            manager.orElse(null),
            instance(draft, manager, replica.name()));
    if (crashed(before.instance(), view)) {
      draft.tell(replica, true, "ReplicaCrashed", replica.name() + ": " + view.message());
    }
    boolean isCreated = before.isCreated() || hasEnded(draft, manager, Names.creation(replica));
    return replica.with(new Replica.Status(isCreated, view));
  }

  private static Engine observed(Draft draft, Engine engine) {
    // One that is wanted nowhere any more keeps its node: it is looked for where it was.
    Optional<InstanceManager> manager = draft.instanceManagerOn(engine.spec().nodeID());
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
    Optional<EngineSeen> said =
        draft
            .seen(engine)
            .filter(
                _ -> view.currentState() == State.RUNNING || view.currentState() == State.STARTING)
            .filter(seen -> seen.pid() == view.pid());
    return engine.with(
        said.map(seen ->
                new Engine.Status(
                    view,
                    seen.isServing(),
                    seen.generation(),
                    seen.state(),
                    seen.endpoints(),
                    seen.replicas()))
            .orElse(status));
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

  static void act(Draft draft) {
    for (Replica replica : draft.replicas()) {
      draft
          .instanceManagerOn(replica.spec().nodeID())
          .filter(manager -> isReachable(draft, manager))
          .ifPresent(manager -> act(draft, manager, replica));
    }
    for (Engine engine : draft.engines()) {
      draft
          .instanceManagerOn(engine.spec().nodeID())
          .filter(manager -> isReachable(draft, manager))
          .ifPresent(manager -> act(draft, manager, engine));
    }
    stopStrays(draft);
  }

  private static boolean isReachable(Draft draft, InstanceManager manager) {
    return manager.state() == InstanceManager.State.RUNNING && draft.isSeen(manager);
  }

  /**
   * Stops engines that are under another instance manager than their own: a start that came late,
   * when the volume had moved. Two of them would fence each other for ever. What has ended and
   * belongs to no object is forgotten; what runs and is not known here is left alone.
   */
  private static void stopStrays(Draft draft) {
    TreeMap<String, String> nodes = new TreeMap<>();
    for (Replica replica : draft.replicas()) {
      String node = replica.spec().nodeID();
      nodes.put(replica.name(), node);
      nodes.put(Names.creation(replica), node);
      nodes.put(Names.deletion(replica), node);
    }
    for (Engine engine : draft.engines()) {
      nodes.put(engine.name(), engine.spec().nodeID());
    }
    for (InstanceManager manager : draft.instanceManagers()) {
      if (isReachable(draft, manager)) {
        draft
            .seen(manager)
            .instances()
            .forEach((name, seen) -> {
              String node = nodes.get(name);
              if (node == null ? seen.isOver() : !node.equals(manager.nodeID())) {
                stop(draft, manager, name);
              }
            });
      }
    }
  }

  /** Whether an engine of this name may still run under another instance manager. */
  private static boolean runsElsewhere(Draft draft, Engine engine) {
    return draft.instanceManagers().stream()
        .filter(manager -> !manager.nodeID().equals(engine.spec().nodeID()))
        .filter(manager -> isReachable(draft, manager))
        .map(manager -> draft.seen(manager).instances().get(engine.name()))
        .anyMatch(seen -> seen != null && !seen.isOver());
  }

  private static void act(Draft draft, InstanceManager manager, Replica replica) {
    Optional<Volume> volume = draft.volume(replica.spec().volumeName());
    Optional<EngineImage> image = draft.image(replica.spec().image());
    if (volume.isEmpty() || image.isEmpty()) {
      return;
    }
    String creation = Names.creation(replica);
    ManagerSeen.Instance creating = draft.seen(manager).instances().get(creation);
    if (replica.status().isCreated()) {
      if (creating != null) {
        draft.act(new Action.ForgetInstance(manager, creation, creating.uuid()));
      }
    } else {
      if (!volume.get().isDeleted()
          && (creating == null || creating.state() == ManagerSeen.State.ERROR)) {
        draft.act(
            new Action.CreateDirectory(
                manager, replica, volume.get(), draft.replicasOf(volume.get()), image.get()));
      }
      return;
    }
    InstanceView view = replica.status().instance();
    if (!replica.spec().isWanted()) {
      stop(draft, manager, replica.name());
    } else if (!view.mayRun()) {
      draft.act(new Action.StartReplica(manager, replica, image.get()));
    }
  }

  private static void act(Draft draft, InstanceManager manager, Engine engine) {
    Optional<Volume> volume = draft.volume(engine.spec().volumeName());
    Optional<EngineImage> image = draft.image(engine.spec().image());
    InstanceView view = engine.status().instance();
    if (!engine.spec().isWanted()) {
      stop(draft, manager, engine.name());
    } else if (!view.mayRun()
        && !view.isStarted()
        && volume.isPresent()
        && image.isPresent()
        && !runsElsewhere(draft, engine)) {
      List<Replica> replicas = draft.replicasOf(volume.get());
      draft.act(new Action.StartEngine(manager, engine, volume.get(), replicas, image.get()));
    }
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
