package io.longhorn.orchestration.decision.cluster;

import io.longhorn.api.EngineId;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.EngineImage;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.InstanceView.State;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.orchestration.decision.Action;
import io.longhorn.orchestration.decision.Capability;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.EngineSeen;
import io.longhorn.orchestration.decision.ManagerSeen;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.decision.replica.ReplicaRule;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * The processes of engines and replicas: first what they are doing ({@link #observe}), then, when
 * it is decided which are wanted, what has to be started or stopped ({@link #act}). A process stays
 * bound to the instance manager that started it; a new one is started by the default one of its
 * node. Only an engine may move to another one of its node, when a process there takes it over.
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
      Optional<InstanceManager> taker = takerOf(draft, found, engine);
      Optional<InstanceManager> manager = taker.or(() -> draft.managerOf(engine));
      // What nobody has looked at yet, because the control plane is a new one, stays as it was; so
      // does what is just being taken over.
      boolean isNews =
          manager.map(draft::isSeen).orElse(true)
              && taker.filter(one -> isStarting(draft, one, engine)).isEmpty();
      if (isNews) {
        draft.put(observed(draft, manager, engine));
      }
    }
  }

  /**
   * The instance manager in which another process takes an engine over, or has done so, or may have
   * done so if it could be asked; empty if the engine is where it was.
   */
  private static Optional<InstanceManager> takerOf(Draft draft, Volume volume, Engine engine) {
    Optional<InstanceManager> own = draft.managerOf(engine);
    // Rule 6.2/12: as long as the one before has it, it is there.
    if (own.isEmpty() || hasInstance(draft, own.get(), engine)) {
      return Optional.empty();
    }
    List<InstanceManager> others =
        draft.managersOn(own.get().nodeID()).stream()
            .filter(one -> !one.name().equals(own.get().name()))
            .toList();
    return others.stream()
        .filter(one -> hasInstance(draft, one, engine))
        .findFirst()
        .or(() ->
            isTakenOver(draft, volume, engine)
                ? others.stream()
                    .filter(
                        one -> !draft.isSeen(one) || one.state() == InstanceManager.State.UNKNOWN)
                    .findFirst()
                : Optional.empty());
  }

  /** Whether it has an engine's process, as the start that is known, when last seen. */
  private static boolean hasInstance(Draft draft, InstanceManager manager, Engine engine) {
    ManagerSeen.Instance seen = draft.seen(manager).instances().get(engine.name());
    return seen != null
        && seen.uuid().equals(engine.status().instance().uuid())
        && !seen.isOver()
        && (manager.state() == InstanceManager.State.RUNNING
            || manager.state() == InstanceManager.State.UNKNOWN);
  }

  private static boolean isStarting(Draft draft, InstanceManager manager, Engine engine) {
    ManagerSeen.Instance seen = draft.seen(manager).instances().get(engine.name());
    return manager.state() == InstanceManager.State.RUNNING
        && seen != null
        && seen.state() == ManagerSeen.State.STARTING;
  }

  /** Whether another process than the one that is known owns the volume of its only engine. */
  private static boolean isTakenOver(Draft draft, Volume volume, Engine engine) {
    Optional<EngineId> owner = draft.membershipOf(volume).flatMap(found -> found.record().owner());
    return draft.enginesOf(volume.name()).size() == 1
        && owner.isPresent()
        && engine.status().id().isPresent()
        && !owner.equals(engine.status().id());
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
    boolean isCreated =
        before.isCreated()
            || creationOf(draft, replica)
                .filter(creation -> creation.state() == ManagerSeen.State.STOPPED)
                .isPresent();
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
    InstanceView derived =
        InstanceRule.derive(
            before.instance(),
            engine.spec().isWanted(),
            false,
            manager.orElse(null),
            instance(draft, manager, engine.name()));
    // Rule 6.2/10: where it runs is not where it is wanted; as after a crash it begins anew.
    InstanceView view =
        isMisplaced(engine, derived, manager)
            ? InstanceRule.misplaced(derived, engine.spec().nodeID())
            : isUseless(draft, engine, derived) ? InstanceRule.useless(derived) : derived;
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

  private static boolean isMisplaced(
      Engine engine, InstanceView view, Optional<InstanceManager> manager) {
    return engine.spec().isWanted()
        && view.currentState() == State.RUNNING
        && manager.filter(own -> !own.nodeID().equals(engine.spec().nodeID())).isPresent();
  }

  /**
   * One that was given up while nobody could reach it, is there again, and has seen meanwhile that
   * it may not have the volume any more: it serves nothing, however often it is named. Not the one
   * that loses a migration or an upgrade: that is taken away anyway.
   */
  private static boolean isUseless(Draft draft, Engine engine, InstanceView view) {
    boolean isOnlyOne =
        draft.enginesOf(engine.spec().volumeName()).size() == 1
            && draft
                .volume(engine.spec().volumeName())
                .filter(volume -> !volume.isMigrating() && !volume.isUpgrading())
                .isPresent();
    return isOnlyOne
        && engine.spec().isWanted()
        && view.currentState() == State.RUNNING
        && draft.seen(engine).filter(said -> said.pid() == view.pid() && said.isOver()).isPresent();
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
    }
    stopStrays(draft, found.get());
  }

  /** Whether it takes calls. */
  static boolean isReachable(Draft draft, InstanceManager manager) {
    return manager.state() == InstanceManager.State.RUNNING
        && draft.seen(manager).reach() == ManagerSeen.Reach.CONNECTED;
  }

  // ---- strays -----------------------------------------------------------------------------------

  /**
   * Stops what runs for a volume and is no object's process there: a start that came late, when the
   * volume had moved, or what was fenced while nobody could reach it. Two engines would fence each
   * other for ever (#6552).
   */
  private static void stopStrays(Draft draft, Volume volume) {
    for (InstanceManager manager : draft.managersWith(volume.name())) {
      if (isReachable(draft, manager)) {
        SortedSet<String> known = namesIn(draft, volume, manager);
        draft
            .processesOf(volume.name(), manager)
            .forEach((name, seen) -> {
              // What makes or deletes a directory ends by itself, and is not to be cut off.
              if (!known.contains(name) && (seen.isOver() || !Names.isOfDirectory(name))) {
                stop(draft, manager, name);
              }
            });
      }
    }
  }

  /** What may be in an instance manager of a volume. */
  private static SortedSet<String> namesIn(Draft draft, Volume volume, InstanceManager manager) {
    SortedSet<String> known = new TreeSet<>();
    for (Engine engine : draft.enginesOf(volume.name())) {
      // Rule 6.2/12: nor is what takes it over a stray.
      if (isIn(draft.managerOf(engine), manager) || hasInstance(draft, manager, engine)) {
        known.add(engine.name());
      }
    }
    for (Replica replica : draft.replicasOf(volume)) {
      if (isIn(draft.managerOf(replica), manager)) {
        known.add(replica.name());
        known.add(Names.deletion(replica));
      }
      if (replica.spec().nodeID().equals(manager.nodeID())) {
        known.add(Names.creation(replica));
      }
    }
    return known;
  }

  private static boolean isIn(Optional<InstanceManager> one, InstanceManager manager) {
    return one.filter(own -> own.name().equals(manager.name())).isPresent();
  }

  /**
   * Ends and forgets what belongs to no volume. A volume is stored before a process of it is asked
   * for: one that is not there was deleted, and the start came late. What has no name of ours is
   * left alone: nobody can say whose it is.
   */
  public static void stopStrays(Draft draft) {
    for (InstanceManager manager : draft.instanceManagers()) {
      if (isReachable(draft, manager)) {
        draft
            .seen(manager)
            .instances()
            .forEach((name, seen) -> {
              String volume = Names.volumeOf(name);
              boolean isOurs = !volume.isEmpty() && !Names.isOfDirectory(name);
              if (draft.volume(volume).isEmpty() && (isOurs || seen.isOver())) {
                stop(draft, manager, name);
              }
            });
      }
    }
  }

  /** Whether a process of this name may still run under another instance manager. */
  private static boolean runsElsewhere(
      Draft draft, Volume volume, InstanceManager own, String name) {
    return draft.managersWith(volume.name()).stream()
        .filter(manager -> !manager.name().equals(own.name()))
        .filter(manager -> isReachable(draft, manager))
        .map(manager -> draft.seen(manager).instances().get(name))
        .anyMatch(seen -> seen != null && !seen.isOver());
  }

  // ---- replicas ---------------------------------------------------------------------------------

  private static void act(Draft draft, Volume volume, InstanceManager manager, Replica replica) {
    if (!replica.status().isCreated()) {
      create(draft, volume, manager, replica);
      return;
    }
    forgetCreation(draft, replica);
    InstanceView view = replica.status().instance();
    Optional<EngineImage> image = draft.image(replica.spec().image());
    if (!replica.spec().isWanted()) {
      stop(draft, manager, replica.name());
    } else if (!view.mayRun()
        && image.isPresent()
        && !runsElsewhere(draft, volume, manager, replica.name())) {
      draft.act(
          new Action.StartReplica(
              manager, replica, image.get(), hasPartner(draft, volume, replica)));
    }
  }

  private static void create(Draft draft, Volume volume, InstanceManager manager, Replica replica) {
    Optional<EngineImage> image = draft.image(replica.spec().image());
    Optional<ManagerSeen.Instance> creating = creationOf(draft, replica);
    // One that is taken away before it is made is made first, if that works: what was asked already
    // may come late, and would leave a directory that nobody knows.
    boolean isRetried =
        replica.spec().isWanted() || volume.status().state() == Volume.State.CREATING;
    boolean isFailed = creating.filter(seen -> seen.state() == ManagerSeen.State.ERROR).isPresent();
    if (image.isPresent() && (creating.isEmpty() || (isFailed && isRetried))) {
      List<Replica> all = draft.activeReplicasOf(volume);
      draft.act(new Action.CreateDirectory(manager, replica, volume, all, image.get()));
    }
  }

  /** What makes its directory, in whichever instance manager of its node it was started. */
  private static Optional<ManagerSeen.Instance> creationOf(Draft draft, Replica replica) {
    return draft.managersOn(replica.spec().nodeID()).stream()
        .map(manager -> draft.seen(manager).instances().get(Names.creation(replica)))
        .filter(seen -> seen != null)
        .min(
            Comparator.comparing(
                    (ManagerSeen.Instance seen) -> seen.state() != ManagerSeen.State.STOPPED)
                .thenComparing(ManagerSeen.Instance::isOver));
  }

  private static void forgetCreation(Draft draft, Replica replica) {
    String creation = Names.creation(replica);
    for (InstanceManager manager : draft.managersWith(replica.spec().volumeName())) {
      ManagerSeen.Instance seen = draft.seen(manager).instances().get(creation);
      if (seen != null && isReachable(draft, manager)) {
        draft.act(new Action.ForgetInstance(manager, creation, seen.uuid()));
      }
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

  // ---- engines ----------------------------------------------------------------------------------

  private static void act(Draft draft, Volume volume, InstanceManager manager, Engine engine) {
    Optional<EngineImage> image = draft.image(engine.spec().image());
    InstanceView view = engine.status().instance();
    if (!engine.spec().isWanted()) {
      stop(draft, manager, engine.name());
    } else if (view.currentState() == State.RUNNING) {
      configure(draft, volume, manager, engine);
    } else if (!view.mayRun()
        // I9, Rule 6.2/11: what has run is not started again by itself: its volume detaches first.
        && !view.isStarted()
        && image.isPresent()
        && !runsElsewhere(draft, volume, manager, engine.name())) {
      draft.act(
          new Action.StartEngine(
              manager, engine, volume, replicasFor(draft, volume, engine), image.get()));
    }
  }

  /** Tells an engine of replicas that were added or taken away since it was last told. */
  private static void configure(
      Draft draft, Volume volume, InstanceManager manager, Engine engine) {
    List<Replica> replicas = replicasFor(draft, volume, engine);
    SortedSet<ReplicaId> ids = new TreeSet<>();
    replicas.forEach(replica -> ids.add(replica.spec().id()));
    SortedSet<ReplicaId> said = new TreeSet<>(engine.status().replicas().keySet());
    boolean hasSpoken = !said.isEmpty();
    if (draft.view().can(Capability.REBUILD) && hasSpoken && !ids.isEmpty() && !ids.equals(said)) {
      draft.act(new Action.ConfigureEngine(manager, engine, replicas));
    }
  }

  private static List<Replica> replicasFor(Draft draft, Volume volume, Engine engine) {
    SortedSet<String> used = ReplicaRule.used(draft, volume, engine);
    return draft.activeReplicasOf(volume).stream()
        .filter(replica -> used.contains(replica.name()))
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
