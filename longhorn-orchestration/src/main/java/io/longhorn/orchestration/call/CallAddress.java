package io.longhorn.orchestration.call;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.UnixDomainSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;

/**
 * Where calls are taken, as people write it: {@code unix:PATH} or {@code tcp:HOST:PORT} (an IPv6
 * host in brackets; port 0: the kernel chooses). Errors are {@link VolumeException} (INVALID) with
 * one line that says what to do.
 */
public sealed interface CallAddress {
  /** Longest path of a unix socket in bytes: the kernel's 108 with the zero at the end. */
  int MAX_PATH_BYTES = 107;

  /**
   * A unix socket.
   *
   * @param path at most {@link #MAX_PATH_BYTES} bytes
   */
  record Unix(Path path) implements CallAddress {
    /** Checks the length. */
    public Unix {
      int bytes = path.toString().getBytes(StandardCharsets.UTF_8).length;
      if (bytes > MAX_PATH_BYTES) {
        throw invalid(
            "socket path "
                + path
                + " has "
                + bytes
                + " bytes, Linux allows "
                + MAX_PATH_BYTES
                + "; use a shorter one");
      }
    }

    @Override
    public String toString() {
      return "unix:" + path;
    }
  }

  /**
   * A TCP address.
   *
   * @param host name or number, IPv6 without brackets
   * @param port 0 to 65,535
   */
  record Tcp(String host, int port) implements CallAddress {
    @Override
    public String toString() {
      return "tcp:" + (host.contains(":") ? "[" + host + "]" : host) + ":" + port;
    }
  }

  /** Parses the text form. */
  static CallAddress parse(String text) {
    if (text.startsWith("unix:") && text.length() > "unix:".length()) {
      try {
        return new Unix(Path.of(text.substring("unix:".length())));
      } catch (InvalidPathException e) {
        throw new VolumeException(IoError.INVALID, "address '" + text + "' holds no path", e);
      }
    }
    int colon = text.lastIndexOf(':');
    if (text.startsWith("tcp:") && colon > "tcp:".length()) {
      String host = text.substring("tcp:".length(), colon);
      boolean isBracketed = host.startsWith("[") && host.endsWith("]") && host.length() > 2;
      int port = port(text.substring(colon + 1));
      if (port >= 0 && (isBracketed || !host.matches(".*[:\\[\\]].*"))) {
        return new Tcp(isBracketed ? host.substring(1, host.length() - 1) : host, port);
      }
    }
    throw invalid("address '" + text + "': use unix:PATH or tcp:HOST:PORT");
  }

  /** The form the socket calls want; resolves the host name. */
  default SocketAddress socketAddress() {
    return switch (this) {
      case Unix(Path path) -> UnixDomainSocketAddress.of(path);
      case Tcp(String host, int port) -> {
        InetSocketAddress address = new InetSocketAddress(host, port);
        if (address.isUnresolved()) {
          throw invalid("host '" + host + "' has no address; use one of this machine's");
        }
        yield address;
      }
    };
  }

  private static int port(String text) {
    try {
      int port = Integer.parseInt(text);
      return port <= 65_535 ? port : -1;
    } catch (NumberFormatException _) {
      return -1;
    }
  }

  private static VolumeException invalid(String message) {
    return new VolumeException(IoError.INVALID, message);
  }
}
