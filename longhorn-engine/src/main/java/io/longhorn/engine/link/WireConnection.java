package io.longhorn.engine.link;

import io.longhorn.api.IoError;
import io.longhorn.api.memory.Crc32c;
import io.longhorn.api.memory.Loan;
import io.longhorn.api.wire.FrameHeader;
import io.longhorn.api.wire.FrameType;
import io.longhorn.engine.replication.FrameDraft;
import io.longhorn.engine.transport.Stream;
import io.longhorn.engine.transport.StreamHandler;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;

/**
 * A connection over a socket. Parses every complete frame that is there, checks header and data
 * CRCs, copies data into its target. Anything that is not the protocol ends the connection.
 */
public final class WireConnection implements ReplicaConnection, StreamHandler {
  private static final int RECEIVE_BYTES = 512 << 10;
  private static final int HEAD_BYTES = FrameHeader.BYTES + 4 * FrameHeader.MAX_CRCS;

  private final Stream stream;
  private final LinkListener listener;
  private final boolean isLocal;
  private final Arena arena = Arena.ofShared();
  private final MemorySegment received = arena.allocate(RECEIVE_BYTES, 4096);
  private final ByteBuffer receivedView = received.asByteBuffer();
  private final long receivedAddress = received.address();
  private final MemorySegment head = arena.allocate(HEAD_BYTES + FrameHeader.MAX_PAYLOAD_BYTES, 64);
  private final ByteBuffer headView = head.asByteBuffer();
  private final ControlCalls calls = new ControlCalls();
  private final Crc32c crc = new Crc32c();
  private long generation;
  private int begin;
  private int end;
  private boolean isClosed;

  /**
   * Speaks over {@code stream}; the maker of its {@link StreamHandler}.
   *
   * @param isLocal whether the replica is on this host
   */
  public WireConnection(Stream stream, LinkListener listener, boolean isLocal) {
    this.stream = stream;
    this.listener = listener;
    this.isLocal = isLocal;
  }

  // ---- out ------------------------------------------------------------------------------------

  @Override
  public void send(FrameDraft frame) {
    FrameHeader.write(head, 0, frame.type(), frame.flags(), generation, frame.sequence());
    FrameHeader.range(head, 0, frame.offset(), frame.length());
    FrameHeader.layer(head, 0, frame.layer());
    Loan data = frame.data();
    int crcs = 0;
    if (data != null) {
      crcs = frame.length() / Crc32c.BLOCK_BYTES;
      int[] values = frame.crcs();
      for (int i = 0; i < crcs; i++) {
        FrameHeader.blockCrc(head, 0, i, values[i]);
      }
      FrameHeader.payload(head, 0, crcs, frame.length());
    }
    FrameHeader.seal(head, headView, 0, crc);
    if (!stream.copy(head, 0, FrameHeader.BYTES + 4 * crcs)) {
      stream.closeLater("its send queue is full");
      return;
    }
    if (data != null) {
      stream.append(data, frame.dataAt(), frame.length());
    }
  }

  @Override
  public void control(ControlFrame frame, ControlReply reply) {
    if (isClosed) {
      reply.answered(IoError.DISCONNECTED, frame.payload());
      return;
    }
    byte[] payload = frame.payload();
    FrameHeader.write(head, 0, frame.type(), 0, generation, calls.add(reply));
    FrameHeader.range(head, 0, frame.offset(), frame.length());
    FrameHeader.operation(head, 0, frame.operation());
    FrameHeader.payload(head, 0, 0, payload.length);
    MemorySegment.copy(payload, 0, head, ValueLayout.JAVA_BYTE, FrameHeader.BYTES, payload.length);
    FrameHeader.controlCrc(head, 0, crc.of(headView, FrameHeader.BYTES, payload.length));
    FrameHeader.seal(head, headView, 0, crc);
    if (!stream.copy(head, 0, FrameHeader.BYTES + payload.length)) {
      stream.closeLater("its send queue is full");
    }
  }

  @Override
  public void generation(long promised) {
    generation = promised;
  }

  @Override
  public boolean isLocal() {
    return isLocal;
  }

  @Override
  public void close(String reason) {
    stream.close(reason);
  }

  // ---- in -------------------------------------------------------------------------------------

  @Override
  public long receiveAddress() {
    return receivedAddress + end;
  }

  @Override
  public int receiveCapacity() {
    if (RECEIVE_BYTES - end < FrameHeader.MAX_FRAME_BYTES) {
      MemorySegment.copy(received, begin, received, 0, end - begin);
      end -= begin;
      begin = 0;
    }
    return RECEIVE_BYTES - end;
  }

  @Override
  public void received(int count) {
    end += count;
    while (!isClosed && end - begin >= FrameHeader.BYTES) {
      switch (FrameHeader.check(received, receivedView, begin, crc)) {
        case OK -> {}
        case BAD -> {
          stream.close("it sent bytes that are not a frame");
          return;
        }
        case UNKNOWN_VERSION -> {
          stream.close(
              "it speaks frame version "
                  + FrameHeader.version(received, begin)
                  + "; this build speaks "
                  + FrameHeader.VERSION);
          return;
        }
      }
      int bytes = FrameHeader.frameBytes(received, begin);
      if (end - begin < bytes) {
        break;
      }
      int at = begin;
      begin += bytes;
      frame(at);
    }
    if (begin == end) {
      begin = 0;
      end = 0;
    }
  }

  private void frame(int at) {
    if ((FrameHeader.flags(received, at) & FrameHeader.FLAG_REPLY) == 0) {
      stream.close("a replica sent a frame that is not a reply");
      return;
    }
    long sequence = FrameHeader.sequence(received, at);
    IoError status = IoError.ofCode(FrameHeader.status(received, at));
    if (ControlCalls.isControl(sequence)) {
      controlAnswered(at, sequence, status);
    } else if (status != IoError.OK) {
      listener.answered(sequence, status, 0);
    } else {
      dataAnswered(at, sequence);
    }
  }

  private void controlAnswered(int at, long sequence, IoError status) {
    int length = FrameHeader.payloadLength(received, at);
    int payloadAt = at + FrameHeader.BYTES + 4 * FrameHeader.crcCount(received, at);
    ControlReply reply = calls.remove(sequence);
    if (reply == null
        || crc.of(receivedView, payloadAt, length) != FrameHeader.controlCrc(received, at)) {
      stream.close("a control answer that nobody asked for, or damaged");
      return;
    }
    byte[] payload = new byte[length];
    MemorySegment.copy(received, ValueLayout.JAVA_BYTE, payloadAt, payload, 0, length);
    reply.answered(status, payload);
  }

  private void dataAnswered(int at, long sequence) {
    int length = FrameHeader.payloadLength(received, at);
    if (length == 0) {
      listener.answered(sequence, IoError.OK, 0);
      return;
    }
    Loan target = listener.target(sequence);
    if (target == null) {
      // Its request was answered otherwise in the meantime.
      listener.answered(sequence, IoError.OK, 0);
      return;
    }
    int expected = listener.expectedBytes(sequence);
    if (length > target.capacity() || (expected >= 0 && length != expected)) {
      stream.close("an answer with " + length + " bytes of data instead of " + expected);
      return;
    }
    int crcs = FrameHeader.crcCount(received, at);
    int payloadAt = at + FrameHeader.BYTES + 4 * crcs;
    IoError status = IoError.OK;
    if (FrameHeader.typeCode(received, at) == FrameType.READ.code()) {
      status =
          crcs * Crc32c.BLOCK_BYTES == length && isIntact(at, payloadAt, crcs)
              ? IoError.OK
              : IoError.CHECKSUM;
    } else if (crc.of(receivedView, payloadAt, length) != FrameHeader.controlCrc(received, at)) {
      stream.close("a damaged answer");
      return;
    }
    MemorySegment.copy(received, payloadAt, target.segment(), 0, length);
    listener.answered(sequence, status, length);
  }

  private boolean isIntact(int at, int payloadAt, int crcs) {
    for (int i = 0; i < crcs; i++) {
      if (crc.of(receivedView, payloadAt + i * Crc32c.BLOCK_BYTES, Crc32c.BLOCK_BYTES)
          != FrameHeader.blockCrc(received, at, i)) {
        return false;
      }
    }
    return true;
  }

  @Override
  public void writable() {}

  @Override
  public void closed(String reason) {
    isClosed = true;
    calls.failAll();
    listener.closed(reason);
    // The stream is done with this memory: its copies are its own.
    arena.close();
  }

  /** For messages. */
  @Override
  public String toString() {
    return stream.peer();
  }
}
