package io.longhorn.replica.server;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.replica.posix.Errno;
import io.longhorn.replica.posix.FileCalls;
import io.longhorn.replica.posix.SocketCalls;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.UnixDomainSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;

/**
 * Where a replica listens, as people write it: {@code tcp:HOST:PORT} (port 0: the kernel chooses)
 * or {@code unix:PATH}. Errors are {@link VolumeException} with one line that says what to do.
 */
public sealed interface ListenAddress {
  /** Longest path of a unix socket in bytes. */
  int MAX_PATH_BYTES = 107;

  /** A TCP address; an IPv6 host may stand in brackets. */
  record Tcp(String host, int port) implements ListenAddress {
    @Override
    public String toString() {
      return "tcp:" + host + ":" + port;
    }
  }

  /** A unix socket. */
  record Unix(Path path) implements ListenAddress {
    @Override
    public String toString() {
      return "unix:" + path;
    }
  }

  /** Parses the text form; INVALID if it is neither. */
  static ListenAddress parse(String text) {
    if (text.startsWith("unix:") && text.length() > 5) {
      Path path = Path.of(text.substring(5));
      int bytes = path.toString().getBytes(StandardCharsets.UTF_8).length;
      if (bytes > MAX_PATH_BYTES) {
        throw invalid(
            "socket path of "
                + bytes
                + " bytes: Linux allows "
                + MAX_PATH_BYTES
                + "; use a shorter one");
      }
      return new Unix(path);
    }
    int colon = text.lastIndexOf(':');
    if (text.startsWith("tcp:") && colon > 4) {
      try {
        int port = Integer.parseInt(text.substring(colon + 1));
        if (port >= 0 && port <= 65_535) {
          return new Tcp(text.substring(4, colon), port);
        }
      } catch (NumberFormatException _) {
        // The one message for all that is no address.
      }
    }
    throw invalid("address '" + text + "': use tcp:HOST:PORT or unix:PATH");
  }

  /** Whether TCP's options apply. */
  default boolean isTcp() {
    return this instanceof Tcp;
  }

  /**
   * A listening socket at this address. The socket file of a process that is gone is replaced; one
   * that somebody listens on is not.
   *
   * @return its descriptor
   */
  default int listen(int backlog) {
    SocketAddress address = socketAddress();
    int fd = SocketCalls.socket(SocketCalls.family(address));
    if (fd < 0) {
      throw failed(fd);
    }
    int bound = bind(fd, address);
    int got = bound < 0 ? bound : SocketCalls.listen(fd, backlog);
    if (got < 0) {
      FileCalls.close(fd);
      throw failed(got);
    }
    return fd;
  }

  /** This address with the port that the kernel chose for a listening socket. */
  default ListenAddress bound(int fd) {
    return switch (this) {
      case Tcp(String host, int _) -> new Tcp(host, SocketCalls.localPort(fd));
      case Unix unix -> unix;
    };
  }

  /** Removes what listening left behind. */
  default void cleanUp() {
    if (this instanceof Unix(Path path)) {
      try {
        Files.deleteIfExists(path);
      } catch (IOException _) {
        // A file nobody listens on is replaced the next time.
      }
    }
  }

  private int bind(int fd, SocketAddress address) {
    if (isTcp()) {
      // Connections of an earlier process that linger are no reason to refuse.
      SocketCalls.setOption(fd, SocketCalls.SOL_SOCKET, SocketCalls.SO_REUSEADDR, 1);
      return SocketCalls.bind(fd, address);
    }
    int bound = SocketCalls.bind(fd, address);
    if (bound == -Errno.EADDRINUSE && isStale(address)) {
      cleanUp();
      return SocketCalls.bind(fd, address);
    }
    return bound;
  }

  /** Whether the file is a socket that nobody listens on. */
  private boolean isStale(SocketAddress address) {
    if (this instanceof Unix(Path path) && Files.isRegularFile(path, LinkOption.NOFOLLOW_LINKS)) {
      return false;
    }
    int probe = SocketCalls.socket(SocketCalls.AF_UNIX);
    if (probe < 0) {
      return false;
    }
    int connected = SocketCalls.connect(probe, address);
    FileCalls.close(probe);
    return connected == -Errno.ECONNREFUSED;
  }

  private SocketAddress socketAddress() {
    return switch (this) {
      case Unix(Path path) -> UnixDomainSocketAddress.of(path);
      case Tcp(String host, int port) -> {
        boolean isBracketed = host.startsWith("[") && host.endsWith("]");
        String name = isBracketed ? host.substring(1, host.length() - 1) : host;
        InetSocketAddress address = new InetSocketAddress(name, port);
        if (address.isUnresolved()) {
          throw invalid("host '" + name + "' has no address; use one of this machine's");
        }
        yield address;
      }
    };
  }

  private VolumeException failed(int negativeErrno) {
    String what = "cannot listen on " + this + ": ";
    return switch (-negativeErrno) {
      case Errno.EADDRINUSE ->
          new VolumeException(
              IoError.BUSY, what + "another process does, or the file is no socket; use another");
      case Errno.ENOENT, Errno.ENOTDIR ->
          new VolumeException(
              IoError.INVALID, what + "its directory does not exist; create it first");
      default ->
          new VolumeException(
              IoError.INVALID,
              what + Errno.describe(-negativeErrno) + "; use an address of this machine");
    };
  }

  private static VolumeException invalid(String message) {
    return new VolumeException(IoError.INVALID, message);
  }
}
