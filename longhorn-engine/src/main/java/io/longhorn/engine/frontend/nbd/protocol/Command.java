package io.longhorn.engine.frontend.nbd.protocol;

import io.longhorn.engine.request.IoRequest;
import org.jspecify.annotations.Nullable;

/** One request of the client, from its header to its reply. Pooled by the session. */
final class Command {
  /** Pieces of a read that leaves in one content chunk. */
  static final int MAX_KEPT = 3;

  int type;
  int flags;
  long cookie;
  long offset;
  long length;

  /** First byte not handed to the volume yet, and the byte after the last one. */
  long next;

  long end;

  /** Requests submitted and not completed, or completed and not emitted for a stream. */
  int inFlight;

  /** Nothing more will be taken for it but, perhaps, the flush. */
  boolean isIssued;

  /** A FLUSH follows once everything else has completed: FUA over several requests. */
  boolean isFlushWanted;

  /** A simple reply whose data needs several requests: emitted in order. */
  boolean isStream;

  /** Its reply's header says success and has been emitted. */
  boolean isHeaderOut;

  /** 0, or the first error. */
  int error;

  byte[] message = Faults.NO_MESSAGE;

  /** Data that waits for the reply. */
  final @Nullable IoRequest[] kept = new @Nullable IoRequest[MAX_KEPT];

  /** Link of the one list it is in: free, long, or held. */
  @Nullable Command after;

  void begin(int ofType, int withFlags, long withCookie, long at, long bytes) {
    type = ofType;
    flags = withFlags;
    cookie = withCookie;
    offset = at;
    length = bytes;
    next = at;
    end = at + bytes;
    inFlight = 0;
    isIssued = false;
    isFlushWanted = false;
    isStream = false;
    isHeaderOut = false;
    error = 0;
    message = Faults.NO_MESSAGE;
  }

  /** Whose request this is. */
  static Command of(IoRequest request) {
    if (request.attachment() instanceof Command command) {
      return command;
    }
    throw new IllegalStateException("a request that belongs to no command");
  }

  boolean has(int flag) {
    return (flags & flag) != 0;
  }

  /** Keeps the first error. */
  void fail(int nbdError, byte[] why) {
    if (error == 0) {
      error = nbdError;
      message = why;
    }
  }
}
