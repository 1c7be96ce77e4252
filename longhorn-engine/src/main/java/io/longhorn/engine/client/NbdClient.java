package io.longhorn.engine.client;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.api.block.BlockDevice;
import io.longhorn.engine.frontend.nbd.protocol.Nbd;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.util.List;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * A connection to an NBD server, of any make, as a block device. Calls block and may come from many
 * threads at once: their requests are pipelined over the one connection. Reconnecting is the
 * caller's: once the connection is lost, every call fails with {@link IoError#DISCONNECTED}, and
 * whether a request that was under way has taken effect is unknown.
 */
public final class NbdClient implements BlockDevice {
  /** Longest TRIM or WRITE_ZEROES sent in one request. */
  private static final long MAX_SPAN_BYTES = 1L << 30;

  private final SocketChannel channel;
  private final NbdUri uri;
  private final long sizeBytes;
  private final int flags;
  private final int allocationContext;
  private final ConcurrentMap<Long, NbdCall> calls = new ConcurrentHashMap<>();
  private final AtomicLong cookies = new AtomicLong();
  private final ReentrantLock sending = new ReentrantLock();
  private final ByteBuffer header = ByteBuffer.allocateDirect(Nbd.REQUEST_BYTES);
  private volatile boolean isLost;

  private NbdClient(SocketChannel channel, NbdUri uri, NbdHandshake handshake) {
    this.channel = channel;
    this.uri = uri;
    sizeBytes = handshake.sizeBytes();
    flags = handshake.flags();
    allocationContext = handshake.allocationContext();
    NbdReader reader = new NbdReader(channel, calls, allocationContext, this::lost);
    Thread.ofPlatform().daemon().name("nbd-client").start(reader);
  }

  /** Connects, with structured replies and base:allocation if the server has them. */
  public static NbdClient connect(NbdUri uri) {
    return connect(uri, true);
  }

  /**
   * Connects.
   *
   * @param wantsStructured whether to ask for structured replies; the kernel's client does not
   * @throws VolumeException DISCONNECTED if nobody answers there, NOT_FOUND if the server does not
   *     have the export, PROTOCOL if it is not an NBD server
   */
  public static NbdClient connect(NbdUri uri, boolean wantsStructured) {
    SocketChannel channel = null;
    try {
      channel = SocketChannel.open(uri.family());
      channel.connect(uri.socketAddress());
      if (uri instanceof NbdUri.Tcp) {
        channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
      }
      return new NbdClient(channel, uri, NbdHandshake.run(channel, uri.export(), wantsStructured));
    } catch (IOException | VolumeException e) {
      closeQuietly(channel);
      throw e instanceof VolumeException known
          ? known
          : new VolumeException(
              IoError.DISCONNECTED, "no NBD server at " + uri + ": " + e.getMessage(), e);
    }
  }

  private static void closeQuietly(@Nullable SocketChannel channel) {
    try {
      if (channel != null) {
        channel.close();
      }
    } catch (IOException _) {
      // The descriptor is gone either way; nobody can act on it.
    }
  }

  private void lost() {
    isLost = true;
    closeQuietly(channel);
    for (Long cookie : calls.keySet()) {
      NbdCall call = calls.remove(cookie);
      if (call != null) {
        call.fail(IoError.DISCONNECTED);
        call.finish();
      }
    }
  }

  @Override
  public long sizeBytes() {
    return sizeBytes;
  }

  /** The transmission flags the server gave. */
  public int transmissionFlags() {
    return flags;
  }

  /** Whether the connection is still up. */
  public boolean isOpen() {
    return !isLost;
  }

  @Override
  public void read(long offset, MemorySegment target) {
    for (long at = 0; at < target.byteSize(); at += Nbd.MAX_PAYLOAD_BYTES) {
      long count = Math.min(Nbd.MAX_PAYLOAD_BYTES, target.byteSize() - at);
      NbdCall call = new NbdCall(offset + at, count, target.asSlice(at, count));
      check("read", call, send(Nbd.CMD_READ, 0, call, null));
    }
  }

  @Override
  public void write(long offset, MemorySegment source) {
    write(offset, source, false);
  }

  /** Writes, and if {@code isFua} returns only when what it wrote survives the loss of power. */
  public void write(long offset, MemorySegment source, boolean isFua) {
    for (long at = 0; at < source.byteSize(); at += Nbd.MAX_PAYLOAD_BYTES) {
      long count = Math.min(Nbd.MAX_PAYLOAD_BYTES, source.byteSize() - at);
      NbdCall call = new NbdCall(offset + at, count, null);
      ByteBuffer payload = bufferOf(source.asSlice(at, count));
      check("write", call, send(Nbd.CMD_WRITE, isFua ? Nbd.CMD_FLAG_FUA : 0, call, payload));
    }
  }

  private static ByteBuffer bufferOf(MemorySegment segment) {
    boolean isBytes = segment.heapBase().map(base -> base instanceof byte[]).orElse(true);
    return isBytes
        ? segment.asByteBuffer()
        : ByteBuffer.wrap(segment.toArray(ValueLayout.JAVA_BYTE));
  }

  @Override
  public void flush() {
    NbdCall call = new NbdCall(0, 0, null);
    check("flush", call, send(Nbd.CMD_FLUSH, 0, call, null));
  }

  @Override
  public void trim(long offset, long length) {
    span("trim", Nbd.CMD_TRIM, 0, offset, length);
  }

  @Override
  public void zero(long offset, long length) {
    zero(offset, length, false);
  }

  /** Zeroes, and if {@code isFua} returns only when that survives the loss of power. */
  public void zero(long offset, long length, boolean isFua) {
    span("zero", Nbd.CMD_WRITE_ZEROES, isFua ? Nbd.CMD_FLAG_FUA : 0, offset, length);
  }

  private void span(String what, int command, int commandFlags, long offset, long length) {
    for (long at = 0; at < length; at += MAX_SPAN_BYTES) {
      NbdCall call = new NbdCall(offset + at, Math.min(MAX_SPAN_BYTES, length - at), null);
      check(what, call, send(command, commandFlags, call, null));
    }
  }

  /**
   * What is allocated at the beginning of a range: at least one extent; the last may end before the
   * range does.
   *
   * @throws VolumeException UNSUPPORTED if base:allocation was not negotiated
   */
  public List<Extent> extents(long offset, long length) {
    if (allocationContext < 0) {
      throw new VolumeException(IoError.UNSUPPORTED, "base:allocation was not negotiated");
    }
    NbdCall call = new NbdCall(offset, Math.min(length, MAX_SPAN_BYTES), null);
    check("block status", call, send(Nbd.CMD_BLOCK_STATUS, 0, call, null));
    return List.copyOf(call.extents);
  }

  private void check(String what, NbdCall call, IoError error) {
    if (!error.isOk()) {
      throw new VolumeException(
          error,
          what + " of " + call.length + " bytes at " + call.offset + " of " + uri + ": " + error);
    }
  }

  private IoError send(int command, int commandFlags, NbdCall call, @Nullable ByteBuffer payload) {
    long cookie = cookies.incrementAndGet();
    sending.lock();
    try {
      calls.put(cookie, call);
      header.clear();
      header.putInt(Nbd.REQUEST_MAGIC);
      header.putShort((short) commandFlags).putShort((short) command);
      header.putLong(cookie).putLong(call.offset).putInt((int) call.length).flip();
      if (payload == null) {
        writeAll(header);
      } else {
        writeAll(header, payload);
      }
    } catch (IOException _) {
      lost();
    } finally {
      sending.unlock();
    }
    if (isLost) {
      // The reader may have failed the calls before this one was among them.
      lost();
    }
    return call.await();
  }

  private void writeAll(ByteBuffer... buffers) throws IOException {
    ByteBuffer last = buffers[buffers.length - 1];
    while (last.hasRemaining()) {
      channel.write(buffers);
    }
  }

  /** Says goodbye if the connection takes it at once, and closes; calls under way fail. */
  @Override
  public void close() {
    if (sending.tryLock()) {
      try {
        goodbye();
      } catch (IOException _) {
        // It is closed either way.
      } finally {
        sending.unlock();
      }
    }
    lost();
  }

  private void goodbye() throws IOException {
    if (!isLost && calls.isEmpty()) {
      header.clear();
      header.putInt(Nbd.REQUEST_MAGIC).putShort((short) 0).putShort((short) Nbd.CMD_DISC);
      header.putLong(0).putLong(0).putInt(0).flip();
      writeAll(header);
    }
  }

  @Override
  public String toString() {
    return uri.toString();
  }
}
