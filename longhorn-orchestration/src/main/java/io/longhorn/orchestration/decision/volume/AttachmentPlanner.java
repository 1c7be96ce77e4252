package io.longhorn.orchestration.decision.volume;

import io.longhorn.api.cluster.Condition;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.Volume.Robustness;
import io.longhorn.api.cluster.Volume.State;
import io.longhorn.api.cluster.VolumeAttachment;
import io.longhorn.api.cluster.VolumeAttachment.Ticket;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.Names;

/**
 * Where a volume is to be attached, from its tickets (section 2.4, A0-A3 and A5; 2.5, B0-B5; 2.7),
 * for volumes that are attached to one node at a time.
 */
public final class AttachmentPlanner {
  /** What a ticket waits for. */
  static final String SATISFIED = "Satisfied";

  private AttachmentPlanner() {}

  /** Detach (A), then attach (B). */
  public static void plan(Draft draft, Volume volume) {
    Volume.Spec spec = volume.spec();
    VolumeAttachment attachment = draft.attachmentOf(volume);
    if (!spec.nodeID().isEmpty()) {
      if (mustDetach(draft, volume, attachment)) {
        draft.tell(
            volume,
            false,
            "DetachSelected",
            "volume " + volume.name() + " is selected to detach from " + spec.nodeID());
        draft.put(volume.with(spec.withNodeID("")));
      }
    } else if (mayAttach(draft, volume, attachment)) {
      Ticket first = attachment.tickets().firstEntry().getValue();
      draft.tell(
          volume,
          false,
          "AttachSelected",
          "volume " + volume.name() + " is selected to attach to " + first.nodeID());
      draft.put(volume.with(spec.withNodeID(first.nodeID())));
    }
  }

  private static boolean mustDetach(Draft draft, Volume volume, VolumeAttachment attachment) {
    boolean isWanted =
        attachment.tickets().values().stream()
            .anyMatch(ticket -> ticket.nodeID().equals(volume.spec().nodeID()));
    return volume.status().robustness() == Robustness.FAULTED
        || !isWanted
        || volume.isDeleted()
        || draft.isStopping();
  }

  private static boolean mayAttach(Draft draft, Volume volume, VolumeAttachment attachment) {
    Volume.Status status = volume.status();
    boolean isFullyDetached = status.state() == State.DETACHED && status.currentNodeID().isEmpty();
    return isFullyDetached
        && status.robustness() != Robustness.FAULTED
        && !attachment.tickets().isEmpty()
        && !volume.isDeleted()
        && !draft.isStopping();
  }

  /** Whether each ticket has what it asks for (D), once the volume's state is known. */
  public static void tell(Draft draft, Volume volume) {
    VolumeAttachment attachment = draft.attachmentOf(volume);
    VolumeAttachment next = attachment;
    for (Ticket ticket : attachment.tickets().values()) {
      next = next.with(ticket.with(satisfied(draft, volume, ticket)));
    }
    if (!next.equals(attachment)) {
      draft.put(next);
    }
  }

  private static Condition satisfied(Draft draft, Volume volume, Ticket ticket) {
    Volume.Status status = volume.status();
    if (status.state() == State.ATTACHED && status.currentNodeID().equals(ticket.nodeID())) {
      return draft.condition(SATISFIED, true, "Attached", "");
    }
    return draft.conditionsOf(volume).stream()
        .filter(why -> why.type().equals(Names.WAITING))
        .findFirst()
        .map(why -> draft.condition(SATISFIED, false, why.reason(), why.message()))
        .orElseGet(() ->
            draft.condition(SATISFIED, false, "Waiting", "volume is " + status.state().text()));
  }
}
