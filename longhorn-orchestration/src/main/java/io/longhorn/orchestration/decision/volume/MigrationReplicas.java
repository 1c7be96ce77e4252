package io.longhorn.orchestration.decision.volume;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.ReplicaMode;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.Node;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.decision.replica.RemovalRule;
import io.longhorn.orchestration.decision.replica.ReplicaRule;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * The replicas that stand by for the engine of a migration (3.2): one for each directory that the
 * volume has in sync, with the same id and another process. They hold no data file; what serves the
 * volume goes on serving it. What belongs to no engine that there is (P9) is taken away by {@link
 * PromotionPlanner}, like everything else that is nobody's.
 */
final class MigrationReplicas {
  private MigrationReplicas() {}

  /** Makes what is missing, takes away what is not of use (any more). */
  static void prepare(Draft draft, Volume volume, Engine other) {
    if (said(draft, volume).isEmpty()) {
      // The owner has not spoken yet: that nothing is known is not that nothing is there (#5992).
      return;
    }
    SortedMap<ReplicaId, Replica> sources = sources(draft, volume);
    SortedMap<ReplicaId, List<Replica>> clones = clones(draft, volume, other, sources);
    clones.forEach((_, same) -> {
      // Rule P10: one for each directory, of those that are of use (#11397).
      int kept = isOfUse(same.getFirst(), sources) ? 1 : 0;
      same.subList(kept, same.size()).forEach(clone -> remove(draft, volume, clone));
    });
    // Rule P10: whatever cannot be used occupies its directory until it is gone.
    sources.forEach((id, source) -> {
      if (!clones.containsKey(id)) {
        draft.put(standby(draft, volume, source, other));
      }
    });
  }

  /** What stands by not yet, and why; empty if all does that has to. */
  static Optional<String> missing(Draft draft, Volume volume, Engine other) {
    SortedMap<ReplicaId, Replica> sources = sources(draft, volume);
    SortedMap<ReplicaId, List<Replica>> clones = clones(draft, volume, other, sources);
    List<String> missing = new ArrayList<>();
    // Rule P12: nothing is in sync that could be used.
    if (sources.isEmpty()) {
      missing.add("no replica is in sync on a node that can be used");
    }
    sources.forEach((id, source) -> {
      if (!clones.containsKey(id)) {
        missing.add("nothing stands by for " + source.name());
      } else {
        Replica best = clones.get(id).getFirst();
        InstanceView instance = best.status().instance();
        if (!isOfUse(best, sources) || stateOf(best) != InstanceView.State.RUNNING) {
          String why = instance.message().isEmpty() ? "" : " (" + instance.message() + ")";
          missing.add(best.name() + " is " + stateOf(best).text() + why);
        }
      }
    });
    return missing.isEmpty() ? Optional.empty() : Optional.of(String.join(", ", missing));
  }

  /** What is in sync now, on nodes and disks that can be used, by directory. */
  private static SortedMap<ReplicaId, Replica> sources(Draft draft, Volume volume) {
    TreeMap<ReplicaId, Replica> sources = new TreeMap<>();
    SortedMap<ReplicaId, Engine.Member> said = said(draft, volume);
    for (Replica replica : draft.activeReplicasOf(volume)) {
      Engine.Member member = said.get(replica.spec().id());
      // Rule P4: in sync, as the owner says; while it has not spoken, as the record does. Rule P6,
      // P7: everything else of the volume comes back by itself, or does not; it is not waited for.
      boolean isInSync =
          said.isEmpty()
              ? ReplicaRule.isMember(draft, volume, replica)
              : member != null && member.mode() == ReplicaMode.RW;
      if (isUsable(draft, replica) && !replica.spec().health().isFailed() && isInSync) {
        sources.put(replica.spec().id(), replica);
      }
    }
    return sources;
  }

  /** What the engine that owns the volume says, or the volume's if that one is over. */
  private static SortedMap<ReplicaId, Engine.Member> said(Draft draft, Volume volume) {
    return draft
        .ownerOf(volume)
        .or(() -> draft.engineOf(volume))
        .map(engine -> ReplicaRule.said(draft, volume, engine))
        .orElseGet(TreeMap::new);
  }

  private static boolean isUsable(Draft draft, Replica replica) {
    // Rule P2: not what has no place, or is on a node that is down or a disk that is not ready.
    return !replica.spec().directory().isEmpty()
        && !draft.isDown(replica.spec().nodeID())
        && draft
            .node(replica.spec().nodeID())
            .flatMap(node -> node.disk(replica.spec().diskID()))
            .filter(Node.Disk::isReady)
            .isPresent();
  }

  /** What was made for an engine, by directory, the best first. */
  private static SortedMap<ReplicaId, List<Replica>> clones(
      Draft draft, Volume volume, Engine other, SortedMap<ReplicaId, Replica> sources) {
    TreeMap<ReplicaId, List<Replica>> clones = new TreeMap<>();
    // Rule P8: what was made for the target. Rule P10: what is of use, then what runs, then by
    // name.
    draft.replicasOf(volume).stream()
        .filter(replica -> isMadeFor(replica, other))
        .sorted(
            Comparator.comparing((Replica clone) -> !isOfUse(clone, sources))
                .thenComparing(clone -> stateOf(clone) != InstanceView.State.RUNNING)
                .thenComparing(Replica::name))
        .forEach(
            clone -> clones.computeIfAbsent(clone.spec().id(), _ -> new ArrayList<>()).add(clone));
    return clones;
  }

  private static boolean isMadeFor(Replica replica, Engine engine) {
    return !replica.spec().isActive() && replica.spec().engineName().equals(engine.name());
  }

  private static boolean isOfUse(Replica clone, SortedMap<ReplicaId, Replica> sources) {
    boolean isSound =
        switch (stateOf(clone)) {
          // One that cannot be seen may be well: nothing is taken down for that (#7302).
          case STOPPED, STARTING, RUNNING, UNKNOWN -> true;
          case STOPPING, ERROR -> false;
        };
    return isSound
        && clone.spec().isWanted()
        && !clone.spec().health().isFailed()
        && sources.containsKey(clone.spec().id());
  }

  private static Replica standby(Draft draft, Volume volume, Replica source, Engine other) {
    Replica.Spec spec = source.spec();
    // Rule P11: who it is, where it is, and nothing of how it was (#12311).
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

  /** Takes away everything that was made for an engine that goes. */
  static void retire(Draft draft, Volume volume, Engine engine) {
    draft.replicasOf(volume).stream()
        .filter(replica -> isMadeFor(replica, engine))
        .forEach(clone -> remove(draft, volume, clone));
  }

  /**
   * Its directory is another one's; one that is the only one of a member is not taken away, nor is
   * one that holds its directory: it was the volume's a moment ago, and serves it.
   */
  private static void remove(Draft draft, Volume volume, Replica clone) {
    boolean isLast =
        !RemovalRule.hasPartner(clone, draft.replicasOf(volume))
            && ReplicaRule.isMember(draft, volume, clone);
    boolean isServing = clone.status().isHolder() && clone.status().instance().mayRun();
    if (!isLast && !isServing) {
      RemovalRule.remove(draft, volume, clone);
    }
  }

  /**
   * One of each directory is the volume's from now on: the winner's own, or, where that cannot
   * serve, what serves it now. The others are not needed once theirs hold the directories.
   */
  static void adopt(Draft draft, Volume volume, Engine winner) {
    TreeMap<ReplicaId, List<Replica>> directories = new TreeMap<>();
    draft
        .replicasOf(volume)
        .forEach(replica ->
            directories.computeIfAbsent(replica.spec().id(), _ -> new ArrayList<>()).add(replica));
    directories
        .values()
        .forEach(same -> {
          Replica chosen =
              same.stream()
                  .min(
                      Comparator.comparing((Replica one) -> !isOwn(one, winner, same))
                          .thenComparing(one -> !one.spec().isActive())
                          .thenComparing(Replica::name))
                  .orElseThrow();
          if (isWithoutOwn(draft, volume, chosen, winner, same)) {
            makeOwn(draft, volume, chosen, winner);
            return;
          }
          for (Replica replica : same) {
            boolean isChosen = replica.name().equals(chosen.name());
            draft.put(
                replica.with(
                    isChosen
                        ? adopted(draft, volume, replica, winner, same)
                        : replica.spec().withEngine(replica.spec().engineName(), false)));
          }
        });
  }

  /**
   * Whether a directory that the record knows is the other engine's, and nothing stands by for it.
   */
  private static boolean isWithoutOwn(
      Draft draft, Volume volume, Replica chosen, Engine winner, List<Replica> same) {
    boolean isKnown =
        ReplicaRule.isMember(draft, volume, chosen) || ReplicaRule.hasLeft(draft, volume, chosen);
    return isKnown
        && chosen.spec().isActive()
        && !chosen.spec().engineName().isEmpty()
        && same.stream().noneMatch(one -> one.spec().engineName().equals(winner.name()));
  }

  /**
   * One that was out of sync when the others got theirs, or still is: what stands by for it is made
   * now, so that all that the volume has is the winner's, whatever came back when. What has the
   * directory serves it until that takes it over.
   */
  private static void makeOwn(Draft draft, Volume volume, Replica chosen, Engine winner) {
    Replica made = standby(draft, volume, chosen, winner);
    Replica.Health health = chosen.spec().health();
    draft.put(
        made.with(
            made.spec()
                .withEngine(winner.name(), true)
                .withEvictionRequested(chosen.spec().isEvictionRequested())
                .withHealth(
                    ReplicaRule.isMember(draft, volume, chosen)
                        ? health.healthy(draft.nowMillis())
                        : health)
                .withWanted(chosen.spec().isWanted())));
    draft.put(chosen.with(chosen.spec().withEngine(chosen.spec().engineName(), false)));
  }

  /** Whether it was made for the winner, and nothing else has to stand in for it. */
  private static boolean isOwn(Replica replica, Engine winner, List<Replica> same) {
    boolean isBroken =
        replica.spec().health().isFailed() || stateOf(replica) == InstanceView.State.ERROR;
    boolean isServedByOther =
        same.stream()
            .filter(other -> !other.name().equals(replica.name()))
            .anyMatch(
                other -> other.status().isHolder() && stateOf(other) == InstanceView.State.RUNNING);
    return replica.spec().engineName().equals(winner.name()) && !(isBroken && isServedByOther);
  }

  private static Replica.Spec adopted(
      Draft draft, Volume volume, Replica replica, Engine winner, List<Replica> same) {
    Replica.Spec next = replica.spec().withEngine(winner.name(), true);
    if (replica.spec().isActive()) {
      return next;
    }
    if (ReplicaRule.isMember(draft, volume, replica)) {
      // What the record names has been in sync since it was made: it is the same directory.
      return next.withHealth(replica.spec().health().healthy(draft.nowMillis()));
    }
    // It is not in sync, and has to come back like the one that it stood by for: it has failed as
    // that has, or nobody would miss it.
    return same.stream()
        .filter(one -> one.spec().isActive())
        .map(before -> next.withHealth(before.spec().health()))
        .findFirst()
        .orElse(next);
  }
}
