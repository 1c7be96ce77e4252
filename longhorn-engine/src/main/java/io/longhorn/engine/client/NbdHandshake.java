package io.longhorn.engine.client;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.engine.frontend.nbd.protocol.Nbd;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;

/** The client's side of the option haggling, blocking, up to the server's acknowledgement of GO. */
final class NbdHandshake {
  private static final int MAX_REPLY_BYTES = 64 << 10;

  private final SocketChannel channel;
  private final String export;
  private long sizeBytes = -1;
  private int flags;
  private boolean isStructured;
  private int allocationContext = -1;

  private NbdHandshake(SocketChannel channel, String export) {
    this.channel = channel;
    this.export = export;
  }

  /**
   * Haggles.
   *
   * @param wantsStructured whether structured replies and base:allocation are asked for
   */
  static NbdHandshake run(SocketChannel channel, String export, boolean wantsStructured)
      throws IOException {
    NbdHandshake handshake = new NbdHandshake(channel, export);
    handshake.greet();
    if (wantsStructured) {
      handshake.askForStructure();
    }
    handshake.go();
    return handshake;
  }

  long sizeBytes() {
    return sizeBytes;
  }

  int flags() {
    return flags;
  }

  boolean isStructured() {
    return isStructured;
  }

  /** The id of base:allocation, or -1. */
  int allocationContext() {
    return allocationContext;
  }

  private void greet() throws IOException {
    ByteBuffer greeting = read(18);
    if (greeting.getLong() != Nbd.INIT_PASSWD || greeting.getLong() != Nbd.IHAVEOPT) {
      throw new VolumeException(IoError.PROTOCOL, "the server does not speak newstyle NBD");
    }
    int offered = greeting.getShort() & 0xffff;
    int both = Nbd.FLAG_FIXED_NEWSTYLE | Nbd.FLAG_NO_ZEROES;
    if ((offered & Nbd.FLAG_FIXED_NEWSTYLE) == 0) {
      throw new VolumeException(IoError.PROTOCOL, "the server does not speak fixed newstyle NBD");
    }
    write(ByteBuffer.allocate(4).putInt(offered & both).flip());
  }

  private void askForStructure() throws IOException {
    send(Nbd.OPT_STRUCTURED_REPLY, ByteBuffer.allocate(0));
    isStructured = Reply.next(this, Nbd.OPT_STRUCTURED_REPLY).type == Nbd.REP_ACK;
    if (!isStructured) {
      return;
    }
    byte[] name = export.getBytes(StandardCharsets.UTF_8);
    byte[] query = Nbd.BASE_ALLOCATION.getBytes(StandardCharsets.UTF_8);
    ByteBuffer data = ByteBuffer.allocate(12 + name.length + query.length);
    data.putInt(name.length).put(name).putInt(1).putInt(query.length).put(query);
    send(Nbd.OPT_SET_META_CONTEXT, data.flip());
    Reply reply = Reply.next(this, Nbd.OPT_SET_META_CONTEXT);
    if (reply.type == Nbd.REP_META_CONTEXT) {
      allocationContext = reply.data.getInt();
      reply = Reply.next(this, Nbd.OPT_SET_META_CONTEXT);
    }
    if (reply.type != Nbd.REP_ACK) {
      allocationContext = -1;
    }
  }

  private void go() throws IOException {
    byte[] name = export.getBytes(StandardCharsets.UTF_8);
    ByteBuffer data = ByteBuffer.allocate(8 + name.length);
    data.putInt(name.length).put(name).putShort((short) 1).putShort((short) Nbd.INFO_BLOCK_SIZE);
    send(Nbd.OPT_GO, data.flip());
    while (true) {
      Reply reply = Reply.next(this, Nbd.OPT_GO);
      if (reply.type == Nbd.REP_ACK && sizeBytes >= 0) {
        return;
      }
      if (reply.type != Nbd.REP_INFO) {
        throw new VolumeException(
            reply.type == Nbd.REP_ERR_UNKNOWN ? IoError.NOT_FOUND : IoError.PROTOCOL,
            "the server refuses export '" + export + "': " + Integer.toHexString(reply.type));
      }
      if (reply.data.remaining() == 12 && reply.data.getShort() == Nbd.INFO_EXPORT) {
        sizeBytes = reply.data.getLong();
        flags = reply.data.getShort() & 0xffff;
      }
    }
  }

  private void send(int option, ByteBuffer data) throws IOException {
    ByteBuffer all = ByteBuffer.allocate(Nbd.OPTION_BYTES + data.remaining());
    all.putLong(Nbd.IHAVEOPT).putInt(option).putInt(data.remaining()).put(data);
    write(all.flip());
  }

  private void write(ByteBuffer bytes) throws IOException {
    while (bytes.hasRemaining()) {
      channel.write(bytes);
    }
  }

  private ByteBuffer read(int length) throws IOException {
    ByteBuffer bytes = ByteBuffer.allocate(length);
    while (bytes.hasRemaining()) {
      if (channel.read(bytes) < 0) {
        throw new EOFException("the server closed the connection during the handshake");
      }
    }
    return bytes.flip();
  }

  private record Reply(int type, ByteBuffer data) {
    static Reply next(NbdHandshake handshake, int option) throws IOException {
      ByteBuffer header = handshake.read(Nbd.OPTION_REPLY_BYTES);
      long magic = header.getLong();
      int about = header.getInt();
      int type = header.getInt();
      int length = header.getInt();
      if (magic != Nbd.OPTION_REPLY_MAGIC
          || about != option
          || length < 0
          || length > MAX_REPLY_BYTES) {
        throw new VolumeException(IoError.PROTOCOL, "the server's reply to an option is malformed");
      }
      return new Reply(type, handshake.read(length));
    }
  }
}
