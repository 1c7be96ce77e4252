package io.longhorn.orchestration.decision.volume;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.ReplicaMode;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.Names;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * The replicas that stand by for the engine of a migration (3.2): one for each directory that the
 * volume has in sync, with the same id and another process. They hold no data file; what serves the
 * volume goes on serving it.
 */
final class MigrationReplicas {
  private MigrationReplicas() {}

  /** Makes and removes; says what is missing before the engine may be started. */
  static Optional<String> prepare(Draft draft, Volume volume, Engine active, Engine other) {
    SortedMap<ReplicaId, Replica> sources = sources(draft, volume, active);
    List<String> missing = new ArrayList<>();
    TreeMap<ReplicaId, Replica> kept = new TreeMap<>();
    // Rule P8: what was made for the target, by directory. Rule P10: one for each, of those that
    // are of use; whatever cannot be used occupies its name until it is gone (#11397).
    MigrationPlanner.madeFor(draft, volume, other).stream()
        .sorted(
            Comparator.comparing((Replica clone) -> !isOfUse(clone, sources))
                .thenComparing(clone -> stateOf(clone) != InstanceView.State.RUNNING)
                .thenComparing(Replica::name))
        .forEach(clone -> {
          boolean isOfUse = isOfUse(clone, sources);
          if (isOfUse && kept.putIfAbsent(clone.spec().id(), clone) == null) {
            return;
          }
          retire(draft, clone);
          if (!isOfUse) {
            kept.putIfAbsent(clone.spec().id(), clone);
          }
        });
    for (Replica source : sources.values()) {
      Replica clone = kept.get(source.spec().id());
      if (clone == null) {
        // Rule P11: who it is, where it is, and nothing of how it was (#12311).
        clone = standby(draft, volume, source, other);
        draft.put(clone);
      }
      if (stateOf(clone) != InstanceView.State.RUNNING) {
        missing.add(clone.name() + " is " + stateOf(clone).text());
      }
    }
    // Rule P12: nothing is in sync that could be used.
    if (sources.isEmpty()) {
      missing.add("no replica is in sync on a node that is ready");
    }
    return missing.isEmpty() ? Optional.empty() : Optional.of(String.join(", ", missing));
  }

  /** What is in sync now, on nodes that can be used, by directory. */
  private static SortedMap<ReplicaId, Replica> sources(Draft draft, Volume volume, Engine active) {
    SortedMap<ReplicaId, Engine.Member> modes =
        draft.ownerOf(volume).map(owner -> owner.status().replicas()).orElseGet(TreeMap::new);
    TreeMap<ReplicaId, Replica> sources = new TreeMap<>();
    for (Replica replica : MigrationPlanner.madeFor(draft, volume, active)) {
      Engine.Member member = modes.get(replica.spec().id());
      // Rule P2: not what is on a node that cannot be used. Rule P4: in sync. Rule P6, P7:
      // everything else of the volume comes back by itself, or does not; it is not waited for.
      boolean isThere =
          draft.node(replica.spec().nodeID()).filter(node -> node.ready().isTrue()).isPresent();
      if (replica.spec().isActive()
          && isThere
          && member != null
          && member.mode() == ReplicaMode.RW) {
        sources.put(replica.spec().id(), replica);
      }
    }
    return sources;
  }

  private static boolean isOfUse(Replica clone, SortedMap<ReplicaId, Replica> sources) {
    boolean isSound =
        switch (stateOf(clone)) {
          case STOPPED, STARTING, RUNNING -> true;
          case STOPPING, ERROR, UNKNOWN -> false;
        };
    return isSound
        && clone.spec().isWanted()
        && !clone.spec().health().isFailed()
        && sources.containsKey(clone.spec().id());
  }

  private static Replica standby(Draft draft, Volume volume, Replica source, Engine other) {
    Replica.Spec spec = source.spec();
    return new Replica(
        Names.standby(source, draft.replicasOf(volume)),
        new Replica.Spec(
            spec.volumeName(),
            spec.id(),
            spec.nodeID(),
            spec.diskID(),
            spec.directory(),
            other.spec().image(),
            true,
            other.name(),
            false,
            false,
            Replica.Health.NEW),
        new Replica.Status(true, false, InstanceView.NONE));
  }

  private static InstanceView.State stateOf(Replica replica) {
    return replica.status().instance().currentState();
  }

  /** Stops a replica that stands by, and removes it once its process is gone. */
  private static void retire(Draft draft, Replica clone) {
    if (clone.spec().isWanted()) {
      draft.put(clone.wanted(false));
    } else if (draft.hasStopped(clone.status().instance(), clone.spec().nodeID())) {
      // Its directory is another one's.
      draft.remove(clone.key());
    }
  }

  /** Everything that was made for an engine that goes. */
  static void retire(Draft draft, Volume volume, Engine engine) {
    for (Replica replica : MigrationPlanner.madeFor(draft, volume, engine)) {
      if (!replica.spec().isActive()) {
        retire(draft, replica);
      }
    }
  }

  /**
   * The winner's own are the volume's from now on, and whatever has no other of its directory. The
   * others are not needed once theirs hold the directories.
   */
  static void adopt(Draft draft, Volume volume, Engine winner) {
    for (Replica replica : draft.replicasOf(volume)) {
      boolean isOfWinner = replica.spec().engineName().equals(winner.name());
      boolean hasOther =
          draft.replicasOf(volume).stream()
              .anyMatch(other ->
                  !other.name().equals(replica.name())
                      && other.spec().id().equals(replica.spec().id())
                      && other.spec().engineName().equals(winner.name()));
      if (isOfWinner || !hasOther) {
        draft.put(replica.with(replica.spec().withEngine(winner.name(), true)));
      } else {
        draft.put(replica.with(replica.spec().withEngine(replica.spec().engineName(), false)));
      }
    }
  }
}
