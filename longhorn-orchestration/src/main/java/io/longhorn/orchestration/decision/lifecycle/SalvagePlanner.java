package io.longhorn.orchestration.decision.lifecycle;

import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Replica.Health;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.Volume.Robustness;
import io.longhorn.api.cluster.Volume.State;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.decision.Settings;
import io.longhorn.orchestration.decision.replica.ReplicaRule;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * How a volume that is faulted can be attached again (rule 7.2/7 and section 7.3). If one that has
 * the newest data has not failed, at once. If all have, they are salvaged: used again. Only those
 * that the newest committed record names: they are equal, whenever each failed. Longhorn takes
 * whatever failed within a minute of the last one.
 *
 * <p>Whoever else is there would be an older state of the volume: that is for a person to decide.
 */
public final class SalvagePlanner {
  private static final String RULE = "7.3/1";

  /** Pause after one was salvaged, did not come into sync, and failed again; doubled each time. */
  private static final long FIRST_PAUSE_MILLIS = 10_000;

  private static final long LONGEST_PAUSE_MILLIS = 60_000;

  private SalvagePlanner() {}

  /** Takes a volume that is faulted and detached back into use, if that can be. */
  public static void plan(Draft draft, Volume volume) {
    boolean isConcerned =
        volume.status().robustness() == Robustness.FAULTED
            && volume.status().state() == State.DETACHED
            && volume.spec().nodeID().isEmpty()
            && !volume.isDeleted();
    if (!isConcerned) {
      return;
    }
    if (RobustnessPlanner.hasSource(draft, volume) || salvage(draft, volume)) {
      // Rule 7.2/7: it can be attached; whoever had it mounted has lost it, and has to mount anew.
      draft.put(
          volume.with(
              volume
                  .status()
                  .with(Robustness.UNKNOWN, draft.nowMillis())
                  .withRemountRequested(draft.nowMillis())));
    }
  }

  private static boolean salvage(Draft draft, Volume volume) {
    if (!draft.settings().is(Settings.Key.AUTO_SALVAGE)) {
      waits(draft, volume, Settings.Key.AUTO_SALVAGE.key() + " is off: a person has to decide");
      return false;
    }
    List<Replica> usable = new ArrayList<>();
    List<String> whyNot = new ArrayList<>();
    for (Replica replica : draft.activeReplicasOf(volume)) {
      // Rule 7.3/1: none but those of the newest committed record.
      if (ReplicaRule.isMember(draft, volume, replica)) {
        Optional<String> why = whyNot(draft, replica);
        why.ifPresentOrElse(whyNot::add, () -> usable.add(replica));
      }
    }
    if (usable.isEmpty()) {
      waits(
          draft,
          volume,
          whyNot.isEmpty()
              ? "no replica that has the newest data is there any more"
              : "of those that have the newest data: " + String.join(", ", whyNot));
      return false;
    }
    for (Replica replica : usable) {
      Health health = replica.spec().health();
      draft.put(replica.with(replica.spec().withHealth(health.reused(!health.isHealthy()))));
    }
    draft.tell(
        volume,
        true,
        "AutoSalvaged",
        "volume "
            + volume.name()
            + ": every replica with its newest data had failed; used again: "
            + String.join(", ", usable.stream().map(Replica::name).toList()));
    return true;
  }

  /** Why one cannot be started now. */
  private static Optional<String> whyNot(Draft draft, Replica replica) {
    String node = replica.spec().nodeID();
    if (draft.isDown(node)) {
      return Optional.of(replica.name() + " is on " + node + ", which is down");
    }
    if (draft.managerOf(replica).map(InstanceManager::state).orElse(InstanceManager.State.STOPPED)
        != InstanceManager.State.RUNNING) {
      return Optional.of(replica.name() + " cannot be started on " + node + " now");
    }
    if (replica.status().instance().mayRun()) {
      return Optional.of(
          replica.name() + " is " + replica.status().instance().currentState().text());
    }
    long at = notBefore(replica.spec().health());
    if (at > draft.nowMillis()) {
      draft.lookAgain(at);
      return Optional.of(replica.name() + " failed when it was used again, it is tried later");
    }
    return Optional.empty();
  }

  /** At once the first time; one that did not come into sync after it, later. */
  private static long notBefore(Health health) {
    if (health.isHealthy() || health.rebuildRetryCount() == 0) {
      return 0;
    }
    int doublings = Math.min(health.rebuildRetryCount() - 1, 16);
    return health.failedAtMillis()
        + Math.min(FIRST_PAUSE_MILLIS << doublings, LONGEST_PAUSE_MILLIS);
  }

  private static void waits(Draft draft, Volume volume, String message) {
    draft.waits(volume, Names.WAITING, RULE, message);
  }
}
