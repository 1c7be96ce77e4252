package io.longhorn.orchestration.decision.volume;

import io.longhorn.api.EngineId;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.Membership;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.orchestration.decision.Action;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.ManagerSeen;
import io.longhorn.orchestration.decision.Names;
import java.util.List;
import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeSet;

/**
 * How a migration ends, whatever it ended with (3.1, M2 to M8): the winner takes the volume, and
 * the record names it alone; then the other engine is stopped and removed; then the winner is the
 * volume's engine, and what was made for it the volume's replicas. A winner that cannot take it is
 * not waited for once nothing else serves the volume.
 */
public final class MigrationEnd {
  private MigrationEnd() {}

  static void plan(Draft draft, Volume volume) {
    List<Engine> engines = draft.enginesOf(volume.name());
    Volume.Status status = volume.status();
    // Rule M2: nothing was prepared.
    if (engines.size() < 2 && status.currentMigrationNodeID().isEmpty()) {
      return;
    }
    String node = volume.spec().nodeID();
    if (node.isEmpty() || status.currentNodeID().isEmpty()) {
      tellFailure(draft, volume);
    } else if (!status.currentNodeID().equals(node)) {
      // Rule M4: confirmed; from here on only the target's engine is the volume's.
      draft.put(volume.with(status.withNodes(node, status.currentMigrationNodeID())));
    }
    if (!isStored(draft, volume)) {
      // Rule M6: the record and the engines are stored before the volume. A plan that is cut off
      // between the two would have shut one engine out of the record for ever, and the next plan
      // could decide for that one.
      draft.waits(volume, Names.MIGRATION, "M6", "the decision is not stored yet");
      return;
    }
    Volume now = draft.volume(volume.name()).orElse(volume);
    Optional<Engine> winner = winner(draft, now);
    if (winner.isEmpty()) {
      // Rule M5: nobody is removed before it is known who stays.
      draft.waits(volume, Names.MIGRATION, "M5", "it is not clear which engine is the volume's");
      return;
    }
    if (isSettled(draft, now, winner.get())) {
      end(draft, now, winner.get());
    }
  }

  /** Whether where the volume is to be was decided before this plan. */
  private static boolean isStored(Draft draft, Volume volume) {
    return draft
        .view()
        .find(volume.kind(), volume.name(), Volume.class)
        .filter(before -> before.spec().nodeID().equals(volume.spec().nodeID()))
        .filter(before -> before.spec().migrationNodeID().equals(volume.spec().migrationNodeID()))
        .isPresent();
  }

  /** It was given up together with the attachment: told with the plan that does so, and once. */
  private static void tellFailure(Draft draft, Volume volume) {
    boolean wasWanted =
        draft
            .view()
            .find(volume.kind(), volume.name(), Volume.class)
            .filter(before -> !before.spec().migrationNodeID().isEmpty())
            .isPresent();
    if (wasWanted) {
      // Rule M3: it was detached in the middle of it.
      draft.tell(
          volume,
          true,
          "MigrationFailed",
          "migration of volume "
              + volume.name()
              + " failed; detach volume from extra node to resume");
    }
  }

  private static void end(Draft draft, Volume volume, Engine winner) {
    // Rule M6: the other engine goes first; two are never the volume's at once (#6642, #4827).
    losers(draft, volume, winner).forEach(loser -> retire(draft, volume, loser));
    List<Engine> left = losers(draft, volume, winner);
    if (!left.isEmpty()) {
      Engine loser = left.getFirst();
      draft.waits(
          volume,
          Names.MIGRATION,
          "M6",
          loser.name()
              + ", which is not needed any more, is "
              + MigrationPlanner.stateOf(loser).text());
      return;
    }
    draft.put(winner.with(winner.spec().withActive(true)));
    // Rule M7: what was made for the winner is the volume's from now on.
    MigrationReplicas.adopt(draft, volume, winner);
    TreeSet<EngineId> alone = new TreeSet<>();
    winner.status().id().ifPresent(alone::add);
    putRecord(draft, volume, alone, VolumeRecord.Phase.NONE);
    // Rule M8: the migration is over.
    draft.put(volume.with(volume.status().withNodes(volume.status().currentNodeID(), "")));
  }

  private static List<Engine> losers(Draft draft, Volume volume, Engine winner) {
    return draft.enginesOf(volume.name()).stream()
        .filter(engine -> !engine.name().equals(winner.name()))
        .toList();
  }

  /** Stops an engine, and removes it once it does no harm any more. */
  static void retire(Draft draft, Volume volume, Engine engine) {
    if (engine.spec().isWanted()) {
      draft.put(engine.with(engine.spec().withWanted(false)));
    } else if (hasStopped(draft, engine)) {
      draft.remove(engine.key());
    }
    MigrationReplicas.retire(draft, volume, engine);
  }

  private static boolean hasStopped(Draft draft, Engine engine) {
    return draft.hasStopped(engine.status().instance(), engine.spec().nodeID());
  }

  // ---- who it is --------------------------------------------------------------------------------

  /**
   * Rule 3.4/1: the volume's engine, whatever the flags say: none of them, or two (#4827), are put
   * right here. Empty if there is none, or it is not clear which.
   */
  static Optional<Engine> current(Draft draft, Volume volume) {
    List<Engine> engines = draft.enginesOf(volume.name());
    if (engines.stream().filter(engine -> engine.spec().isActive()).count() == 1) {
      return draft.engineOf(volume);
    }
    Optional<Engine> found = winner(draft, volume);
    if (found.isEmpty()) {
      return found;
    }
    for (Engine engine : engines) {
      boolean isFound = engine.name().equals(found.get().name());
      draft.put(engine.with(engine.spec().withActive(isFound)));
    }
    return draft.engineOf(volume);
  }

  /**
   * Rule 3.4/2: which engine is the volume's when a migration ends: the one where the volume is, or
   * is wanted; else the one where it was to migrate; else the only one. Empty if that is not one.
   */
  public static Optional<Engine> winner(Draft draft, Volume volume) {
    List<Engine> engines = draft.enginesOf(volume.name());
    Volume.Status status = volume.status();
    List<Engine> here = on(engines, List.of(volume.spec().nodeID(), status.currentNodeID()));
    if (!here.isEmpty()) {
      return only(here).or(() -> draft.ownerOf(volume).filter(here::contains));
    }
    List<Engine> there = on(engines, List.of(status.currentMigrationNodeID()));
    return there.isEmpty() ? only(engines) : only(there);
  }

  private static List<Engine> on(List<Engine> engines, List<String> nodes) {
    return engines.stream()
        .filter(engine -> !engine.spec().nodeID().isEmpty())
        .filter(engine -> nodes.contains(engine.spec().nodeID()))
        .toList();
  }

  private static Optional<Engine> only(List<Engine> engines) {
    return engines.size() == 1 ? Optional.of(engines.getFirst()) : Optional.empty();
  }

  // ---- what the record says ---------------------------------------------------------------------

  /** Whether the record names the winner alone, or nobody serves any more who could claim. */
  private static boolean isSettled(Draft draft, Volume volume, Engine winner) {
    Optional<VolumeRecord> record = draft.membershipOf(volume).map(Membership::record);
    Optional<EngineId> id = winner.status().id();
    if (record.isEmpty()) {
      return true;
    }
    if (id.isPresent() && record.get().owner().equals(id)) {
      // The winner owns it. Named alone first, for the other one may just be claiming: one of the
      // two compare-and-sets finds another record. Only then is anything stopped.
      return isNamed(draft, volume, record.get(), id.get());
    }
    boolean mayTakeOver =
        id.isPresent()
            && !volume.spec().nodeID().isEmpty()
            && MigrationPlanner.stateOf(winner) == InstanceView.State.RUNNING;
    if (mayTakeOver) {
      takeOver(draft, volume, winner);
      return false;
    }
    boolean isHarmless =
        losers(draft, volume, winner).stream()
            .allMatch(loser -> hasStopped(draft, loser) || !mayServe(record.get(), loser));
    if (!isHarmless) {
      draft.waits(
          volume,
          Names.MIGRATION,
          "M6",
          "engine "
              + winner.name()
              + " is "
              + MigrationPlanner.stateOf(winner).text()
              + ": it cannot take the volume over");
    }
    return isHarmless;
  }

  /** Has an engine make itself the owner, and the only one that may be. */
  static void takeOver(Draft draft, Volume volume, Engine engine) {
    long generation =
        draft
            .membershipOf(volume)
            .map(membership -> membership.record().reservedGeneration())
            .orElse(0L);
    draft
        .managerOf(engine)
        .filter(manager -> isReachable(draft, manager))
        .ifPresent(manager -> draft.act(new Action.FinishMigration(manager, engine, generation)));
    draft.waits(
        volume, Names.MIGRATION, "M6", "engine " + engine.name() + " is taking the volume over");
  }

  private static boolean isNamed(Draft draft, Volume volume, VolumeRecord record, EngineId winner) {
    TreeSet<EngineId> alone = new TreeSet<>(List.of(winner));
    if (record.claimants().equals(alone) && record.phase() == VolumeRecord.Phase.NONE) {
      return true;
    }
    putRecord(draft, volume, alone, VolumeRecord.Phase.NONE);
    draft.waits(volume, Names.MIGRATION, "M6", "the record does not name one engine yet");
    return false;
  }

  private static boolean isReachable(Draft draft, InstanceManager manager) {
    return manager.state() == InstanceManager.State.RUNNING
        && draft.seen(manager).reach() == ManagerSeen.Reach.CONNECTED;
  }

  /** Whether an engine owns the volume, or may claim it. */
  private static boolean mayServe(VolumeRecord record, Engine engine) {
    Optional<EngineId> id = engine.status().id();
    return id.isPresent() && (record.claimants().contains(id.get()) || record.owner().equals(id));
  }

  /** Names who may claim, and what goes on; everything else of the record is the engines'. */
  static void putRecord(
      Draft draft, Volume volume, SortedSet<EngineId> claimants, VolumeRecord.Phase phase) {
    draft
        .membershipOf(volume)
        .ifPresent(found ->
            draft.put(new Membership(found.name(), found.record().named(claimants, phase))));
  }
}
