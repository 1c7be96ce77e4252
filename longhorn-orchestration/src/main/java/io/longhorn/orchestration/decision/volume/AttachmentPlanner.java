package io.longhorn.orchestration.decision.volume;

import io.longhorn.api.cluster.Condition;
import io.longhorn.api.cluster.Node;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.Volume.Robustness;
import io.longhorn.api.cluster.Volume.State;
import io.longhorn.api.cluster.VolumeAttachment;
import io.longhorn.api.cluster.VolumeAttachment.Ticket;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.decision.Settings;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/** Where a volume is to be attached, from its tickets (2.3, 2.4, 2.5), and what each has (2.7). */
public final class AttachmentPlanner {
  private static final String SATISFIED = "Satisfied";
  private static final String CORDON = "Cordon";

  private AttachmentPlanner() {}

  /** Tickets of cordoned nodes, then detach (A), then attach (B). */
  public static void plan(Draft draft, Volume volume) {
    cordoned(draft, volume);
    Volume.Spec spec = volume.spec();
    // Rule A0: what is wanted nowhere need not be detached.
    if (!spec.nodeID().isEmpty()) {
      if (mustDetach(draft, volume)) {
        draft.tell(
            volume,
            false,
            "DetachSelected",
            "volume " + volume.name() + " is selected to detach from " + spec.nodeID());
        draft.put(volume.with(spec.withNodeID("").withFrontendDisabled(false)));
      }
      return;
    }
    attachable(draft, volume)
        .ifPresent(first -> {
          draft.tell(
              volume,
              false,
              "AttachSelected",
              "volume " + volume.name() + " is selected to attach to " + first.nodeID());
          draft.put(
              volume.with(
                  spec.withNodeID(first.nodeID())
                      .withFrontendDisabled(first.isFrontendDisabled())));
        });
  }

  // Rule 2.3: a person's ticket on a cordoned node goes if the setting says so, else it is told.
  private static void cordoned(Draft draft, Volume volume) {
    VolumeAttachment attachment = draft.attachmentOf(volume);
    VolumeAttachment next = attachment;
    for (Ticket ticket : attachment.tickets().values()) {
      boolean isCordoned =
          draft.node(ticket.nodeID()).map(Node::isCordoned).orElse(false)
              && TicketType.of(ticket) == TicketType.LONGHORN_API;
      if (!isCordoned) {
        continue;
      }
      if (draft.settings().is(Settings.Key.DETACH_MANUALLY_ATTACHED_WHEN_CORDONED)) {
        next = next.without(ticket.id());
      } else {
        String message =
            "node "
                + ticket.nodeID()
                + " is cordoned; ticket "
                + ticket.id()
                + " keeps it attached";
        if (!draft.isKnown(volume, CORDON, "2.3")) {
          draft.tell(volume, true, "AttachedToCordonedNode", message);
        }
        draft.waits(volume, CORDON, "2.3", message);
      }
    }
    if (!next.equals(attachment)) {
      draft.put(next);
    }
  }

  private static boolean mustDetach(Draft draft, Volume volume) {
    // Rule A1: crash recovery begins with detaching, also while it migrates.
    if (volume.status().robustness() == Robustness.FAULTED
        || volume.isDeleted()
        || draft.isStopping()) {
      return true;
    }
    // Rule A2: while it migrates, the migration decides.
    if (volume.isMigratable() && volume.isMigrating()) {
      return false;
    }
    List<Ticket> tickets = counting(draft, volume);
    List<Ticket> here =
        tickets.stream()
            .filter(ticket -> ticket.nodeID().equals(volume.spec().nodeID()))
            .filter(ticket -> isCompatible(volume, ticket))
            .toList();
    // Rule A3: nobody wants it there.
    if (here.isEmpty()) {
      return true;
    }
    // Rule A4: whoever wants it there gives way to work elsewhere. Rule A5: otherwise it stays.
    return here.stream().allMatch(ticket -> TicketType.of(ticket).isInterruptible())
        && tickets.stream()
            .anyMatch(ticket ->
                TicketType.of(ticket).isWorkload()
                    && !ticket.nodeID().equals(volume.spec().nodeID()));
  }

  /** Tickets that say where the volume is to be, by id. */
  private static List<Ticket> counting(Draft draft, Volume volume) {
    return draft.attachmentOf(volume).tickets().values().stream()
        .filter(ticket -> !TicketType.isOfShare(volume, ticket))
        .toList();
  }

  /** Whether a ticket asks for what the volume is attached as. */
  static boolean isCompatible(Volume volume, Ticket ticket) {
    return ticket.isFrontendDisabled() == volume.spec().isFrontendDisabled();
  }

  private static Optional<Ticket> attachable(Draft draft, Volume volume) {
    // Rule B0: everything of it is detached first, the migration's end included (#11479).
    if (!volume.isFullyDetached() || volume.isDeleted() || draft.isStopping()) {
      return Optional.empty();
    }
    // Rule B2: the highest level counts, the others wait.
    List<Ticket> all = counting(draft, volume);
    int highest = all.stream().mapToInt(ticket -> TicketType.of(ticket).level()).max().orElse(-1);
    List<Ticket> tickets =
        all.stream().filter(ticket -> TicketType.of(ticket).level() == highest).toList();
    // Rule B1: what is faulted is salvaged first.
    if (volume.status().robustness() == Robustness.FAULTED) {
      if (!tickets.isEmpty()) {
        draft.waits(volume, Names.WAITING, "B1", "the volume is faulted: it is salvaged first");
      }
      return Optional.empty();
    }
    // Rule B3: after a migration that failed nobody knows where the guest is: a person decides.
    if (volume.isMigratable() && isAmbiguous(tickets)) {
      refuse(draft, volume, tickets);
      return Optional.empty();
    }
    // Rule B4: nobody wants it. Rule B5: the smallest id wins.
    return tickets.stream().min(Comparator.comparing(Ticket::id));
  }

  private static boolean isAmbiguous(List<Ticket> tickets) {
    return tickets.stream().filter(TicketType::isCsi).map(Ticket::nodeID).distinct().count() > 1;
  }

  private static void refuse(Draft draft, Volume volume, List<Ticket> tickets) {
    List<String> nodes =
        tickets.stream()
            .filter(TicketType::isCsi)
            .sorted(Comparator.comparingLong(Ticket::createdMillis).thenComparing(Ticket::id))
            .map(Ticket::nodeID)
            .distinct()
            .toList();
    String message =
        "Volume migration between "
            + nodes.get(0)
            + " and "
            + nodes.get(1)
            + " failed; detach volume from extra node to resume";
    if (!draft.isKnown(volume, Names.MIGRATION, "B3")) {
      draft.tell(volume, true, "MigrationStopped", message);
    }
    draft.waits(volume, Names.MIGRATION, "B3", message);
  }

  // ---- 2.7 --------------------------------------------------------------------------------------

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
    // Rule 2.7/1: what is shared is attached where it is served from; nobody serves it here.
    if (TicketType.isOfShare(volume, ticket)) {
      return draft.condition(SATISFIED, false, "NotShared", "nobody shares the volume out");
    }
    // Rule 2.7/2: the ticket of a migration's target has what it asks for once its engine is ready;
    // not
    // while a migration to there that was rolled back is being ended.
    if (volume.isMigratable()
        && TicketType.isCsi(ticket)
        && ticket.nodeID().equals(volume.spec().migrationNodeID())) {
      boolean isThere =
          ticket.nodeID().equals(status.currentMigrationNodeID())
              && isCompatible(volume, ticket)
              && MigrationPlanner.whyNotAvailable(draft, volume, ticket.nodeID()).isEmpty();
      return isThere
          ? draft.condition(SATISFIED, true, "Attached", "")
          : waiting(draft, volume, Names.MIGRATION);
    }
    // Rule 2.7/3: any other has it where the volume is attached, in the way that it asks for.
    if (status.state() == State.ATTACHED && status.currentNodeID().equals(ticket.nodeID())) {
      return isCompatible(volume, ticket)
          ? draft.condition(SATISFIED, true, "Attached", "")
          : draft.condition(
              SATISFIED,
              false,
              "AttachedWithIncompatibleParameters",
              "it is attached there with other parameters");
    }
    boolean isMigration =
        draft.conditionsOf(volume).stream().anyMatch(why -> why.type().equals(Names.MIGRATION));
    return waiting(draft, volume, isMigration ? Names.MIGRATION : Names.WAITING);
  }

  private static Condition waiting(Draft draft, Volume volume, String type) {
    return draft.conditionsOf(volume).stream()
        .filter(why -> why.type().equals(type))
        .findFirst()
        .map(why -> draft.condition(SATISFIED, false, why.reason(), why.message()))
        .orElseGet(() ->
            draft.condition(
                SATISFIED, false, "Waiting", "volume is " + volume.status().state().text()));
  }
}
