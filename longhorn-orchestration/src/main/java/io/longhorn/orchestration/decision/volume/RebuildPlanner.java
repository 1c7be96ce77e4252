package io.longhorn.orchestration.decision.volume;

import io.longhorn.api.ReplicaMode;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.orchestration.decision.Capability;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.decision.Settings;
import io.longhorn.orchestration.decision.replica.ReplicaRule;
import java.util.List;
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

  private RebuildPlanner() {}

  /** What is filled next. */
  public static void plan(Draft draft, Volume volume) {
    Optional<Engine> engine = draft.engineOf(volume);
    if (volume.isDeleted()
        || engine.isEmpty()
        || !draft.view().can(Capability.REBUILD)
        || !ReplicaRule.isServed(draft, volume)
        || draft.membershipOf(volume).isEmpty()) {
      return;
    }
    markFailed(draft, volume, engine.get());
    begin(draft, volume, draft.engineOf(volume).orElseThrow());
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
        .filter(replica ->
            !ReplicaRule.isMember(draft, volume, replica)
                && !ReplicaRule.hasLeft(draft, volume, replica))
        .findFirst();
  }

  /** One whose process ended, or that its engine gave up, has failed; it is used again later. */
  private static void markFailed(Draft draft, Volume volume, Engine engine) {
    SortedSet<String> used = ReplicaRule.used(draft, volume, engine);
    for (Replica replica : draft.activeReplicasOf(volume)) {
      Optional<String> why =
          isNew(draft, volume, replica) ? whyFailed(draft, volume, replica) : Optional.empty();
      if (why.isPresent()) {
        // Rule 7.6/3: out of the engine first: it is not to wait for what is being stopped.
        drop(draft, volume, replica.name(), used);
        draft.put(
            replica.with(
                replica
                    .spec()
                    .withHealth(replica.spec().health().failed(draft.nowMillis()))
                    .withWanted(false)));
        draft.tell(
            replica, true, "RebuildFailed", replica.name() + " was not rebuilt: " + why.get());
      }
    }
  }

  private static void drop(Draft draft, Volume volume, String name, SortedSet<String> used) {
    if (used.contains(name)) {
      SortedSet<String> rest = new TreeSet<>(used);
      rest.remove(name);
      Engine now = draft.engineOf(volume).orElseThrow();
      draft.put(now.with(now.spec().withReplicas(rest)));
    }
  }

  /** Whether it counts and has never been part of the volume. */
  private static boolean isNew(Draft draft, Volume volume, Replica replica) {
    return !replica.spec().health().isFailed()
        && !ReplicaRule.isMember(draft, volume, replica)
        && !ReplicaRule.hasLeft(draft, volume, replica)
        && replica.spec().isWanted();
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

  private static void begin(Draft draft, Volume volume, Engine engine) {
    SortedSet<String> used = ReplicaRule.used(draft, volume, engine);
    Optional<Replica> filling = filling(draft, volume, used);
    if (filling.isPresent()) {
      tellProgress(draft, volume, filling.get());
    }
    List<Replica> waiting =
        draft.activeReplicasOf(volume).stream()
            .filter(replica -> isNew(draft, volume, replica))
            .filter(replica -> !used.contains(replica.name()))
            .toList();
    for (Replica replica : waiting) {
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
    // Rule 7.6/4: not while the volume has two engines, or is about to have another one.
    if (volume.isMigrating() || draft.enginesOf(volume.name()).size() != 1) {
      return wait("7.6/4", replica.name() + " is filled when the volume does not migrate any more");
    }
    // Rule 7.6/1: one at a time for an engine.
    if (filling.isPresent()) {
      return wait("7.6/1", replica.name() + " is filled after " + filling.get().name());
    }
    if (replica.status().instance().currentState() != InstanceView.State.RUNNING) {
      return wait(
          "7.6/1",
          replica.name()
              + " is filled when it runs; it is "
              + replica.status().instance().currentState().text());
    }
    // Rule 7.6/2: so many at a time on a node, none if the limit is 0.
    long limit = draft.settings().number(Settings.Key.CONCURRENT_REPLICA_REBUILD);
    if (ReplicaRule.comingBackOn(draft, replica.spec().nodeID()) >= limit) {
      draft.lookAgain(draft.nowMillis() + ReplenishPlanner.POLL_MILLIS);
      return wait(
          "7.6/2", "as many replicas as may be are being rebuilt on " + replica.spec().nodeID());
    }
    return Optional.empty();
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
