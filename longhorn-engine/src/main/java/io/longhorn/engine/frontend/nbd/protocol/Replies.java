package io.longhorn.engine.frontend.nbd.protocol;

import io.longhorn.engine.request.IoRequest;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import org.jspecify.annotations.Nullable;

/**
 * Turns finished commands into bytes. A simple reply is one piece on the wire: while the data of a
 * long one streams, other replies are held, in order.
 */
final class Replies {
  private static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);
  private static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);
  private static final ValueLayout.OfLong LONG =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

  /** Bytes of one descriptor of BLOCK_STATUS. */
  private static final int DESCRIPTOR_BYTES = 8;

  private static final int SCRATCH_BYTES = 512 * DESCRIPTOR_BYTES;

  private final Outbound outbound;
  private final CommandPool pool;
  private final boolean isStructured;
  private final MemorySegment scratch = MemorySegment.ofArray(new byte[SCRATCH_BYTES]);
  private final Commands held = new Commands();
  private @Nullable Command streaming;

  Replies(Outbound outbound, CommandPool pool, boolean isStructured) {
    this.outbound = outbound;
    this.pool = pool;
    this.isStructured = isStructured;
  }

  /** The command is done: its reply leaves, now or after the one that is streaming. */
  void finish(Command command) {
    if (streaming == null) {
      emit(command);
    } else {
      held.add(command);
    }
  }

  private void emit(Command command) {
    if (isStructured && command.error != 0) {
      errorChunk(command);
    } else if (isStructured && command.type == Nbd.CMD_READ) {
      fragment(command);
    } else {
      simpleHeader(command);
      if (command.error == 0) {
        appendKept(command);
      }
    }
    pool.free(command);
  }

  private void simpleHeader(Command command) {
    scratch.set(INT, 0, Nbd.SIMPLE_REPLY_MAGIC);
    scratch.set(INT, 4, command.error);
    scratch.set(LONG, 8, command.cookie);
    outbound.copy(scratch, Nbd.SIMPLE_REPLY_BYTES);
  }

  /** The whole read in one content chunk, or, if it is empty, one chunk without content. */
  private void fragment(Command command) {
    if (command.length == 0) {
      chunkHeader(command, Nbd.REPLY_FLAG_DONE, Nbd.REPLY_NONE, 0);
      outbound.copy(scratch, Nbd.CHUNK_HEADER_BYTES);
      return;
    }
    dataHeader(command, Nbd.REPLY_FLAG_DONE, command.offset, (int) command.length);
    appendKept(command);
  }

  private void appendKept(Command command) {
    for (int i = 0; i < Command.MAX_KEPT; i++) {
      IoRequest request = command.kept[i];
      if (request != null) {
        append(request);
      }
    }
  }

  private void append(IoRequest request) {
    outbound.append(request.loan(), request.dataAt(), request.length());
  }

  /** One piece of a structured read, which may be the last. */
  void data(Command command, IoRequest request, boolean isLast) {
    int flags = isLast ? Nbd.REPLY_FLAG_DONE : 0;
    dataHeader(command, flags, request.offset(), request.length());
    append(request);
  }

  private void dataHeader(Command command, int flags, long offset, int length) {
    chunkHeader(command, flags, Nbd.REPLY_OFFSET_DATA, length + 8);
    scratch.set(LONG, Nbd.CHUNK_HEADER_BYTES, offset);
    outbound.copy(scratch, Nbd.CHUNK_HEADER_BYTES + 8);
  }

  private void errorChunk(Command command) {
    byte[] message = command.message;
    int payload = 6 + message.length;
    chunkHeader(command, Nbd.REPLY_FLAG_DONE, Nbd.REPLY_ERROR, payload);
    int at = Nbd.CHUNK_HEADER_BYTES;
    scratch.set(INT, at, command.error);
    scratch.set(SHORT, at + 4, (short) message.length);
    MemorySegment.copy(message, 0, scratch, ValueLayout.JAVA_BYTE, at + 6L, message.length);
    outbound.copy(scratch, at + payload);
  }

  private void chunkHeader(Command command, int flags, int type, int length) {
    scratch.set(INT, 0, Nbd.STRUCTURED_REPLY_MAGIC);
    scratch.set(SHORT, 4, (short) flags);
    scratch.set(SHORT, 6, (short) type);
    scratch.set(LONG, 8, command.cookie);
    scratch.set(INT, 16, length);
  }

  /** The next piece of a simple read that streams; with its header if it is the first. */
  void streamed(Command command, IoRequest request) {
    if (!command.isHeaderOut) {
      simpleHeader(command);
      command.isHeaderOut = true;
      streaming = command;
    }
    append(request);
  }

  /** A stream's last piece was emitted: what waited for it leaves. */
  void streamEnded(Command command) {
    streaming = null;
    pool.free(command);
    for (Command next = held.removeFirst(); next != null; next = held.removeFirst()) {
      emit(next);
    }
  }

  /** The extents of a BLOCK_STATUS, the only context there is. */
  void status(Command command, int[] lengths, int[] flags, int count) {
    int payload = 4 + count * DESCRIPTOR_BYTES;
    chunkHeader(command, Nbd.REPLY_FLAG_DONE, Nbd.REPLY_BLOCK_STATUS, payload);
    scratch.set(INT, Nbd.CHUNK_HEADER_BYTES, Handshake.ALLOCATION_CONTEXT_ID);
    outbound.copy(scratch, Nbd.CHUNK_HEADER_BYTES + 4);
    int at = 0;
    for (int i = 0; i < count; i++) {
      scratch.set(INT, at, lengths[i]);
      scratch.set(INT, at + 4L, flags[i]);
      at += DESCRIPTOR_BYTES;
      if (at == SCRATCH_BYTES) {
        outbound.copy(scratch, at);
        at = 0;
      }
    }
    if (at > 0) {
      outbound.copy(scratch, at);
    }
    pool.free(command);
  }
}
