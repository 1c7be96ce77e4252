package io.longhorn.engine.control;

import io.longhorn.api.IoError;
import io.longhorn.api.memory.Crc32c;
import io.longhorn.api.wire.EngineStatus;
import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FrameHeader;
import io.longhorn.api.wire.FrameType;
import java.io.EOFException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;

/** A blocking client of the control socket. */
final class ControlClient implements AutoCloseable {
  /** A reply. */
  record Reply(int typeCode, long sequence, IoError status, byte[] payload) {
    String words() {
      return new FieldReader(payload).text(1);
    }
  }

  private final SocketChannel channel;
  private final Arena arena = Arena.ofShared();
  private final MemorySegment memory = arena.allocate(FrameHeader.MAX_FRAME_BYTES, 64);
  private final ByteBuffer buffer = memory.asByteBuffer();
  private final Crc32c crc = new Crc32c();
  private long sequence;

  ControlClient(Path socket) throws IOException {
    channel = SocketChannel.open(UnixDomainSocketAddress.of(socket));
  }

  /** The bytes of a request, with the next sequence. */
  byte[] request(int typeCode, byte[] payload) {
    FrameHeader.writeReply(memory, 0, typeCode, 0, ++sequence, 0);
    memory.set(ValueLayout.JAVA_SHORT_UNALIGNED, 4, (short) 0);
    FrameHeader.payload(memory, 0, 0, payload.length);
    MemorySegment.copy(
        payload, 0, memory, ValueLayout.JAVA_BYTE, FrameHeader.BYTES, payload.length);
    FrameHeader.controlCrc(memory, 0, crc.of(buffer, FrameHeader.BYTES, payload.length));
    FrameHeader.seal(memory, buffer, 0, crc);
    return bytes(0, FrameHeader.BYTES + payload.length);
  }

  private byte[] bytes(int at, int length) {
    return memory.asSlice(at, length).toArray(ValueLayout.JAVA_BYTE);
  }

  void send(byte[] bytes) throws IOException {
    ByteBuffer out = ByteBuffer.wrap(bytes);
    while (out.hasRemaining()) {
      channel.write(out);
    }
  }

  Reply receive() throws IOException {
    fill(0, FrameHeader.BYTES);
    if (FrameHeader.check(memory, buffer, 0, crc) != FrameHeader.Check.OK) {
      throw new IOException("not a frame");
    }
    int length = FrameHeader.payloadLength(memory, 0);
    fill(FrameHeader.BYTES, length);
    byte[] payload = bytes(FrameHeader.BYTES, length);
    return new Reply(
        FrameHeader.typeCode(memory, 0),
        FrameHeader.sequence(memory, 0),
        IoError.ofCode(FrameHeader.status(memory, 0)),
        payload);
  }

  private void fill(int at, int length) throws IOException {
    ByteBuffer in = memory.asByteBuffer().position(at).limit(at + length);
    while (in.hasRemaining()) {
      if (channel.read(in) < 0) {
        throw new EOFException("the engine closed the connection");
      }
    }
  }

  Reply call(FrameType type, byte[] payload) throws IOException {
    send(request(type.code(), payload));
    return receive();
  }

  EngineStatus status(long seenRevision, int waitMillis) throws IOException {
    Reply reply =
        call(
            FrameType.ENGINE_STATUS,
            new EngineStatus.Query(seenRevision, waitMillis).write().toBytes());
    return EngineStatus.read(new FieldReader(reply.payload));
  }

  /** Reads until the engine closes the connection. */
  void drain() {
    ByteBuffer in = ByteBuffer.allocate(4096);
    try {
      while (channel.read(in.clear()) >= 0) {
        // what it says is not asked for
      }
    } catch (IOException _) {
      // closed with bytes of ours unread: the same
    }
  }

  void endOfRequests() throws IOException {
    channel.shutdownOutput();
  }

  @Override
  public void close() throws IOException {
    channel.close();
    arena.close();
  }
}
