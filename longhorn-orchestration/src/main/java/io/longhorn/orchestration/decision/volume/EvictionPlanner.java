package io.longhorn.orchestration.decision.volume;

import io.longhorn.api.cluster.Condition;
import io.longhorn.api.cluster.Node;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.VolumeAttachment;
import io.longhorn.api.cluster.VolumeAttachment.Ticket;
import io.longhorn.orchestration.decision.Capability;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.decision.Settings;
import io.longhorn.orchestration.decision.replica.ReplicaRule;
import io.longhorn.orchestration.decision.volume.SchedulingRule.Answer;
import io.longhorn.orchestration.decision.volume.SchedulingRule.Request;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/**
 * Replicas that have to leave their place (section 7.7): because somebody wants their node or disk
 * empty, or because it is being drained and the policy says so. Here they are marked, and a volume
 * that is detached is attached for as long as it takes; {@link ReplenishPlanner} makes what takes
 * their place, {@link CleanupPlanner} takes them away.
 */
public final class EvictionPlanner {
  /** Id of the ticket that a volume has while its replicas move. */
  public static final String TICKET = "eviction";

  private EvictionPlanner() {}

  /** Who has to leave, and whether the volume has to be attached for it. */
  public static void plan(Draft draft, Volume volume) {
    if (volume.isDeleted() || volume.status().state() == Volume.State.CREATING) {
      return;
    }
    List<Replica> replicas = draft.activeReplicasOf(volume);
    for (Replica replica : replicas) {
      boolean mustLeave = mustLeave(draft, volume, replica, replicas);
      if (mustLeave != replica.spec().isEvictionRequested()) {
        draft.put(replica.with(replica.spec().withEvictionRequested(mustLeave)));
        draft.tell(
            replica,
            false,
            mustLeave ? "EvictionRequested" : "EvictionCancelled",
            replica.name() + (mustLeave ? " has to leave " : " may stay on ") + place(replica));
      }
    }
    planTicket(draft, volume);
  }

  private static String place(Replica replica) {
    return replica.spec().nodeID() + "/" + replica.spec().diskID();
  }

  private static boolean mustLeave(
      Draft draft, Volume volume, Replica replica, Collection<Replica> all) {
    Optional<Node> node = draft.node(replica.spec().nodeID());
    if (node.isEmpty()) {
      return false;
    }
    // Rule 7.7/1: somebody wants the node, or the disk, to be empty.
    boolean isRequested =
        node.get().isEvictionRequested()
            || node.get()
                .disk(replica.spec().diskID())
                .filter(Node.Disk::isEvictionRequested)
                .isPresent();
    return isRequested || isDrainedAway(draft, volume, replica, node.get(), all);
  }

  private static boolean isDrainedAway(
      Draft draft, Volume volume, Replica replica, Node node, Collection<Replica> all) {
    if (!node.isCordoned()) {
      return false;
    }
    // Rule 7.7/2: two of the policies for a drain (8/5) move replicas away.
    return switch (draft.settings().text(Settings.Key.NODE_DRAIN_POLICY)) {
      case "block-for-eviction" -> true;
      case "block-for-eviction-if-contains-last-replica" ->
          ReplicaRule.isMember(draft, volume, replica)
              && all.stream()
                  .filter(other -> !other.name().equals(replica.name()))
                  .noneMatch(other -> ReplicaRule.staysSafe(draft, volume, other));
      default -> false;
    };
  }

  // ---- the ticket -----------------------------------------------------------------------------

  private static void planTicket(Draft draft, Volume volume) {
    VolumeAttachment attachment = draft.attachmentOf(volume);
    boolean hasTicket = attachment.tickets().containsKey(TICKET);
    boolean isWanted = isToBeAttached(draft, volume, attachment);
    if (hasTicket && !isWanted) {
      draft.put(attachment.without(TICKET));
    } else if (!hasTicket && isWanted) {
      // Rule 7.7/5: a volume that is detached is attached for it, where one of its replicas is.
      nodeFor(draft, volume).ifPresent(node -> draft.put(attachment.with(ticket(draft, node))));
    }
  }

  private static Ticket ticket(Draft draft, String node) {
    Condition waiting = draft.condition("Satisfied", false, "Waiting", "just asked for");
    return new Ticket(
        TICKET, TicketType.EVICTION.text(), node, "", true, draft.nowMillis(), waiting);
  }

  /** Only while nobody else has it attached, or wants it so: evicting goes on there as well. */
  private static boolean isToBeAttached(Draft draft, Volume volume, VolumeAttachment attachment) {
    List<Replica> replicas = draft.activeReplicasOf(volume);
    boolean isEvicting = replicas.stream().anyMatch(one -> one.spec().isEvictionRequested());
    boolean isOthers = attachment.tickets().keySet().stream().anyMatch(id -> !id.equals(TICKET));
    if (!isEvicting || isOthers || draft.isStopping()) {
      return false;
    }
    if (!draft.view().can(Capability.REBUILD)) {
      draft.waits(
          volume, Names.REPLICAS, "7.7/5", "a replica cannot be moved: none can be filled here");
      return false;
    }
    long usable = replicas.stream().filter(ReplicaRule::isUsable).count();
    if (usable >= volume.spec().numberOfReplicas()) {
      return true;
    }
    return switch (SchedulingRule.place(draft, Request.ofOneMore(volume, replicas))) {
      case Answer.Places _ -> true;
      case Answer.Nowhere(String rule, String message) -> {
        draft.waits(volume, Names.SCHEDULED, rule, message);
        yield false;
      }
    };
  }

  private static Optional<String> nodeFor(Draft draft, Volume volume) {
    return draft.activeReplicasOf(volume).stream()
        .filter(replica -> ReplicaRule.isMember(draft, volume, replica))
        .filter(replica ->
            draft.node(replica.spec().nodeID()).filter(node -> node.ready().isTrue()).isPresent())
        .min(
            Comparator.comparing((Replica one) -> one.spec().isEvictionRequested())
                .thenComparing(Replica::name))
        .map(replica -> replica.spec().nodeID());
  }
}
