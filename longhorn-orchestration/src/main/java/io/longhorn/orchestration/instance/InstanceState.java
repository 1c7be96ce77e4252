package io.longhorn.orchestration.instance;

import io.longhorn.api.wire.WireFormatException;
import java.util.Locale;

/** Where a process is in its life; the names are Longhorn's. Numbers are for ever. */
public enum InstanceState {
  /** Asked for, or started and not ready yet. */
  STARTING(1),
  /** Has said where it serves. */
  RUNNING(2),
  /** Was told to end. */
  STOPPING(3),
  /** Has ended with exit code 0. */
  STOPPED(4),
  /** Could not be started, or has ended with another exit code. */
  ERROR(5);

  private final int code;

  InstanceState(int code) {
    this.code = code;
  }

  /** The number on the wire. */
  public int code() {
    return code;
  }

  /** Whether there is no process any more. */
  public boolean isOver() {
    return this == STOPPED || this == ERROR;
  }

  /** The state of a number; throws {@link WireFormatException}. */
  public static InstanceState ofCode(int code) {
    for (InstanceState state : values()) {
      if (state.code == code) {
        return state;
      }
    }
    throw new WireFormatException("instance: unknown state " + code);
  }

  /** As people read it: {@code starting}, {@code running}, ... */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
