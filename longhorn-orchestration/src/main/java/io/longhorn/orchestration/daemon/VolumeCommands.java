package io.longhorn.orchestration.daemon;

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
import io.longhorn.orchestration.call.CallAddress;
import io.longhorn.orchestration.command.Command;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.execution.RuntimeLayout;
import io.longhorn.orchestration.store.ClusterStore;
import io.longhorn.orchestration.store.ClusterStore.Stored;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.UnaryOperator;

/**
 * What people want of volumes, checked and written into the store; the loop does the rest. A
 * refusal is a {@link VolumeException} with one line, and nothing was changed. Any thread.
 */
final class VolumeCommands {
  /** Kind of a ticket that a person asked for. */
  static final String TICKET_TYPE = "longhorn-api";

  private static final long BLOCK_BYTES = 4096;
  private static final long MAX_SIZE_BYTES = 64L << 40;
  private static final int MAX_TICKET_LENGTH = 128;

  /** What belongs to a volume. */
  private static final List<ObjectKind> PARTS =
      List.of(
          ObjectKind.REPLICA,
          ObjectKind.ENGINE,
          ObjectKind.VOLUME_ATTACHMENT,
          ObjectKind.MEMBERSHIP);

  private final ClusterStore store;
  private final Clock clock;

  // One command at a time checks and writes.
  private final ReentrantLock turn = new ReentrantLock();

  VolumeCommands(ClusterStore store, Clock clock) {
    this.store = store;
    this.clock = clock;
  }

  // ---- create -----------------------------------------------------------------------------------

  void create(Command.CreateVolume wanted) {
    inTurn(() -> {
      requireSound(wanted);
      removeUnfinished();
      List<Node> nodes = place(wanted.replicas());
      VolumeId id = new VolumeId(UUID.randomUUID());
      String image = Names.DEFAULT_IMAGE;
      List<Replica> replicas = new ArrayList<>();
      for (Node node : nodes) {
        ReplicaId replica = new ReplicaId(UUID.randomUUID());
        String name = Names.replica(wanted.name(), replica);
        Node.Disk disk = node.disks().getFirst();
        String directory = RuntimeLayout.replica(disk.path(), name).toString();
        replicas.add(
            new Replica(
                name,
                new Replica.Spec(
                    wanted.name(),
                    replica,
                    node.name(),
                    disk.id(),
                    directory,
                    image,
                    false,
                    Names.engine(wanted.name(), 0),
                    true,
                    false,
                    Replica.Health.NEW),
                Replica.Status.NONE));
      }
      MembershipRecord first =
          MembershipRecord.ofNewVolume(
              replicas.stream().map(replica -> replica.spec().id()).toList());
      List<ClusterObject> objects = new ArrayList<>(replicas);
      objects.add(
          new Engine(
              Names.engine(wanted.name(), 0),
              Engine.Spec.stopped(wanted.name(), image, true),
              Engine.Status.NONE));
      objects.add(new Membership(wanted.name(), VolumeRecord.ofNewVolume(first)));
      objects.add(new VolumeAttachment(wanted.name(), new TreeMap<>()));
      // Last: the loop does nothing for what belongs to no volume.
      objects.add(
          new Volume(
              wanted.name(),
              Volume.Spec.of(
                  id, wanted.sizeBytes(), wanted.replicas(), wanted.isMigratable(), image),
              Volume.Status.creating(image),
              0));
      addAll(objects);
    });
  }

  /** All of them, or, as far as the store can still be written, none. */
  private void addAll(List<ClusterObject> objects) {
    try {
      objects.forEach(this::add);
    } catch (VolumeException e) {
      try {
        removeUnfinished();
      } catch (VolumeException again) {
        // The next creation, or the next start, removes what is left.
        e.addSuppressed(again);
      }
      throw e;
    }
  }

  /**
   * Removes what a creation that was interrupted left: a volume is stored after all that belongs to
   * it.
   */
  void removeUnfinished() {
    inTurn(() -> {
      for (ObjectKind kind : PARTS) {
        for (Stored found : store.list(kind)) {
          if (store.get(new ObjectKey(ObjectKind.VOLUME, volumeOf(found.object()))).isEmpty()) {
            store.delete(found.object().key(), found.version());
          }
        }
      }
    });
  }

  private static String volumeOf(ClusterObject object) {
    return switch (object) {
      case Replica replica -> replica.spec().volumeName();
      case Engine engine -> engine.spec().volumeName();
      default -> object.name();
    };
  }

  private void requireSound(Command.CreateVolume wanted) {
    try {
      VolumeName checked = new VolumeName(wanted.name());
      if (find(ObjectKind.VOLUME, checked.value()).isPresent()) {
        throw new VolumeException(
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
    if (wanted.replicas() < 1 || wanted.replicas() > MembershipRecord.MAX_REPLICAS) {
      throw invalid(wanted.replicas() + " replicas: use 1 to " + MembershipRecord.MAX_REPLICAS);
    }
  }

  /** Nodes for the replicas, each another one: those that have fewest come first. */
  private List<Node> place(int replicas) {
    TreeMap<String, Integer> load = new TreeMap<>();
    for (Stored found : store.list(ObjectKind.REPLICA)) {
      if (found.object() instanceof Replica replica) {
        load.merge(replica.spec().nodeID(), 1, Integer::sum);
      }
    }
    List<Node> fit =
        store.list(ObjectKind.NODE).stream()
            .map(found -> (Node) found.object())
            .filter(node -> node.ready().isTrue() && !node.isCordoned() && !node.isOff())
            .sorted(
                Comparator.comparingInt((Node node) -> load.getOrDefault(node.name(), 0))
                    .thenComparing(Node::name))
            .toList();
    if (fit.size() < replicas) {
      throw invalid(
          replicas
              + " replicas need as many nodes that are ready, and "
              + fit.size()
              + " are; use fewer replicas or see longhorn node ls");
    }
    return fit.subList(0, replicas);
  }

  // ---- delete, attach, detach -------------------------------------------------------------------

  void delete(Command.DeleteVolume wanted) {
    inTurn(() -> {
      Volume volume = volume(wanted.name());
      if (volume.isDeleted()) {
        return;
      }
      if (!tickets(volume.name()).isEmpty()
          || volume.status().state() == State.ATTACHED
          || volume.status().state() == State.ATTACHING) {
        throw new VolumeException(
            IoError.BUSY,
            "volume "
                + volume.name()
                + " is "
                + volume.status().state().text()
                + "; detach it first: longhorn volume detach "
                + volume.name()
                + " --all");
      }
      change(ObjectKind.VOLUME, volume.name(), now -> ((Volume) now).deletedAt(clock.millis()));
    });
  }

  void attach(Command.AttachVolume wanted) {
    inTurn(() -> {
      Volume volume = volume(wanted.name());
      if (volume.isDeleted()) {
        throw invalid("volume " + volume.name() + " is being deleted");
      }
      Node node = node(wanted.node());
      String id = wanted.ticket().isEmpty() ? node.name() : wanted.ticket();
      if (id.length() > MAX_TICKET_LENGTH || id.chars().anyMatch(Character::isISOControl)) {
        throw invalid("a ticket's id has 1 to " + MAX_TICKET_LENGTH + " printable characters");
      }
      SortedMap<String, Ticket> tickets = tickets(volume.name());
      Ticket same = tickets.get(id);
      if (same != null && same.nodeID().equals(node.name()) && same.nbd().equals(wanted.nbd())) {
        return;
      }
      for (Ticket other : tickets.values()) {
        if (!other.nodeID().equals(node.name())) {
          throw new VolumeException(
              IoError.BUSY,
              "volume "
                  + volume.name()
                  + " has ticket "
                  + other.id()
                  + " for "
                  + other.nodeID()
                  + "; detach it there first: longhorn volume detach "
                  + volume.name()
                  + " --ticket "
                  + other.id());
        }
        if (!other.nbd().equals(wanted.nbd())) {
          throw new VolumeException(
              IoError.BUSY,
              "volume "
                  + volume.name()
                  + " is attached to "
                  + node.name()
                  + " with another address");
        }
      }
      if (tickets.size() >= VolumeAttachment.MAX_TICKETS) {
        throw new VolumeException(
            IoError.LIMIT,
            "volume "
                + volume.name()
                + " has "
                + tickets.size()
                + " tickets, as many as one can; detach some first: longhorn volume detach "
                + volume.name()
                + " --ticket ID");
      }
      if (!node.ready().isTrue()) {
        throw invalid("node " + node.name() + " is not ready: " + node.ready().message());
      }
      // With a ticket there, its own engine listens where this one wants it to.
      if (tickets.isEmpty()) {
        requireFree(wanted.nbd());
      }
      Condition waiting =
          new Condition("Satisfied", false, "Waiting", "just asked for", clock.millis());
      Ticket ticket =
          new Ticket(id, TICKET_TYPE, node.name(), wanted.nbd(), false, clock.millis(), waiting);
      change(
          ObjectKind.VOLUME_ATTACHMENT,
          volume.name(),
          now -> ((VolumeAttachment) now).with(ticket));
    });
  }

  /** An address that somebody else has is better refused now than waited for. */
  private static void requireFree(String nbd) {
    if (nbd.isEmpty()) {
      return;
    }
    switch (CallAddress.parse(nbd)) {
      case CallAddress.Unix(Path path) -> requireFree(nbd, path.toAbsolutePath());
      case CallAddress.Tcp(String host, int port) -> {
        try (ServerSocket socket = new ServerSocket()) {
          socket.setReuseAddress(true);
          socket.bind(new InetSocketAddress(host, port));
        } catch (IOException | IllegalArgumentException e) {
          throw new VolumeException(
              IoError.BUSY, "nobody can listen at " + nbd + ": " + e.getMessage(), e);
        }
      }
    }
  }

  private static void requireFree(String nbd, Path path) {
    Path directory = path.getParent();
    if (directory == null || !Files.isDirectory(directory)) {
      throw invalid(
          "nobody can listen at " + nbd + ": there is no directory " + directory + "; make it");
    }
    if (!Files.isWritable(directory)) {
      throw invalid("nobody can listen at " + nbd + ": " + directory + " is not ours to write");
    }
    if (Files.isRegularFile(path) || Files.isDirectory(path)) {
      throw new VolumeException(
          IoError.BUSY, "nobody can listen at " + nbd + ": something else is there already");
    }
  }

  void detach(Command.DetachVolume wanted) {
    inTurn(() -> {
      Volume volume = volume(wanted.name());
      if (!wanted.node().isEmpty()) {
        node(wanted.node());
      }
      SortedMap<String, Ticket> tickets = tickets(volume.name());
      if (tickets.isEmpty()) {
        throw new VolumeException(
            IoError.NOT_FOUND,
            "volume " + volume.name() + " has no tickets: nobody wants it attached");
      }
      List<String> ids = new ArrayList<>();
      for (Ticket ticket : tickets.values()) {
        if ((wanted.ticket().isEmpty() || wanted.ticket().equals(ticket.id()))
            && (wanted.node().isEmpty() || wanted.node().equals(ticket.nodeID()))) {
          ids.add(ticket.id());
        }
      }
      if (ids.isEmpty()) {
        throw new VolumeException(
            IoError.NOT_FOUND,
            "volume "
                + volume.name()
                + " has no such ticket; it has "
                + String.join(", ", tickets.keySet()));
      }
      change(
          ObjectKind.VOLUME_ATTACHMENT,
          volume.name(),
          now -> {
            VolumeAttachment next = (VolumeAttachment) now;
            for (String id : ids) {
              next = next.without(id);
            }
            return next;
          });
    });
  }

  // ---- the store --------------------------------------------------------------------------------

  /** The engine of an attached volume, to be asked something. */
  Engine attachedEngine(String name) {
    Volume volume = volume(name);
    if (volume.status().state() == State.ATTACHING) {
      throw new VolumeException(
          IoError.BUSY,
          "volume "
              + name
              + " is attaching; wait until it is attached: longhorn volume get "
              + name);
    }
    if (volume.status().state() != State.ATTACHED) {
      throw invalid(
          "volume "
              + name
              + " is "
              + volume.status().state().text()
              + "; attach it first: longhorn volume attach "
              + name
              + " --node NODE");
    }
    return store.list(ObjectKind.ENGINE).stream()
        .map(found -> (Engine) found.object())
        .filter(engine -> engine.spec().volumeName().equals(name) && engine.spec().isActive())
        .findFirst()
        .orElseThrow(
            () -> new VolumeException(IoError.NOT_FOUND, "volume " + name + " has no engine"));
  }

  Volume volume(String name) {
    return (Volume)
        find(ObjectKind.VOLUME, name)
            .orElseThrow(() ->
                new VolumeException(
                    IoError.NOT_FOUND, "there is no volume " + name + "; see longhorn volume ls"));
  }

  Node node(String name) {
    return (Node)
        find(ObjectKind.NODE, name)
            .orElseThrow(() ->
                new VolumeException(
                    IoError.NOT_FOUND, "there is no node " + name + "; see longhorn node ls"));
  }

  private SortedMap<String, Ticket> tickets(String volume) {
    return find(ObjectKind.VOLUME_ATTACHMENT, volume)
        .map(object -> ((VolumeAttachment) object).tickets())
        .orElseGet(TreeMap::new);
  }

  private Optional<ClusterObject> find(ObjectKind kind, String name) {
    if (name.isEmpty() || name.length() > ObjectKey.MAX_NAME_LENGTH) {
      throw invalid("a name has 1 to " + ObjectKey.MAX_NAME_LENGTH + " characters");
    }
    return store.get(new ObjectKey(kind, name)).map(Stored::object);
  }

  private void add(ClusterObject object) {
    if (!store.put(object, ClusterStore.ABSENT).isDone()) {
      throw new VolumeException(IoError.EXISTS, object.key() + " exists already; try again");
    }
  }

  /** Changes an object, however often somebody else changes it at the same time. */
  void change(ObjectKind kind, String name, UnaryOperator<ClusterObject> how) {
    while (true) {
      Stored now =
          store
              .get(new ObjectKey(kind, name))
              .orElseThrow(
                  () -> new VolumeException(IoError.NOT_FOUND, kind + " " + name + " is gone"));
      if (store.put(how.apply(now.object()), now.version()).isDone()) {
        return;
      }
    }
  }

  private void inTurn(Runnable command) {
    turn.lock();
    try {
      command.run();
    } finally {
      turn.unlock();
    }
  }

  private static VolumeException invalid(String message) {
    return new VolumeException(IoError.INVALID, message);
  }
}
