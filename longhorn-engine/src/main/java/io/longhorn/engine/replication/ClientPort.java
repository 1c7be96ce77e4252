package io.longhorn.engine.replication;

import io.longhorn.api.memory.Crc32c;
import io.longhorn.api.memory.Loan;
import io.longhorn.api.wire.FrameHeader;
import io.longhorn.engine.request.Chunks;
import io.longhorn.engine.request.IoKind;
import io.longhorn.engine.request.IoRequest;
import io.longhorn.engine.request.VolumePort;
import org.jspecify.annotations.Nullable;

/** One client's credits and its way into the core. */
final class ClientPort implements VolumePort {
  /** Requests one client may have taken. */
  static final int MAX_REQUESTS = 160;

  /** Of these, how many may have a loan of more than one block. */
  static final int MAX_LARGE = 32;

  private final ReplicationCore core;
  private int taken;
  private int large;
  private boolean isOpen = true;

  ClientPort(ReplicationCore core) {
    this.core = core;
  }

  @Override
  public long sizeBytes() {
    return core.sizeBytes();
  }

  @Override
  public @Nullable IoRequest take(IoKind kind, long offset, int length) {
    check(kind, offset, length);
    int dataBytes = dataBytes(kind, offset, length);
    boolean isLarge = dataBytes > Crc32c.BLOCK_BYTES;
    if (!isOpen || taken >= MAX_REQUESTS || (isLarge && large >= MAX_LARGE)) {
      return null;
    }
    Loan loan = dataBytes > 0 ? core.takeLoan(dataBytes) : null;
    ClientRequest request = core.takeClientRequest();
    request.begin(this, kind, offset, length, loan);
    taken++;
    if (isLarge) {
      large++;
    }
    return request;
  }

  @Override
  public void submit(IoRequest request) {
    core.submit((ClientRequest) request);
  }

  @Override
  public void release(IoRequest request) {
    taken--;
    if (dataBytes(request.kind(), request.offset(), request.length()) > Crc32c.BLOCK_BYTES) {
      large--;
    }
    ((ClientRequest) request).released(core);
  }

  @Override
  public int taken() {
    return taken;
  }

  @Override
  public void close() {
    isOpen = false;
  }

  private static int dataBytes(IoKind kind, long offset, int length) {
    return switch (kind) {
      case READ, WRITE -> (int) (Chunks.blockUp(offset + length) - Chunks.blockDown(offset));
      case MAP -> FrameHeader.MAX_PAYLOAD_BYTES;
      case ZERO, TRIM, FLUSH -> 0;
    };
  }

  private void check(IoKind kind, long offset, int length) {
    if (kind == IoKind.FLUSH) {
      return;
    }
    boolean isData = kind == IoKind.READ || kind == IoKind.WRITE;
    int unit = isData ? IoRequest.CHUNK_BYTES : IoRequest.SPAN_BYTES;
    boolean isAligned = isData || ((offset | length) & (Crc32c.BLOCK_BYTES - 1)) == 0;
    if (offset < 0
        || length <= 0
        || offset > core.sizeBytes() - length
        || offset / unit != (offset + length - 1) / unit
        || !isAligned) {
      throw new IllegalArgumentException(
          kind
              + " of "
              + length
              + " bytes at "
              + offset
              + " does not fit a volume of "
              + core.sizeBytes()
              + " bytes in units of "
              + unit);
    }
  }
}
