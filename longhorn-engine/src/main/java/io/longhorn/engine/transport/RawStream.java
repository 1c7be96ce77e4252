package io.longhorn.engine.transport;

import io.longhorn.api.memory.Loan;
import io.netty.channel.IoEvent;
import io.netty.channel.IoRegistration;
import io.netty.channel.epoll.EpollIoEvent;
import io.netty.channel.epoll.EpollIoHandle;
import io.netty.channel.epoll.EpollIoOps;
import io.netty.channel.unix.FileDescriptor;
import io.netty.channel.unix.Socket;
import io.netty.util.concurrent.Future;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * A plain socket as a raw file descriptor on the loop. Level-triggered; asks for writability only
 * while the kernel's buffer is full.
 */
final class RawStream implements Stream, EpollIoHandle, VolumeLoop.TurnListener {
  /** Reads in one event before other sockets get their turn. */
  private static final int READS_AN_EVENT = 16;

  private static final int OUT = EpollIoOps.EPOLLOUT.value();

  /**
   * What is reported anyway. An empty interest would take the descriptor out of the epoll set, and
   * Netty's registration cannot put it back.
   */
  private static final EpollIoOps NOTHING = EpollIoOps.EPOLLERR;

  private final VolumeLoop loop;
  private final Socket socket;
  private final String peer;
  private final StreamHandler handler;
  private final Arena arena = Arena.ofShared();
  private final OutboundQueue queue = new OutboundQueue(arena);

  private @Nullable IoRegistration registration;
  private boolean isOpen = true;
  private boolean isReading = true;
  private boolean isWaitingForRoom;
  private boolean wasCongested;
  private @Nullable String closeWhenSent;
  private boolean isPeerGone;

  private RawStream(VolumeLoop loop, Socket socket, String peer, StreamHandlers handlers) {
    this.loop = loop;
    this.socket = socket;
    this.peer = peer;
    this.handler = handlers.handlerOf(this);
  }

  /** Puts a connected socket on the loop; loop thread only. Owns the socket from here on. */
  static Stream start(VolumeLoop loop, Socket socket, String peer, StreamHandlers handlers) {
    RawStream stream = new RawStream(loop, socket, peer, handlers);
    loop.onTurnEnd(stream);
    Future<IoRegistration> registered = loop.netty().register(stream);
    registered.addListener(_ -> {
      if (registered.isSuccess()) {
        stream.registered(registered.getNow());
      } else {
        stream.close("could not be registered: " + registered.cause());
      }
    });
    return stream;
  }

  private void registered(IoRegistration made) {
    registration = made;
    if (isOpen) {
      interest();
    } else {
      made.cancel();
    }
  }

  private void interest() {
    IoRegistration registered = registration;
    if (registered != null && registered.isValid()) {
      EpollIoOps wanted = isReading ? EpollIoOps.EPOLLIN : NOTHING;
      registered.submit(isWaitingForRoom ? wanted.with(EpollIoOps.EPOLLOUT) : wanted);
    }
  }

  @Override
  public FileDescriptor fd() {
    return socket;
  }

  @Override
  public void handle(IoRegistration registered, IoEvent event) {
    int ops = ((EpollIoEvent) event).ops().value();
    if ((ops & OUT) != 0) {
      isWaitingForRoom = false;
      send();
      if (isOpen && !isWaitingForRoom) {
        interest();
      }
    }
    if (isOpen && (ops & ~OUT) != 0) {
      if (isReading) {
        receive();
      } else {
        // Not reading, and still told of something: the peer hung up or the socket failed.
        close("the peer hung up");
      }
    }
  }

  private void receive() {
    try {
      for (int reads = 0; reads < READS_AN_EVENT && isOpen; reads++) {
        int capacity = handler.receiveCapacity();
        if (capacity <= 0) {
          isReading = false;
          interest();
          return;
        }
        int got = socket.recvAddress(handler.receiveAddress(), 0, capacity);
        if (got < 0) {
          isPeerGone = true;
          close("the peer closed the connection");
          return;
        }
        if (got == 0) {
          return;
        }
        handler.received(got);
        if (got < capacity) {
          return;
        }
      }
    } catch (IOException e) {
      close("receiving failed: " + e.getMessage());
    }
  }

  @Override
  public boolean copy(MemorySegment source, long at, int length) {
    return isOpen && queue.copy(source, at, length);
  }

  @Override
  public void append(Loan loan, int at, int length) {
    if (isOpen && length > 0) {
      queue.append(loan, at, length);
    }
  }

  @Override
  public long queuedBytes() {
    return queue.bytes();
  }

  @Override
  public boolean isCongested() {
    return queue.bytes() > CONGESTED_BYTES || queue.copiedBytes() > CONGESTED_COPIED_BYTES;
  }

  @Override
  public void turnEnded() {
    if (isOpen && !isWaitingForRoom && queue.bytes() > 0) {
      send();
    }
  }

  private void send() {
    try {
      while (queue.bytes() > 0) {
        wasCongested |= isCongested();
        int ranges = queue.gather();
        long sent = socket.writevAddresses(queue.iovecAddress(), ranges);
        if (sent <= 0) {
          isWaitingForRoom = true;
          interest();
          break;
        }
        queue.sent(sent);
      }
    } catch (IOException e) {
      close("sending failed: " + e.getMessage());
      return;
    }
    if (wasCongested
        && queue.bytes() <= CONGESTED_BYTES / 4
        && queue.copiedBytes() <= CONGESTED_COPIED_BYTES / 4) {
      wasCongested = false;
      handler.writable();
    }
    if (closeWhenSent != null && queue.bytes() == 0) {
      close(closeWhenSent);
    }
  }

  @Override
  public void resumeReading() {
    if (isOpen && !isReading) {
      isReading = true;
      interest();
    }
  }

  @Override
  public void closeWhenSent(String reason) {
    closeWhenSent = reason;
    if (queue.bytes() == 0) {
      close(reason);
    }
  }

  @Override
  public void closeLater(String reason) {
    loop.execute(() -> close(reason));
  }

  @Override
  public void close(String reason) {
    if (!isOpen) {
      return;
    }
    isOpen = false;
    loop.removeOnTurnEnd(this);
    queue.clear();
    IoRegistration registered = registration;
    if (registered != null) {
      registered.cancel();
    }
    try {
      socket.close();
    } catch (IOException _) {
      // The descriptor is gone either way; nobody can act on it.
    }
    handler.closed(reason);
    // After this turn, in which a caller further up may still look at the queue.
    loop.execute(arena::close);
  }

  @Override
  public void close() {
    close("the loop ended");
  }

  @Override
  public boolean isOpen() {
    return isOpen;
  }

  @Override
  public String peer() {
    return peer + (isPeerGone ? " (gone)" : "");
  }
}
