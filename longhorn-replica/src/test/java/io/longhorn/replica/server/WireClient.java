package io.longhorn.replica.server;

import io.longhorn.api.EngineId;
import io.longhorn.api.IoError;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.VolumeId;
import io.longhorn.api.memory.Crc32c;
import io.longhorn.api.replica.ReplicaSpec;
import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FrameHeader;
import io.longhorn.api.wire.FrameType;
import io.longhorn.api.wire.Hello;
import io.longhorn.api.wire.Promise;
import io.longhorn.api.wire.ReplicaInfo;
import io.longhorn.replica.posix.Errno;
import io.longhorn.replica.posix.FileCalls;
import io.longhorn.replica.posix.SocketCalls;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;

/**
 * The engine's side of a link, blocking, for tests: builds frames, sends them as bytes, and reads
 * answers, checking what every answer has to be. One thread sends, one receives.
 */
final class WireClient implements AutoCloseable {
  private static final int BLOCK = 4096;

  /**
   * An answer.
   *
   * @param type code of its type
   * @param generation its tag
   * @param sequence of the request
   * @param status how it ended
   * @param crcs per block, for data
   * @param payload data or fields
   */
  record Answer(
      int type, long generation, long sequence, IoError status, int[] crcs, byte[] payload) {
    FieldReader fields() {
      return new FieldReader(payload);
    }

    String text() {
      return fields().text(1);
    }
  }

  private final Arena arena = Arena.ofShared();
  private final MemorySegment out = arena.allocate(1 << 20, 4096);
  private final ByteBuffer outView = out.asByteBuffer();
  private final MemorySegment in = arena.allocate(1 << 20, 4096);
  private final ByteBuffer inView = in.asByteBuffer();
  private final Crc32c crc = new Crc32c();
  private final Crc32c inCrc = new Crc32c();
  private final int fd;
  private int outEnd;
  private int inBegin;
  private int inEnd;
  private long sequence;
  long generation;

  WireClient(ListenAddress address) {
    SocketAddress target =
        switch (address) {
          case ListenAddress.Tcp(String host, int port) -> new InetSocketAddress(host, port);
          case ListenAddress.Unix(var path) -> UnixDomainSocketAddress.of(path);
        };
    fd = SocketCalls.socket(SocketCalls.family(target));
    int got = SocketCalls.connect(fd, target);
    if (got < 0) {
      throw new IllegalStateException("connect to " + address + ": " + Errno.describe(-got));
    }
  }

  // ---- frames out ------------------------------------------------------------------------------

  /** Appends a control frame; returns its sequence. */
  long control(FrameType type, byte[] payload) {
    return frame(type.code(), 0, 0, 0, 0, payload, false);
  }

  /** Appends a frame without payload. */
  long bare(FrameType type, int flags, long offset, int length) {
    return frame(type.code(), flags, offset, length, 0, new byte[0], false);
  }

  /** Appends a WRITE of whole blocks. */
  long write(int flags, long offset, byte[] data) {
    return frame(FrameType.WRITE.code(), flags, offset, data.length, 0, data, true);
  }

  long frame(
      int typeCode,
      int flags,
      long offset,
      int length,
      long operation,
      byte[] payload,
      boolean isData) {
    int at = outEnd;
    long number = ++sequence;
    FrameHeader.write(out, at, FrameType.PING, flags, generation, number);
    out.set(ValueLayout.JAVA_BYTE, at + 3L, (byte) typeCode);
    FrameHeader.range(out, at, offset, length);
    FrameHeader.operation(out, at, operation);
    int crcCount = isData ? payload.length / BLOCK : 0;
    int bodyAt = at + FrameHeader.BYTES + 4 * crcCount;
    MemorySegment.copy(payload, 0, out, ValueLayout.JAVA_BYTE, bodyAt, payload.length);
    for (int i = 0; i < crcCount; i++) {
      FrameHeader.blockCrc(out, at, i, crc.of(outView, bodyAt + i * BLOCK, BLOCK));
    }
    FrameHeader.payload(out, at, crcCount, payload.length);
    if (!isData && payload.length > 0) {
      FrameHeader.controlCrc(out, at, crc.of(outView, bodyAt, payload.length));
    }
    FrameHeader.seal(out, outView, at, crc);
    outEnd = bodyAt + payload.length;
    return number;
  }

  /** Appends bytes that need not be a frame. */
  void raw(byte[] bytes) {
    MemorySegment.copy(bytes, 0, out, ValueLayout.JAVA_BYTE, outEnd, bytes.length);
    outEnd += bytes.length;
  }

  /**
   * The frames that were appended and not sent, as bytes, to be changed and sent as {@link #raw}.
   */
  byte[] taken() {
    byte[] bytes = out.asSlice(0, outEnd).toArray(ValueLayout.JAVA_BYTE);
    outEnd = 0;
    return bytes;
  }

  /** Sends what was appended; false if the connection is over. */
  boolean send() {
    int sent = 0;
    while (sent < outEnd) {
      long got = SocketCalls.send(fd, out.address() + sent, outEnd - sent, 0);
      if (got < 0) {
        outEnd = 0;
        return false;
      }
      sent += (int) got;
    }
    outEnd = 0;
    return true;
  }

  /** Nothing more will be sent. */
  void shutdownOutput() {
    SocketCalls.shutdown(fd, SocketCalls.SHUT_WR);
  }

  // ---- answers in ------------------------------------------------------------------------------

  /** The next answer, whatever it is for; null at the end of the connection. */
  Answer next() {
    while (true) {
      int there = inEnd - inBegin;
      if (there >= FrameHeader.BYTES) {
        FrameHeader.Check check = FrameHeader.check(in, inView, inBegin, inCrc);
        if (check != FrameHeader.Check.OK) {
          throw new IllegalStateException("the replica sent a header that is " + check);
        }
        int bytes = FrameHeader.frameBytes(in, inBegin);
        if (there >= bytes) {
          Answer answer = parse(inBegin);
          inBegin += bytes;
          return answer;
        }
      }
      if (!receive()) {
        return null;
      }
    }
  }

  /** Receives one answer and only looks at how it ended; allocates nothing. */
  IoError skip() {
    while (true) {
      int there = inEnd - inBegin;
      if (there >= FrameHeader.BYTES) {
        int bytes = FrameHeader.frameBytes(in, inBegin);
        if (there >= bytes) {
          IoError status = IoError.ofCode(FrameHeader.status(in, inBegin));
          inBegin += bytes;
          return status;
        }
      }
      if (!receive()) {
        throw new IllegalStateException("the replica closed the connection");
      }
    }
  }

  private boolean receive() {
    int there = inEnd - inBegin;
    if (inBegin > 0) {
      MemorySegment.copy(in, inBegin, in, 0, there);
      inBegin = 0;
      inEnd = there;
    }
    long got = SocketCalls.recv(fd, in.address() + inEnd, in.byteSize() - inEnd, 0);
    if (got > 0) {
      inEnd += (int) got;
    }
    return got > 0;
  }

  private Answer parse(int at) {
    if ((FrameHeader.flags(in, at) & FrameHeader.FLAG_REPLY) == 0) {
      throw new IllegalStateException("an answer without the flag of one");
    }
    int[] crcs = new int[FrameHeader.crcCount(in, at)];
    for (int i = 0; i < crcs.length; i++) {
      crcs[i] = FrameHeader.blockCrc(in, at, i);
    }
    int bodyAt = at + FrameHeader.BYTES + 4 * crcs.length;
    int bytes = FrameHeader.payloadLength(in, at);
    if (crcs.length == 0
        && bytes > 0
        && inCrc.of(inView, bodyAt, bytes) != FrameHeader.controlCrc(in, at)) {
      throw new IllegalStateException("the payload of an answer does not match its CRC");
    }
    for (int i = 0; i < crcs.length; i++) {
      if (inCrc.of(inView, bodyAt + i * BLOCK, BLOCK) != crcs[i]) {
        throw new IllegalStateException("block " + i + " of an answer does not match its CRC");
      }
    }
    return new Answer(
        FrameHeader.typeCode(in, at),
        FrameHeader.generation(in, at),
        FrameHeader.sequence(in, at),
        IoError.ofCode(FrameHeader.status(in, at)),
        crcs,
        in.asSlice(bodyAt, bytes).toArray(ValueLayout.JAVA_BYTE));
  }

  /** Sends what was appended and returns the next answer; fails if the connection is over. */
  Answer ask() {
    send();
    Answer answer = next();
    if (answer == null) {
      throw new IllegalStateException("the replica closed the connection");
    }
    return answer;
  }

  // ---- whole conversations ---------------------------------------------------------------------

  Answer hello(Hello hello) {
    control(FrameType.HELLO, hello.write().toBytes());
    return ask();
  }

  static Hello hello(Hello.Role role, VolumeId volume, ReplicaId replica, EngineId engine) {
    return new Hello(
        FrameHeader.VERSION,
        FrameHeader.VERSION,
        role,
        ReplicaSpec.AUTHORITY_REPLICAS,
        volume,
        replica,
        engine,
        0);
  }

  /**
   * HELLO as an owner-to-be, and PROMISE; the tag of later frames is this generation if it is OK.
   */
  Answer own(VolumeId volume, ReplicaId replica, EngineId engine, long promised) {
    Answer greeted = hello(hello(Hello.Role.OWNER, volume, replica, engine));
    if (!greeted.status().isOk()) {
      return greeted;
    }
    return promise(engine, promised);
  }

  Answer promise(EngineId engine, long promised) {
    control(FrameType.PROMISE, new Promise(promised, engine).write().toBytes());
    Answer answer = ask();
    if (answer.status().isOk()) {
      generation = ReplicaInfo.read(answer.fields()).promised();
    }
    return answer;
  }

  @Override
  public void close() {
    FileCalls.close(fd);
    arena.close();
  }
}
