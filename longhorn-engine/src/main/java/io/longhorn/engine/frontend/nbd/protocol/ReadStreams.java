package io.longhorn.engine.frontend.nbd.protocol;

import io.longhorn.api.IoError;
import io.longhorn.engine.request.IoRequest;
import io.longhorn.engine.request.VolumePort;
import org.jspecify.annotations.Nullable;

/**
 * Simple reads that need several requests: their pieces are taken in the order of the commands, and
 * emitted in that order. At most {@link #WINDOW} pieces are between the two, whatever the length of
 * the reads, so that the one that streams always finds its next piece.
 */
final class ReadStreams {
  /** Pieces taken and not emitted; a power of 2. */
  static final int WINDOW = 16;

  private final VolumePort port;
  private final Replies replies;

  /** Completed pieces by sequence, modulo the window. */
  private final @Nullable IoRequest[] arrived = new @Nullable IoRequest[WINDOW];

  private long nextTaken;
  private long nextEmitted;

  ReadStreams(VolumePort port, Replies replies) {
    this.port = port;
    this.replies = replies;
  }

  boolean hasRoom() {
    return nextTaken - nextEmitted < WINDOW;
  }

  /** The sequence of the next piece taken: its request's tag. */
  long nextSequence() {
    return nextTaken++;
  }

  /**
   * A piece has completed. Emits what is in order.
   *
   * @return false if a reply failed whose header already said success: the connection has to end
   */
  boolean completed(IoRequest request) {
    arrived[(int) (request.tag() & (WINDOW - 1))] = request;
    while (true) {
      int slot = (int) (nextEmitted & (WINDOW - 1));
      IoRequest next = arrived[slot];
      if (next == null) {
        return true;
      }
      arrived[slot] = null;
      nextEmitted++;
      if (!emit(next)) {
        return false;
      }
    }
  }

  private boolean emit(IoRequest request) {
    Command command = Command.of(request);
    IoError error = request.error();
    if (!error.isOk()) {
      command.fail(Faults.number(error, false), Faults.message(error));
    }
    boolean isBroken = command.error != 0 && command.isHeaderOut;
    if (command.error == 0) {
      replies.streamed(command, request);
    }
    port.release(request);
    command.inFlight--;
    if (!isBroken && command.isIssued && command.inFlight == 0) {
      if (command.error == 0) {
        replies.streamEnded(command);
      } else {
        replies.finish(command);
      }
    }
    return !isBroken;
  }

  /** The client is gone. */
  void abandon() {
    for (int i = 0; i < WINDOW; i++) {
      IoRequest request = arrived[i];
      if (request != null) {
        arrived[i] = null;
        port.release(request);
      }
    }
  }
}
