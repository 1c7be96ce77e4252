package io.longhorn.orchestration.decision.volume;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.ReplicaMode;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.Node;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Replica.Health;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.orchestration.decision.Capability;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.replica.RemovalRule;
import io.longhorn.orchestration.decision.replica.ReplicaRule;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeSet;

/**
 * Replicas that a volume needs no more (sections 7.5, 7.7 and 3.5): failed ones for which there is
 * no hope, and those that are too many. Who stands by is not its business. The numbers of the rules
 * are: 7.5/5 failed ones, 7.5/6 too many.
 *
 * <p>What the newest record names is never taken away, whatever the times of its health say: it may
 * be all there is of the data. A replica that is too many is first left out by its engine, and goes
 * when the record does not name it any more.
 */
public final class CleanupPlanner {
  private final Draft draft;
  private final Volume volume;
  private final List<Replica> replicas;
  private final Optional<Engine> engine;
  private final SortedSet<String> used;

  private CleanupPlanner(Draft draft, Volume volume) {
    this.draft = draft;
    this.volume = volume;
    replicas = draft.activeReplicasOf(volume);
    engine = draft.engineOf(volume);
    used = engine.map(one -> ReplicaRule.used(draft, volume, one)).orElseGet(TreeSet::new);
  }

  /** What is taken away. */
  public static void plan(Draft draft, Volume volume) {
    boolean isConcerned =
        !volume.isDeleted()
            && !draft.isStopping()
            && volume.status().state() != Volume.State.CREATING
            // Where none can be filled anew, one that is there is never given up.
            && draft.view().can(Capability.REBUILD)
            && draft.membershipOf(volume).isPresent();
    if (!isConcerned) {
      return;
    }
    CleanupPlanner planner = new CleanupPlanner(draft, volume);
    if (volume.isMigrating() || draft.enginesOf(volume.name()).size() > 1) {
      planner.goOn();
    } else {
      planner.plan();
    }
  }

  /**
   * Rule 3.3/3: nothing is cleaned up while the volume migrates, which may be for ever. What has
   * begun is brought to its end: a replica without its directory is of no use to anybody.
   */
  private void goOn() {
    for (Replica replica : replicas) {
      if (isOnItsWay(replica)) {
        RemovalRule.remove(draft, volume, replica);
      }
    }
  }

  /** Whether its directory is being deleted: what it went for may be over, it goes nevertheless. */
  private boolean isOnItsWay(Replica replica) {
    return RemovalRule.hasBegun(draft, replica) && !ReplicaRule.isMember(draft, volume, replica);
  }

  private void plan() {
    List<Replica> left = new ArrayList<>(replicas);
    for (Replica replica : replicas) {
      // One after the other, so that the last two do not each count on the other one.
      boolean isGoing = whyGoing(replica).isPresent() && isSafe(replica, left);
      if (isGoing || isOnItsWay(replica)) {
        left.remove(replica);
        remove(replica);
      }
    }
    if (!volume.isUpgrading()) {
      leaveOneOut(left);
    }
  }

  /** Last-replica protection, by what the health says and by the record. */
  private boolean isSafe(Replica replica, List<Replica> left) {
    return !ReplicaRule.isMember(draft, volume, replica)
        && ReplicaRule.isSafeWithout(replica, left);
  }

  // ---- 7.5/5: failed ones, and those on their way out -------------------------------------------

  private Optional<String> whyGoing(Replica replica) {
    if (isLeftOut(replica)) {
      return Optional.of("its engine does without it");
    }
    return replica.spec().health().isFailed()
        ? whyHopeless(replica)
        : ReplicaRule.isSpare(draft, volume, replica)
            ? Optional.of("it is not needed any more")
            : Optional.empty();
  }

  private Optional<String> whyHopeless(Replica replica) {
    Health health = replica.spec().health();
    // Rule 7.5/5: too many tries, too old, of another image.
    if (!ReplenishPlanner.hasTries(draft, replica)) {
      return Optional.of("it failed to be rebuilt " + health.rebuildRetryCount() + " times");
    }
    long keptMillis = volume.spec().staleReplicaTimeoutMinutes() * 60_000L;
    long staleAt = health.failedAtMillis() + keptMillis;
    if (keptMillis > 0) {
      if (staleAt <= draft.nowMillis()) {
        return Optional.of(
            "it failed " + volume.spec().staleReplicaTimeoutMinutes() + " minutes ago");
      }
      draft.lookAgain(staleAt);
    }
    if (!volume.isUpgrading() && !replica.spec().image().equals(volume.status().currentImage())) {
      return Optional.of("it runs from image " + replica.spec().image());
    }
    if (draft.node(replica.spec().nodeID()).isEmpty()) {
      return Optional.of("node " + replica.spec().nodeID() + " is gone");
    }
    // Rule 7.7/4: it had to leave anyway; not before there is somebody in its place.
    if (replica.spec().isEvictionRequested() && ReplicaRule.hasEnough(draft, volume)) {
      return Optional.of("it is evicted");
    }
    boolean isOneTooMany =
        replicas.size() >= MembershipRecord.MAX_REPLICAS
            && replicas.stream()
                .filter(other -> other.spec().health().isFailed())
                .min(Comparator.comparingLong(other -> other.spec().health().failedAtMillis()))
                .filter(replica::equals)
                .isPresent();
    return isOneTooMany
        ? Optional.of("the volume has as many replicas as it can have")
        : Optional.empty();
  }

  /** Whether it was in sync, and its engine was told to do without it. */
  private boolean isLeftOut(Replica replica) {
    return ReplicaRule.wasHealthy(replica)
        && engine.filter(one -> !one.spec().replicas().isEmpty()).isPresent()
        && !used.contains(replica.name());
  }

  private void remove(Replica replica) {
    boolean isNews = replica.spec().isWanted() || used.contains(replica.name());
    if (isNews && whyGoing(replica).isPresent()) {
      draft.tell(
          replica,
          false,
          "ReplicaDeleted",
          replica.name() + " is deleted: " + whyGoing(replica).orElseThrow());
    }
    leaveOut(replica);
    RemovalRule.remove(draft, volume, replica);
  }

  private void leaveOut(Replica replica) {
    Optional<Engine> now = draft.engineOf(volume);
    if (now.isPresent() && used.remove(replica.name()) && !used.isEmpty()) {
      draft.put(now.get().with(now.get().spec().withReplicas(used)));
    }
  }

  // ---- 7.5/6: too many ------------------------------------------------------------------------

  private void leaveOneOut(List<Replica> left) {
    if (!ReplicaRule.isServed(draft, volume)
        || RebuildPlanner.beingFilled(draft, volume).isPresent()) {
      return;
    }
    List<Replica> inSync =
        left.stream()
            .filter(replica -> used.contains(replica.name()))
            .filter(replica -> ReplicaRule.isInSync(draft, volume, replica))
            .filter(replica -> ReplicaRule.isMember(draft, volume, replica))
            .toList();
    // Rule 7.5/6, 7.7/4: only what is beyond the number; what has to leave goes first.
    if (inSync.size() <= volume.spec().numberOfReplicas() || !isSettled()) {
      return;
    }
    Replica victim = inSync.stream().min(victims(inSync)).orElseThrow();
    leaveOut(victim);
    draft.tell(
        volume,
        false,
        "ReplicaLeftOut",
        victim.name() + " is not needed any more: " + inSync.size() + " are in sync");
  }

  /** Whether the engine and the record say the same: nothing is about to change by itself. */
  private boolean isSettled() {
    SortedSet<ReplicaId> said = new TreeSet<>();
    draft
        .ownerOf(volume)
        .ifPresent(owner ->
            ReplicaRule.said(draft, volume, owner)
                .forEach((id, member) -> {
                  if (member.mode() == ReplicaMode.RW) {
                    said.add(id);
                  }
                }));
    return draft
        .membershipOf(volume)
        .filter(found -> found.record().membership().members().equals(said))
        .isPresent();
  }

  /** Who goes first: to be evicted, on a node with trouble, far from the engine, crowded. */
  private Comparator<Replica> victims(List<Replica> inSync) {
    return Comparator.comparing((Replica replica) -> !replica.spec().isEvictionRequested())
        .thenComparing(this::isOnReadyNode)
        .thenComparing(replica -> ReplicaRule.isLocal(volume, replica))
        .thenComparingLong(replica -> -crowd(replica, inSync, true))
        .thenComparingLong(replica -> -crowd(replica, inSync, false))
        .thenComparing(Replica::name, Comparator.reverseOrder());
  }

  private boolean isOnReadyNode(Replica replica) {
    return draft
        .node(replica.spec().nodeID())
        .filter(node -> node.ready().isTrue())
        .flatMap(node -> node.disk(replica.spec().diskID()))
        .filter(Node.Disk::isReady)
        .isPresent();
  }

  /** How many of them fail together with it: by node, or by zone. */
  private long crowd(Replica replica, List<Replica> all, boolean byNode) {
    String node = replica.spec().nodeID();
    return all.stream()
        .filter(other ->
            byNode
                ? other.spec().nodeID().equals(node)
                : zone(other.spec().nodeID()).equals(zone(node)))
        .count();
  }

  private String zone(String node) {
    return draft.node(node).map(Node::zone).filter(zone -> !zone.isEmpty()).orElse("node/" + node);
  }
}
