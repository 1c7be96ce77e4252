package io.longhorn.api.cluster;

import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FieldWriter;
import java.util.Collections;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * Who wants a volume attached where: one per volume, with the volume's name.
 *
 * @param tickets by their ids
 */
public record VolumeAttachment(String name, SortedMap<String, Ticket> tickets)
    implements ClusterObject {
  /** Most tickets a volume can have. */
  public static final int MAX_TICKETS = 64;

  /** Copies the map; a ticket's key is its id. */
  public VolumeAttachment {
    tickets = Collections.unmodifiableSortedMap(new TreeMap<>(tickets));
    if (tickets.size() > MAX_TICKETS) {
      throw new IllegalArgumentException("more than " + MAX_TICKETS + " tickets");
    }
    tickets.forEach((id, ticket) -> {
      if (!id.equals(ticket.id)) {
        throw new IllegalArgumentException("ticket " + ticket.id + " under the key " + id);
      }
    });
  }

  /**
   * One who wants it attached.
   *
   * @param id the ticket's, unique within the volume
   * @param type who asks, for example {@code longhorn-api} or {@code csi-attacher}: says how much
   *     it counts
   * @param nodeID where
   * @param nbd where its engine listens for clients; empty: a unix socket of its own
   * @param isFrontendDisabled whether it is to have no frontend there
   * @param createdMillis when it was made
   * @param satisfied whether it is attached there, with the reason
   */
  public record Ticket(
      String id,
      String type,
      String nodeID,
      String nbd,
      boolean isFrontendDisabled,
      long createdMillis,
      Condition satisfied) {
    /** Satisfied, or not. */
    public Ticket with(Condition now) {
      return now.saysSame(satisfied)
          ? this
          : new Ticket(id, type, nodeID, nbd, isFrontendDisabled, createdMillis, now);
    }

    FieldWriter write() {
      return new FieldWriter()
          .text(1, id)
          .text(2, type)
          .text(3, nodeID)
          .text(4, nbd)
          .number(5, createdMillis)
          .nested(6, satisfied.write())
          .bool(7, isFrontendDisabled);
    }

    static Ticket read(FieldReader in) {
      return new Ticket(
          in.text(1),
          in.text(2),
          in.text(3),
          in.text(4),
          in.bool(7),
          in.number(5),
          Condition.read(in.nested(6)));
    }
  }

  @Override
  public ObjectKind kind() {
    return ObjectKind.VOLUME_ATTACHMENT;
  }

  /** With a ticket added, or replaced. */
  public VolumeAttachment with(Ticket ticket) {
    TreeMap<String, Ticket> next = new TreeMap<>(tickets);
    next.put(ticket.id, ticket);
    return new VolumeAttachment(name, next);
  }

  /** Without a ticket. */
  public VolumeAttachment without(String id) {
    TreeMap<String, Ticket> next = new TreeMap<>(tickets);
    next.remove(id);
    return new VolumeAttachment(name, next);
  }

  @Override
  public FieldWriter write() {
    FieldWriter out = new FieldWriter().text(1, name);
    tickets.values().forEach(ticket -> out.nested(2, ticket.write()));
    return out;
  }

  static VolumeAttachment read(FieldReader in) {
    TreeMap<String, Ticket> tickets = new TreeMap<>();
    for (FieldReader nested : in.allNested(2)) {
      Ticket ticket = Ticket.read(nested);
      tickets.put(ticket.id, ticket);
    }
    return new VolumeAttachment(in.text(1), tickets);
  }
}
