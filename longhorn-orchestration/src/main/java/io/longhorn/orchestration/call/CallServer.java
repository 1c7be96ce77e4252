package io.longhorn.orchestration.call;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FieldWriter;
import io.longhorn.api.wire.FrameType;
import io.longhorn.api.wire.WireFormatException;
import java.io.IOException;
import java.nio.channels.SocketChannel;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.locks.ReentrantLock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Takes control calls: a virtual thread per connection, which answers one call after the other.
 * PING is answered here, everything else by the {@link CallHandler}. Whatever bytes a peer sends,
 * it gets a typed error or its connection is closed, and nobody else notices. Thread-safe.
 */
public final class CallServer implements AutoCloseable {
  /** Most connections at once; one more is told BUSY and closed. */
  public static final int MAX_CONNECTIONS = 256;

  /** Longest message of an error reply, in characters; longer ones are cut. */
  public static final int MAX_MESSAGE_CHARS = 4_096;

  /** Sequence of a reply that is about the connection, not about a call. */
  static final long NO_CALL = 0;

  /** How long the acceptor waits when the system cannot give it a connection. */
  private static final long ACCEPT_RETRY_MILLIS = 100;

  private static final Logger LOG = LoggerFactory.getLogger(CallServer.class);

  private enum Admission {
    TAKEN,
    FULL,
    CLOSED
  }

  private final Listener listener;
  private final CallHandler handler;
  private final ReentrantLock lock = new ReentrantLock();
  private final Set<SocketChannel> connections = new HashSet<>();
  private boolean isClosed;

  private CallServer(Listener listener, CallHandler handler) {
    this.listener = listener;
    this.handler = handler;
  }

  /**
   * Listens and serves until {@link #close}.
   *
   * @throws VolumeException BUSY if another process listens there, INVALID if nobody can
   */
  public static CallServer open(CallAddress address, CallHandler handler) {
    CallServer server = new CallServer(Listener.open(address), handler);
    Thread.ofPlatform().daemon().name("call-accept").start(server::accept);
    return server;
  }

  /** Where it listens, with the port that the kernel chose. */
  public CallAddress address() {
    return listener.address();
  }

  /**
   * Stops listening, removes the socket's file and closes every connection. A handler that is at
   * work ends in its own time, its answer is lost. Idempotent.
   */
  @Override
  public void close() {
    listener.close();
    List<SocketChannel> open;
    lock.lock();
    try {
      isClosed = true;
      open = List.copyOf(connections);
      connections.clear();
    } finally {
      lock.unlock();
    }
    open.forEach(CallServer::closeQuietly);
  }

  private void accept() {
    while (listener.isOpen()) {
      try {
        SocketChannel channel = listener.accept();
        switch (admit(channel)) {
          case TAKEN -> Thread.ofVirtual().name("call").start(() -> serve(channel));
          case FULL -> refuse(channel);
          case CLOSED -> closeQuietly(channel);
        }
      } catch (IOException e) {
        if (listener.isOpen()) {
          // Out of descriptors, most likely: those that wait stay in the backlog.
          LOG.warn("{} cannot take a connection: {}", listener.address(), e.getMessage());
          pause();
        }
      }
    }
  }

  private static void pause() {
    try {
      Thread.sleep(ACCEPT_RETRY_MILLIS);
    } catch (InterruptedException _) {
      // Nobody interrupts this thread; a wait that was cut short does no harm.
    }
  }

  private Admission admit(SocketChannel channel) {
    lock.lock();
    try {
      if (isClosed) {
        return Admission.CLOSED;
      }
      if (connections.size() >= MAX_CONNECTIONS) {
        return Admission.FULL;
      }
      connections.add(channel);
      return Admission.TAKEN;
    } finally {
      lock.unlock();
    }
  }

  private static void refuse(SocketChannel channel) {
    try (channel) {
      // Fits into the socket's buffer, so it does not wait; not read, it is lost.
      channel.configureBlocking(false);
      new CallFrame(FrameType.PING.code(), true, 0, NO_CALL, CallFrame.NO_BYTES)
          .reply(
              IoError.BUSY,
              message("there are " + MAX_CONNECTIONS + " connections already; try again later"))
          .write(channel);
    } catch (IOException _) {
      // The peer finds its connection closed.
    }
  }

  private void serve(SocketChannel channel) {
    try (channel) {
      serveUntilTheEnd(channel);
    } catch (IOException | WireFormatException _) {
      // The peer has gone, or speaks something else: there is nobody to tell.
    } finally {
      lock.lock();
      try {
        connections.remove(channel);
      } finally {
        lock.unlock();
      }
    }
  }

  private void serveUntilTheEnd(SocketChannel channel) throws IOException {
    try {
      boolean isGoingOn = true;
      while (isGoingOn) {
        isGoingOn = serveOne(channel);
      }
    } catch (CallFrame.UnknownVersionException e) {
      new CallFrame(e.typeCode(), true, 0, e.sequence(), CallFrame.NO_BYTES)
          .reply(IoError.UNKNOWN_VERSION, message(String.valueOf(e.getMessage())))
          .write(channel);
    }
  }

  /** Returns whether the connection can go on. */
  private boolean serveOne(SocketChannel channel) throws IOException {
    CallFrame request = CallFrame.read(channel);
    CallFrame reply = answer(request);
    reply.write(channel);
    return reply.status() != IoError.PROTOCOL.code();
  }

  private CallFrame answer(CallFrame request) {
    if (request.isReply()) {
      return request.reply(IoError.PROTOCOL, message("a reply where a request is expected"));
    }
    FrameType type = FrameType.ofCode(request.typeCode());
    if (type == null) {
      return request.reply(
          IoError.UNSUPPORTED,
          message("this build does not know calls of type " + request.typeCode()));
    }
    if (type == FrameType.PING) {
      return request.reply(IoError.OK, CallFrame.NO_BYTES);
    }
    try {
      return request.reply(IoError.OK, handler.call(type, new FieldReader(request.payload())));
    } catch (VolumeException e) {
      return request.reply(e.error(), message(String.valueOf(e.getMessage())));
    } catch (CallRefusal e) {
      return request.reply(e.error(), e.payload());
    } catch (WireFormatException e) {
      return request.reply(IoError.PROTOCOL, message(String.valueOf(e.getMessage())));
    } catch (RuntimeException e) {
      LOG.error("defect while answering {}", type, e);
      return request.reply(IoError.EIO, message("defect while answering " + type + ": " + e));
    }
  }

  private static byte[] message(String text) {
    int end = Math.min(text.length(), MAX_MESSAGE_CHARS);
    return new FieldWriter().text(1, text.substring(0, end)).toBytes();
  }

  private static void closeQuietly(SocketChannel channel) {
    try {
      channel.close();
    } catch (IOException _) {
      // It is closed all the same.
    }
  }
}
