package io.longhorn.orchestration.decision.volume;

import io.longhorn.api.EngineId;
import io.longhorn.api.ReplicaMode;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.Membership;
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.Volume.Robustness;
import io.longhorn.api.cluster.Volume.State;
import io.longhorn.api.cluster.VolumeAttachment.Ticket;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.orchestration.decision.Action;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.ManagerSeen;
import io.longhorn.orchestration.decision.Names;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeSet;

/**
 * The life of a volume (section 7.1) and the state of its data (7.2). Attaching starts replicas,
 * then the engine; detaching stops the engine, then the replicas.
 */
public final class VolumePlanner {
  private final Draft draft;
  private final Volume before;
  private final Engine engine;
  private final List<Replica> replicas;
  private boolean isWaiting;

  private VolumePlanner(Draft draft, Volume volume, Engine engine) {
    this.draft = draft;
    before = volume;
    this.engine = engine;
    replicas = draft.replicasOf(volume);
  }

  public static void plan(Draft draft, Volume volume) {
    Optional<Engine> engine = draft.engineOf(volume);
    if (engine.isEmpty()) {
      // An engine is made with its volume and removed before it: this is the last of a deletion.
      removeIfDeleted(draft, volume);
      return;
    }
    new VolumePlanner(draft, volume, engine.get()).plan();
  }

  private void plan() {
    Volume.Status status = before.status().with(robustness(), draft.nowMillis());
    if (status.robustness() == Robustness.FAULTED
        && before.status().robustness() != Robustness.FAULTED) {
      draft.tell(
          before,
          true,
          "DetachedUnexpectedly",
          "the engine of volume "
              + before.name()
              + " is gone: "
              + engine.status().instance().message());
    }
    status = next(status);
    if (status.robustness() != before.status().robustness()) {
      tellRobustness(status.robustness());
    }
    draft.put(before.with(status));
    if (before.isDeleted() && status.state() == State.DETACHED) {
      delete();
    }
  }

  private void tellRobustness(Robustness now) {
    switch (now) {
      case HEALTHY ->
          draft.tell(before, false, "Healthy", "volume " + before.name() + " is healthy");
      case DEGRADED ->
          draft.tell(
              before, true, "Degraded", "volume " + before.name() + " is degraded: " + out());
      case FAULTED, UNKNOWN -> {}
    }
  }

  /** Who is not in sync, and why. */
  private String out() {
    List<String> out = new ArrayList<>();
    for (Replica replica : replicas) {
      Engine.Member member = engine.status().replicas().get(replica.spec().id());
      if (member == null || member.mode() != ReplicaMode.RW) {
        out.add(replica.name() + (member == null ? "" : " (" + member.reason() + ")"));
      }
    }
    return String.join(", ", out);
  }

  // ---- 7.2 ------------------------------------------------------------------------------------

  /**
   * The engine that decides how the volume is: the one that owns the generation, whoever the
   * control plane thinks of as the volume's; once a migration is decided, the one that is to stay.
   */
  private Engine decisive() {
    boolean isEnding =
        before.spec().migrationNodeID().isEmpty()
            && !before.status().currentMigrationNodeID().isEmpty();
    return (isEnding ? MigrationPlanner.winner(draft, before) : draft.ownerOf(before))
        .orElse(engine);
  }

  private Robustness robustness() {
    Volume.Status status = before.status();
    boolean isUp = status.state() == State.ATTACHED || status.state() == State.ATTACHING;
    if (!isUp) {
      return status.state() == State.DETACHING ? status.robustness() : Robustness.UNKNOWN;
    }
    Engine owner = decisive();
    InstanceView instance = owner.status().instance();
    if (instance.currentState() == InstanceView.State.ERROR && instance.isStarted()) {
      return Robustness.FAULTED;
    }
    if (instance.currentState() == InstanceView.State.UNKNOWN) {
      return Robustness.UNKNOWN;
    }
    long inSync = owner.status().inSync();
    if (inSync >= before.spec().numberOfReplicas()) {
      return Robustness.HEALTHY;
    }
    // None: its I/O is held until one is back. Not faulted: to detach it would help nobody.
    boolean isTold = !owner.status().replicas().isEmpty();
    if (inSync > 0 || (isTold && status.state() == State.ATTACHED)) {
      return Robustness.DEGRADED;
    }
    return status.state() == State.ATTACHED ? status.robustness() : Robustness.UNKNOWN;
  }

  // ---- 7.1 ------------------------------------------------------------------------------------

  private Volume.Status next(Volume.Status status) {
    if (status.state() == State.CREATING) {
      return created(status);
    }
    String wanted = before.spec().nodeID();
    boolean isElsewhere =
        !status.currentNodeID().isEmpty()
            && !status.currentNodeID().equals(wanted)
            && !isConfirmed(status);
    if (wanted.isEmpty() || isElsewhere || status.state() == State.DETACHING) {
      return close(status);
    }
    return open(status);
  }

  /** Attached here, wanted there, and a migration that ends: it is served all the while. */
  private boolean isConfirmed(Volume.Status status) {
    return before.isMigratable()
        && status.state() == State.ATTACHED
        && !status.currentMigrationNodeID().isEmpty();
  }

  private Volume.Status created(Volume.Status status) {
    if (before.isDeleted()) {
      return status.with(State.DETACHED, "");
    }
    for (Replica replica : replicas) {
      if (!replica.status().isCreated()) {
        waits("7.1/create", "the directory of " + replica.name() + creationTrouble(replica));
      }
    }
    return !isWaiting ? status.with(State.DETACHED, "") : status;
  }

  private String creationTrouble(Replica replica) {
    return draft
        .managerOf(replica)
        .map(manager -> draft.seen(manager).instances().get(Names.creation(replica)))
        .filter(seen -> seen.state() == ManagerSeen.State.ERROR)
        .map(seen -> " cannot be made: " + seen.message())
        .orElse(" is not made yet");
  }

  private Volume.Status open(Volume.Status status) {
    String node = before.spec().nodeID();
    boolean isBlocked = false;
    boolean hasRunning = false;
    for (Replica replica : draft.activeReplicasOf(before)) {
      draft.put(replica.wanted(true));
      InstanceView.State state = replica.status().instance().currentState();
      hasRunning |= state == InstanceView.State.RUNNING;
      // One that cannot be started now comes back later; the engine does without it until then.
      isBlocked |= mayStart(replica) && isOnItsWay(replica.status().instance());
    }
    boolean isWanted = engine.spec().isWanted() || (hasRunning && !isBlocked);
    // While a migration ends, the volume's engine may still be the one that is to go.
    boolean isMoving = isConfirmed(status) && !engine.spec().nodeID().equals(node);
    if (!isMoving) {
      draft.put(engine.with(spec(node, isWanted)));
    }
    nameClaimant();
    InstanceView instance = engine.status().instance();
    boolean isServed =
        engine.spec().isWanted()
            && engine.spec().nodeID().equals(node)
            && instance.currentState() == InstanceView.State.RUNNING
            && !engine.status().endpoints().isEmpty();
    if (status.state() == State.ATTACHED || isServed) {
      if (status.state() != State.ATTACHED) {
        draft.tell(
            before, false, "Attached", "volume " + before.name() + " is attached to " + node);
      }
      if (!engine.status().isServing() && instance.currentState() == InstanceView.State.RUNNING) {
        waits("IoHeld", "I/O is held: " + engine.status().state());
      }
      if (instance.currentState() == InstanceView.State.UNKNOWN) {
        waits("EngineUnknown", "the engine on " + node + " cannot be reached: " + whyNot(node));
      }
      return status.with(State.ATTACHED, node);
    }
    waits("7.1/open", whatOpeningWaitsFor(isWanted, hasRunning));
    return status.with(State.ATTACHING, status.currentNodeID());
  }

  /** An engine that says who it is may open the volume once the record names it, and only it. */
  private void nameClaimant() {
    Optional<EngineId> id = engine.status().id();
    Optional<Membership> membership = draft.membershipOf(before);
    if (before.isMigrating() || id.isEmpty() || membership.isEmpty()) {
      return;
    }
    VolumeRecord record = membership.get().record();
    SortedSet<EngineId> alone = new TreeSet<>(List.of(id.get()));
    if (record.phase() == VolumeRecord.Phase.NONE && !record.claimants().equals(alone)) {
      draft.put(
          new Membership(
              membership.get().name(),
              new VolumeRecord(
                  record.membership(),
                  record.reservedGeneration(),
                  record.owner(),
                  alone,
                  record.phase())));
    }
  }

  private Engine.Spec spec(String node, boolean isWanted) {
    return engine.spec().on(node, nbd(node)).withWanted(isWanted);
  }

  /** What a ticket asks for; without one (it is going away) nothing changes. */
  private String nbd(String node) {
    return draft.attachmentOf(before).tickets().values().stream()
        .filter(ticket -> ticket.nodeID().equals(node))
        .map(Ticket::nbd)
        .findFirst()
        .orElse(engine.spec().nbd());
  }

  private boolean mayStart(Replica replica) {
    return draft.node(replica.spec().nodeID()).filter(node -> node.ready().isTrue()).isPresent();
  }

  private static boolean isOnItsWay(InstanceView instance) {
    return switch (instance.currentState()) {
      case STOPPED, STARTING, STOPPING -> true;
      case RUNNING, ERROR, UNKNOWN -> false;
    };
  }

  private String whyNot(String node) {
    return draft
        .node(node)
        .filter(found -> !found.ready().isTrue())
        .map(found -> found.ready().message())
        .orElse(engine.status().instance().message());
  }

  private String whatOpeningWaitsFor(boolean isEngineWanted, boolean hasRunning) {
    if (isEngineWanted) {
      InstanceView instance = engine.status().instance();
      String node = before.spec().nodeID();
      if (draft.node(node).filter(n -> n.ready().isTrue()).isEmpty()) {
        return "node " + node + " is not ready: the engine cannot be started there";
      }
      String why = instance.message().isEmpty() ? engine.status().state() : instance.message();
      return "the engine is " + instance.currentState().text() + (why.isEmpty() ? "" : ": " + why);
    }
    List<String> missing = new ArrayList<>();
    for (Replica replica : replicas) {
      InstanceView instance = replica.status().instance();
      if (instance.currentState() != InstanceView.State.RUNNING) {
        String why = instance.message().isEmpty() ? "" : " (" + instance.message() + ")";
        missing.add(replica.name() + " is " + instance.currentState().text() + why);
      }
    }
    return (hasRunning ? "replicas are being started: " : "no replica runs: ")
        + String.join(", ", missing);
  }

  private Volume.Status close(Volume.Status status) {
    if (status.state() == State.DETACHED && status.currentNodeID().isEmpty() && isClosed()) {
      return status.with(Robustness.UNKNOWN, draft.nowMillis());
    }
    for (Engine each : draft.enginesOf(before.name())) {
      if (each.spec().isWanted()) {
        draft.put(each.with(each.spec().withWanted(false)));
        waits("7.1/close", "the engine is being stopped");
      } else if (!hasStopped(draft, each.status().instance(), each.spec().nodeID())) {
        waits("7.1/close", "the engine is " + each.status().instance().currentState().text());
      }
    }
    if (isWaiting) {
      return status.with(State.DETACHING, status.currentNodeID());
    }
    for (Replica replica : replicas) {
      draft.put(replica.wanted(false));
      if (replica.spec().isWanted()
          || !hasStopped(draft, replica.status().instance(), replica.spec().nodeID())) {
        waits("7.1/close", replica.name() + " is being stopped");
      }
    }
    if (!status.currentMigrationNodeID().isEmpty()) {
      waits("M8", "a migration is being ended");
    }
    if (isWaiting) {
      return status.with(State.DETACHING, status.currentNodeID());
    }
    // One that is out of reach is fenced; the next start is another one, wherever that is.
    draft.put(engine.with(engine.status().with(InstanceView.NONE)));
    draft.tell(before, false, "Detached", "volume " + before.name() + " is detached");
    return status.with(State.DETACHED, "").with(Robustness.UNKNOWN, draft.nowMillis());
  }

  private boolean isClosed() {
    return !engine.spec().isWanted()
        && replicas.stream().noneMatch(replica -> replica.spec().isWanted());
  }

  /**
   * Whether a process does no harm any more: it is gone, or it is out of reach on a node that is
   * down, and fenced by the generation that the next engine takes.
   */
  static boolean hasStopped(Draft draft, InstanceView instance, String nodeID) {
    return switch (instance.currentState()) {
      case STOPPED, ERROR -> true;
      case UNKNOWN -> draft.isDown(nodeID);
      case STARTING, RUNNING, STOPPING -> false;
    };
  }

  private void waits(String reason, String message) {
    isWaiting = true;
    draft.waits(before, Names.WAITING, reason, message);
  }

  // ---- deletion -------------------------------------------------------------------------------

  private void delete() {
    boolean isDone = true;
    for (Replica replica : replicas) {
      isDone &= deleted(replica);
    }
    if (isDone) {
      draft.remove(engine.key());
    }
  }

  private boolean deleted(Replica replica) {
    Optional<InstanceManager> manager = draft.managerOf(replica);
    if (manager.isEmpty()) {
      draft.remove(replica.key());
      return true;
    }
    if (manager.get().state() != InstanceManager.State.RUNNING) {
      return false;
    }
    ManagerSeen.Instance creation =
        draft.seen(manager.get()).instances().get(Names.creation(replica));
    boolean isInUse =
        replica.status().instance().mayRun() || (creation != null && !creation.isOver());
    if (isInUse || !draft.isSeen(manager.get())) {
      // What is being made, or served, would be there again after it was deleted.
      return false;
    }
    ManagerSeen.Instance deletion =
        draft.seen(manager.get()).instances().get(Names.deletion(replica));
    if (deletion == null || deletion.state() == ManagerSeen.State.ERROR) {
      draft.act(new Action.DeleteDirectory(manager.get(), replica));
      return false;
    }
    if (deletion.state() != ManagerSeen.State.STOPPED) {
      return false;
    }
    draft.remove(replica.key());
    return true;
  }

  private static void removeIfDeleted(Draft draft, Volume volume) {
    if (volume.isDeleted() && draft.replicasOf(volume).isEmpty()) {
      draft.remove(new ObjectKey(ObjectKind.VOLUME_ATTACHMENT, volume.name()));
      draft.remove(new ObjectKey(ObjectKind.MEMBERSHIP, volume.name()));
      draft.remove(volume.key());
      draft.tell(volume, false, "Deleted", "volume " + volume.name() + " is deleted");
    }
  }
}
