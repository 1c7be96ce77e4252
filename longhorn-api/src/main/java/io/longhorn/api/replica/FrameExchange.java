package io.longhorn.api.replica;

import io.longhorn.api.wire.FrameHeader;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/**
 * One frame and, later, its reply, handed over inside one JVM. The engine fills it and owns it
 * again when it is answered; in between it and the bytes of its payload belong to the replica.
 * Reused; allocates nothing per request.
 */
public final class FrameExchange {
  private static final int HEAD_BYTES = FrameHeader.BYTES + 4 * FrameHeader.MAX_CRCS;
  private static final byte[] NO_BYTES = {};

  private final MemorySegment head;
  private final ByteBuffer headView;
  private @Nullable MemorySegment payload;
  private @Nullable ByteBuffer payloadView;
  private long payloadAt;
  private byte[] control = NO_BYTES;
  private @Nullable Object attachment;

  /** An exchange whose head lives as long as {@code arena}. */
  public FrameExchange(Arena arena) {
    head = arena.allocate(HEAD_BYTES, 64);
    headView = head.asByteBuffer();
  }

  /** Header and CRCs at index 0; the reply overwrites both. The header need not be sealed. */
  public MemorySegment head() {
    return head;
  }

  /** {@link #head} as a buffer. */
  public ByteBuffer headView() {
    return headView;
  }

  /**
   * The data of a WRITE, or where the data of a READ or BLOCK_HASHES goes: {@code memory} from
   * {@code at} on, as long as the header says.
   *
   * @param memory native memory
   * @param view the same memory as a direct buffer
   * @param at where the payload begins in both
   */
  public void payload(MemorySegment memory, ByteBuffer view, long at) {
    payload = memory;
    payloadView = view;
    payloadAt = at;
    control = NO_BYTES;
  }

  /** No payload of either kind; drops the references. */
  public void noPayload() {
    payload = null;
    payloadView = null;
    control = NO_BYTES;
  }

  /** The memory of the payload; only when there is one. */
  public MemorySegment payload() {
    MemorySegment memory = payload;
    if (memory == null) {
      throw new IllegalStateException("exchange without a payload");
    }
    return memory;
  }

  /** The memory of the payload as a buffer; only when there is one. */
  public ByteBuffer payloadView() {
    ByteBuffer view = payloadView;
    if (view == null) {
      throw new IllegalStateException("exchange without a payload");
    }
    return view;
  }

  /** Whether there is a data payload. */
  public boolean hasPayload() {
    return payload != null;
  }

  /** Where the payload begins in its memory. */
  public long payloadAt() {
    return payloadAt;
  }

  /**
   * The control payload of the request, or of the reply once answered; empty if none. Not copied.
   */
  public byte[] control() {
    return control;
  }

  /** The engine's own: what the exchange belongs to. */
  public @Nullable Object attachment() {
    return attachment;
  }

  /** Sets the engine's own object. */
  public void attachment(@Nullable Object object) {
    attachment = object;
  }

  /** Sets the control payload. Not copied. */
  public void control(byte[] bytes) {
    control = bytes;
  }
}
