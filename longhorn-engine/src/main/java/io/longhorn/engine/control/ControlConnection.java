package io.longhorn.engine.control;

import io.longhorn.api.IoError;
import io.longhorn.api.memory.Crc32c;
import io.longhorn.api.wire.EngineStatus;
import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FrameHeader;
import io.longhorn.api.wire.FrameType;
import io.longhorn.api.wire.WireFormatException;
import io.longhorn.engine.transport.Stream;
import io.longhorn.engine.transport.StreamHandler;
import io.longhorn.engine.transport.VolumeLoop;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One connection of somebody who watches or commands. Any bytes give a typed error or the end of
 * the connection. Loop thread.
 */
final class ControlConnection implements StreamHandler {
  private static final Logger LOG = LoggerFactory.getLogger(ControlConnection.class);

  /** Requests are short: a name, two numbers. */
  private static final int MAX_REQUEST_BYTES = 4096;

  /** Most requests without an answer; one more is answered BUSY. */
  private static final int MAX_UNANSWERED = 8;

  /** How long a peer may take to read the last answer. */
  private static final long DRAIN_MILLIS = 5_000;

  private static final int RECEIVE_BYTES = 2 * (FrameHeader.BYTES + MAX_REQUEST_BYTES);

  private final VolumeLoop loop;
  private final Stream stream;
  private final ControlServer server;
  private final Arena arena = Arena.ofShared();
  private final MemorySegment received = arena.allocate(RECEIVE_BYTES, 64);
  private final ByteBuffer receivedView = received.asByteBuffer();
  private final long receivedAddress = received.address();
  private final MemorySegment head =
      arena.allocate(FrameHeader.BYTES + FrameHeader.MAX_PAYLOAD_BYTES, 64);
  private final ByteBuffer headView = head.asByteBuffer();
  private final Crc32c crc = new Crc32c();
  private int begin;
  private int end;
  private int unanswered;
  private boolean isEnding;
  private boolean isClosed;

  ControlConnection(VolumeLoop loop, Stream stream, ControlServer server) {
    this.loop = loop;
    this.stream = stream;
    this.server = server;
  }

  void end(String reason) {
    stream.close(reason);
  }

  // ---- in -------------------------------------------------------------------------------------

  @Override
  public long receiveAddress() {
    return receivedAddress + end;
  }

  @Override
  public int receiveCapacity() {
    if (isEnding) {
      return 0;
    }
    if (begin > 0) {
      MemorySegment.copy(received, begin, received, 0, end - begin);
      end -= begin;
      begin = 0;
    }
    return RECEIVE_BYTES - end;
  }

  @Override
  public void received(int count) {
    end += count;
    while (!isClosed && !isEnding && end - begin >= FrameHeader.BYTES) {
      switch (FrameHeader.check(received, receivedView, begin, crc)) {
        case OK -> {}
        case BAD -> {
          stream.close("it sent bytes that are not a frame");
          return;
        }
        case UNKNOWN_VERSION -> {
          refuseAndEnd(IoError.UNKNOWN_VERSION, "this build speaks " + FrameHeader.VERSION);
          return;
        }
      }
      if (FrameHeader.crcCount(received, begin) != 0
          || FrameHeader.payloadLength(received, begin) > MAX_REQUEST_BYTES) {
        refuseAndEnd(
            IoError.PROTOCOL, "a request has at most " + MAX_REQUEST_BYTES + " bytes, no data");
        return;
      }
      int bytes = FrameHeader.frameBytes(received, begin);
      if (end - begin < bytes) {
        return;
      }
      int at = begin;
      frame(at);
      begin = at + bytes;
    }
  }

  private void frame(int at) {
    int length = FrameHeader.payloadLength(received, at);
    if ((FrameHeader.flags(received, at) & FrameHeader.FLAG_REPLY) != 0
        || crc.of(receivedView, at + FrameHeader.BYTES, length)
            != FrameHeader.controlCrc(received, at)) {
      refuseAndEnd(IoError.PROTOCOL, "a reply where a request is expected, or damaged fields");
      return;
    }
    Request request = new Request(at);
    if (unanswered > MAX_UNANSWERED) {
      ControlServer.refuse(request, IoError.BUSY, "wait for the answers to other requests");
      return;
    }
    byte[] payload = new byte[length];
    MemorySegment.copy(received, ValueLayout.JAVA_BYTE, at + FrameHeader.BYTES, payload, 0, length);
    try {
      serve(FrameType.ofCode(request.typeCode), new FieldReader(payload), request);
    } catch (WireFormatException e) {
      refuseAndEnd(IoError.PROTOCOL, String.valueOf(e.getMessage()));
    }
  }

  private void serve(@Nullable FrameType type, FieldReader in, Request request) {
    switch (type) {
      case PING -> request.answer(IoError.OK, new byte[0]);
      case ENGINE_STATUS -> server.status(EngineStatus.Query.read(in), request);
      case ENGINE_SNAPSHOT -> server.snapshot(in.text(1), request);
      case ENGINE_SNAPSHOTS -> server.snapshots(request);
      case ENGINE_CHECK -> server.check(request);
      case null, default ->
          ControlServer.refuse(request, IoError.UNSUPPORTED, "an engine does not answer that");
    }
  }

  private void refuseAndEnd(IoError error, String why) {
    Request request = new Request(begin);
    isEnding = true;
    ControlServer.refuse(request, error, why);
    loop.after(DRAIN_MILLIS, () -> stream.close(why + ", and it did not read that"));
    stream.closeWhenSent(why);
  }

  // ---- out ------------------------------------------------------------------------------------

  /** What is needed of a request to answer it later. */
  private final class Request implements ControlServer.Call {
    private final int typeCode;
    private final long sequence;
    private boolean isAnswered;

    Request(int at) {
      typeCode = FrameHeader.typeCode(received, at);
      sequence = FrameHeader.sequence(received, at);
      unanswered++;
    }

    @Override
    public boolean isWanted() {
      return !isClosed && !isAnswered;
    }

    @Override
    public void answer(IoError error, byte[] payload) {
      if (!isWanted()) {
        return;
      }
      isAnswered = true;
      unanswered--;
      FrameHeader.writeReply(head, 0, typeCode, 0, sequence, error.code());
      FrameHeader.payload(head, 0, 0, payload.length);
      MemorySegment.copy(
          payload, 0, head, ValueLayout.JAVA_BYTE, FrameHeader.BYTES, payload.length);
      FrameHeader.controlCrc(head, 0, crc.of(headView, FrameHeader.BYTES, payload.length));
      FrameHeader.seal(head, headView, 0, crc);
      if (!stream.copy(head, 0, FrameHeader.BYTES + payload.length)) {
        stream.closeLater("it does not read its answers");
      }
    }
  }

  @Override
  public void writable() {}

  @Override
  public void closed(String reason) {
    isClosed = true;
    LOG.debug("{}: {}", stream.peer(), reason);
    server.gone(this);
    // A caller further up may still look at the buffer.
    loop.execute(arena::close);
  }
}
