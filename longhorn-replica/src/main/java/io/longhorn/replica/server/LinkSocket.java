package io.longhorn.replica.server;

import io.longhorn.replica.posix.Errno;
import io.longhorn.replica.posix.FileCalls;
import io.longhorn.replica.posix.SocketCalls;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The byte stream of one accepted connection, as its thread uses it: blocking, or waiting for the
 * disk threads at the same time. One thread, except {@link #wake} and {@link #shutdown}.
 *
 * <p>This is the seam for TLS: it alone knows what bytes on a socket mean. A TLS stream has the
 * same five methods, with an {@code SSLEngine} between its buffers and these calls.
 */
final class LinkSocket implements DiskThreads.Waker {
  /** {@link #receive}: nothing came, but {@link #wake} was called. */
  static final int WOKEN = 0;

  /** {@link #receive}: the connection is over. */
  static final int ENDED = -1;

  /** {@link #receive}: nothing came in the time given. */
  static final int TIMED_OUT = -2;

  private static final int BUFFER_BYTES = 1 << 20;
  private static final int LINGER_RECEIVES = 16;
  private static final int LINGER_MILLIS = 200;
  private static final int KEEPALIVE_IDLE_SECONDS = 15;
  private static final int KEEPALIVE_INTERVAL_SECONDS = 5;
  private static final int KEEPALIVE_PROBES = 3;
  private static final int UNACKNOWLEDGED_MILLIS = 30_000;

  private final int fd;
  private final int eventFd;
  private final MemorySegment polled;
  private final long polledAddress;
  private volatile boolean isWatching;

  // Guards the descriptors' numbers against use after close.
  private final ReentrantLock lock = new ReentrantLock();
  private boolean isClosed;

  /**
   * Takes over an accepted socket.
   *
   * @param arena lives longer than this
   */
  LinkSocket(int fd, boolean isTcp, Arena arena) {
    this.fd = fd;
    eventFd = SocketCalls.eventfd();
    if (eventFd < 0) {
      FileCalls.close(fd);
      throw new IllegalStateException("eventfd: " + Errno.describe(-eventFd));
    }
    polled = arena.allocate(2L * SocketCalls.POLLFD_BYTES, 8);
    polledAddress = polled.address();
    polled.set(ValueLayout.JAVA_INT, 0, fd);
    polled.set(ValueLayout.JAVA_SHORT, 4, SocketCalls.POLLIN);
    polled.set(ValueLayout.JAVA_INT, SocketCalls.POLLFD_BYTES, eventFd);
    polled.set(ValueLayout.JAVA_SHORT, SocketCalls.POLLFD_BYTES + 4, SocketCalls.POLLIN);
    option(SocketCalls.SOL_SOCKET, SocketCalls.SO_SNDBUF, BUFFER_BYTES);
    option(SocketCalls.SOL_SOCKET, SocketCalls.SO_RCVBUF, BUFFER_BYTES);
    if (isTcp) {
      option(SocketCalls.IPPROTO_TCP, SocketCalls.TCP_NODELAY, 1);
      option(SocketCalls.SOL_SOCKET, SocketCalls.SO_KEEPALIVE, 1);
      option(SocketCalls.IPPROTO_TCP, SocketCalls.TCP_KEEPIDLE, KEEPALIVE_IDLE_SECONDS);
      option(SocketCalls.IPPROTO_TCP, SocketCalls.TCP_KEEPINTVL, KEEPALIVE_INTERVAL_SECONDS);
      option(SocketCalls.IPPROTO_TCP, SocketCalls.TCP_KEEPCNT, KEEPALIVE_PROBES);
      option(SocketCalls.IPPROTO_TCP, SocketCalls.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MILLIS);
    }
  }

  /** A kernel that refuses an option serves all the same, with its defaults. */
  private void option(int level, int option, int value) {
    SocketCalls.setOption(fd, level, option, value);
  }

  /**
   * Waits for bytes, and for nothing else: one system call.
   *
   * @return how many came, or {@link #ENDED}
   */
  int receive(long address, int room) {
    long got = SocketCalls.recv(fd, address, room, 0);
    return got > 0 ? (int) got : ENDED;
  }

  /**
   * Tells {@link #wake} that somebody is about to wait in {@link #receiveOrWake}. The caller looks
   * once more for what it would be woken for, then waits or calls {@link #unwatch}.
   */
  void watch() {
    isWatching = true;
  }

  /** Nobody waits after all. */
  void unwatch() {
    isWatching = false;
  }

  /**
   * Waits for bytes or {@link #wake}, whichever comes first; after {@link #watch}.
   *
   * @param timeoutMillis -1 for ever
   * @return how many bytes came, or {@link #WOKEN}, {@link #ENDED}, {@link #TIMED_OUT}
   */
  int receiveOrWake(long address, int room, int timeoutMillis) {
    int ready = SocketCalls.poll(polledAddress, 2, timeoutMillis);
    isWatching = false;
    if (ready == 0) {
      return TIMED_OUT;
    }
    if (ready < 0) {
      return ENDED;
    }
    if (polled.get(ValueLayout.JAVA_SHORT, SocketCalls.POLLFD_BYTES + 6) != 0) {
      SocketCalls.drain(eventFd);
    }
    if (polled.get(ValueLayout.JAVA_SHORT, 6) == 0) {
      return WOKEN;
    }
    long got = SocketCalls.recv(fd, address, room, SocketCalls.MSG_DONTWAIT);
    if (got == -Errno.EAGAIN) {
      return WOKEN;
    }
    return got > 0 ? (int) got : ENDED;
  }

  /** Waits for {@link #wake} alone; after {@link #watch}. */
  void awaitWake() {
    SocketCalls.poll(polledAddress + SocketCalls.POLLFD_BYTES, 1, -1);
    isWatching = false;
    SocketCalls.drain(eventFd);
  }

  /** Sends everything, waiting for the peer to take it; false if the connection is over. */
  boolean send(long address, int length) {
    int sent = 0;
    while (sent < length) {
      long got = SocketCalls.send(fd, address + sent, length - sent, 0);
      if (got < 0) {
        return false;
      }
      sent += (int) got;
    }
    return true;
  }

  /** Ends a wait of the link's thread that was announced by {@link #watch}. Any thread. */
  @Override
  public void wake() {
    if (isWatching) {
      isWatching = false;
      lock.lock();
      try {
        if (!isClosed) {
          SocketCalls.signal(eventFd);
        }
      } finally {
        lock.unlock();
      }
    }
  }

  /** Ends the connection; whoever waits on it returns. Any thread. */
  void shutdown() {
    lock.lock();
    try {
      if (!isClosed) {
        SocketCalls.shutdown(fd, SocketCalls.SHUT_RDWR);
      }
    } finally {
      lock.unlock();
    }
  }

  /**
   * Lets the peer read the last answers before the connection is gone: says that nothing more
   * comes, and throws away what it still sends until it closes, within limits.
   */
  void linger(long scratchAddress, int scratchBytes) {
    SocketCalls.shutdown(fd, SocketCalls.SHUT_WR);
    for (int i = 0; i < LINGER_RECEIVES; i++) {
      int ready = SocketCalls.poll(polledAddress, 1, LINGER_MILLIS);
      if (ready <= 0
          || SocketCalls.recv(fd, scratchAddress, scratchBytes, SocketCalls.MSG_DONTWAIT) <= 0) {
        return;
      }
    }
  }

  /** Gives the descriptors back. */
  void close() {
    lock.lock();
    try {
      if (!isClosed) {
        isClosed = true;
        FileCalls.close(fd);
        FileCalls.close(eventFd);
      }
    } finally {
      lock.unlock();
    }
  }
}
