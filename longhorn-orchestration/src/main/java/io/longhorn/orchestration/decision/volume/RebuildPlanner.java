package io.longhorn.orchestration.decision.volume;

import io.longhorn.api.ReplicaMode;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.orchestration.decision.Capability;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.decision.replica.RemovalRule;
import io.longhorn.orchestration.decision.replica.ReplicaRule;
import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeSet;

/**
 * When a new replica is filled (section 7.6): its engine is told to use it, and does the rest. The
 * numbers of the rules are: 1 one at a time for an engine, 2 so many at a time on a node, 3 what
 * failed, 4 the layout lock: what changes the layers of a volume goes on alone.
 */
public final class RebuildPlanner {
  /** How the reason begins with which an engine says that it gives up on filling a replica. */
  public static final String FAILED = "rebuild failed";

  /** So long one that was in sync may take until it begins to come back. */
  static final long GIVE_UP_MILLIS = 60_000;

  private static final String GIVE_UP = "7.6/3";

  private RebuildPlanner() {}

  /** What is filled next. */
  public static void plan(Draft draft, Volume volume) {
    Optional<Engine> engine = draft.engineOf(volume);
    if (volume.isDeleted()
        || engine.isEmpty()
        || !ReplicaRule.isServed(draft, volume)
        || draft.membershipOf(volume).isEmpty()) {
      return;
    }
    for (Replica replica : draft.activeReplicasOf(volume)) {
      if (ReplicaRule.isEmpty(draft, volume, replica)) {
        dropFailed(draft, volume, replica);
      } else {
        giveUp(draft, volume, replica);
      }
    }
    if (draft.view().can(Capability.REBUILD)) {
      begin(draft, volume, draft.engineOf(volume).orElseThrow());
    }
  }

  /**
   * Whether a replica is being filled: then the layers of the volume are not to be changed by
   * anybody else, and no transition of its engine begins.
   */
  public static Optional<Replica> beingFilled(Draft draft, Volume volume) {
    // Rule 7.6/4: the layout lock is held as long as there is one.
    return draft
        .ownerOf(volume)
        .flatMap(owner -> filling(draft, volume, ReplicaRule.used(draft, volume, owner)));
  }

  private static Optional<Replica> filling(Draft draft, Volume volume, SortedSet<String> used) {
    return draft.activeReplicasOf(volume).stream()
        .filter(replica -> used.contains(replica.name()))
        .filter(replica -> !replica.spec().health().isFailed())
        .filter(replica -> ReplicaRule.isEmpty(draft, volume, replica))
        .findFirst();
  }

  // ---- what failed ------------------------------------------------------------------------------

  /** An empty one whose process ended, or that its engine gave up; it is used again later. */
  private static void dropFailed(Draft draft, Volume volume, Replica replica) {
    boolean isKnown = replica.spec().health().isFailed();
    Optional<String> why =
        isKnown
            ? Optional.of("it has failed")
            : whyFailed(draft, volume, replica).filter(_ -> replica.spec().isWanted());
    if (why.isEmpty()) {
      return;
    }
    // Rule 7.6/3: out of the engine first: that is not to wait for what is being stopped.
    Engine engine = draft.engineOf(volume).orElseThrow();
    SortedSet<String> rest = new TreeSet<>(ReplicaRule.used(draft, volume, engine));
    boolean isUsed = rest.remove(replica.name());
    if (isUsed) {
      draft.put(engine.with(engine.spec().withReplicas(rest)));
    }
    if (!isKnown) {
      fail(draft, replica);
    }
    if (!isKnown || isUsed) {
      draft.tell(replica, true, "RebuildFailed", replica.name() + " was not filled: " + why.get());
    }
  }

  private static void fail(Draft draft, Replica replica) {
    draft.put(
        replica.with(
            replica
                .spec()
                .withHealth(replica.spec().health().failed(draft.nowMillis()))
                .withWanted(false)));
  }

  /**
   * One that was in sync, was used again, runs, and yet does not come back while others serve: it
   * is stopped, and tried again like one that could not be filled.
   */
  private static void giveUp(Draft draft, Volume volume, Replica replica) {
    boolean isReturning =
        replica.spec().isWanted()
            && !replica.spec().health().isFailed()
            && !replica.spec().health().isHealthy()
            && replica.status().instance().currentState() == InstanceView.State.RUNNING
            && ReplicaRule.hasLeft(draft, volume, replica);
    Optional<Engine.Member> said =
        ReplicaRule.said(draft, volume, replica.spec().id())
            .filter(member -> member.mode() == ReplicaMode.ERR);
    boolean isServing =
        draft
            .ownerOf(volume)
            .filter(owner -> owner.status().isServing() && owner.status().inSync() > 0)
            .isPresent();
    if (!isReturning || said.isEmpty() || !isServing) {
      return;
    }
    // Rule 7.6/3: nobody counts how often its engine tried; it has had time enough.
    long until = draft.sinceMillis(volume, Names.REPLICAS, GIVE_UP) + GIVE_UP_MILLIS;
    if (until <= draft.nowMillis()) {
      fail(draft, replica);
      draft.tell(
          replica,
          true,
          "RebuildFailed",
          replica.name() + " did not come back: " + said.get().reason());
      return;
    }
    draft.waits(
        volume,
        Names.REPLICAS,
        GIVE_UP,
        replica.name() + " does not come back: " + said.get().reason());
    draft.lookAgain(until);
  }

  private static Optional<String> whyFailed(Draft draft, Volume volume, Replica replica) {
    InstanceView instance = replica.status().instance();
    if (instance.currentState() == InstanceView.State.ERROR) {
      return Optional.of(instance.message());
    }
    if (instance.currentState() == InstanceView.State.UNKNOWN
        && draft.isDown(replica.spec().nodeID())) {
      return Optional.of("node " + replica.spec().nodeID() + " is down");
    }
    return ReplicaRule.said(draft, volume, replica.spec().id())
        .filter(member -> member.mode() == ReplicaMode.ERR)
        .map(Engine.Member::reason)
        .filter(reason -> reason.startsWith(FAILED));
  }

  // ---- what is filled ---------------------------------------------------------------------------

  private static void begin(Draft draft, Volume volume, Engine engine) {
    SortedSet<String> used = ReplicaRule.used(draft, volume, engine);
    Optional<Replica> filling = filling(draft, volume, used);
    if (filling.isPresent()) {
      tellProgress(draft, volume, filling.get());
    }
    for (Replica replica : draft.activeReplicasOf(volume)) {
      boolean isWaiting =
          ReplicaRule.isEmpty(draft, volume, replica)
              && !replica.spec().health().isFailed()
              && !used.contains(replica.name())
              && !ReplicaRule.isSpare(draft, volume, replica)
              // It would be started in a directory that is being deleted.
              && !RemovalRule.hasBegun(draft, replica);
      if (!isWaiting) {
        continue;
      }
      // One that waited when the volume was detached was stopped with it.
      draft.put(replica.wanted(true));
      Optional<Wait> why = whyNotYet(draft, volume, replica, filling);
      if (why.isEmpty()) {
        SortedSet<String> next = new TreeSet<>(used);
        next.add(replica.name());
        draft.put(engine.with(engine.spec().withReplicas(next)));
        draft.tell(replica, false, "RebuildStarted", replica.name() + " is being filled");
        tellProgress(draft, volume, replica);
        return;
      }
      draft.waits(volume, Names.REPLICAS, why.get().rule(), why.get().message());
    }
  }

  private record Wait(String rule, String message) {}

  private static Optional<Wait> whyNotYet(
      Draft draft, Volume volume, Replica replica, Optional<Replica> filling) {
    // Rule 7.6/4, 3.3/2: not while the volume has two engines, or is about to have another one.
    if (volume.isMigrating() || draft.enginesOf(volume.name()).size() != 1) {
      return wait("7.6/4", replica.name() + " is filled when the volume does not migrate any more");
    }
    // Rule 7.6/1: one at a time for an engine.
    if (filling.isPresent()) {
      return wait("7.6/1", replica.name() + " is filled after " + filling.get().name());
    }
    boolean isUp = replica.status().instance().currentState() == InstanceView.State.RUNNING;
    if (!isUp || !replica.spec().isWanted()) {
      return wait(
          "7.6/1",
          replica.name()
              + " is filled when it runs; it is "
              + replica.status().instance().currentState().text());
    }
    return ReplicaRule.whyBusy(draft, replica.spec().nodeID())
        .map(why -> new Wait(ReplicaRule.BUSY, why));
  }

  private static Optional<Wait> wait(String rule, String message) {
    return Optional.of(new Wait(rule, message));
  }

  private static void tellProgress(Draft draft, Volume volume, Replica replica) {
    String done =
        ReplicaRule.said(draft, volume, replica.spec().id())
            .map(member -> ReplenishPlanner.progress(member) + " done")
            .orElse("it begins");
    draft.waits(volume, Names.REPLICAS, "7.6/1", replica.name() + " is being filled: " + done);
  }
}
