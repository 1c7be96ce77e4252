package io.longhorn.engine.replication;

import io.longhorn.api.memory.Loan;
import io.longhorn.api.wire.FrameHeader;
import io.longhorn.api.wire.FrameType;
import org.jspecify.annotations.Nullable;

/**
 * A data frame about to be sent. One per core, filled anew for each frame; a link takes what it
 * needs before {@link MemberLink#send} returns.
 */
public final class FrameDraft {
  private FrameType type = FrameType.PING;
  private int flags;
  private int layer;
  private long sequence;
  private long offset;
  private int length;
  private @Nullable Loan data;
  private int dataAt;
  private final int[] crcs = new int[FrameHeader.MAX_CRCS];

  FrameDraft() {}

  FrameDraft of(FrameType newType, long newSequence, int newLayer) {
    type = newType;
    sequence = newSequence;
    layer = newLayer;
    flags = 0;
    offset = 0;
    length = 0;
    data = null;
    return this;
  }

  FrameDraft flags(int newFlags) {
    flags = newFlags;
    return this;
  }

  FrameDraft range(long newOffset, int newLength) {
    offset = newOffset;
    length = newLength;
    return this;
  }

  FrameDraft data(Loan loan, int at) {
    data = loan;
    dataAt = at;
    return this;
  }

  /** What the frame asks for. */
  public FrameType type() {
    return type;
  }

  /** Flags of the header. */
  public int flags() {
    return flags;
  }

  /** The layer, 0 for the visible volume or the head. */
  public int layer() {
    return layer;
  }

  /** Comes back with the answer. */
  public long sequence() {
    return sequence;
  }

  /** First byte of the range. */
  public long offset() {
    return offset;
  }

  /** Bytes of the range. */
  public int length() {
    return length;
  }

  /**
   * The data of a WRITE, {@link #length} bytes from {@link #dataAt}; borrowed: a link that sends
   * later retains it.
   */
  public @Nullable Loan data() {
    return data;
  }

  /** Where the data begins in its loan; a multiple of a block. */
  public int dataAt() {
    return dataAt;
  }

  /** One CRC32C per block of the data. */
  public int[] crcs() {
    return crcs;
  }
}
