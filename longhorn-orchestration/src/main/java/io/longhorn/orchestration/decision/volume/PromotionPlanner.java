package io.longhorn.orchestration.decision.volume;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.ReplicaMode;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.Volume.State;
import io.longhorn.orchestration.decision.Action;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.ManagerSeen;
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
 * After a migration or an upgrade: each replica that is the volume's now and only stands by takes
 * its directory over, one after the other; then those that had it are taken away (section 3.5).
 *
 * <p>A directory is there as long as an object names it, and an object that is the only one of a
 * directory with data of the volume is never taken away here, whatever its fields say (#7396,
 * #5632).
 */
public final class PromotionPlanner {
  private final Draft draft;
  private final Volume volume;
  private final Engine engine;
  private final List<Engine> engines;

  private PromotionPlanner(Draft draft, Volume volume, Engine engine) {
    this.draft = draft;
    this.volume = volume;
    this.engine = engine;
    engines = draft.enginesOf(volume.name());
  }

  /** The next directory that changes hands, and who is not needed any more. */
  public static void plan(Draft draft, Volume volume) {
    Optional<Engine> engine = draft.engineOf(volume);
    if (!volume.isDeleted() && engine.isPresent()) {
      PromotionPlanner planner = new PromotionPlanner(draft, volume, engine.get());
      planner.directories().values().forEach(planner::repair);
      planner.promote();
      planner.clean();
    }
  }

  /** Whether a volume that is well has a replica whose directory another process serves. */
  static boolean isGoingOn(Draft draft, Volume volume) {
    return volume.status().robustness() == Volume.Robustness.HEALTHY
        && draft.activeReplicasOf(volume).stream()
            .filter(PromotionPlanner::isRunning)
            .filter(replica -> !replica.status().isHolder())
            .anyMatch(replica ->
                draft.replicasOf(volume).stream()
                    .filter(other -> other.spec().id().equals(replica.spec().id()))
                    .anyMatch(other -> other.status().isHolder() && isRunning(other)));
  }

  private SortedMap<ReplicaId, List<Replica>> directories() {
    TreeMap<ReplicaId, List<Replica>> found = new TreeMap<>();
    for (Replica replica : draft.replicasOf(volume)) {
      found.computeIfAbsent(replica.spec().id(), _ -> new ArrayList<>()).add(replica);
    }
    return found;
  }

  private boolean isMigrating() {
    return volume.isMigrating() || engines.size() > 1;
  }

  /** Whether one that is not the volume's own is there for something that goes on. */
  private boolean hasJob(Replica replica) {
    // While it migrates only what is for the other engine: an upgrade does not go on then.
    return (volume.isUpgrading() || isMigrating())
        && engines.stream()
            .filter(one -> one.spec().isActive() != isMigrating())
            .anyMatch(one -> one.name().equals(replica.spec().engineName()));
  }

  // ---- one of each directory is the volume's ----------------------------------------------------

  /** What a plan that was cut off while the flags were changed has left. */
  private void repair(List<Replica> same) {
    List<Replica> own = same.stream().filter(one -> one.spec().isActive()).toList();
    if (isMigrating()
        || own.size() == 1
        || (own.isEmpty() && same.stream().anyMatch(this::hasJob))) {
      return;
    }
    // Rule 3.5/3: what the record does not name is no loss; what nobody has recorded may be one.
    boolean mayHaveData =
        draft.membershipOf(volume).isEmpty()
            || ReplicaRule.isMember(draft, volume, same.getFirst());
    if (own.isEmpty() && mayHaveData) {
      Replica survivor = same.stream().min(best()).orElseThrow();
      draft.put(survivor.with(survivor.spec().withEngine(engine.name(), true)));
    }
    if (own.size() > 1) {
      Replica survivor = own.stream().min(best()).orElseThrow();
      own.stream()
          .filter(one -> !one.name().equals(survivor.name()))
          .forEach(one -> draft.put(one.with(one.spec().withEngine("", false))));
    }
  }

  private Comparator<Replica> best() {
    return Comparator.comparing((Replica one) -> !one.spec().image().equals(volume.spec().image()))
        .thenComparing(one -> !one.spec().engineName().equals(engine.name()))
        .thenComparing(one -> !one.status().isHolder())
        .thenComparing(Replica::name);
  }

  // ---- promotion --------------------------------------------------------------------------------

  private void promote() {
    boolean isSettled =
        volume.status().state() == State.ATTACHED
            && !isMigrating()
            && engine.status().instance().currentState() == InstanceView.State.RUNNING
            && draft
                .ownerOf(volume)
                .filter(owner -> owner.name().equals(engine.name()))
                .isPresent();
    if (!isSettled) {
      return;
    }
    // Those whose directory nobody holds come first: that is a hand-over that has begun, or a
    // holder that died.
    List<Replica> next =
        draft.activeReplicasOf(volume).stream()
            .filter(PromotionPlanner::isRunning)
            .filter(replica -> !replica.status().isHolder())
            .sorted(
                Comparator.comparing((Replica replica) -> holderOf(replica).isPresent())
                    .thenComparing(Replica::name))
            .toList();
    for (Replica standby : next) {
      Optional<String> why = whyNotYet(standby);
      draft.waits(
          volume,
          Names.REPLICAS,
          "5.7/1",
          standby.name()
              + " is to take its directory over"
              + why.map(text -> "; " + text).orElse(""));
      if (why.isEmpty()) {
        draft.act(
            new Action.PromoteReplica(
                draft.managerOf(standby).orElseThrow(),
                standby,
                holderOf(standby).orElse(standby)));
        // Rule 5.7/1: one at a time.
        return;
      }
    }
  }

  private static boolean isRunning(Replica replica) {
    return replica.status().instance().currentState() == InstanceView.State.RUNNING;
  }

  /** Whose process holds the directory of a replica that stands by. */
  private Optional<Replica> holderOf(Replica standby) {
    return draft.replicasOf(volume).stream()
        .filter(other -> other.spec().id().equals(standby.spec().id()))
        .filter(other -> other.status().isHolder() && other.status().instance().mayRun())
        .findFirst();
  }

  private Optional<String> whyNotYet(Replica standby) {
    Optional<InstanceManager> manager = draft.managerOf(standby);
    boolean isReachable =
        manager
            .filter(found -> found.state() == InstanceManager.State.RUNNING)
            .filter(found -> draft.seen(found).reach() == ManagerSeen.Reach.CONNECTED)
            .isPresent();
    if (!isReachable) {
      return Optional.of("its instance manager cannot be reached");
    }
    if (holderOf(standby).isEmpty()) {
      return Optional.empty();
    }
    if (modeOf(standby).filter(mode -> mode == ReplicaMode.WO).isPresent()) {
      return Optional.of("it is still coming back into sync");
    }
    // Rule 5.7/2: the next one only when the one before holds, and is in sync again.
    Optional<Replica> before =
        draft.activeReplicasOf(volume).stream()
            .filter(PromotionPlanner::isRunning)
            .filter(other -> !other.name().equals(standby.name()))
            .filter(other -> other.status().isHolder() || holderOf(other).isEmpty())
            .filter(other -> !ReplicaRule.isInSync(draft, volume, other))
            .findFirst();
    if (before.isPresent()) {
      return Optional.of(before.get().name() + " is not in sync yet");
    }
    boolean isLast =
        ReplicaRule.isInSync(draft, volume, standby)
            && volume.spec().numberOfReplicas() > 1
            && draft.activeReplicasOf(volume).stream()
                .filter(other -> !other.name().equals(standby.name()))
                .noneMatch(other -> ReplicaRule.isInSync(draft, volume, other));
    return isLast ? Optional.of("it is the only one in sync") : Optional.empty();
  }

  private Optional<ReplicaMode> modeOf(Replica replica) {
    return ReplicaRule.said(draft, volume, replica.spec().id()).map(Engine.Member::mode);
  }

  // ---- cleanup ----------------------------------------------------------------------------------

  private void clean() {
    for (Replica replica : draft.replicasOf(volume)) {
      if (!replica.spec().isActive() && !hasJob(replica) && mayGo(replica)) {
        // Rule 3.5/1: its process, its object; its directory only if nobody else names it.
        RemovalRule.remove(draft, volume, replica);
      }
    }
  }

  private boolean mayGo(Replica replica) {
    Optional<Replica> own =
        draft.activeReplicasOf(volume).stream()
            .filter(other -> other.spec().id().equals(replica.spec().id()))
            .findFirst();
    if (own.isEmpty()) {
      // Its data is not the volume's: a record names others.
      return !isMigrating()
          && draft.membershipOf(volume).isPresent()
          && !ReplicaRule.isMember(draft, volume, replica);
    }
    // Nobody can see whether one serves that is on a node that is down; its engine can.
    boolean isLost =
        draft.hasStopped(replica.status().instance(), replica.spec().nodeID())
            && modeOf(replica).filter(mode -> mode == ReplicaMode.ERR).isPresent();
    boolean isServing =
        replica.status().isHolder()
            && replica.status().instance().mayRun()
            && !isLost
            && !own.get().status().isHolder();
    // While it serves it is the volume's I/O; a volume that is being detached stops it anyway.
    return !isServing || volume.status().state() == State.DETACHED;
  }
}
