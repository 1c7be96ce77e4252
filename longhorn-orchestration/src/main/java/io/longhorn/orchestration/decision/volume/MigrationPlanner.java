package io.longhorn.orchestration.decision.volume;

import io.longhorn.api.EngineId;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.ReplicaMode;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.Membership;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.Volume.Robustness;
import io.longhorn.api.cluster.Volume.State;
import io.longhorn.api.cluster.VolumeAttachment.Ticket;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.orchestration.decision.Action;
import io.longhorn.orchestration.decision.Capability;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.Names;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeSet;

/**
 * The migration of a volume: what its tickets mean ({@link #decide}, 2.6), and what follows from
 * that for engines and the record ({@link #carryOut}, 3.1). Every step looks at what is there;
 * nothing is remembered but the five fields, the engines and the record.
 *
 * <p>Both engines are claimants in the record while it lasts, and the owner among them is where the
 * guest writes. It ends with a record that names the winner alone: only then is the other engine
 * stopped, removed, and the winner made the volume's engine.
 */
public final class MigrationPlanner {
  /** Pause before the target's readiness is looked at again. */
  static final long START_AGAIN_MILLIS = 10_000;

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
      start(draft, volume);
      return;
    }
    boolean isDecided = confirm(draft, volume);
    // Rule C8: the target is not wanted any more.
    if (!isDecided
        && !spec.migrationNodeID().isEmpty()
        && !hasTicket(draft, volume, spec.migrationNodeID())) {
      change(draft, volume, spec.nodeID(), "", "MigrationRolledBack", "Rolling back migration");
    }
  }

  private static void start(Draft draft, Volume volume) {
    String node = volume.spec().nodeID();
    Optional<String> target =
        draft.attachmentOf(volume).tickets().values().stream()
            .filter(TicketType::isCsi)
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
    // Rule C1: two tickets, attached at the one, wanted at the other.
    change(draft, volume, node, target.get(), "MigrationStarted", "Starting migration");
  }

  /** Whether the migration was confirmed, or given up together with the attachment. */
  private static boolean confirm(Draft draft, Volume volume) {
    String target = volume.status().currentMigrationNodeID();
    // Rule C2: nothing to confirm. Rule C3: the old node is still wanted.
    if (target.isEmpty() || hasTicket(draft, volume, volume.spec().nodeID())) {
      return false;
    }
    boolean isAvailable = isAvailable(draft, volume, target);
    boolean isOwnerThere =
        draft
            .ownerOf(volume)
            .filter(owner -> stateOf(owner) == InstanceView.State.RUNNING)
            .isPresent();
    if (!isAvailable || !isOwnerThere) {
      // Rule C5: said before C4 is looked at, which would hide it (the seed's 5.1 wants both).
      String message = "Waiting to confirm migration until migration engine is ready";
      if (!draft.isKnown(volume, Names.MIGRATION, "C5")) {
        draft.tell(volume, false, "MigrationWaits", message);
      }
      draft.waits(volume, Names.MIGRATION, "C5", message);
      // Rule C4: it cannot become ready; the volume waits for that node detached.
      if (draft.isDown(target)) {
        change(
            draft,
            volume,
            "",
            "",
            "MigrationGivenUp",
            "Detaching volume for attempted migration to down node");
        return true;
      }
      return false;
    }
    // Rule C7: the owner is there and would hand over, the target would take over.
    change(draft, volume, target, "", "MigrationConfirmed", "Confirming migration");
    return true;
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
   * Whether an engine of the volume on that node could take over: it runs, may claim, and is linked
   * to every member of the record. One replica is not enough (H2).
   */
  static boolean isAvailable(Draft draft, Volume volume, String node) {
    return draft.enginesOf(volume.name()).stream()
        .filter(engine -> engine.spec().nodeID().equals(node) && engine.spec().isWanted())
        .anyMatch(engine -> isReady(draft, volume, engine));
  }

  private static boolean isReady(Draft draft, Volume volume, Engine engine) {
    Optional<VolumeRecord> record = draft.membershipOf(volume).map(Membership::record);
    Optional<EngineId> id = engine.status().id();
    if (record.isEmpty() || id.isEmpty() || stateOf(engine) != InstanceView.State.RUNNING) {
      return false;
    }
    boolean mayClaim = record.get().claimants().contains(id.get());
    return mayClaim
        && record.get().membership().members().stream()
            .allMatch(member -> isLinked(engine, member));
  }

  private static boolean isLinked(Engine engine, ReplicaId member) {
    Engine.Member said = engine.status().replicas().get(member);
    return said != null && said.mode() == ReplicaMode.RW;
  }

  private static InstanceView.State stateOf(Engine engine) {
    return engine.status().instance().currentState();
  }

  // ---- 3.1: what follows ------------------------------------------------------------------------

  /** Prepares the other engine, or ends what was prepared. */
  public static void carryOut(Draft draft, Volume volume) {
    // Rule M0: only what may migrate.
    if (!volume.isMigratable()) {
      return;
    }
    if (volume.spec().migrationNodeID().isEmpty()) {
      finish(draft, volume);
    } else {
      prepare(draft, volume);
    }
  }

  private static void prepare(Draft draft, Volume volume) {
    Volume.Status status = volume.status();
    String target = volume.spec().migrationNodeID();
    Optional<Engine> active = draft.engineOf(volume);
    // Rule M9: not attached (any more).
    if (volume.spec().nodeID().isEmpty() || status.currentNodeID().isEmpty() || active.isEmpty()) {
      return;
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
    List<Engine> others =
        draft.enginesOf(volume.name()).stream()
            .filter(engine -> !engine.spec().isActive())
            .toList();
    boolean isOwnerGone =
        draft
            .ownerOf(volume)
            .map(owner -> stateOf(owner) == InstanceView.State.ERROR)
            .orElse(false);
    boolean isMisplaced =
        others.size() > 1
            || others.stream()
                .map(engine -> engine.spec().nodeID())
                .anyMatch(node -> !node.isEmpty() && !node.equals(target));
    boolean hasFailed =
        others.stream().anyMatch(other -> stateOf(other) == InstanceView.State.ERROR);
    // Rule M12: without its owner there is nothing to migrate from. Rule M13: what is there is of
    // another migration. Rule P1: a target that crashed is made anew, under another name.
    if (isOwnerGone || isMisplaced || hasFailed) {
      others.forEach(other -> retire(draft, volume, other));
      draft.waits(volume, Names.MIGRATION, "M15", "the migration engine is made anew");
      return;
    }
    if (others.isEmpty()) {
      // Rule M14: the engine of the target, made stopped.
      Engine made =
          new Engine(
              nextName(draft, volume),
              Engine.Spec.stopped(volume.name(), active.get().spec().image(), false),
              Engine.Status.NONE);
      draft.put(made);
      draft.waits(volume, Names.MIGRATION, "M15", "the migration engine is being prepared");
      MigrationReplicas.prepare(draft, volume, active.get(), made);
      return;
    }
    prepared(draft, volume, active.get(), others.getFirst(), target);
  }

  private static void prepared(
      Draft draft, Volume volume, Engine active, Engine other, String target) {
    Optional<String> missing = MigrationReplicas.prepare(draft, volume, active, other);
    // Rule P15: it is not started before what it is to use later stands by.
    if (!other.spec().isWanted() && missing.isPresent()) {
      draft.waits(volume, Names.MIGRATION, "P15", missing.get());
      return;
    }
    // Rule P16: started once, and never again for a set that changed: it follows the record.
    if (!other.spec().isWanted()) {
      draft.put(other.with(other.spec().on(target, nbdOf(draft, volume, target))));
    }
    nameClaimants(draft, volume, active, other);
    // Rule M15, M16: ready when it could take over. Told when it becomes so.
    if (missing.isPresent() || !isReady(draft, volume, other)) {
      draft.waits(
          volume,
          Names.MIGRATION,
          "M15",
          missing.orElse("the migration engine on " + target + " is not ready yet"));
      return;
    }
    boolean wasWaiting =
        draft
            .view()
            .find(ObjectKind.VOLUME, volume.name(), Volume.class)
            .flatMap(before -> before.status().condition(Names.MIGRATION))
            .filter(condition -> !condition.reason().equals("C5"))
            .isPresent();
    if (wasWaiting) {
      draft.tell(volume, false, "MigrationReady", "Volume migration engine is ready");
    }
  }

  private static String nbdOf(Draft draft, Volume volume, String node) {
    return draft.attachmentOf(volume).tickets().values().stream()
        .filter(ticket -> ticket.nodeID().equals(node))
        .map(Ticket::nbd)
        .findFirst()
        .orElse("");
  }

  private static String nextName(Draft draft, Volume volume) {
    int last =
        draft.enginesOf(volume.name()).stream()
            .mapToInt(engine -> Names.numberOf(engine.name()))
            .max()
            .orElse(-1);
    return Names.engine(volume.name(), last + 1);
  }

  /** Both sides may claim, once both have said who they are. */
  private static void nameClaimants(Draft draft, Volume volume, Engine active, Engine other) {
    Optional<EngineId> source = active.status().id();
    Optional<EngineId> target = other.status().id();
    if (source.isEmpty() || target.isEmpty()) {
      return;
    }
    SortedSet<EngineId> both = new TreeSet<>(List.of(source.get(), target.get()));
    putRecord(draft, volume, both, VolumeRecord.Phase.MIGRATING);
  }

  private static void putRecord(
      Draft draft, Volume volume, SortedSet<EngineId> claimants, VolumeRecord.Phase phase) {
    draft
        .membershipOf(volume)
        .ifPresent(membership -> {
          VolumeRecord record = membership.record();
          draft.put(
              new Membership(
                  membership.name(),
                  new VolumeRecord(
                      record.membership(),
                      record.reservedGeneration(),
                      record.owner(),
                      claimants,
                      phase)));
        });
  }

  /** Stops an engine, and removes it once it does no harm any more. */
  private static void retire(Draft draft, Volume volume, Engine engine) {
    if (engine.spec().isWanted()) {
      draft.put(engine.with(engine.spec().withWanted(false)));
    } else if (draft.hasStopped(engine.status().instance(), engine.spec().nodeID())) {
      draft.remove(engine.key());
    }
    MigrationReplicas.retire(draft, volume, engine);
  }

  // ---- the end ----------------------------------------------------------------------------------

  private static void finish(Draft draft, Volume volume) {
    List<Engine> engines = draft.enginesOf(volume.name());
    Volume.Status status = volume.status();
    // Rule M2: nothing was prepared.
    if (engines.size() < 2 && status.currentMigrationNodeID().isEmpty()) {
      return;
    }
    String node = volume.spec().nodeID();
    if (node.isEmpty() || status.currentNodeID().isEmpty()) {
      // Rule M3: it was detached in the middle of it.
      String message = "migration failed: detach volume from extra node to resume";
      if (!draft.isKnown(volume, Names.MIGRATION, "M3")) {
        draft.tell(volume, true, "MigrationFailed", message);
      }
      draft.waits(volume, Names.MIGRATION, "M3", message);
    } else if (!status.currentNodeID().equals(node)) {
      // Rule M4: confirmed; from here on only the target's engine is the volume's.
      draft.put(volume.with(status.withNodes(node, status.currentMigrationNodeID())));
    }
    Volume now = draft.volume(volume.name()).orElse(volume);
    Optional<Engine> winner = winner(draft, now);
    if (winner.isEmpty()) {
      // Rule M5: nobody is removed before it is known who stays.
      draft.waits(volume, Names.MIGRATION, "M5", "it is not clear which engine is the volume's");
      return;
    }
    List<Engine> losers =
        engines.stream().filter(engine -> !engine.name().equals(winner.get().name())).toList();
    if (!losers.isEmpty() && !isSettled(draft, now, winner.get(), losers)) {
      return;
    }
    // Rule M6: the other engine goes first; two are never the volume's at once (#6642, #4827).
    losers.forEach(loser -> retire(draft, now, loser));
    boolean isAlone =
        draft.enginesOf(volume.name()).stream()
            .allMatch(engine -> engine.name().equals(winner.get().name()));
    if (!isAlone) {
      draft.waits(now, Names.MIGRATION, "M6", "the engine that is not needed is being stopped");
      return;
    }
    draft.put(winner.get().with(winner.get().spec().withActive(true)));
    // Rule M7: what was made for the winner is the volume's from now on.
    MigrationReplicas.adopt(draft, now, winner.get());
    // Rule M8: the migration is over.
    draft.put(now.with(now.status().withNodes(now.status().currentNodeID(), "")));
  }

  /**
   * Rule 3.4: which engine is the volume's when a migration ends: the one where the volume is, or
   * is wanted; else the one where it was to migrate; else the only one. Empty if that is not one.
   */
  public static Optional<Engine> winner(Draft draft, Volume volume) {
    List<Engine> engines = draft.enginesOf(volume.name());
    Volume.Status status = volume.status();
    List<Engine> here =
        engines.stream()
            .filter(engine -> !engine.spec().nodeID().isEmpty())
            .filter(engine ->
                engine.spec().nodeID().equals(volume.spec().nodeID())
                    || engine.spec().nodeID().equals(status.currentNodeID()))
            .toList();
    if (!here.isEmpty()) {
      return here.size() == 1 ? Optional.of(here.getFirst()) : Optional.empty();
    }
    List<Engine> there =
        engines.stream()
            .filter(engine -> !engine.spec().nodeID().isEmpty())
            .filter(engine -> engine.spec().nodeID().equals(status.currentMigrationNodeID()))
            .toList();
    if (!there.isEmpty()) {
      return there.size() == 1 ? Optional.of(there.getFirst()) : Optional.empty();
    }
    return engines.size() == 1 ? Optional.of(engines.getFirst()) : Optional.empty();
  }

  /** Whether the record names the winner alone, or nobody serves any more who could claim. */
  private static boolean isSettled(Draft draft, Volume volume, Engine winner, List<Engine> losers) {
    Optional<VolumeRecord> record = draft.membershipOf(volume).map(Membership::record);
    Optional<EngineId> id = winner.status().id();
    boolean isOver =
        losers.stream()
            .allMatch(loser -> draft.hasStopped(loser.status().instance(), loser.spec().nodeID()));
    if (record.isEmpty() || isOver) {
      return true;
    }
    if (id.isPresent() && record.get().owner().equals(id)) {
      // The winner owns it: the other one's compare-and-set finds another record from now on.
      putRecord(draft, volume, new TreeSet<>(List.of(id.get())), VolumeRecord.Phase.NONE);
      return true;
    }
    if (id.isPresent() && stateOf(winner) == InstanceView.State.RUNNING) {
      draft
          .managerOf(winner)
          .ifPresent(manager -> draft.act(new Action.FinishMigration(manager, winner)));
      draft.waits(
          volume, Names.MIGRATION, "M6", "engine " + winner.name() + " is taking the volume over");
      return false;
    }
    // A loser that was never the owner and never a claimant has nothing to hand over.
    boolean isHarmless =
        losers.stream()
            .allMatch(loser ->
                loser.status().id().isEmpty()
                    || (!record.get().claimants().contains(loser.status().id().get())
                        && !record.get().owner().equals(loser.status().id())));
    if (!isHarmless) {
      draft.waits(
          volume,
          Names.MIGRATION,
          "M6",
          "engine " + winner.name() + " is " + stateOf(winner).text() + ": it cannot take over");
    }
    return isHarmless;
  }

  /** Replicas of a volume that were made for an engine. */
  static List<Replica> madeFor(Draft draft, Volume volume, Engine engine) {
    return draft.replicasOf(volume).stream()
        .filter(replica -> replica.spec().engineName().equals(engine.name()))
        .toList();
  }
}
