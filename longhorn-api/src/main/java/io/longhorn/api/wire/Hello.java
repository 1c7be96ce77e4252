package io.longhorn.api.wire;

import io.longhorn.api.Authority;
import io.longhorn.api.EngineId;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.VolumeId;
import java.util.UUID;

/**
 * The first frame of a connection to a replica. It has no effect there: a session of the owner
 * begins with {@link Promise}.
 *
 * @param protocolMin lowest frame version the sender speaks, 1 or more
 * @param protocolMax highest frame version the sender speaks, at most {@link #MAX_PROTOCOL}
 * @param role what the connection is for
 * @param authority who keeps the record, as the directory says; must be the directory's
 * @param volume must be the directory's, or {@link #ANY_VOLUME}
 * @param replica must be the directory's
 * @param engine the instance that connects
 * @param features bits of optional features the sender knows; none yet
 */
public record Hello(
    int protocolMin,
    int protocolMax,
    Role role,
    String authority,
    VolumeId volume,
    ReplicaId replica,
    EngineId engine,
    long features) {
  /** Highest frame version there can be: the header has one byte for it. */
  public static final int MAX_PROTOCOL = 0xFF;

  /** Checks the range of versions and the shape of the authority. */
  public Hello {
    if (protocolMin < 1 || protocolMin > protocolMax || protocolMax > MAX_PROTOCOL) {
      throw new IllegalArgumentException(
          "protocol versions " + protocolMin + " to " + protocolMax + " are no range");
    }
    Authority.requireValid(authority);
  }

  /** Stands for whichever volume the replica is of: for an engine that was told replicas only. */
  public static final VolumeId ANY_VOLUME = new VolumeId(new UUID(0, 0));

  /** What a connection is for. Numbers are for ever. */
  public enum Role {
    /** Wants to own the volume, or owns it. */
    OWNER(1),
    /** A second instance, for an upgrade or migration; reads nothing, writes nothing. */
    STANDBY(2),
    /** Another engine of the same volume. */
    PEER_ENGINE(3),
    /** Looks: HELLO, STATUS and LAYERS only. */
    OBSERVER(4);

    private final int code;

    Role(int code) {
      this.code = code;
    }

    static Role ofCode(long code) {
      for (Role role : values()) {
        if (role.code == code) {
          return role;
        }
      }
      throw new WireFormatException("HELLO: unknown role " + code);
    }
  }

  /** Encodes. */
  public FieldWriter write() {
    return new FieldWriter()
        .number(1, protocolMin)
        .number(2, protocolMax)
        .number(3, role.code)
        .text(4, authority)
        .uuid(5, volume.uuid())
        .uuid(6, replica.uuid())
        .uuid(7, engine.uuid())
        .number(8, features);
  }

  /** Decodes; throws {@link WireFormatException}. */
  public static Hello read(FieldReader in) {
    try {
      return new Hello(
          in.intNumber(1),
          in.intNumber(2),
          Role.ofCode(in.number(3)),
          in.text(4),
          new VolumeId(in.uuid(5)),
          new ReplicaId(in.uuid(6)),
          new EngineId(in.uuid(7)),
          in.number(8, 0));
    } catch (IllegalArgumentException e) {
      throw new WireFormatException("HELLO: " + e.getMessage(), e);
    }
  }
}
