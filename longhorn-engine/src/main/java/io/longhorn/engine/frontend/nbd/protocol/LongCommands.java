package io.longhorn.engine.frontend.nbd.protocol;

import io.longhorn.api.IoError;
import io.longhorn.api.memory.Crc32c;
import io.longhorn.engine.request.Chunks;
import io.longhorn.engine.request.IoKind;
import io.longhorn.engine.request.IoRequest;
import io.longhorn.engine.request.VolumePort;
import org.jspecify.annotations.Nullable;

/**
 * Commands that need several requests without the client sending more: long reads, TRIM and
 * WRITE_ZEROES over several spans or with ragged edges, BLOCK_STATUS, the FLUSH behind a long FUA.
 * First come, first served; a bounded number of requests is under way, whatever the lengths.
 */
final class LongCommands {
  /** Requests of long TRIM and WRITE_ZEROES, and of long structured reads, under way. */
  static final int WINDOW = 16;

  private static final byte[] ZEROES = new byte[Crc32c.BLOCK_BYTES];

  private final VolumePort port;
  private final Outbound outbound;
  private final Transmission session;
  private final ReadStreams streams;
  private final Commands queue = new Commands();
  private @Nullable StatusQuery status;
  private int inFlight;
  private boolean isPumping;
  private boolean isStarved;
  private boolean isAskingStatus;
  private boolean isAbandoned;

  LongCommands(VolumePort port, Outbound outbound, Transmission session, ReadStreams streams) {
    this.port = port;
    this.outbound = outbound;
    this.session = session;
    this.streams = streams;
  }

  void add(Command command) {
    queue.add(command);
  }

  /** Whether it waits for what no completion of its own will bring. */
  boolean isStarved() {
    return isStarved;
  }

  void abandon() {
    isAbandoned = true;
    isStarved = false;
  }

  /** One of its requests has completed. */
  void pieceDone() {
    inFlight--;
  }

  /** Takes and submits as much as windows, credits and the outbound queue allow. */
  void pump() {
    if (isPumping) {
      return;
    }
    isPumping = true;
    isStarved = false;
    while (!isAbandoned) {
      Command command = queue.first();
      if (command == null) {
        break;
      }
      if (command.error != 0) {
        removeFirst(command);
        if (command.inFlight == 0) {
          session.settle(command);
        }
      } else if (outbound.isCongested()) {
        isStarved = true;
        break;
      } else if (!issue(command)) {
        break;
      }
    }
    isPumping = false;
  }

  private void removeFirst(Command command) {
    command.isIssued = true;
    Command first = queue.removeFirst();
    assert first == command;
  }

  private boolean issue(Command command) {
    if (command.isIssued) {
      return flush(command);
    }
    return switch (command.type) {
      case Nbd.CMD_READ -> read(command);
      case Nbd.CMD_TRIM -> span(command, IoKind.TRIM);
      case Nbd.CMD_WRITE_ZEROES -> zeroes(command);
      case Nbd.CMD_BLOCK_STATUS -> map(command);
      default -> throw new IllegalStateException("long command of type " + command.type);
    };
  }

  private @Nullable IoRequest take(IoKind kind, long offset, int length) {
    IoRequest request = port.take(kind, offset, length);
    if (request == null) {
      isStarved = true;
    }
    return request;
  }

  private void submit(Command command, IoRequest request, long tag) {
    command.inFlight++;
    command.next += request.length();
    if (command.next == command.end) {
      removeFirst(command);
    }
    request.onCompletion(session, command, tag);
    port.submit(request);
  }

  private boolean flush(Command command) {
    IoRequest request = take(IoKind.FLUSH, 0, 0);
    if (request == null) {
      return false;
    }
    command.isFlushWanted = false;
    command.inFlight++;
    removeFirst(command);
    request.onCompletion(session, command, Transmission.DIRECT);
    port.submit(request);
    return true;
  }

  private boolean read(Command command) {
    if (command.isStream ? !streams.hasRoom() : inFlight >= WINDOW) {
      return false;
    }
    int length = Chunks.firstData(command.next, command.end - command.next);
    IoRequest request = take(IoKind.READ, command.next, length);
    if (request == null) {
      return false;
    }
    if (command.isStream) {
      submit(command, request, streams.nextSequence());
    } else {
      inFlight++;
      submit(command, request, 0);
    }
    return true;
  }

  private boolean zeroes(Command command) {
    long left = command.end - command.next;
    boolean isRagged = (command.next & (Crc32c.BLOCK_BYTES - 1)) != 0 || left < Crc32c.BLOCK_BYTES;
    if (!isRagged) {
      return span(command, IoKind.ZERO);
    }
    if (inFlight >= WINDOW) {
      return false;
    }
    int length = (int) Math.min(left, Chunks.blockUp(command.next + 1) - command.next);
    IoRequest request = take(IoKind.WRITE, command.next, length);
    if (request == null) {
      return false;
    }
    request.loan().buffer().put(request.dataAt(), ZEROES, 0, length);
    request.flags(command.has(Nbd.CMD_FLAG_FUA) && !command.isFlushWanted, false);
    inFlight++;
    submit(command, request, 0);
    return true;
  }

  private boolean span(Command command, IoKind kind) {
    if (inFlight >= WINDOW) {
      return false;
    }
    long whole = Chunks.blockDown(command.end) - command.next;
    int length = Chunks.firstSpan(command.next, whole);
    IoRequest request = take(kind, command.next, length);
    if (request == null) {
      return false;
    }
    request.flags(
        command.has(Nbd.CMD_FLAG_FUA) && !command.isFlushWanted, command.has(Nbd.CMD_FLAG_NO_HOLE));
    inFlight++;
    submit(command, request, 0);
    return true;
  }

  private boolean map(Command command) {
    if (isAskingStatus) {
      return false;
    }
    StatusQuery query = status();
    if (command.next == command.offset) {
      query.begin();
    }
    long from = Chunks.blockDown(command.next);
    int length = Chunks.firstSpan(from, Chunks.blockUp(command.end) - from);
    IoRequest request = take(IoKind.MAP, from, length);
    if (request == null) {
      return false;
    }
    isAskingStatus = true;
    command.inFlight++;
    request.onCompletion(session, command, Transmission.DIRECT);
    port.submit(request);
    return true;
  }

  /** Made when it is first needed: most sessions never ask. */
  private StatusQuery status() {
    StatusQuery query = status;
    if (query == null) {
      query = new StatusQuery();
      status = query;
    }
    return query;
  }

  /** The status of a span has come; the command is the first of the queue until it is answered. */
  void mapped(Command command, IoRequest request, Replies replies) {
    isAskingStatus = false;
    command.inFlight--;
    IoError error = request.error();
    StatusQuery query = status();
    boolean isSound = error.isOk() && query.add(command, request);
    port.release(request);
    if (!isSound) {
      IoError reason = error.isOk() ? IoError.EIO : error;
      command.fail(Faults.number(reason, false), Faults.message(reason));
    } else if (query.isComplete(command)) {
      removeFirst(command);
      query.reply(command, replies);
    }
  }
}
