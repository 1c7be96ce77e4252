package io.longhorn.engine.client;

import io.longhorn.api.IoError;
import io.longhorn.engine.frontend.nbd.protocol.Nbd;
import java.io.EOFException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.net.ProtocolException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.util.concurrent.ConcurrentMap;
import org.jspecify.annotations.Nullable;

/** Reads replies on a thread of its own and hands them to the calls they answer. */
final class NbdReader implements Runnable {
  private static final int STAGING_BYTES = 256 << 10;
  private static final int MAX_ERROR_BYTES = 8192;

  private final SocketChannel channel;
  private final ConcurrentMap<Long, NbdCall> calls;
  private final int allocationContext;
  private final Runnable ended;
  private final ByteBuffer staging = ByteBuffer.allocateDirect(STAGING_BYTES).flip();
  private final MemorySegment stagingMemory = MemorySegment.ofBuffer(staging.duplicate().clear());

  NbdReader(
      SocketChannel channel,
      ConcurrentMap<Long, NbdCall> calls,
      int allocationContext,
      Runnable ended) {
    this.channel = channel;
    this.calls = calls;
    this.allocationContext = allocationContext;
    this.ended = ended;
  }

  @Override
  public void run() {
    try {
      while (true) {
        reply();
      }
    } catch (IOException _) {
      // Whoever waits is told that the connection is gone; there is nobody else to tell.
      ended.run();
    }
  }

  private void reply() throws IOException {
    need(4);
    int magic = staging.getInt();
    if (magic == Nbd.SIMPLE_REPLY_MAGIC) {
      simple();
    } else if (magic == Nbd.STRUCTURED_REPLY_MAGIC) {
      chunk();
    } else {
      throw new ProtocolException("reply with magic " + Integer.toHexString(magic));
    }
  }

  private void simple() throws IOException {
    need(12);
    int error = staging.getInt();
    long cookie = staging.getLong();
    NbdCall call = find(cookie);
    if (error != 0) {
      call.fail(errorOf(error));
    } else if (call.target != null) {
      data(call, call.offset, call.length);
    }
    finish(cookie, call);
  }

  private void chunk() throws IOException {
    need(16);
    int flags = staging.getShort();
    int type = staging.getShort() & 0xffff;
    long cookie = staging.getLong();
    long length = Integer.toUnsignedLong(staging.getInt());
    NbdCall call = find(cookie);
    if (type == Nbd.REPLY_OFFSET_DATA && length > 8) {
      need(8);
      data(call, staging.getLong(), length - 8);
    } else if (type == Nbd.REPLY_OFFSET_HOLE && length == 12) {
      need(12);
      hole(call, staging.getLong(), Integer.toUnsignedLong(staging.getInt()));
    } else if (type == Nbd.REPLY_BLOCK_STATUS && length >= 12 && length % 8 == 4) {
      extents(call, length);
    } else if ((type & Nbd.REPLY_ERROR_BIT) != 0 && length >= 6 && length <= MAX_ERROR_BYTES) {
      need((int) length);
      call.fail(errorOf(staging.getInt()));
      staging.position(staging.position() + (int) length - 4);
    } else if (type != Nbd.REPLY_NONE || length != 0) {
      throw new ProtocolException("chunk of type " + type + " with " + length + " bytes");
    }
    if ((flags & Nbd.REPLY_FLAG_DONE) != 0) {
      finish(cookie, call);
    }
  }

  private NbdCall find(long cookie) throws ProtocolException {
    NbdCall call = calls.get(cookie);
    if (call == null) {
      throw new ProtocolException("reply to a request that was never sent: " + cookie);
    }
    return call;
  }

  private void finish(long cookie, NbdCall call) {
    calls.remove(cookie);
    call.finish();
  }

  private MemorySegment targetOf(NbdCall call, long offset, long length) throws IOException {
    @Nullable MemorySegment target = call.target;
    if (target == null || !call.covers(offset, length)) {
      throw new ProtocolException("data at " + offset + " that nobody asked for");
    }
    return target;
  }

  private void data(NbdCall call, long offset, long length) throws IOException {
    MemorySegment target = targetOf(call, offset, length);
    long at = offset - call.offset;
    long left = length;
    while (left > 0) {
      need(1);
      int count = (int) Math.min(left, staging.remaining());
      MemorySegment.copy(stagingMemory, staging.position(), target, at, count);
      staging.position(staging.position() + count);
      at += count;
      left -= count;
    }
  }

  private void hole(NbdCall call, long offset, long length) throws IOException {
    targetOf(call, offset, length).asSlice(offset - call.offset, length).fill((byte) 0);
  }

  private void extents(NbdCall call, long length) throws IOException {
    need(4);
    if (staging.getInt() != allocationContext) {
      throw new ProtocolException("status of a context that was not negotiated");
    }
    long at = call.offset;
    for (long left = length - 4; left > 0; left -= 8) {
      need(8);
      long bytes = Integer.toUnsignedLong(staging.getInt());
      int flags = staging.getInt();
      call.extents.add(
          new Extent(at, bytes, (flags & Nbd.STATE_HOLE) != 0, (flags & Nbd.STATE_ZERO) != 0));
      at += bytes;
    }
  }

  private static IoError errorOf(int nbd) {
    return switch (nbd) {
      case Nbd.ENOSPC -> IoError.ENOSPC;
      case Nbd.EINVAL, Nbd.EOVERFLOW, Nbd.EPERM -> IoError.INVALID;
      case Nbd.ENOTSUP -> IoError.UNSUPPORTED;
      case Nbd.ESHUTDOWN -> IoError.DISCONNECTED;
      default -> IoError.EIO;
    };
  }

  /** At least {@code bytes} in the staging buffer. */
  private void need(int bytes) throws IOException {
    if (staging.remaining() >= bytes) {
      return;
    }
    staging.compact();
    while (staging.position() < bytes) {
      if (channel.read(staging) < 0) {
        throw new EOFException("the server closed the connection");
      }
    }
    staging.flip();
  }
}
