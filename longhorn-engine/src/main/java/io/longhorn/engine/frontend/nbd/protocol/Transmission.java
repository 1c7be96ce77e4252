package io.longhorn.engine.frontend.nbd.protocol;

import io.longhorn.api.IoError;
import io.longhorn.api.memory.Crc32c;
import io.longhorn.engine.request.Chunks;
import io.longhorn.engine.request.IoKind;
import io.longhorn.engine.request.IoRequest;
import io.longhorn.engine.request.VolumePort;
import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/**
 * The phase after the handshake: parses requests straight from the receive buffer, copies written
 * data into the loans of the volume's requests, and answers what completes. Allocates nothing per
 * request once its pools are warm.
 */
final class Transmission implements IoRequest.Completion {
  /** Commands of one connection that are not answered. */
  static final int MAX_COMMANDS = 256;

  /** Longest read with DF, which is kept until all of it has come. */
  static final int MAX_DF_BYTES = 256 << 10;

  /** Tag of a request that belongs to no window. */
  static final long DIRECT = -1;

  private static final int FLAGS_READ = Nbd.CMD_FLAG_FUA | Nbd.CMD_FLAG_DF;
  private static final int FLAGS_ZEROES =
      Nbd.CMD_FLAG_FUA | Nbd.CMD_FLAG_NO_HOLE | Nbd.CMD_FLAG_FAST_ZERO;
  private static final int FLAGS_STATUS = Nbd.CMD_FLAG_FUA | Nbd.CMD_FLAG_REQ_ONE;

  private enum State {
    OPEN,
    /** The client said goodbye: what is under way is answered, then the connection closes. */
    LEAVING,
    /** Nothing is answered any more. */
    OVER
  }

  private final VolumePort port;
  private final Outbound outbound;
  private final boolean isStructured;
  private final boolean hasContext;
  private final CommandPool pool;
  private final Replies replies;
  private final ReadStreams streams;
  private final LongCommands longs;
  private final long sizeBytes;

  private State state = State.OPEN;
  private boolean isStopping;
  private boolean isBlocked;

  private @Nullable Command writing;
  private long payloadLeft;
  private @Nullable IoRequest filling;
  private int filled;

  Transmission(VolumePort port, Outbound outbound, boolean isStructured, boolean hasContext) {
    this.port = port;
    this.outbound = outbound;
    this.isStructured = isStructured;
    this.hasContext = hasContext;
    sizeBytes = port.sizeBytes();
    pool = new CommandPool(port, MAX_COMMANDS);
    replies = new Replies(outbound, pool, isStructured);
    streams = new ReadStreams(port, replies);
    longs = new LongCommands(port, outbound, this, streams);
  }

  /** Takes bytes {@code from} to {@code to}; returns up to where it has taken them. */
  int consume(ByteBuffer in, int from, int to) {
    isBlocked = false;
    int at = parse(in, from, to);
    closeIfDone();
    return state == State.OPEN ? at : to;
  }

  private int parse(ByteBuffer in, int from, int to) {
    int at = from;
    while (state == State.OPEN) {
      if (writing != null) {
        at += payload(in, at, to - at);
        if (writing != null) {
          return at;
        }
      } else if (to - at < Nbd.REQUEST_BYTES) {
        return at;
      } else if (outbound.isCongested()) {
        isBlocked = true;
        return at;
      } else if (in.getInt(at) != Nbd.REQUEST_MAGIC) {
        end("request without the magic number");
      } else if (begin(in, at)) {
        at += Nbd.REQUEST_BYTES;
      } else {
        isBlocked = true;
        return at;
      }
    }
    return to;
  }

  /** Whether it has stopped for want of credits or room, not of bytes. */
  boolean isBlocked() {
    return state != State.OVER && (isBlocked || longs.isStarved());
  }

  /** Goes on with what was blocked, except for bytes. */
  void resume() {
    longs.pump();
    closeIfDone();
  }

  /** Answers what is under way, refuses the rest, then closes. */
  void stop() {
    isStopping = true;
    closeIfDone();
  }

  /** The client is gone. Requests under way are released as they complete. */
  void disconnected() {
    abandon();
  }

  private void end(String reason) {
    abandon();
    outbound.close(reason);
  }

  private void abandon() {
    state = State.OVER;
    writing = null;
    IoRequest partial = filling;
    if (partial != null) {
      filling = null;
      port.release(partial);
    }
    longs.abandon();
    streams.abandon();
    pool.abandon();
  }

  private void closeIfDone() {
    boolean isLast = state == State.LEAVING || (isStopping && state == State.OPEN);
    if (isLast && pool.inUse() == 0) {
      end(state == State.LEAVING ? "the client disconnected" : "the server is being shut down");
    }
  }

  // Requests

  /** Begins the request at {@code at}; false if it has to wait, nothing having happened. */
  private boolean begin(ByteBuffer in, int at) {
    int type = in.getShort(at + 6) & 0xffff;
    if (type == Nbd.CMD_DISC) {
      state = State.LEAVING;
      closeIfDone();
      return true;
    }
    Command command = pool.take();
    if (command == null) {
      return false;
    }
    command.begin(
        type,
        in.getShort(at + 4) & 0xffff,
        in.getLong(at + 8),
        in.getLong(at + 16),
        Integer.toUnsignedLong(in.getInt(at + 24)));
    if (isStopping) {
      command.fail(Nbd.ESHUTDOWN, Faults.STOPPING);
    }
    boolean isBegun =
        switch (type) {
          case Nbd.CMD_READ -> read(command);
          case Nbd.CMD_WRITE -> write(command);
          case Nbd.CMD_FLUSH -> flush(command);
          case Nbd.CMD_TRIM -> trim(command);
          case Nbd.CMD_CACHE -> cache(command);
          case Nbd.CMD_WRITE_ZEROES -> writeZeroes(command);
          case Nbd.CMD_BLOCK_STATUS -> blockStatus(command);
          default -> refuse(command, Nbd.EINVAL, Faults.UNKNOWN_COMMAND);
        };
    if (!isBegun) {
      pool.free(command);
    }
    return isBegun;
  }

  private boolean refuse(Command command, int error, byte[] why) {
    command.fail(error, why);
    return answer(command);
  }

  private boolean answer(Command command) {
    command.isIssued = true;
    replies.finish(command);
    return true;
  }

  private void checkFlags(Command command, int allowed) {
    if ((command.flags & ~allowed) != 0) {
      command.fail(Nbd.EINVAL, Faults.WRONG_FLAG);
    }
  }

  private void checkRange(Command command, int error) {
    if (command.offset < 0
        || command.offset > sizeBytes
        || command.length > sizeBytes - command.offset) {
      command.fail(error, Faults.BEYOND_END);
    }
  }

  private boolean take(Command command, IoKind kind, long offset, int length) {
    IoRequest request = port.take(kind, offset, length);
    if (request == null) {
      return false;
    }
    if (kind == IoKind.TRIM || kind == IoKind.ZERO) {
      request.flags(command.has(Nbd.CMD_FLAG_FUA), command.has(Nbd.CMD_FLAG_NO_HOLE));
    }
    command.isIssued = true;
    command.inFlight = 1;
    request.onCompletion(this, command, DIRECT);
    port.submit(request);
    return true;
  }

  private boolean takeLong(Command command) {
    longs.add(command);
    longs.pump();
    return true;
  }

  private boolean read(Command command) {
    checkFlags(command, isStructured ? FLAGS_READ : Nbd.CMD_FLAG_FUA);
    checkRange(command, Nbd.EINVAL);
    if (command.length > Nbd.MAX_PAYLOAD_BYTES) {
      command.fail(isStructured ? Nbd.EOVERFLOW : Nbd.EINVAL, Faults.TOO_LONG);
    }
    if (command.has(Nbd.CMD_FLAG_DF) && command.length > MAX_DF_BYTES) {
      command.fail(Nbd.EOVERFLOW, Faults.TOO_LONG_FOR_DF);
    }
    if (command.error != 0 || command.length == 0) {
      return answer(command);
    }
    int first = Chunks.firstData(command.offset, command.length);
    if (first == command.length) {
      return take(command, IoKind.READ, command.offset, first);
    }
    command.isStream = !isStructured;
    return takeLong(command);
  }

  private boolean write(Command command) {
    checkFlags(command, Nbd.CMD_FLAG_FUA);
    checkRange(command, Nbd.ENOSPC);
    if (command.length > Nbd.MAX_PAYLOAD_BYTES) {
      command.fail(Nbd.EINVAL, Faults.TOO_LONG);
    }
    if (command.length == 0) {
      return answer(command);
    }
    command.isFlushWanted =
        command.has(Nbd.CMD_FLAG_FUA)
            && Chunks.firstData(command.offset, command.length) < command.length;
    writing = command;
    payloadLeft = command.length;
    return true;
  }

  private boolean flush(Command command) {
    checkFlags(command, Nbd.CMD_FLAG_FUA);
    if (command.offset != 0 || command.length != 0) {
      command.fail(Nbd.EINVAL, Faults.NOT_ZERO);
    }
    return command.error != 0 ? answer(command) : take(command, IoKind.FLUSH, 0, 0);
  }

  private boolean trim(Command command) {
    checkFlags(command, Nbd.CMD_FLAG_FUA);
    checkRange(command, Nbd.EINVAL);
    if (command.error != 0) {
      return answer(command);
    }
    command.next = Chunks.blockUp(command.offset);
    command.end = Chunks.blockDown(command.end);
    return command.next >= command.end ? answer(command) : spans(command, IoKind.TRIM);
  }

  private boolean spans(Command command, IoKind kind) {
    long whole = command.end - command.next;
    int first = Chunks.firstSpan(command.next, whole);
    if (first == whole) {
      return take(command, kind, command.next, first);
    }
    command.isFlushWanted = command.has(Nbd.CMD_FLAG_FUA);
    return takeLong(command);
  }

  private boolean cache(Command command) {
    checkFlags(command, Nbd.CMD_FLAG_FUA);
    checkRange(command, Nbd.EINVAL);
    return answer(command);
  }

  private boolean writeZeroes(Command command) {
    checkFlags(command, FLAGS_ZEROES);
    checkRange(command, Nbd.ENOSPC);
    long from = Chunks.blockUp(command.offset);
    long to = Chunks.blockDown(command.end);
    boolean isMarked = from < to && !command.has(Nbd.CMD_FLAG_NO_HOLE);
    if (command.has(Nbd.CMD_FLAG_FAST_ZERO) && !isMarked) {
      command.fail(Nbd.ENOTSUP, Faults.NOT_FAST);
    }
    if (command.error != 0 || command.length == 0) {
      return answer(command);
    }
    if (from == command.offset && to == command.end) {
      return spans(command, IoKind.ZERO);
    }
    boolean isOneEdge = Chunks.blockDown(command.offset) == Chunks.blockDown(command.end - 1);
    command.isFlushWanted = command.has(Nbd.CMD_FLAG_FUA) && !isOneEdge;
    return takeLong(command);
  }

  private boolean blockStatus(Command command) {
    checkFlags(command, FLAGS_STATUS);
    if (!hasContext) {
      command.fail(Nbd.EINVAL, Faults.NO_CONTEXT);
    }
    if (command.length == 0) {
      command.fail(Nbd.EINVAL, Faults.EMPTY);
    }
    checkRange(command, Nbd.EINVAL);
    return command.error != 0 ? answer(command) : takeLong(command);
  }

  // Payload

  /** Takes payload of the WRITE under way; each full chunk goes to the volume at once. */
  private int payload(ByteBuffer in, int from, int available) {
    Command command = writing;
    int at = from;
    int to = from + available;
    while (command != null && writing == command && at < to) {
      IoRequest request = filling;
      if (request == null && command.error != 0) {
        at += skip(command, to - at);
        continue;
      }
      if (request == null) {
        int length = Chunks.firstData(command.next, payloadLeft);
        request = port.take(IoKind.WRITE, command.next, length);
        if (request == null) {
          isBlocked = true;
          break;
        }
        filling = request;
        filled = 0;
      }
      int count = Math.min(request.length() - filled, to - at);
      request.loan().buffer().put(request.dataAt() + filled, in, at, count);
      at += count;
      filled += count;
      payloadLeft -= count;
      if (filled == request.length()) {
        filled(command, request);
      }
    }
    return at - from;
  }

  private int skip(Command command, int available) {
    int count = (int) Math.min(payloadLeft, available);
    payloadLeft -= count;
    if (payloadLeft == 0) {
      received(command);
    }
    return count;
  }

  private void filled(Command command, IoRequest request) {
    filling = null;
    command.next += request.length();
    if (command.error != 0) {
      port.release(request);
      if (payloadLeft == 0) {
        received(command);
      }
      return;
    }
    command.inFlight++;
    if (payloadLeft == 0) {
      writing = null;
      command.isIssued = true;
    }
    request.flags(command.has(Nbd.CMD_FLAG_FUA) && !command.isFlushWanted, false);
    request.onCompletion(this, command, DIRECT);
    port.submit(request);
  }

  /** All payload of a WRITE that failed has come. */
  private void received(Command command) {
    writing = null;
    command.isIssued = true;
    if (command.inFlight == 0) {
      settle(command);
    }
  }

  // Completions

  @Override
  public void completed(IoRequest request) {
    if (state == State.OVER) {
      port.release(request);
      return;
    }
    Command command = Command.of(request);
    if (command.type == Nbd.CMD_READ) {
      readCompleted(command, request);
    } else if (command.type == Nbd.CMD_BLOCK_STATUS) {
      longs.mapped(command, request, replies);
    } else {
      changeCompleted(command, request);
    }
    longs.pump();
    closeIfDone();
  }

  private void changeCompleted(Command command, IoRequest request) {
    IoError error = request.error();
    if (!error.isOk()) {
      fail(command, error);
    }
    if (request.tag() != DIRECT) {
      longs.pieceDone();
    }
    port.release(request);
    command.inFlight--;
    if (command.inFlight == 0 && command.isIssued) {
      settle(command);
    }
  }

  private static void fail(Command command, IoError error) {
    command.fail(Faults.number(error, command.has(Nbd.CMD_FLAG_FAST_ZERO)), Faults.message(error));
  }

  /** Everything that was to be done for the command is done, or did not go well. */
  void settle(Command command) {
    if (command.isFlushWanted && command.error == 0) {
      longs.add(command);
    } else {
      replies.finish(command);
    }
  }

  private void readCompleted(Command command, IoRequest request) {
    if (command.isStream) {
      if (!streams.completed(request)) {
        end("a read failed after its reply had begun");
      }
      return;
    }
    if (request.tag() != DIRECT) {
      longs.pieceDone();
    }
    command.inFlight--;
    IoError error = request.error();
    if (!error.isOk()) {
      fail(command, error);
    }
    boolean isLast = command.isIssued && command.inFlight == 0;
    if (!isStructured || command.has(Nbd.CMD_FLAG_DF)) {
      command.kept[pieceOf(command, request)] = request;
      if (isLast) {
        replies.finish(command);
      }
      return;
    }
    if (command.error == 0) {
      replies.data(command, request, isLast);
    }
    port.release(request);
    if (isLast && command.error != 0) {
      replies.finish(command);
    } else if (isLast) {
      pool.free(command);
    }
  }

  private static int pieceOf(Command command, IoRequest request) {
    return (int)
        (request.offset() / IoRequest.CHUNK_BYTES - command.offset / IoRequest.CHUNK_BYTES);
  }

  static {
    // A read with DF touches at most this many chunks.
    assert MAX_DF_BYTES / IoRequest.CHUNK_BYTES + 1 <= Command.MAX_KEPT;
    assert Crc32c.BLOCK_BYTES == Nbd.PREFERRED_BLOCK_BYTES;
  }
}
