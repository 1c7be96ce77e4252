package io.longhorn.orchestration.decision.volume;

import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.Volume.Placement.DataLocality;
import io.longhorn.api.cluster.Volume.State;
import io.longhorn.api.cluster.VolumeAttachment;
import io.longhorn.api.cluster.VolumeAttachment.Ticket;
import java.util.Collection;
import java.util.Optional;

/** Whether a ticket may be added to a volume, and an engine made for one (2.2). */
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

  /** Why the data of a volume would not be where the ticket wants it; empty if it may be there. */
  public static Optional<String> refusal(
      Volume volume, Collection<Replica> replicas, Ticket ticket) {
    boolean isBound = volume.spec().placement().dataLocality() == DataLocality.STRICT_LOCAL;
    boolean isElsewhere =
        replicas.stream()
            .filter(replica -> replica.spec().isActive())
            .noneMatch(replica -> replica.spec().nodeID().equals(ticket.nodeID()));
    // Rule 2.2/1: a volume that is strict-local is attached where its replica is.
    return isBound && isElsewhere
        ? Optional.of(
            "volume "
                + volume.name()
                + " is strict-local and has no replica on node "
                + ticket.nodeID())
        : Optional.empty();
  }

  /** Whether one more engine may be made for a volume that has these. */
  static boolean mayHaveOneMore(Volume volume, Collection<Engine> engines) {
    // Rule 2.2/2: two sides of a migration, and one of anything else.
    return engines.size() < (volume.isMigratable() ? 2 : 1);
  }
}
