package io.longhorn.orchestration.call;

import io.longhorn.api.memory.Crc32c;
import io.longhorn.api.wire.FrameHeader;
import io.longhorn.api.wire.FrameType;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/** The other end of a connection, that sends whatever bytes a test wants. */
final class RawPeer implements AutoCloseable {
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  private final SocketChannel channel;

  RawPeer(CallAddress address) throws IOException {
    channel = SocketChannel.open(address.socketAddress());
  }

  /** A sealed frame of any type, also of one that there is not. */
  static byte[] frame(int typeCode, int flags, long sequence, byte[] payload) {
    byte[] bytes = new byte[FrameHeader.BYTES + payload.length];
    System.arraycopy(payload, 0, bytes, FrameHeader.BYTES, payload.length);
    MemorySegment memory = MemorySegment.ofArray(bytes);
    FrameHeader.write(memory, 0, FrameType.PING, flags, 0, sequence);
    bytes[3] = (byte) typeCode;
    FrameHeader.payload(memory, 0, 0, payload.length);
    FrameHeader.controlCrc(memory, 0, new Crc32c().of(ByteBuffer.wrap(payload), 0, payload.length));
    return sealed(bytes);
  }

  /** The same bytes with the header's CRC as it has to be. */
  static byte[] sealed(byte[] bytes) {
    FrameHeader.seal(MemorySegment.ofArray(bytes), ByteBuffer.wrap(bytes), 0, new Crc32c());
    return bytes;
  }

  RawPeer send(byte[] bytes) throws IOException {
    ByteBuffer from = ByteBuffer.wrap(bytes);
    while (from.hasRemaining()) {
      channel.write(from);
    }
    return this;
  }

  /** Everything that is answered until the other side closes; fails if it does not. */
  List<CallFrame> answersUntilTheEnd() throws IOException {
    Deadline deadline = new Deadline(channel, PATIENCE);
    List<CallFrame> answers = new ArrayList<>();
    try {
      while (true) {
        answers.add(CallFrame.read(channel));
      }
    } catch (IOException _) {
      if (!deadline.finish()) {
        throw new AssertionError("the connection was not closed; answers: " + answers);
      }
      return answers;
    }
  }

  CallFrame answer() throws IOException {
    Deadline deadline = new Deadline(channel, PATIENCE);
    CallFrame answer = CallFrame.read(channel);
    deadline.finish();
    return answer;
  }

  /** Says that nothing more will come. */
  RawPeer endOfOutput() throws IOException {
    channel.shutdownOutput();
    return this;
  }

  @Override
  public void close() throws IOException {
    channel.close();
  }
}
