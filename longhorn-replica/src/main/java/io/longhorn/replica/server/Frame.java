package io.longhorn.replica.server;

import io.longhorn.api.IoError;
import io.longhorn.api.memory.Loan;
import io.longhorn.api.replica.FrameExchange;
import io.longhorn.api.wire.FrameHeader;
import io.longhorn.api.wire.FrameType;
import io.longhorn.replica.store.BlockRequest;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * One frame being served: its header as decoded, where its parts are, and where its answer goes.
 * Reused by the link that made it. One thread.
 */
final class Frame extends BlockRequest {
  /** Told when the store is done with a frame. */
  interface Handler {
    /** Owner's thread, possibly before the call into the store returned. */
    void completed(Frame frame, IoError error);
  }

  private final Handler handler;
  private final boolean isKept;

  // The request: header and CRCs, and payload. The link's memory.
  MemorySegment head = MemorySegment.NULL;
  long headAt;
  MemorySegment body = MemorySegment.NULL;
  long bodyAt;

  // The answer: CRCs behind room for a header, and payload. Set by SessionPort.place.
  MemorySegment replyHead = MemorySegment.NULL;
  long replyHeadAt;
  MemorySegment replyBody = MemorySegment.NULL;
  long replyBodyAt;

  // Whether the FLUSH of FUA has begun.
  boolean isFlushing;

  // What the body is lent from, for a frame that is kept.
  @Nullable Loan loan;

  // What it came in, for a frame that was handed over inside this JVM.
  @Nullable FrameExchange exchange;

  private int typeCode;
  private @Nullable FrameType type;
  private int flags;
  private long generation;
  private long sequence;
  private long offset;
  private int length;
  private int layer;
  private long operation;
  private int crcCount;
  private int payloadBytes;

  /**
   * A frame without contents.
   *
   * @param isKept whether its memory is its own until it is answered; otherwise it is only lent
   *     until the next frame is served
   */
  Frame(Handler handler, boolean isKept) {
    this.handler = handler;
    this.isKept = isKept;
  }

  /** Reads the header at {@link #headAt}, which was checked. */
  void decode() {
    typeCode = FrameHeader.typeCode(head, headAt);
    type = FrameType.ofCode(typeCode);
    flags = FrameHeader.flags(head, headAt);
    generation = FrameHeader.generation(head, headAt);
    sequence = FrameHeader.sequence(head, headAt);
    offset = FrameHeader.offset(head, headAt);
    length = FrameHeader.length(head, headAt);
    layer = FrameHeader.layer(head, headAt);
    operation = FrameHeader.operation(head, headAt);
    crcCount = FrameHeader.crcCount(head, headAt);
    payloadBytes = FrameHeader.payloadLength(head, headAt);
    isFlushing = false;
  }

  /** Hands the range of the header to the store. */
  void applyRange() {
    range(layer, offset, length);
  }

  boolean isKept() {
    return isKept;
  }

  int typeCode() {
    return typeCode;
  }

  /** What it asks for; null for a type that this build does not know. */
  @Nullable FrameType type() {
    return type;
  }

  boolean has(int flag) {
    return (flags & flag) != 0;
  }

  long generation() {
    return generation;
  }

  long sequence() {
    return sequence;
  }

  long offset() {
    return offset;
  }

  /** Length of the range; negative where the sender's number is above 2^31. */
  int length() {
    return length;
  }

  long operation() {
    return operation;
  }

  int crcCount() {
    return crcCount;
  }

  int payloadBytes() {
    return payloadBytes;
  }

  /** Bytes of the header and the CRCs. */
  int headBytes() {
    return FrameHeader.BYTES + 4 * crcCount;
  }

  @Override
  public void completed(IoError error) {
    handler.completed(this, error);
  }
}
