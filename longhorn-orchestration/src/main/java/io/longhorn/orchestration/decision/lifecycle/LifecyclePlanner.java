package io.longhorn.orchestration.decision.lifecycle;

import io.longhorn.api.ReplicaMode;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Replica.Health;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.Volume.State;
import io.longhorn.api.cluster.VolumeAttachment.Ticket;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.ManagerSeen;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.decision.replica.ReplicaRule;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeSet;

/**
 * A volume from its making to its detaching (section 7.1). To open it is to start its replicas,
 * and, when they run, its engine; to close it is to stop its engines, and, when they have stopped,
 * all replicas, those that stand by too. In between nothing is stopped or started here: what an
 * engine or a replica of a volume that is served does, or what nobody can say of it, is no reason
 * to close it (I9). Only where the volume is wanted is.
 */
public final class LifecyclePlanner {
  /** So long an instance manager that does not answer yet is waited for. */
  static final long MANAGER_START_MILLIS = 30_000;

  private final Draft draft;
  private final Volume volume;
  private final Engine engine;
  private boolean isWaiting;

  private LifecyclePlanner(Draft draft, Volume volume, Engine engine) {
    this.draft = draft;
    this.volume = volume;
    this.engine = engine;
  }

  /** The next step to where the volume is wanted. */
  public static void plan(Draft draft, Volume volume) {
    // What is closed and is to be deleted is not this planner's any more.
    if (volume.status().state() == State.DELETING) {
      return;
    }
    if (draft.enginesOf(volume.name()).isEmpty()) {
      // Rule 7.1/1: made together with the volume; one that was lost is made again.
      draft.put(
          new Engine(
              Names.engine(volume.name(), 0),
              Engine.Spec.stopped(volume.name(), volume.status().currentImage(), true),
              Engine.Status.NONE));
    }
    Optional<Engine> engine = draft.engineOf(volume);
    if (engine.isPresent()) {
      draft.put(volume.with(new LifecyclePlanner(draft, volume, engine.get()).next()));
    }
  }

  private Volume.Status next() {
    Volume.Status status = volume.status();
    String current = status.currentNodeID();
    String wanted = volume.spec().nodeID();
    if (wanted.isEmpty()) {
      return switch (status.state()) {
        case CREATING -> created();
        // Rule 7.1/2, 7.1/5: nobody wants it any more.
        case ATTACHED, ATTACHING -> close();
        // Rule 7.1/3, 7.1/6: until everything of it has stopped.
        case DETACHING -> close();
        // Rule 7.1/4: stable; Rule 7.1/5: unless it says that it is somewhere.
        case DETACHED -> close();
        case DELETING -> status;
      };
    }
    if (current.isEmpty()) {
      return switch (status.state()) {
        // Rule 7.1/9: made first; who attaches it waits until it is detached.
        case CREATING -> created();
        // Rule 7.1/7: it says attached, and nowhere.
        case ATTACHED -> close();
        // Rule 7.1/8: what is being stopped is stopped first.
        case DETACHING -> close();
        // Rule 7.1/10: from the beginning. An upgrade that waited for this is done (U3), or, if it
        // cannot be, the volume opens with the image that it had.
        case DETACHED -> open();
        // Rule 7.1/11: until it is served.
        case ATTACHING -> open();
        case DELETING -> status;
      };
    }
    if (current.equals(wanted)) {
      return here();
    }
    // Rule 7.1/15: confirmed: the guest has moved, or does; it is served all the while.
    boolean isMoving =
        volume.isMigratable()
            && status.state() == State.ATTACHED
            && !status.currentMigrationNodeID().isEmpty();
    if (isMoving) {
      return open();
    }
    // Rule 7.1/16: wanted elsewhere. Rule 7.1/17: not attached where it says, as here.
    return status.state() == State.ATTACHED ? close() : here();
  }

  /** Where it says that it is attached. */
  private Volume.Status here() {
    return switch (volume.status().state()) {
      // Rule 7.1/12: as it is to be.
      case ATTACHED -> open();
      // Rule 7.1/13: half of one and half of the other: from the beginning.
      case ATTACHING, DETACHED -> close();
      case CREATING -> created();
      // Rule 7.1/14: what is being stopped is stopped first.
      case DETACHING -> close();
      case DELETING -> volume.status();
    };
  }

  // ---- made -----------------------------------------------------------------------------------

  /** Its objects are there, or it would not be; its directories have to be made. */
  private Volume.Status created() {
    if (!volume.isDeleted()) {
      for (Replica replica : draft.activeReplicasOf(volume)) {
        if (!replica.status().isCreated()) {
          waits("7.1/1", "the directory of " + replica.name() + creationTrouble(replica));
        }
      }
    }
    // Rule 7.1/1: creating until everything is there.
    return isWaiting ? volume.status() : close();
  }

  private String creationTrouble(Replica replica) {
    return draft
        .managerOf(replica)
        .map(manager -> draft.seen(manager).instances().get(Names.creation(replica)))
        .filter(seen -> seen.state() == ManagerSeen.State.ERROR)
        .map(seen -> " cannot be made: " + seen.message())
        .orElse(" is not made yet");
  }

  // ---- open -----------------------------------------------------------------------------------

  private Volume.Status open() {
    Volume.Status status = volume.status();
    boolean isAttached = status.state() == State.ATTACHED;
    String node = volume.spec().nodeID();
    InstanceView instance = engine.status().instance();
    boolean isElsewhere = instance.mayRun() && !engine.spec().nodeID().equals(node);
    boolean isLeftOver = !isAttached && instance.mayRun() && !engine.spec().isWanted();
    if (isElsewhere && isLeftOver && instance.currentState() == InstanceView.State.UNKNOWN) {
      // It is out of reach, and fenced; the next start is another one.
      Engine next = engine.with(engine.status().with(InstanceView.NONE));
      return new LifecyclePlanner(draft, volume, next).open();
    }
    if (isElsewhere && !isAttached) {
      // It would be started here too: what runs elsewhere is stopped first.
      return close();
    }
    List<String> missing = ReplicaRule.mayBeServed(draft, volume) ? startUsed() : startAll();
    boolean hasRunning = draft.activeReplicasOf(volume).stream().anyMatch(this::isRunning);
    if (isLeftOver) {
      // Of the last time: it may have lost the volume for ever since, or run from another image.
      missing.add(engine.name() + ", left from before, is " + instance.currentState().text());
    }
    boolean isWanted = engine.spec().isWanted() || (hasRunning && missing.isEmpty());
    // While a migration ends the volume's engine may be the one that is to go, and have crashed.
    boolean isEnding =
        isAttached && volume.isMigrating() && volume.spec().migrationNodeID().isEmpty();
    if (!isElsewhere && !isEnding) {
      draft.put(engine.with(engine.spec().on(node, nbd(node)).withWanted(isWanted)));
    }
    if (isAttached) {
      tellTrouble();
      return status;
    }
    if (isOpened(node, hasRunning)) {
      draft.tell(volume, false, "Attached", "volume " + volume.name() + " is attached to " + node);
      tellTrouble();
      return status
          .with(State.ATTACHED, node)
          .withFrontendDisabled(volume.spec().isFrontendDisabled());
    }
    waits("7.1/11", whatOpeningWaitsFor(isWanted, hasRunning, missing));
    return status.with(State.ATTACHING, "");
  }

  private boolean isRunning(Replica replica) {
    return replica.status().instance().currentState() == InstanceView.State.RUNNING;
  }

  /**
   * Wants every replica that has not failed, before the engine is started: one that is not there
   * then would have to come back.
   *
   * @return what has to be waited for
   */
  private List<String> startAll() {
    List<String> missing = new ArrayList<>();
    SortedSet<String> used = ReplicaRule.used(draft, volume, engine);
    for (Replica replica : draft.activeReplicasOf(volume)) {
      // One that is still to be filled, or is on its way out, is not waited for.
      boolean isOfUse =
          used.contains(replica.name())
              && !replica.spec().health().isFailed()
              && replica.spec().image().equals(volume.status().currentImage());
      if (!isOfUse) {
        continue;
      }
      InstanceView instance = replica.status().instance();
      boolean isUp = isRunning(replica) && replica.spec().isWanted();
      boolean isLeftOver =
          !replica.spec().isWanted() && instance.currentState() != InstanceView.State.STOPPED;
      Optional<String> whyNever =
          isUp || mayServe(replica) ? Optional.empty() : whyNotStarted(replica);
      if (whyNever.isPresent()) {
        fail(replica, whyNever.get());
        continue;
      }
      // What is left of the last time ends first: how it ends is no failure of the next.
      draft.put(replica.wanted(!isLeftOver));
      if (!isUp) {
        String why = instance.message().isEmpty() ? "" : " (" + instance.message() + ")";
        missing.add(replica.name() + " is " + instance.currentState().text() + why);
      }
    }
    return missing;
  }

  /**
   * Whether it has been started for an engine that has been, too, and nobody can see what became of
   * it. That engine may own the volume by now and have nobody else: if it had failed for that, the
   * volume would be faulted, and let go (I9).
   */
  private boolean mayServe(Replica replica) {
    return engine.spec().isWanted()
        && engine.status().instance().mayRun()
        && replica.spec().isWanted()
        && replica.status().instance().currentState() == InstanceView.State.UNKNOWN;
  }

  /** Why one that does not run cannot be started before its volume is attached. */
  private Optional<String> whyNotStarted(Replica replica) {
    String node = replica.spec().nodeID();
    if (draft.isDown(node)) {
      return Optional.of("node " + node + (draft.node(node).isEmpty() ? " is gone" : " is down"));
    }
    Optional<InstanceManager> manager = draft.managerOf(replica);
    if (manager.isEmpty()) {
      return Optional.of("there is no instance manager on " + node);
    }
    return switch (manager.get().state()) {
      case RUNNING -> Optional.empty();
      case STOPPED, STARTING -> {
        long until = manager.get().sinceMillis() + MANAGER_START_MILLIS;
        if (until <= draft.nowMillis()) {
          yield Optional.of(manager.get().name() + " does not start");
        }
        draft.lookAgain(until);
        yield Optional.empty();
      }
      case ERROR, UNKNOWN ->
          Optional.of(manager.get().name() + " is " + manager.get().state().text());
    };
  }

  private void fail(Replica replica, String why) {
    // Rule 7.1/10: nobody waits for it; it comes back when the volume is attached.
    Health health = replica.spec().health().failed(draft.nowMillis());
    draft.put(replica.with(replica.spec().withHealth(health).withWanted(false)));
    draft.tell(replica, true, "ReplicaFailed", replica.name() + " cannot be started: " + why);
  }

  /** Of a volume that may be served, those that its engine is to use are started again. */
  private List<String> startUsed() {
    SortedSet<String> used = new TreeSet<>(ReplicaRule.used(draft, volume, engine));
    for (Replica replica : draft.activeReplicasOf(volume)) {
      // Rule 7.1/12: what was added is started; what has failed is for others to bring back.
      if (!replica.spec().health().isFailed() && used.contains(replica.name())) {
        draft.put(replica.wanted(true));
      }
    }
    return new ArrayList<>();
  }

  /** What a ticket asks for; without one (it is going away) nothing changes. */
  private String nbd(String node) {
    return draft.attachmentOf(volume).tickets().values().stream()
        .filter(ticket -> ticket.nodeID().equals(node))
        .map(Ticket::nbd)
        .findFirst()
        .orElse(engine.spec().nbd());
  }

  private boolean isOpened(String node, boolean hasRunning) {
    boolean hasFrontend =
        volume.spec().isFrontendDisabled() || !engine.status().endpoints().isEmpty();
    return engine.spec().isWanted()
        && engine.spec().nodeID().equals(node)
        && engine.status().instance().currentState() == InstanceView.State.RUNNING
        && hasFrontend
        && (hasRunning || isServedUnseen());
  }

  /** Whether its engine serves from a replica that nobody else can see: the engine can. */
  private boolean isServedUnseen() {
    return engine.status().isServing()
        && draft.activeReplicasOf(volume).stream()
            .filter(one -> one.status().instance().currentState() == InstanceView.State.UNKNOWN)
            .map(one -> engine.status().replicas().get(one.spec().id()))
            .anyMatch(member -> member != null && member.mode() == ReplicaMode.RW);
  }

  private String whatOpeningWaitsFor(
      boolean isEngineWanted, boolean hasRunning, List<String> missing) {
    if (!isEngineWanted) {
      return (hasRunning ? "replicas are being started: " : "no replica runs: ")
          + String.join(", ", missing);
    }
    String node = volume.spec().nodeID();
    if (draft.node(node).filter(found -> found.ready().isTrue()).isEmpty()) {
      return "node " + node + " is not ready: the engine cannot be started there";
    }
    InstanceView instance = engine.status().instance();
    String why = instance.message().isEmpty() ? engine.status().state() : instance.message();
    return "the engine is " + instance.currentState().text() + (why.isEmpty() ? "" : ": " + why);
  }

  /** What is not as it should be with a volume that is served, and stays so. */
  private void tellTrouble() {
    Engine owner = draft.ownerOf(volume).orElse(engine);
    InstanceView instance = owner.status().instance();
    String node = owner.spec().nodeID();
    // I9: both are said, and nothing else follows from them.
    if (instance.currentState() == InstanceView.State.UNKNOWN) {
      waits(
          "7.2/1",
          "the engine on "
              + node
              + " cannot be reached: "
              + draft
                  .node(node)
                  .filter(found -> !found.ready().isTrue())
                  .map(found -> found.ready().message())
                  .orElse(instance.message()));
    } else if (instance.currentState() == InstanceView.State.RUNNING
        && !owner.status().isServing()) {
      waits("7.2/4", "I/O is held: " + owner.status().state());
    }
  }

  // ---- close ----------------------------------------------------------------------------------

  private Volume.Status close() {
    Volume.Status status =
        volume
            .status()
            .with(RobustnessPlanner.closing(volume.status().robustness()), draft.nowMillis());
    List<Engine> engines = draft.enginesOf(volume.name());
    for (Engine each : engines) {
      if (each.spec().isWanted()) {
        draft.put(each.with(each.spec().withWanted(false)));
        waits("7.1/3", "the engine is being stopped");
      } else if (!draft.hasStopped(each.status().instance(), each.spec().nodeID())) {
        waits("7.1/3", "the engine is " + each.status().instance().currentState().text());
      }
    }
    if (isWaiting) {
      // Rule 7.1/3: replicas only after every engine, or what it writes last is lost.
      return status.with(State.DETACHING, status.currentNodeID());
    }
    for (Replica replica : draft.replicasOf(volume)) {
      draft.put(replica.wanted(false));
      if (replica.spec().isWanted() || isStopping(replica)) {
        waits("7.1/3", replica.name() + " is being stopped");
      }
    }
    if (!status.currentMigrationNodeID().isEmpty()) {
      waits("M8", "a migration is being ended");
    }
    if (isWaiting) {
      return status.with(State.DETACHING, status.currentNodeID());
    }
    // What is out of reach is fenced. It is remembered: it must not be taken for the next start.
    for (Engine each : engines) {
      if (each.status().instance().currentState() != InstanceView.State.UNKNOWN) {
        draft.put(each.with(each.status().with(InstanceView.NONE)));
      }
    }
    if (volume.status().state() != State.DETACHED && volume.status().state() != State.CREATING) {
      draft.tell(volume, false, "Detached", "volume " + volume.name() + " is detached");
    }
    return status.with(State.DETACHED, "");
  }

  /** One that cannot be seen serves nobody: no engine is left that could use it. */
  private static boolean isStopping(Replica replica) {
    return switch (replica.status().instance().currentState()) {
      case STARTING, RUNNING, STOPPING -> true;
      case STOPPED, ERROR, UNKNOWN -> false;
    };
  }

  private void waits(String rule, String message) {
    isWaiting = true;
    draft.waits(volume, Names.WAITING, rule, message);
  }
}
