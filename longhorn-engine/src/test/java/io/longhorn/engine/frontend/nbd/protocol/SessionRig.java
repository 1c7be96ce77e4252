package io.longhorn.engine.frontend.nbd.protocol;

import io.longhorn.engine.request.MemoryVolumePort;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;

/** A session between an outbound that records and a volume in memory, and a client's bytes. */
@SuppressWarnings({
  "ArrayRecordComponent",
  "ByteBufferBackingArray"
}) // bytes of a wire, held briefly
final class SessionRig {
  static final String NAME = "vol-1";
  static final String DESCRIPTION = "a volume";

  final MemoryVolumePort.Disk disk;
  final MemoryVolumePort port;
  final RecordingOutbound out = new RecordingOutbound();
  final NbdSession session;
  private final ByteBuffer buffer;
  private int tail;
  private long moves;

  SessionRig(int sizeBytes) {
    this(new MemoryVolumePort.Disk(sizeBytes), 64, 1);
  }

  SessionRig(MemoryVolumePort.Disk disk, int credits, long seed) {
    this(disk, new MemoryVolumePort(disk, credits, random(seed)), 256 << 10);
  }

  SessionRig(MemoryVolumePort.Disk disk, MemoryVolumePort port, int bufferBytes) {
    this.disk = disk;
    this.port = port;
    buffer = ByteBuffer.allocateDirect(bufferBytes);
    session = new NbdSession(new NbdExport(NAME, DESCRIPTION), port, out);
    session.start();
  }

  static RandomGenerator random(long seed) {
    return RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
  }

  /** Offers bytes and lets everything run until nothing moves. */
  void give(byte[] bytes) {
    int at = 0;
    while (true) {
      int count = Math.min(bytes.length - at, buffer.capacity() - tail);
      buffer.put(tail, bytes, at, count);
      tail += count;
      at += count;
      boolean moved = count > 0;
      moved |= turn();
      if (!moved) {
        return;
      }
    }
  }

  /** One turn of the owner; false if nothing moved. */
  boolean turn() {
    long before = moves;
    if (session.isBlocked()) {
      session.resume();
    }
    offer();
    if (port.step()) {
      moves++;
    }
    if (out.queuedBytes() > 0) {
      out.send();
      moves++;
    }
    return moves != before;
  }

  void offer() {
    int taken = session.consume(buffer, 0, tail);
    if (taken < 0 || taken > tail) {
      throw new IllegalStateException("took " + taken + " of " + tail + " bytes");
    }
    if (taken > 0) {
      moves++;
      buffer.put(0, buffer, taken, tail - taken);
      tail -= taken;
    }
  }

  /** Offers bytes without letting the volume or the socket do anything. */
  void push(byte[] bytes) {
    buffer.put(tail, bytes, 0, bytes.length);
    tail += bytes.length;
    offer();
  }

  int leftOver() {
    return tail;
  }

  /** Runs until quiet. */
  void settle() {
    give(new byte[0]);
  }

  byte[] received() {
    settle();
    return out.takeSent();
  }

  // What a client sends.

  static ByteBuffer bytes(int length) {
    return ByteBuffer.allocate(length);
  }

  static byte[] text(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  static byte[] concat(byte[]... parts) {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    for (byte[] part : parts) {
      all.writeBytes(part);
    }
    return all.toByteArray();
  }

  static byte[] clientFlags(int flags) {
    return bytes(4).putInt(flags).array();
  }

  static byte[] option(int option, byte[] data) {
    return option(option, data.length, data);
  }

  static byte[] option(int option, int claimed, byte[] data) {
    return bytes(16 + data.length)
        .putLong(Nbd.IHAVEOPT)
        .putInt(option)
        .putInt(claimed)
        .put(data)
        .array();
  }

  static byte[] go(int option, String name, int... items) {
    byte[] text = text(name);
    ByteBuffer data = bytes(6 + text.length + 2 * items.length);
    data.putInt(text.length).put(text).putShort((short) items.length);
    for (int item : items) {
      data.putShort((short) item);
    }
    return option(option, data.array());
  }

  static byte[] meta(int option, String name, String... queries) {
    ByteArrayOutputStream data = new ByteArrayOutputStream();
    data.writeBytes(bytes(4).putInt(text(name).length).array());
    data.writeBytes(text(name));
    data.writeBytes(bytes(4).putInt(queries.length).array());
    for (String query : queries) {
      data.writeBytes(bytes(4).putInt(text(query).length).array());
      data.writeBytes(text(query));
    }
    return option(option, data.toByteArray());
  }

  static byte[] request(int type, int flags, long cookie, long offset, long length) {
    return bytes(28)
        .putInt(Nbd.REQUEST_MAGIC)
        .putShort((short) flags)
        .putShort((short) type)
        .putLong(cookie)
        .putLong(offset)
        .putInt((int) length)
        .array();
  }

  static byte[] write(int flags, long cookie, long offset, byte[] data) {
    return concat(request(Nbd.CMD_WRITE, flags, cookie, offset, data.length), data);
  }

  /** Into transmission, by GO; answers are thrown away. */
  SessionRig simple() {
    give(concat(clientFlags(3), go(Nbd.OPT_GO, NAME)));
    out.takeSent();
    return this;
  }

  /** Into transmission with structured replies and base:allocation. */
  SessionRig structured() {
    give(clientFlags(3));
    give(option(Nbd.OPT_STRUCTURED_REPLY, new byte[0]));
    give(meta(Nbd.OPT_SET_META_CONTEXT, NAME, Nbd.BASE_ALLOCATION));
    give(go(Nbd.OPT_GO, NAME));
    out.takeSent();
    return this;
  }

  // What a client reads.

  /** One reply to an option. */
  record OptionReply(int option, int type, byte[] data) {
    ByteBuffer buffer() {
      return ByteBuffer.wrap(data);
    }
  }

  static List<OptionReply> optionReplies(byte[] bytes) {
    ByteBuffer in = ByteBuffer.wrap(bytes);
    List<OptionReply> replies = new ArrayList<>();
    while (in.hasRemaining()) {
      if (in.getLong() != Nbd.OPTION_REPLY_MAGIC) {
        throw new IllegalStateException("no option reply");
      }
      int option = in.getInt();
      int type = in.getInt();
      byte[] data = new byte[in.getInt()];
      in.get(data);
      replies.add(new OptionReply(option, type, data));
    }
    return replies;
  }

  /** A simple reply, its data read by what the caller knows; or a chunk. */
  record Reply(boolean isSimple, int flags, int type, int error, long cookie, byte[] data) {
    ByteBuffer buffer() {
      return ByteBuffer.wrap(data);
    }

    boolean isDone() {
      return (flags & Nbd.REPLY_FLAG_DONE) != 0;
    }
  }

  /** Splits a stream of replies; {@code simpleData} knows the data length of a simple success. */
  static List<Reply> replies(byte[] bytes, java.util.function.LongToIntFunction simpleData) {
    ByteBuffer in = ByteBuffer.wrap(bytes);
    List<Reply> replies = new ArrayList<>();
    while (in.hasRemaining()) {
      int magic = in.getInt();
      if (magic == Nbd.SIMPLE_REPLY_MAGIC) {
        int error = in.getInt();
        long cookie = in.getLong();
        byte[] data = new byte[error == 0 ? simpleData.applyAsInt(cookie) : 0];
        in.get(data);
        replies.add(new Reply(true, 0, 0, error, cookie, data));
      } else if (magic == Nbd.STRUCTURED_REPLY_MAGIC) {
        int flags = in.getShort();
        int type = in.getShort() & 0xffff;
        long cookie = in.getLong();
        byte[] data = new byte[in.getInt()];
        in.get(data);
        boolean isError = (type & Nbd.REPLY_ERROR_BIT) != 0;
        int error = isError ? ByteBuffer.wrap(data).getInt() : 0;
        replies.add(new Reply(false, flags, type, error, cookie, data));
      } else {
        throw new IllegalStateException("no reply: " + Integer.toHexString(magic));
      }
    }
    return replies;
  }

  List<Reply> replies() {
    return replies(received(), _ -> 0);
  }

  /** The error of the only reply. */
  int onlyError() {
    List<Reply> all = replies();
    if (all.size() != 1) {
      throw new IllegalStateException(all.size() + " replies");
    }
    return all.getFirst().error();
  }
}
