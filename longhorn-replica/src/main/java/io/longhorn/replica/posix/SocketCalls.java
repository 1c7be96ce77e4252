package io.longhorn.replica.posix;

import static io.longhorn.replica.posix.NativeCalls.broken;
import static io.longhorn.replica.posix.NativeCalls.link;
import static io.longhorn.replica.posix.NativeCalls.longResult;
import static io.longhorn.replica.posix.NativeCalls.result;
import static io.longhorn.replica.posix.NativeCalls.state;

import io.longhorn.replica.posix.NativeCalls.CallState;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.net.Inet6Address;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.UnixDomainSocketAddress;

/**
 * System calls on stream sockets, poll and eventfd. Any thread; each returns the kernel's result or
 * minus {@link Errno}. Every descriptor made here is closed on exec.
 */
public final class SocketCalls {
  /** {@link #socket}: unix sockets. */
  public static final int AF_UNIX = 1;

  /** {@link #socket}: IPv4. */
  public static final int AF_INET = 2;

  /** {@link #socket}: IPv6. */
  public static final int AF_INET6 = 10;

  /** {@link #recv}, {@link #send}: do not wait. */
  public static final int MSG_DONTWAIT = 0x40;

  /** {@link #send}: {@link Errno#EPIPE} instead of a signal. */
  public static final int MSG_NOSIGNAL = 0x4000;

  /** {@link #shutdown}: nothing more is sent; the peer reads to the end. */
  public static final int SHUT_WR = 1;

  /** {@link #shutdown}: both directions; wakes whoever waits on the socket, in any thread. */
  public static final int SHUT_RDWR = 2;

  /** {@link #poll}: something to read, or the end. */
  public static final short POLLIN = 1;

  /** {@link #poll}: room to write. */
  public static final short POLLOUT = 4;

  /** Bytes of one entry for {@link #poll}: i32 fd, i16 events, i16 returned events. */
  public static final int POLLFD_BYTES = 8;

  /** Level of socket options in general. */
  public static final int SOL_SOCKET = 1;

  /** {@link #SOL_SOCKET}: bind although a connection of an earlier process lingers. */
  public static final int SO_REUSEADDR = 2;

  /** {@link #SOL_SOCKET}: bytes of the send buffer. */
  public static final int SO_SNDBUF = 7;

  /** {@link #SOL_SOCKET}: bytes of the receive buffer. */
  public static final int SO_RCVBUF = 8;

  /** {@link #SOL_SOCKET}: find out about a peer that vanished. */
  public static final int SO_KEEPALIVE = 9;

  /** Level of TCP's options. */
  public static final int IPPROTO_TCP = 6;

  /** {@link #IPPROTO_TCP}: send at once. */
  public static final int TCP_NODELAY = 1;

  /** {@link #IPPROTO_TCP}: seconds of silence before the first keepalive probe. */
  public static final int TCP_KEEPIDLE = 4;

  /** {@link #IPPROTO_TCP}: seconds between probes. */
  public static final int TCP_KEEPINTVL = 5;

  /** {@link #IPPROTO_TCP}: unanswered probes until the connection is over. */
  public static final int TCP_KEEPCNT = 6;

  /** {@link #IPPROTO_TCP}: milliseconds sent data may stay unacknowledged. */
  public static final int TCP_USER_TIMEOUT = 18;

  private static final int SOCK_STREAM_CLOEXEC = 1 | 0x80000;
  private static final long CLOEXEC = 0x80000;
  private static final long CLOEXEC_NONBLOCK = 0x80000 | 0x800;

  private static final MethodHandle SOCKET = link("socket");
  private static final MethodHandle SOCKETPAIR = link("socketpair");
  private static final MethodHandle BIND = link("bind");
  private static final MethodHandle LISTEN = link("listen");
  private static final MethodHandle CONNECT = link("connect");
  private static final MethodHandle ACCEPT = link("accept4");
  private static final MethodHandle RECV = link("recv");
  private static final MethodHandle SEND = link("send");
  private static final MethodHandle SHUTDOWN = link("shutdown");
  private static final MethodHandle POLL = link("poll");
  private static final MethodHandle EVENTFD = link("eventfd");
  private static final MethodHandle READ = link("read");
  private static final MethodHandle WRITE = link("write");
  private static final MethodHandle SETSOCKOPT = link("setsockopt");
  private static final MethodHandle GETSOCKNAME = link("getsockname");

  private SocketCalls() {}

  /** The family that {@link #socket} needs for an address. */
  public static int family(SocketAddress address) {
    return switch (address) {
      case UnixDomainSocketAddress _ -> AF_UNIX;
      case InetSocketAddress inet when inet.getAddress() instanceof Inet6Address -> AF_INET6;
      default -> AF_INET;
    };
  }

  /** A stream socket of a family, {@code AF_…} of this class. */
  public static int socket(int family) {
    try {
      CallState state = state();
      return result(
          state,
          (long)
              SOCKET.invokeExact(
                  state.captured(), (long) family, (long) SOCK_STREAM_CLOEXEC, 0L, 0L, 0L));
    } catch (Throwable e) {
      throw broken(e);
    }
  }

  /**
   * Two unix stream sockets connected to each other.
   *
   * @param ends receives the two descriptors
   */
  public static int socketpair(int[] ends) {
    try {
      CallState state = state();
      int got =
          result(
              state,
              (long)
                  SOCKETPAIR.invokeExact(
                      state.captured(),
                      (long) AF_UNIX,
                      (long) SOCK_STREAM_CLOEXEC,
                      0L,
                      state.scratch().address(),
                      0L));
      if (got == 0) {
        ends[0] = state.scratch().get(ValueLayout.JAVA_INT, 0);
        ends[1] = state.scratch().get(ValueLayout.JAVA_INT, 4);
      }
      return got;
    } catch (Throwable e) {
      throw broken(e);
    }
  }

  /**
   * Gives a socket its address; throws {@link IllegalArgumentException} for one that no socket can
   * have, here and in {@link #connect}.
   */
  public static int bind(int fd, SocketAddress address) {
    CallState state = state();
    long length = NativeAddress.write(address, state.scratch());
    try {
      return result(
          state,
          (long)
              BIND.invokeExact(
                  state.captured(), (long) fd, state.scratch().address(), length, 0L, 0L));
    } catch (Throwable e) {
      throw broken(e);
    }
  }

  /** Connects a socket, waiting. Interrupted by a signal it fails; open another socket then. */
  public static int connect(int fd, SocketAddress address) {
    CallState state = state();
    long length = NativeAddress.write(address, state.scratch());
    try {
      return result(
          state,
          (long)
              CONNECT.invokeExact(
                  state.captured(), (long) fd, state.scratch().address(), length, 0L, 0L));
    } catch (Throwable e) {
      throw broken(e);
    }
  }

  /** Begins to listen with a queue of {@code backlog} connections. */
  public static int listen(int fd, int backlog) {
    try {
      CallState state = state();
      return result(
          state,
          (long) LISTEN.invokeExact(state.captured(), (long) fd, (long) backlog, 0L, 0L, 0L));
    } catch (Throwable e) {
      throw broken(e);
    }
  }

  /** The next connection of a listening socket, waiting for it; a blocking socket. */
  public static int accept(int fd) {
    try {
      CallState state = state();
      int got;
      do {
        got =
            result(
                state, (long) ACCEPT.invokeExact(state.captured(), (long) fd, 0L, 0L, CLOEXEC, 0L));
      } while (got == -Errno.EINTR);
      return got;
    } catch (Throwable e) {
      throw broken(e);
    }
  }

  /** Receives what is there, waiting for the first byte unless {@code flags} say otherwise. */
  public static long recv(int fd, long address, long length, int flags) {
    try {
      CallState state = state();
      long got;
      do {
        got =
            longResult(
                state,
                (long)
                    RECV.invokeExact(
                        state.captured(), (long) fd, address, length, (long) flags, 0L));
      } while (got == -Errno.EINTR);
      return got;
    } catch (Throwable e) {
      throw broken(e);
    }
  }

  /** Sends; may be short. A closed peer is {@link Errno#EPIPE}, never a signal. */
  public static long send(int fd, long address, long length, int flags) {
    try {
      CallState state = state();
      long got;
      do {
        got =
            longResult(
                state,
                (long)
                    SEND.invokeExact(
                        state.captured(),
                        (long) fd,
                        address,
                        length,
                        (long) (flags | MSG_NOSIGNAL),
                        0L));
      } while (got == -Errno.EINTR);
      return got;
    } catch (Throwable e) {
      throw broken(e);
    }
  }

  /** Ends a connection without closing its descriptor. */
  public static int shutdown(int fd, int how) {
    try {
      CallState state = state();
      return result(
          state, (long) SHUTDOWN.invokeExact(state.captured(), (long) fd, (long) how, 0L, 0L, 0L));
    } catch (Throwable e) {
      throw broken(e);
    }
  }

  /**
   * Waits until one of several descriptors is ready.
   *
   * @param address of {@code count} entries of {@link #POLLFD_BYTES}
   * @param timeoutMillis -1 for ever; started again after a signal
   * @return how many are ready, 0 after the time
   */
  public static int poll(long address, int count, int timeoutMillis) {
    try {
      CallState state = state();
      int got;
      do {
        got =
            result(
                state,
                (long)
                    POLL.invokeExact(
                        state.captured(), address, (long) count, (long) timeoutMillis, 0L, 0L));
      } while (got == -Errno.EINTR);
      return got;
    } catch (Throwable e) {
      throw broken(e);
    }
  }

  /** A counter that can be polled; reads and writes of it never wait. */
  public static int eventfd() {
    try {
      CallState state = state();
      return result(
          state, (long) EVENTFD.invokeExact(state.captured(), 0L, CLOEXEC_NONBLOCK, 0L, 0L, 0L));
    } catch (Throwable e) {
      throw broken(e);
    }
  }

  /** Adds one to an eventfd: whoever polls it wakes. */
  public static int signal(int eventfd) {
    try {
      CallState state = state();
      state.scratch().set(ValueLayout.JAVA_LONG, 0, 1);
      long got;
      do {
        got =
            longResult(
                state,
                (long)
                    WRITE.invokeExact(
                        state.captured(), (long) eventfd, state.scratch().address(), 8L, 0L, 0L));
      } while (got == -Errno.EINTR);
      return (int) got;
    } catch (Throwable e) {
      throw broken(e);
    }
  }

  /** Sets an eventfd back to zero; {@link Errno#EAGAIN} if it was. */
  public static int drain(int eventfd) {
    try {
      CallState state = state();
      long got;
      do {
        got =
            longResult(
                state,
                (long)
                    READ.invokeExact(
                        state.captured(), (long) eventfd, state.scratch().address(), 8L, 0L, 0L));
      } while (got == -Errno.EINTR);
      return (int) got;
    } catch (Throwable e) {
      throw broken(e);
    }
  }

  /** Sets a socket option that is a number. */
  public static int setOption(int fd, int level, int option, int value) {
    try {
      CallState state = state();
      state.scratch().set(ValueLayout.JAVA_INT, 0, value);
      return result(
          state,
          (long)
              SETSOCKOPT.invokeExact(
                  state.captured(),
                  (long) fd,
                  (long) level,
                  (long) option,
                  state.scratch().address(),
                  4L));
    } catch (Throwable e) {
      throw broken(e);
    }
  }

  /** The port that a TCP socket is bound to. */
  public static int localPort(int fd) {
    try {
      CallState state = state();
      MemorySegment scratch = state.scratch();
      scratch.set(ValueLayout.JAVA_INT, 0, (int) scratch.byteSize() - 8);
      int got =
          result(
              state,
              (long)
                  GETSOCKNAME.invokeExact(
                      state.captured(),
                      (long) fd,
                      scratch.address() + 8,
                      scratch.address(),
                      0L,
                      0L));
      return got < 0 ? got : NativeAddress.port(scratch.asSlice(8));
    } catch (Throwable e) {
      throw broken(e);
    }
  }
}
