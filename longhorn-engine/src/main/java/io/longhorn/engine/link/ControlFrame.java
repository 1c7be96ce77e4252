package io.longhorn.engine.link;

import io.longhorn.api.wire.FrameType;

/**
 * A control frame to send. Off the data path, so an object; immutable but for its bytes, which
 * nobody writes.
 */
public final class ControlFrame {
  private static final byte[] NOTHING = {};

  private final FrameType type;
  private final long offset;
  private final int length;
  private final long operation;
  private final byte[] payload;

  private ControlFrame(FrameType type, long offset, int length, long operation, byte[] payload) {
    this.type = type;
    this.offset = offset;
    this.length = length;
    this.operation = operation;
    this.payload = payload;
  }

  /** A frame with a payload of fields. */
  public static ControlFrame of(FrameType type, byte[] payload) {
    return new ControlFrame(type, 0, 0, 0, payload);
  }

  /** A frame without a payload. */
  public static ControlFrame of(FrameType type) {
    return of(type, NOTHING);
  }

  /** A metadata operation with its number. */
  public static ControlFrame ofOperation(FrameType type, long operation, byte[] payload) {
    return new ControlFrame(type, 0, 0, operation, payload);
  }

  /** A frame about regions of the write-intent bitmap, with bits or without. */
  public static ControlFrame ofRegions(FrameType type, long firstRegion, int regions, byte[] bits) {
    return new ControlFrame(type, firstRegion, regions, 0, bits);
  }

  /** What it asks for. */
  public FrameType type() {
    return type;
  }

  long offset() {
    return offset;
  }

  int length() {
    return length;
  }

  long operation() {
    return operation;
  }

  byte[] payload() {
    return payload;
  }
}
