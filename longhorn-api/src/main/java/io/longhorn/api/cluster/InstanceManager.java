package io.longhorn.api.cluster;

import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FieldWriter;
import io.longhorn.api.wire.WireFormatException;

/**
 * The process that starts and watches engines and replicas on one node.
 *
 * @param nodeID its node
 * @param type what it may start
 * @param image what it is started from
 * @param address where it listens for calls; empty: where its name says
 * @param state as the control plane last saw it
 * @param pid of the process, 0 if there is none
 * @param sinceMillis when it came into this state
 */
public record InstanceManager(
    String name,
    String nodeID,
    Type type,
    String image,
    String address,
    State state,
    long pid,
    long sinceMillis)
    implements ClusterObject {
  /** What one may start. Numbers are for ever. */
  public enum Type {
    /** Engines and replicas. */
    ALL_IN_ONE(1, "all-in-one"),
    /** Engines only. */
    ENGINE(2, "engine"),
    /** Replicas only. */
    REPLICA(3, "replica");

    private final int code;
    private final String text;

    Type(int code, String text) {
      this.code = code;
      this.text = text;
    }

    private static Type ofCode(long code) {
      for (Type type : values()) {
        if (type.code == code) {
          return type;
        }
      }
      throw new WireFormatException("instance manager of unknown type " + code);
    }

    /** Whether it starts engines. */
    public boolean hasEngines() {
      return this != REPLICA;
    }

    /** Whether it starts replicas. */
    public boolean hasReplicas() {
      return this != ENGINE;
    }

    /** As Longhorn spells it. */
    public String text() {
      return text;
    }
  }

  /** Its states (section 6.1 of Longhorn's control plane). Numbers are for ever. */
  public enum State {
    /** Not started yet. */
    STOPPED(1),
    /** Started, and does not answer yet. */
    STARTING(2),
    /** It answers. */
    RUNNING(3),
    /** Its process is gone: so is everything it had started. */
    ERROR(4),
    /** It cannot be reached; what it had started may live. */
    UNKNOWN(5);

    private final int code;

    State(int code) {
      this.code = code;
    }

    private static State ofCode(long code) {
      for (State state : values()) {
        if (state.code == code) {
          return state;
        }
      }
      throw new WireFormatException("instance manager in unknown state " + code);
    }

    /** As Longhorn spells it. */
    public String text() {
      return switch (this) {
        case STOPPED -> "stopped";
        case STARTING -> "starting";
        case RUNNING -> "running";
        case ERROR -> "error";
        case UNKNOWN -> "unknown";
      };
    }
  }

  @Override
  public ObjectKind kind() {
    return ObjectKind.INSTANCE_MANAGER;
  }

  /** In another state. */
  public InstanceManager with(State next, long nextPid, long nowMillis) {
    long since = next == state ? sinceMillis : nowMillis;
    return new InstanceManager(name, nodeID, type, image, address, next, nextPid, since);
  }

  @Override
  public FieldWriter write() {
    return new FieldWriter()
        .text(1, name)
        .text(2, nodeID)
        .text(3, image)
        .text(4, address)
        .number(5, state.code)
        .number(6, pid)
        .number(7, sinceMillis)
        .number(8, type.code);
  }

  static InstanceManager read(FieldReader in) {
    return new InstanceManager(
        in.text(1),
        in.text(2),
        Type.ofCode(in.number(8, Type.ALL_IN_ONE.code)),
        in.text(3),
        in.text(4),
        State.ofCode(in.number(5)),
        in.number(6),
        in.number(7));
  }
}
