package io.longhorn.orchestration;

import io.longhorn.api.IoError;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.VolumeException;
import io.longhorn.api.VolumeId;
import io.longhorn.api.VolumeName;
import io.longhorn.api.cluster.ClusterObject;
import io.longhorn.api.cluster.Condition;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.Membership;
import io.longhorn.api.cluster.Node;
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.Volume.State;
import io.longhorn.api.cluster.VolumeAttachment;
import io.longhorn.api.cluster.VolumeAttachment.Ticket;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.orchestration.decision.Capability;
import io.longhorn.orchestration.decision.ClusterView;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.decision.Settings;
import io.longhorn.orchestration.decision.volume.AdmissionRule;
import io.longhorn.orchestration.decision.volume.SchedulingRule;
import io.longhorn.orchestration.decision.volume.UpgradeRule;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;
import java.util.function.Predicate;

/** What is asked of volumes, checked and stored; the loop does the rest. Any thread. */
final class VolumeRequests {
  private static final long BLOCK_BYTES = 4096;
  private static final long MAX_SIZE_BYTES = 64L << 40;
  private static final int MAX_TICKET_LENGTH = 128;

  /** Tickets of those who use the volume, and not of the control plane itself. */
  private static final List<String> USERS = List.of(TicketRequest.WORKLOAD, TicketRequest.PERSON);

  private final Requests requests;

  /** Whether a creation may have left something that belongs to no volume. */
  private volatile boolean hasFailed;

  VolumeRequests(Requests requests) {
    this.requests = requests;
  }

  // ---- create and delete ------------------------------------------------------------------------

  void create(VolumeRequest wanted) {
    if (hasFailed) {
      removeUnfinished();
    }
    requests.run(draft -> {
      requireSound(draft, wanted);
      // What another one of this name left that was interrupted.
      removeParts(draft.view(), wanted.name());
      Volume volume = specOf(draft, wanted);
      List<Replica> replicas = replicas(volume, places(draft, volume));
      hasFailed = true;
      store(volume, replicas);
      hasFailed = false;
    });
  }

  private void store(Volume volume, List<Replica> replicas) {
    replicas.forEach(requests::put);
    requests.put(
        new Engine(
            Names.engine(volume.name(), 0),
            Engine.Spec.stopped(volume.name(), volume.spec().image(), true),
            Engine.Status.NONE));
    MembershipRecord first =
        MembershipRecord.ofNewVolume(
            replicas.stream().map(replica -> replica.spec().id()).toList());
    requests.put(new Membership(volume.name(), VolumeRecord.ofNewVolume(first)));
    requests.put(new VolumeAttachment(volume.name(), new TreeMap<>()));
    // Last: nobody does anything for what belongs to no volume.
    requests.put(volume);
  }

  private void requireSound(Draft draft, VolumeRequest wanted) {
    try {
      VolumeName checked = new VolumeName(wanted.name());
      if (draft.volume(checked.value()).isPresent()) {
        throw Requests.refused(
            IoError.EXISTS, "volume " + checked + " exists already; use another name");
      }
    } catch (IllegalArgumentException e) {
      throw new VolumeException(IoError.INVALID, String.valueOf(e.getMessage()), e);
    }
    if (wanted.sizeBytes() < BLOCK_BYTES
        || wanted.sizeBytes() > MAX_SIZE_BYTES
        || wanted.sizeBytes() % BLOCK_BYTES != 0) {
      throw invalid(
          "size of "
              + wanted.sizeBytes()
              + " bytes: use a multiple of 4096, from 4096 to 70368744177664 (64 TiB)");
    }
    if (wanted.numberOfReplicas() < 1
        || wanted.numberOfReplicas() > MembershipRecord.MAX_REPLICAS) {
      throw invalid(
          wanted.numberOfReplicas() + " replicas: use 1 to " + MembershipRecord.MAX_REPLICAS);
    }
  }

  private static Volume specOf(Draft draft, VolumeRequest wanted) {
    String image = draft.settings().text(Settings.Key.DEFAULT_ENGINE_IMAGE);
    Volume.Spec spec =
        Volume.Spec.of(
            new VolumeId(UUID.randomUUID()),
            wanted.sizeBytes(),
            wanted.numberOfReplicas(),
            wanted.isMigratable(),
            image);
    return new Volume(
        wanted.name(),
        spec.with(wanted.numberOfReplicas(), spec.staleReplicaTimeoutMinutes(), wanted.placement()),
        Volume.Status.creating(image),
        0);
  }

  private List<SchedulingRule.Place> places(Draft draft, Volume volume) {
    return switch (SchedulingRule.place(draft, SchedulingRule.Request.ofNew(volume))) {
      case SchedulingRule.Answer.Places(List<SchedulingRule.Place> places) -> places;
      case SchedulingRule.Answer.Nowhere(String _, String why) ->
          throw requests.refused(
              IoError.INVALID,
              "volume " + volume.name() + ": " + why + "; use fewer replicas",
              new Remedy.SeeNodes());
    };
  }

  private static List<Replica> replicas(Volume volume, List<SchedulingRule.Place> places) {
    List<Replica> replicas = new ArrayList<>();
    for (SchedulingRule.Place place : places) {
      ReplicaId id = new ReplicaId(UUID.randomUUID());
      String name = Names.replica(volume.name(), id);
      replicas.add(
          new Replica(
              name,
              new Replica.Spec(
                  volume.name(),
                  id,
                  place.nodeID(),
                  place.diskID(),
                  Names.directory(place.diskPath(), name),
                  volume.spec().image(),
                  false,
                  Names.engine(volume.name(), 0),
                  true,
                  false,
                  Replica.Health.NEW),
              Replica.Status.NONE));
    }
    return replicas;
  }

  /**
   * Removes what creations that were interrupted left: a volume is stored after all that belongs to
   * it. Only while no other control plane makes volumes in the same store.
   */
  void removeUnfinished() {
    requests.run(draft -> {
      TreeSet<String> volumes = new TreeSet<>();
      for (ObjectKind kind : ObjectKind.values()) {
        for (ClusterObject object : draft.view().all(kind, ClusterObject.class)) {
          volumes.add(ClusterView.volumeOf(object.key()));
        }
      }
      volumes.remove("");
      volumes.removeAll(draft.view().volumeNames());
      volumes.forEach(volume -> removeParts(draft.view(), volume));
    });
    hasFailed = false;
  }

  private void removeParts(ClusterView view, String volume) {
    List<ObjectKey> parts = new ArrayList<>();
    view.enginesOf(volume).values().forEach(engine -> parts.add(engine.key()));
    view.replicasOf(volume).values().forEach(replica -> parts.add(replica.key()));
    parts.add(new ObjectKey(ObjectKind.VOLUME_ATTACHMENT, volume));
    parts.add(new ObjectKey(ObjectKind.MEMBERSHIP, volume));
    parts.stream().filter(key -> view.find(key).isPresent()).forEach(requests::remove);
  }

  void delete(String name) {
    requests.run(draft -> {
      Volume volume = requests.volume(draft, name);
      if (volume.isDeleted()) {
        return;
      }
      if (!draft.attachmentOf(volume).tickets().isEmpty()
          || volume.status().state() == State.ATTACHED
          || volume.status().state() == State.ATTACHING) {
        throw requests.refused(
            IoError.BUSY,
            "volume " + name + " is " + volume.status().state().text() + "; detach it first",
            new Remedy.DetachAll(name));
      }
      requests.put(volume.deletedAt(draft.nowMillis()));
    });
  }

  // ---- upgrade ----------------------------------------------------------------------------------

  void upgrade(String name, String image) {
    requests.run(draft -> {
      Volume volume = requests.volume(draft, name);
      if (!volume.spec().image().equals(image)) {
        requests.image(draft, image);
      }
      switch (UpgradeRule.request(draft.view(), name, image)) {
        case UpgradeRule.Answer.Accepted(Volume next) -> requests.put(next);
        case UpgradeRule.Answer.RolledBack(Volume next) -> requests.put(next);
        case UpgradeRule.Answer.Refused(String rule, String why) ->
            throw volume.isUpgrading()
                ? requests.refused(IoError.BUSY, why, new Remedy.RollBack(name))
                : Requests.refused(volume.isMigrating() ? IoError.BUSY : IoError.INVALID, why);
      }
    });
  }

  void rollBack(String name) {
    requests.run(draft -> {
      Volume volume = requests.volume(draft, name);
      if (!volume.isUpgrading()) {
        throw invalid(
            "volume " + name + " is not being upgraded: it runs from " + volume.spec().image());
      }
      requests.put(volume.with(volume.spec().withImage(volume.status().currentImage())));
    });
  }

  // ---- attach and detach ------------------------------------------------------------------------

  void attach(String name, TicketRequest wanted) {
    requests.run(draft -> {
      Volume volume = requests.volume(draft, name);
      if (volume.isDeleted()) {
        throw invalid("volume " + name + " is being deleted");
      }
      Node node = requests.node(draft, wanted.nodeID());
      if (wanted.id().isEmpty()
          || wanted.id().length() > MAX_TICKET_LENGTH
          || wanted.id().chars().anyMatch(Character::isISOControl)) {
        throw invalid("a ticket's id has 1 to " + MAX_TICKET_LENGTH + " printable characters");
      }
      VolumeAttachment attachment = draft.attachmentOf(volume);
      Ticket same = attachment.tickets().get(wanted.id());
      if (same != null && isSame(same, wanted)) {
        return;
      }
      Ticket ticket = ticket(draft, wanted);
      requireFits(draft, volume, attachment, ticket);
      if (same == null && attachment.tickets().size() >= VolumeAttachment.MAX_TICKETS) {
        throw requests.refused(
            IoError.LIMIT,
            "volume "
                + name
                + " has "
                + attachment.tickets().size()
                + " tickets, as many as one can; detach some first",
            new Remedy.DetachTicket(name, "ID"));
      }
      if (!node.ready().isTrue()) {
        throw invalid("node " + node.name() + " is not ready: " + node.ready().message());
      }
      requests.put(attachment.with(ticket));
    });
  }

  private static Ticket ticket(Draft draft, TicketRequest wanted) {
    return new Ticket(
        wanted.id(),
        wanted.type(),
        wanted.nodeID(),
        wanted.nbd(),
        wanted.isFrontendDisabled(),
        draft.nowMillis(),
        new Condition("Satisfied", false, "Waiting", "just asked for", draft.nowMillis()));
  }

  private static boolean isSame(Ticket ticket, TicketRequest wanted) {
    return ticket.nodeID().equals(wanted.nodeID())
        && ticket.type().equals(wanted.type())
        && ticket.nbd().equals(wanted.nbd())
        && ticket.isFrontendDisabled() == wanted.isFrontendDisabled();
  }

  /** Whether it goes with the tickets that there are. */
  private void requireFits(Draft draft, Volume volume, VolumeAttachment attachment, Ticket wanted) {
    for (Ticket other : attachment.tickets().values()) {
      if (other.id().equals(wanted.id())) {
        continue;
      }
      if (!other.nodeID().equals(wanted.nodeID())) {
        requireMayBeOnTwo(draft, volume, other, wanted);
      } else if (!other.nbd().equals(wanted.nbd())) {
        throw Requests.refused(
            IoError.BUSY,
            "volume "
                + volume.name()
                + " is attached to "
                + other.nodeID()
                + " with another address");
      }
    }
    AdmissionRule.refusal(volume, attachment, wanted)
        .or(() -> AdmissionRule.refusal(volume, draft.replicasOf(volume), wanted))
        .ifPresent(why -> {
          throw Requests.refused(IoError.BUSY, why);
        });
  }

  private void requireMayBeOnTwo(Draft draft, Volume volume, Ticket other, Ticket wanted) {
    if (!USERS.contains(other.type()) || !USERS.contains(wanted.type())) {
      // The control plane's own work gives way, or has way, by its priority.
      return;
    }
    String has = "volume " + volume.name() + " has ticket " + other.id() + " for " + other.nodeID();
    Remedy remedy = new Remedy.DetachTicket(volume.name(), other.id());
    boolean areWorkloads =
        other.type().equals(TicketRequest.WORKLOAD) && wanted.type().equals(other.type());
    if (!volume.isMigratable() || !areWorkloads) {
      throw requests.refused(IoError.BUSY, has + "; detach it there first", remedy);
    }
    if (!draft.view().can(Capability.MIGRATION)) {
      throw requests.refused(
          IoError.UNSUPPORTED,
          "this cluster cannot migrate volumes yet: " + has + "; detach it there first",
          remedy);
    }
    if (volume.isUpgrading()) {
      throw requests.refused(
          IoError.BUSY,
          "volume "
              + volume.name()
              + " is being upgraded to image "
              + volume.spec().image()
              + ": it can migrate when that is done or given up",
          new Remedy.RollBack(volume.name()));
    }
  }

  /** Takes the tickets away that are meant; refused if there is none such. */
  void detach(String name, Predicate<Ticket> which) {
    requests.run(draft -> {
      Volume volume = requests.volume(draft, name);
      VolumeAttachment attachment = draft.attachmentOf(volume);
      if (attachment.tickets().isEmpty()) {
        throw Requests.refused(
            IoError.NOT_FOUND, "volume " + name + " has no tickets: nobody wants it attached");
      }
      VolumeAttachment next = attachment;
      for (Ticket ticket : attachment.tickets().values()) {
        next = which.test(ticket) ? next.without(ticket.id()) : next;
      }
      if (next.equals(attachment)) {
        throw Requests.refused(
            IoError.NOT_FOUND,
            "volume "
                + name
                + " has no such ticket; it has "
                + String.join(", ", attachment.tickets().keySet()));
      }
      requests.put(next);
    });
  }

  private static VolumeException invalid(String why) {
    return Requests.refused(IoError.INVALID, why);
  }
}
