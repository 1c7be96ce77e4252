package io.longhorn.orchestration.call;

import io.longhorn.api.IoError;
import io.longhorn.api.memory.Crc32c;
import io.longhorn.api.wire.FrameHeader;
import io.longhorn.api.wire.FrameType;
import io.longhorn.api.wire.WireFormatException;
import java.io.EOFException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.ByteChannel;

/**
 * One control frame: a header and a payload of fields, no CRCs of data.
 *
 * @param typeCode the type's number, maybe of one that this build does not know
 * @param isReply whether it answers
 * @param status of a reply: an {@link IoError} number
 * @param sequence the asker's
 * @param payload at most {@link FrameHeader#MAX_PAYLOAD_BYTES}; not copied
 */
record CallFrame(int typeCode, boolean isReply, int status, long sequence, byte[] payload) {
  static final byte[] NO_BYTES = {};

  /** A frame of a version that this build does not speak, with what it has to be answered with. */
  static final class UnknownVersionException extends IOException {
    private static final long serialVersionUID = 1;

    private final int typeCode;
    private final long sequence;

    UnknownVersionException(int version, int typeCode, long sequence) {
      super("the peer speaks version " + version + ", this build " + FrameHeader.VERSION);
      this.typeCode = typeCode;
      this.sequence = sequence;
    }

    int typeCode() {
      return typeCode;
    }

    long sequence() {
      return sequence;
    }
  }

  static CallFrame request(FrameType type, long sequence, byte[] payload) {
    return new CallFrame(type.code(), false, IoError.OK.code(), sequence, payload);
  }

  CallFrame reply(IoError status, byte[] bytes) {
    return new CallFrame(typeCode, true, status.code(), sequence, bytes);
  }

  /** Sends it, in one write where the socket takes it. */
  void write(ByteChannel channel) throws IOException {
    byte[] bytes = new byte[FrameHeader.BYTES + payload.length];
    System.arraycopy(payload, 0, bytes, FrameHeader.BYTES, payload.length);
    MemorySegment memory = MemorySegment.ofArray(bytes);
    ByteBuffer view = ByteBuffer.wrap(bytes);
    Crc32c crc = new Crc32c();
    FrameHeader.writeReply(memory, 0, typeCode, 0, sequence, status);
    if (!isReply) {
      FrameHeader.write(memory, 0, requireKnown(), 0, 0, sequence);
    }
    FrameHeader.payload(memory, 0, 0, payload.length);
    FrameHeader.controlCrc(memory, 0, crc.of(view, FrameHeader.BYTES, payload.length));
    FrameHeader.seal(memory, view, 0, crc);
    view.clear();
    while (view.hasRemaining()) {
      channel.write(view);
    }
  }

  private FrameType requireKnown() {
    FrameType type = FrameType.ofCode(typeCode);
    if (type == null) {
      throw new IllegalStateException("a request of the unknown type " + typeCode);
    }
    return type;
  }

  /**
   * Receives one frame.
   *
   * @throws EOFException the peer has closed, between frames or inside one
   * @throws UnknownVersionException the header says so
   * @throws WireFormatException anything else that is no frame
   */
  static CallFrame read(ByteChannel channel) throws IOException {
    byte[] head = new byte[FrameHeader.BYTES];
    fill(channel, head);
    MemorySegment memory = MemorySegment.ofArray(head);
    ByteBuffer view = ByteBuffer.wrap(head);
    Crc32c crc = new Crc32c();
    int typeCode = FrameHeader.typeCode(memory, 0);
    long sequence = FrameHeader.sequence(memory, 0);
    FrameHeader.Check check = FrameHeader.check(memory, view, 0, crc);
    if (check == FrameHeader.Check.UNKNOWN_VERSION) {
      throw new UnknownVersionException(FrameHeader.version(memory, 0), typeCode, sequence);
    }
    if (check == FrameHeader.Check.BAD || FrameHeader.crcCount(memory, 0) != 0) {
      throw new WireFormatException("bytes that are no control frame");
    }
    byte[] payload = new byte[FrameHeader.payloadLength(memory, 0)];
    fill(channel, payload);
    if (crc.of(ByteBuffer.wrap(payload), 0, payload.length) != FrameHeader.controlCrc(memory, 0)) {
      throw new WireFormatException("a control payload that does not match its checksum");
    }
    return new CallFrame(
        typeCode,
        (FrameHeader.flags(memory, 0) & FrameHeader.FLAG_REPLY) != 0,
        FrameHeader.status(memory, 0),
        sequence,
        payload);
  }

  private static void fill(ByteChannel channel, byte[] bytes) throws IOException {
    ByteBuffer into = ByteBuffer.wrap(bytes);
    while (into.hasRemaining()) {
      if (channel.read(into) < 0) {
        throw new EOFException("the peer has closed the connection");
      }
    }
  }
}
