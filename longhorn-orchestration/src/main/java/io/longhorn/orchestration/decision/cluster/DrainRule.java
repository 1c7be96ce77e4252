package io.longhorn.orchestration.decision.cluster;

import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.Node;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.ManagerSeen;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.decision.Settings;
import io.longhorn.orchestration.decision.replica.ReplicaRule;
import java.util.Map;
import java.util.Optional;

/**
 * Whether the instance managers of a node may be ended because the node is being drained (rule 5 of
 * section 8). Whoever drains asks; for a node that is cordoned the answer is in the plan.
 */
public final class DrainRule {
  private DrainRule() {}

  /** Says of each cordoned node why its instance managers have to stay. */
  public static void plan(Draft draft) {
    for (Node node : draft.nodes()) {
      if (node.isCordoned()) {
        whyNot(draft, node.name()).ifPresent(why -> draft.reason(node, Names.DRAIN, "8/5", why));
      }
    }
  }

  /** Why the instance managers of a node have to stay; empty if they may go. */
  public static Optional<String> whyNot(Draft draft, String node) {
    // Rule 8/5: never while an engine runs there, whatever the policy.
    Optional<String> engine = engineOn(draft, node);
    if (engine.isPresent()) {
      return Optional.of("engine " + engine.get() + " runs on " + node);
    }
    String policy = draft.settings().text(Settings.Key.NODE_DRAIN_POLICY);
    if (policy.equals("always-allow")) {
      return Optional.empty();
    }
    for (Replica replica : draft.view().replicasOn(node)) {
      Optional<Volume> volume = draft.volume(replica.spec().volumeName());
      if (volume.isPresent() && blocks(draft, volume.get(), replica, policy)) {
        return Optional.of(
            policy.equals("block-for-eviction")
                ? "replica " + replica.name() + " has not left " + node + " yet"
                : "replica " + replica.name() + " is the last one in sync that stays");
      }
    }
    return Optional.empty();
  }

  private static boolean blocks(Draft draft, Volume volume, Replica replica, String policy) {
    return switch (policy) {
      case "block-for-eviction" -> true;
      case "allow-if-replica-is-stopped" ->
          replica.status().instance().mayRun() && isLast(draft, volume, replica);
      default -> isLast(draft, volume, replica);
    };
  }

  /** Whether nobody else, on a node that stays, has what it has; one never used has nothing. */
  private static boolean isLast(Draft draft, Volume volume, Replica replica) {
    return ReplicaRule.isMember(draft, volume, replica)
        && ReplicaRule.wasHealthy(replica)
        && draft.replicasOf(volume).stream()
            .filter(other -> !other.spec().nodeID().equals(replica.spec().nodeID()))
            .noneMatch(other -> ReplicaRule.staysSafe(draft, volume, other));
  }

  private static Optional<String> engineOn(Draft draft, String node) {
    for (InstanceManager manager : draft.managersOn(node)) {
      for (Map.Entry<String, ManagerSeen.Instance> one :
          draft.seen(manager).instances().entrySet()) {
        if (Names.numberOf(one.getKey()) >= 0 && !one.getValue().isOver()) {
          return Optional.of(one.getKey());
        }
      }
    }
    return Optional.empty();
  }
}
