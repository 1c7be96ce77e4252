package io.longhorn.orchestration.decision.volume;

import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.Volume.State;
import io.longhorn.api.cluster.VolumeAttachment;
import io.longhorn.api.cluster.VolumeAttachment.Ticket;
import java.util.Optional;

/** Whether a ticket may be added to a volume (2.2). */
public final class AdmissionRule {
  private AdmissionRule() {}

  /** Why the ticket is refused, in one line; empty if it may be added. */
  public static Optional<String> refusal(Volume volume, VolumeAttachment before, Ticket ticket) {
    long others =
        before.tickets().values().stream()
            .filter(TicketType::isCsi)
            .filter(other -> !other.id().equals(ticket.id()))
            .map(Ticket::nodeID)
            .distinct()
            .filter(node -> !node.equals(ticket.nodeID()))
            .count();
    if (!volume.isMigratable() || !TicketType.isCsi(ticket) || others == 0) {
      // Rule W1: the first one is always taken, whatever the state.
      return Optional.empty();
    }
    if (others == 1) {
      // Rule W2: nobody moves from where the volume is not. Rule W3: one that is attached may move.
      return volume.status().state() == State.ATTACHED
          ? Optional.empty()
          : Optional.of(
              "volume "
                  + volume.name()
                  + " is "
                  + volume.status().state().text()
                  + ": it can be attached to a second node once it is attached");
    }
    // Rule W4: a migration has two sides.
    return Optional.of(
        "volume " + volume.name() + ": cannot attach migratable volume to more than two nodes");
  }
}
