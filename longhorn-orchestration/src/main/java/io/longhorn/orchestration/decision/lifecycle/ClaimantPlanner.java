package io.longhorn.orchestration.decision.lifecycle;

import io.longhorn.api.EngineId;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.Membership;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.orchestration.decision.Draft;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeSet;

/**
 * Who may take a generation of a volume that one engine has opened: that engine, and nobody else;
 * of one that is detached, nobody. While the volume migrates, or one process of its engine takes
 * over from another, it is others that say so. An engine that does not tell who it is cannot be
 * named; then nobody is.
 */
public final class ClaimantPlanner {
  private ClaimantPlanner() {}

  /** Names the only engine, once it runs and has said who it is, until the volume is detached. */
  public static void plan(Draft draft, Volume volume) {
    Optional<Membership> membership = draft.membershipOf(volume);
    List<Engine> engines = draft.enginesOf(volume.name());
    boolean isConcerned = !volume.isMigrating() && !volume.isDeleted() && engines.size() == 1;
    if (!isConcerned || membership.isEmpty() || isSwapping(membership.get())) {
      return;
    }
    Engine engine = engines.getFirst();
    if (volume.status().state() == Volume.State.DETACHED && !engine.spec().isWanted()) {
      // Whoever was out of reach when it was to stop may be there still: it must not begin to
      // claim, with those replicas that it happens to reach, when the volume is wanted elsewhere.
      name(draft, membership.get(), Collections.emptySortedSet());
      return;
    }
    boolean isOpen =
        engine.spec().isWanted()
            && engine.status().instance().currentState() == InstanceView.State.RUNNING;
    Optional<EngineId> id = engine.status().id();
    if (!isOpen || id.isEmpty()) {
      return;
    }
    // Design 9: a loser of a migration that was cut off can never claim again.
    name(draft, membership.get(), new TreeSet<>(List.of(id.get())));
  }

  private static void name(Draft draft, Membership membership, SortedSet<EngineId> claimants) {
    draft.put(
        new Membership(
            membership.name(), membership.record().named(claimants, VolumeRecord.Phase.NONE)));
  }

  private static boolean isSwapping(Membership membership) {
    return membership.record().phase() == VolumeRecord.Phase.SWAPPING;
  }
}
