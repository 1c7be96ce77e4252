package io.longhorn.orchestration.decision.lifecycle;

import io.longhorn.api.ReplicaMode;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Replica.Health;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.Volume.State;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.replica.ReplicaRule;
import java.util.Optional;

/**
 * Which replicas of a volume have failed, and which are well: what the text below the table of 7.2
 * says. The numbers of the rules go on from the table's: 7.2/8 when one has failed, 7.2/9 when one
 * is well.
 *
 * <p>A process that is gone has failed. One that its engine has lost, and that runs, may come back
 * by itself: it counts as failed at once, and is stopped, to be used again, only if it does not.
 * What fails while it comes back is left to who brings it back, unless its process is gone. Those
 * that stand by are not looked at: who made them does.
 */
public final class FailurePlanner {
  /** So long a process that its engine has lost may take to come back before it is stopped. */
  static final long RETURN_MILLIS = 10_000;

  private FailurePlanner() {}

  /** Marks what has failed, and what is well again. */
  public static void plan(Draft draft, Volume volume) {
    boolean isAttached = volume.status().state() == State.ATTACHED;
    for (Replica replica : draft.activeReplicasOf(volume)) {
      if (isServedByOther(draft, volume, replica)) {
        continue;
      }
      Optional<Engine.Member> said =
          isAttached ? ReplicaRule.said(draft, volume, replica.spec().id()) : Optional.empty();
      switch (replica.status().instance().currentState()) {
        case ERROR -> crashed(draft, replica);
        case RUNNING -> said.ifPresent(member -> heard(draft, replica, member));
        // I9: what cannot be seen, or is not there yet, has not failed for that.
        case UNKNOWN, STOPPED, STARTING, STOPPING ->
            said.filter(member -> member.mode() == ReplicaMode.ERR)
                .ifPresent(member -> lost(draft, replica, member));
      }
    }
  }

  /**
   * Whether another process still has its directory, after a migration or an upgrade: then it only
   * stands by, nothing is lost with it, and it is started again.
   */
  private static boolean isServedByOther(Draft draft, Volume volume, Replica replica) {
    return !replica.status().isHolder()
        && draft.replicasOf(volume).stream()
            .filter(other -> other.spec().id().equals(replica.spec().id()))
            .anyMatch(other -> other.status().isHolder() && other.status().instance().mayRun());
  }

  private static void crashed(Draft draft, Replica replica) {
    if (!replica.spec().isWanted()) {
      // It was told to end, and has; how, is of no interest.
      return;
    }
    // Rule 7.2/8: its process is gone, or could not start. Whoever told of that has told why.
    Health health = replica.spec().health().failed(draft.nowMillis());
    draft.put(replica.with(replica.spec().withHealth(health).withWanted(false)));
  }

  private static void heard(Draft draft, Replica replica, Engine.Member member) {
    if (!replica.spec().isWanted()) {
      // It is being stopped; its engine has not noticed yet.
      return;
    }
    Health health = replica.spec().health();
    switch (member.mode()) {
      // Rule 7.2/9: in sync from the first time that its engine says so, failed no more.
      case RW -> put(draft, replica, health.healthy(draft.nowMillis()));
      // Rule 7.2/9: it comes back by itself; in sync it is when that is done.
      case WO -> put(draft, replica, health.isFailed() ? health.reused(false) : health);
      case ERR -> lost(draft, replica, member);
    }
  }

  private static void put(Draft draft, Replica replica, Health health) {
    if (!health.equals(replica.spec().health())) {
      draft.put(replica.with(replica.spec().withHealth(health)));
    }
  }

  /** Its engine does without it. */
  private static void lost(Draft draft, Replica replica, Engine.Member member) {
    Health before = replica.spec().health();
    if (!replica.spec().isWanted() || !(before.isHealthy() || before.isFailed())) {
      return;
    }
    // Rule 7.2/8: mode ERR of one that was in sync.
    Health now = before.failed(draft.nowMillis());
    if (!before.isFailed()) {
      draft.tell(
          replica, true, "ReplicaFailed", replica.name() + " has failed: " + member.reason());
    }
    long until = now.failedAtMillis() + RETURN_MILLIS;
    boolean isStuck = until <= draft.nowMillis();
    if (!isStuck) {
      draft.lookAgain(until);
    }
    InstanceView.State state = replica.status().instance().currentState();
    // I9: what cannot be reached can neither be stopped nor started; it is as it is found.
    boolean isStopped = isStuck && state == InstanceView.State.RUNNING;
    draft.put(replica.with(replica.spec().withHealth(now).withWanted(!isStopped)));
  }
}
