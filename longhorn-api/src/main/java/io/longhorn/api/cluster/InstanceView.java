package io.longhorn.api.cluster;

import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FieldWriter;
import io.longhorn.api.wire.WireFormatException;

/**
 * What is known of the process of an engine or a replica.
 *
 * @param currentState as derived from its instance manager
 * @param isStarted seen running since it was last wanted so: not running any more, it has crashed
 * @param instanceManagerName where its process is, empty if there is none
 * @param uuid of this start of the process, empty if there is none
 * @param pid of the process, 0 if there is none
 * @param message why it is in error, empty otherwise
 */
public record InstanceView(
    State currentState,
    boolean isStarted,
    String instanceManagerName,
    String uuid,
    long pid,
    String message) {
  /** No process. */
  public static final InstanceView NONE = new InstanceView(State.STOPPED, false, "", "", 0, "");

  FieldWriter write() {
    return new FieldWriter()
        .number(1, currentState.code())
        .bool(2, isStarted)
        .text(3, instanceManagerName)
        .text(4, uuid)
        .number(5, pid)
        .text(6, message);
  }

  static InstanceView read(FieldReader in) {
    return new InstanceView(
        State.ofCode(in.number(1)), in.bool(2), in.text(3), in.text(4), in.number(5), in.text(6));
  }

  /** Whether the process is there, or may be. */
  public boolean mayRun() {
    return switch (currentState) {
      case STARTING, RUNNING, STOPPING, UNKNOWN -> true;
      case STOPPED, ERROR -> false;
    };
  }

  /**
   * What an engine or a replica is doing, as derived from its instance manager (sections 6.2 and
   * 6.4 of Longhorn's control plane). Numbers are for ever.
   */
  public enum State {
    /** No process. */
    STOPPED(1),
    /** A process that does not serve yet. */
    STARTING(2),
    /** It serves. */
    RUNNING(3),
    /** Asked to stop, not gone yet. */
    STOPPING(4),
    /** It is not running although it was started: it has crashed, or could not start. */
    ERROR(5),
    /** Nobody can say: its instance manager cannot be reached. */
    UNKNOWN(6);

    private final int code;

    State(int code) {
      this.code = code;
    }

    /** The stable number. */
    public int code() {
      return code;
    }

    /** The state of a number; throws {@link WireFormatException}. */
    public static State ofCode(long code) {
      for (State state : values()) {
        if (state.code == code) {
          return state;
        }
      }
      throw new WireFormatException("unknown instance state " + code);
    }

    /** As Longhorn spells it. */
    public String text() {
      return switch (this) {
        case STOPPED -> "stopped";
        case STARTING -> "starting";
        case RUNNING -> "running";
        case STOPPING -> "stopping";
        case ERROR -> "error";
        case UNKNOWN -> "unknown";
      };
    }
  }
}
