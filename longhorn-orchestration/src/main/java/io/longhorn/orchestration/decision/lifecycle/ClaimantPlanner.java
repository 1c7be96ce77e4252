package io.longhorn.orchestration.decision.lifecycle;

import io.longhorn.api.EngineId;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.Membership;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.orchestration.decision.Draft;
import java.util.List;
import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeSet;

/**
 * Who may take a generation of a volume that one engine has opened: that engine, and nobody else.
 * While the volume migrates or is upgraded it is others that say so. An engine that does not tell
 * who it is cannot be named; then nobody is.
 */
public final class ClaimantPlanner {
  private ClaimantPlanner() {}

  /** Names the only engine, once it runs and has said who it is. */
  public static void plan(Draft draft, Volume volume) {
    Optional<Membership> membership = draft.membershipOf(volume);
    List<Engine> engines = draft.enginesOf(volume.name());
    boolean isConcerned =
        !volume.isMigrating()
            && !volume.isUpgrading()
            && !volume.isDeleted()
            && engines.size() == 1;
    if (!isConcerned || membership.isEmpty() || isSwapping(membership.get())) {
      return;
    }
    Engine engine = engines.getFirst();
    boolean isOpen =
        engine.spec().isWanted()
            && engine.status().instance().currentState() == InstanceView.State.RUNNING;
    Optional<EngineId> id = engine.status().id();
    if (!isOpen || id.isEmpty()) {
      return;
    }
    VolumeRecord record = membership.get().record();
    SortedSet<EngineId> alone = new TreeSet<>(List.of(id.get()));
    // Design 9: a loser of a migration that was cut off can never claim again.
    draft.put(
        new Membership(
            membership.get().name(),
            new VolumeRecord(
                record.membership(),
                record.reservedGeneration(),
                record.owner(),
                alone,
                VolumeRecord.Phase.NONE)));
  }

  private static boolean isSwapping(Membership membership) {
    return membership.record().phase() == VolumeRecord.Phase.SWAPPING;
  }
}
