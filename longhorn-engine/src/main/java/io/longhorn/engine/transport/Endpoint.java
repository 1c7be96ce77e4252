package io.longhorn.engine.transport;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.netty.channel.unix.DomainSocketAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/** Where a socket listens or connects: {@code tcp:HOST:PORT} or {@code unix:PATH}. */
public sealed interface Endpoint {
  /** Longest path of a unix socket in bytes, by the kernel's {@code sun_path}. */
  int MAX_UNIX_PATH_BYTES = 107;

  /** A TCP address; port 0 lets the kernel choose when listening. */
  record Tcp(String host, int port) implements Endpoint {
    @Override
    public String toString() {
      return "tcp:" + host + ":" + port;
    }
  }

  /** A unix socket. */
  record Unix(Path path) implements Endpoint {
    @Override
    public String toString() {
      return "unix:" + path;
    }
  }

  /**
   * Parses the text form; throws {@link VolumeException} (INVALID) with one line that says what is
   * wrong.
   */
  static Endpoint parse(String text) {
    if (text.startsWith("unix:") && text.length() > 5) {
      Path path = Path.of(text.substring(5)).toAbsolutePath();
      if (path.toString().getBytes(StandardCharsets.UTF_8).length > MAX_UNIX_PATH_BYTES) {
        throw new VolumeException(
            IoError.INVALID,
            "socket path "
                + path
                + " is longer than "
                + MAX_UNIX_PATH_BYTES
                + " bytes; use a shorter directory");
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
        // falls through to the one message
      }
    }
    throw new VolumeException(
        IoError.INVALID, "address '" + text + "' is neither tcp:HOST:PORT nor unix:PATH");
  }

  /** The form the socket calls want; resolves the host name. */
  default SocketAddress socketAddress() {
    return switch (this) {
      case Tcp(String host, int port) -> {
        InetSocketAddress address = new InetSocketAddress(host, port);
        if (address.isUnresolved()) {
          throw new VolumeException(IoError.INVALID, "host '" + host + "' has no address");
        }
        yield address;
      }
      case Unix(Path path) -> new DomainSocketAddress(path.toFile());
    };
  }
}
