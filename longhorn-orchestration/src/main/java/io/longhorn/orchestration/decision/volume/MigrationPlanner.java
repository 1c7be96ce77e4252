package io.longhorn.orchestration.decision.volume;

import io.longhorn.api.EngineId;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.ReplicaMode;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.Membership;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.Volume.Robustness;
import io.longhorn.api.cluster.Volume.State;
import io.longhorn.api.cluster.VolumeAttachment.Ticket;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.orchestration.decision.Capability;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.Names;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.TreeSet;

/**
 * The migration of a volume: what its tickets mean ({@link #decide}, 2.6), and what follows from
 * that for engines and the record ({@link #carryOut}, 3.1). Every step looks at what is there;
 * nothing is remembered but the five fields, the engines and the record.
 *
 * <p>Both engines are claimants in the record while it lasts, and the owner among them is where the
 * guest writes. How it ends is in {@link MigrationEnd}.
 */
public final class MigrationPlanner {
  /** Pause before the target's readiness is looked at again. */
  static final long START_AGAIN_MILLIS = 10_000;

  /** So long a migration waits for directories that change hands. */
  static final long HAND_OVER_MILLIS = 30_000;

  private MigrationPlanner() {}

  // ---- 2.6: what the tickets mean ---------------------------------------------------------------

  /** Starts, confirms, rolls back or cancels. */
  public static void decide(Draft draft, Volume volume) {
    if (!volume.isMigratable()) {
      return;
    }
    Volume.Spec spec = volume.spec();
    if (spec.nodeID().isEmpty()) {
      // Rule C0: what is detached does not migrate. Rule C0': nor is there anything to cancel.
      if (!spec.migrationNodeID().isEmpty()) {
        change(
            draft,
            volume,
            "",
            "",
            "MigrationCancelled",
            "Cancelling migration for detached volume...");
      }
      return;
    }
    if (!volume.isMigrating()) {
      // Rule 2.2/3: never while the one before is still being ended.
      start(draft, volume);
      return;
    }
    // What is decided is carried out, whatever became of the tickets since: it is not decided anew.
    if (spec.migrationNodeID().isEmpty() || confirm(draft, volume)) {
      return;
    }
    // Rule C8: the target is not wanted any more.
    if (!hasTicket(draft, volume, spec.migrationNodeID())) {
      change(draft, volume, spec.nodeID(), "", "MigrationRolledBack", "Rolling back migration");
    }
  }

  private static void start(Draft draft, Volume volume) {
    String node = volume.spec().nodeID();
    // One that C8 would roll back at once is not begun: the target's ticket has to fit as well.
    Optional<String> target =
        draft.attachmentOf(volume).tickets().values().stream()
            .filter(TicketType::isCsi)
            .filter(ticket -> AttachmentPlanner.isCompatible(volume, ticket))
            .sorted(Comparator.comparingLong(Ticket::createdMillis).thenComparing(Ticket::id))
            .map(Ticket::nodeID)
            .filter(other -> !other.equals(node))
            .findFirst();
    boolean isAttached =
        volume.status().state() == State.ATTACHED && volume.status().currentNodeID().equals(node);
    if (target.isEmpty() || !isAttached || !hasTicket(draft, volume, node)) {
      return;
    }
    if (!draft.view().can(Capability.MIGRATION)) {
      draft.waits(volume, Names.MIGRATION, "C1", "this cluster cannot migrate volumes");
      return;
    }
    if (volume.isUpgrading()) {
      // Rule M1: one transition at a time; an upgrade ends first (#7833).
      draft.waits(
          volume, Names.MIGRATION, "M1", "the engine is being upgraded; it migrates after that");
      return;
    }
    if (draft.node(target.get()).filter(found -> found.ready().isTrue()).isEmpty()) {
      // Rule C1w: nothing is begun towards a node that is not ready (#13109).
      draft.waits(volume, Names.MIGRATION, "C1w", "node " + target.get() + " is not ready");
      draft.lookAgain(draft.nowMillis() + START_AGAIN_MILLIS);
      return;
    }
    if (isHandingOver(draft, volume)) {
      return;
    }
    // Rule C1: two tickets, attached at the one, wanted at the other.
    change(draft, volume, node, target.get(), "MigrationStarted", "Starting migration");
  }

  /**
   * Whether what stood by in an upgrade, or in the migration before, is still taking its directory
   * over: nobody stands by for a directory that changes hands. It takes moments; if it is stuck,
   * moving away may be the remedy.
   */
  private static boolean isHandingOver(Draft draft, Volume volume) {
    long until = draft.sinceMillis(volume, Names.MIGRATION, "M1") + HAND_OVER_MILLIS;
    if (draft.nowMillis() >= until || !PromotionPlanner.isGoingOn(draft, volume)) {
      return false;
    }
    // Rule M1: the transition before is not over until then.
    draft.waits(volume, Names.MIGRATION, "M1", "replicas are taking their directories over first");
    draft.lookAgain(until);
    return true;
  }

  /** Whether the migration was confirmed, or given up together with the attachment. */
  private static boolean confirm(Draft draft, Volume volume) {
    String target = volume.status().currentMigrationNodeID();
    // Rule C2: nothing to confirm. Rule C3: the old node is still wanted.
    if (target.isEmpty() || hasTicket(draft, volume, volume.spec().nodeID())) {
      return false;
    }
    Optional<String> why =
        whyNotAvailable(draft, volume, target).or(() -> whyNoOwner(draft, volume));
    boolean isDown = draft.isDown(target);
    if (why.isPresent() && (isDown || hasTicket(draft, volume, target))) {
      // Rule C5: said before C4 is looked at, which would hide it (the seed's 5.1 wants both).
      String message = "Waiting to confirm migration until migration engine is ready";
      if (!draft.isKnown(volume, Names.MIGRATION, "C5")) {
        draft.tell(volume, false, "MigrationWaits", message);
      }
      draft.waits(volume, Names.MIGRATION, "C5", message + ": " + why.get());
    }
    if (isDown && !isKept(draft, volume, target)) {
      // Rule C4: it cannot become ready; the volume waits for that node detached.
      change(
          draft,
          volume,
          "",
          "",
          "MigrationGivenUp",
          "Detaching volume for attempted migration to down node");
      return true;
    }
    if (why.isPresent()) {
      return false;
    }
    // Rule C7: the owner is there and would hand over, the target would take over.
    change(draft, volume, target, "", "MigrationConfirmed", "Confirming migration");
    return true;
  }

  /**
   * Whether the guest has moved already and is still wanted there: the engine on that node is the
   * owner then, and that its node is down is doubt, which stops no owner (I9). It goes on when that
   * is back; or it has crashed for certain, owns the volume no more, and C4 holds.
   */
  private static boolean isKept(Draft draft, Volume volume, String target) {
    return hasTicket(draft, volume, target)
        && draft.ownerOf(volume).filter(owner -> owner.spec().nodeID().equals(target)).isPresent();
  }

  private static void change(
      Draft draft,
      Volume volume,
      String node,
      String migrationNode,
      String reason,
      String message) {
    draft.tell(volume, false, reason, message);
    draft.put(volume.with(volume.spec().with(node, migrationNode)));
  }

  private static boolean hasTicket(Draft draft, Volume volume, String node) {
    return draft.attachmentOf(volume).tickets().values().stream()
        .anyMatch(ticket ->
            TicketType.isCsi(ticket)
                && ticket.nodeID().equals(node)
                && AttachmentPlanner.isCompatible(volume, ticket));
  }

  /**
   * Why the engine of the volume on that node could not take over; empty if it could: it runs, may
   * claim, is linked to every member of the record (one is not enough, H2), and what it will use
   * stands by.
   */
  static Optional<String> whyNotAvailable(Draft draft, Volume volume, String node) {
    Optional<Engine> there =
        draft.enginesOf(volume.name()).stream()
            .filter(engine -> engine.spec().nodeID().equals(node) && engine.spec().isWanted())
            .findFirst();
    if (there.isEmpty()) {
      return Optional.of("there is no migration engine on " + node);
    }
    Engine engine = there.get();
    Optional<VolumeRecord> record = draft.membershipOf(volume).map(Membership::record);
    Optional<EngineId> id = engine.status().id();
    if (stateOf(engine) != InstanceView.State.RUNNING || record.isEmpty() || id.isEmpty()) {
      return Optional.of(engine.name() + " is " + stateOf(engine).text() + said(engine));
    }
    if (!record.get().claimants().contains(id.get())) {
      return Optional.of(engine.name() + " may not claim yet");
    }
    for (ReplicaId member : record.get().membership().members()) {
      if (!isLinked(engine, member)) {
        return Optional.of(engine.name() + " is not linked to replica " + member + " yet");
      }
    }
    return engine.spec().isActive()
        ? Optional.empty()
        : MigrationReplicas.missing(draft, volume, engine);
  }

  private static String said(Engine engine) {
    String message = engine.status().instance().message();
    return message.isEmpty() ? "" : ": " + message;
  }

  /** Why nobody knows whether the engine that owns the volume would hand over; empty if it runs. */
  private static Optional<String> whyNoOwner(Draft draft, Volume volume) {
    Optional<Engine> owner = draft.ownerOf(volume);
    if (owner.isEmpty()) {
      return Optional.of("no engine that runs owns the volume");
    }
    Engine found = owner.get();
    return stateOf(found) == InstanceView.State.RUNNING
        ? Optional.empty()
        : Optional.of(
            found.name() + ", which owns the volume, is " + stateOf(found).text() + said(found));
  }

  private static boolean isLinked(Engine engine, ReplicaId member) {
    Engine.Member said = engine.status().replicas().get(member);
    return said != null && said.mode() == ReplicaMode.RW;
  }

  static InstanceView.State stateOf(Engine engine) {
    return engine.status().instance().currentState();
  }

  // ---- 3.1: what follows ------------------------------------------------------------------------

  /** Prepares the other engine, or ends what was prepared. */
  public static void carryOut(Draft draft, Volume volume) {
    // Rule M0: only what may migrate, or has begun to when it still might.
    boolean isConcerned =
        volume.isMigratable() || volume.isMigrating() || draft.enginesOf(volume.name()).size() > 1;
    if (!isConcerned) {
      return;
    }
    tellBothSides(draft, volume);
    if (volume.spec().migrationNodeID().isEmpty()) {
      MigrationEnd.plan(draft, volume);
    } else if (volume.isMigratable()) {
      prepare(draft, volume);
    }
  }

  /** The guest is to be on one side at a time. No write is lost if it is not, but it is told. */
  private static void tellBothSides(Draft draft, Volume volume) {
    for (Engine engine : draft.enginesOf(volume.name())) {
      boolean hasTakenBack =
          draft
              .seen(engine)
              .filter(seen -> seen.hasTakenBack() && seen.id().equals(engine.status().id()))
              .isPresent();
      if (hasTakenBack && volume.isMigrating()) {
        String message =
            "volume "
                + volume.name()
                + " is written to on both sides of its migration: "
                + engine.name()
                + " on "
                + engine.spec().nodeID()
                + " has taken it back";
        if (!draft.isKnown(volume, Names.BOTH_SIDES_WRITE, "K5")) {
          draft.tell(volume, true, "BothSidesWrite", message);
        }
        draft.waits(volume, Names.BOTH_SIDES_WRITE, "K5", message);
        return;
      }
    }
  }

  private static void prepare(Draft draft, Volume volume) {
    Volume.Status status = volume.status();
    String target = volume.spec().migrationNodeID();
    // Rule M9: not attached (any more), or without an engine.
    if (volume.spec().nodeID().isEmpty() || status.currentNodeID().isEmpty()) {
      draft.waits(volume, Names.MIGRATION, "M9", "the volume is " + status.state().text());
      return;
    }
    Optional<Engine> active = MigrationEnd.current(draft, volume);
    if (active.isEmpty()) {
      draft.waits(volume, Names.MIGRATION, "M9", "it is not clear which engine is the volume's");
      return;
    }
    if (isOwnerOver(draft, volume, active.get())
        && stateOf(active.get()) == InstanceView.State.RUNNING) {
      // Rule M12: the target owned it, and died: the source takes it back, for nobody else keeps
      // the record, and what a guest does there waits for that anyway. Before M10: until somebody
      // owns the volume nobody can say how it is.
      MigrationEnd.takeOver(draft, volume, active.get());
    }
    // Rule M10: nothing is prepared or taken down while nobody knows how the volume is.
    if (status.robustness() != Robustness.HEALTHY && status.robustness() != Robustness.DEGRADED) {
      draft.waits(volume, Names.MIGRATION, "M10", "the volume is " + status.robustness().text());
      return;
    }
    // Rule M11: from here on the target counts as one of the volume's nodes.
    if (status.currentMigrationNodeID().isEmpty()) {
      draft.put(volume.with(status.withNodes(status.currentNodeID(), target)));
    }
    Optional<String> ownerless = whyNotFrom(draft, volume, active.get());
    if (ownerless.isPresent()) {
      // Rule M12: without its owner there is nothing to migrate from; what follows is not decided
      // here (A1), and nothing is taken down that a guest may be on.
      draft.waits(volume, Names.MIGRATION, "M12", ownerless.get());
      return;
    }
    prepare(draft, volume, active.get(), target);
  }

  /** Whether the volume is owned by a start of an engine that is none of those that there are. */
  private static boolean isOwnerOver(Draft draft, Volume volume, Engine active) {
    Optional<EngineId> owner =
        draft.membershipOf(volume).flatMap(membership -> membership.record().owner());
    return owner.isPresent()
        && active.status().id().isPresent()
        && draft.enginesOf(volume.name()).stream()
            .noneMatch(engine -> engine.status().id().equals(owner));
  }

  /** Why the volume cannot migrate from what owns it; empty if that runs, or nobody does. */
  private static Optional<String> whyNotFrom(Draft draft, Volume volume, Engine active) {
    Engine owner = draft.ownerOf(volume).orElse(active);
    return stateOf(owner) == InstanceView.State.RUNNING
        ? Optional.empty()
        : Optional.of(
            owner.name() + ", which owns the volume, is " + stateOf(owner).text() + said(owner));
  }

  private static void prepare(Draft draft, Volume volume, Engine active, String target) {
    List<Engine> others =
        draft.enginesOf(volume.name()).stream()
            .filter(engine -> !engine.name().equals(active.name()))
            .toList();
    if (others.isEmpty()) {
      if (AdmissionRule.mayHaveOneMore(volume, List.of(active))) {
        // Rule M14: the engine of the target, made stopped.
        Engine made =
            new Engine(
                Names.engine(volume.name(), Names.numberOf(active.name()) + 1),
                Engine.Spec.stopped(volume.name(), active.spec().image(), false),
                Engine.Status.NONE);
        draft.put(made);
        draft.waits(volume, Names.MIGRATION, "M15", "the migration engine is being prepared");
        MigrationReplicas.prepare(draft, volume, made);
      }
      return;
    }
    Optional<String> unfit =
        others.stream().map(other -> whyUnfit(other, target)).flatMap(Optional::stream).findFirst();
    if (others.size() > 1 || unfit.isPresent()) {
      // Rule M13: what is there is of another migration. Rule P1: a target that crashed is made
      // anew. The owner is never among those that go: where it is, a guest is.
      Optional<String> owner = draft.ownerOf(volume).map(Engine::name);
      others.stream()
          .filter(other -> !owner.equals(Optional.of(other.name())))
          .forEach(other -> MigrationEnd.retire(draft, volume, other));
      draft.waits(
          volume,
          Names.MIGRATION,
          "M15",
          "the migration engine is made anew" + unfit.map(why -> ": " + why).orElse(""));
      return;
    }
    prepared(draft, volume, active, others.getFirst(), target);
  }

  private static Optional<String> whyUnfit(Engine other, String target) {
    String node = other.spec().nodeID();
    if (!node.isEmpty() && !node.equals(target)) {
      return Optional.of(other.name() + " is on " + node);
    }
    return stateOf(other) == InstanceView.State.ERROR
        ? Optional.of(other.name() + " crashed" + said(other))
        : Optional.empty();
  }

  private static void prepared(
      Draft draft, Volume volume, Engine active, Engine other, String target) {
    MigrationReplicas.prepare(draft, volume, other);
    Optional<String> missing = MigrationReplicas.missing(draft, volume, other);
    if (!other.spec().isWanted()) {
      if (missing.isPresent() || stateOf(other) != InstanceView.State.STOPPED) {
        // Rule P15: it is not started before what it is to use later stands by.
        draft.waits(
            volume,
            Names.MIGRATION,
            "P15",
            missing.orElseGet(() -> other.name() + " is " + stateOf(other).text()));
        return;
      }
      // Rule P16: started once, and never again for a set that changed: it follows the record.
      draft.put(other.with(other.spec().on(target, nbdOf(draft, volume, target))));
    }
    nameClaimants(draft, volume, active, other);
    // Rule M15, M16: ready when it could take over. Told when it becomes so.
    Optional<String> why = whyNotAvailable(draft, volume, target);
    if (why.isPresent()) {
      draft.waits(volume, Names.MIGRATION, "M15", why.get());
    } else if (wasWaiting(draft, volume)) {
      draft.tell(volume, false, "MigrationReady", "Volume migration engine is ready");
    }
  }

  private static boolean wasWaiting(Draft draft, Volume volume) {
    return draft
        .view()
        .find(ObjectKind.VOLUME, volume.name(), Volume.class)
        .flatMap(before -> before.status().condition(Names.MIGRATION))
        .filter(condition -> !condition.reason().equals("C5"))
        .isPresent();
  }

  private static String nbdOf(Draft draft, Volume volume, String node) {
    return draft.attachmentOf(volume).tickets().values().stream()
        .filter(ticket -> ticket.nodeID().equals(node))
        .map(Ticket::nbd)
        .findFirst()
        .orElse("");
  }

  /** Both sides may claim, once both run and have said who they are, and one of them owns it. */
  private static void nameClaimants(Draft draft, Volume volume, Engine active, Engine other) {
    Optional<EngineId> source = active.status().id();
    Optional<EngineId> target = other.status().id();
    boolean areUp =
        stateOf(active) == InstanceView.State.RUNNING
            && stateOf(other) == InstanceView.State.RUNNING;
    boolean isOwned = !isOwnerOver(draft, volume, active);
    if (areUp && isOwned && source.isPresent() && target.isPresent()) {
      TreeSet<EngineId> both = new TreeSet<>(List.of(source.get(), target.get()));
      MigrationEnd.putRecord(draft, volume, both, VolumeRecord.Phase.MIGRATING);
    }
  }
}
