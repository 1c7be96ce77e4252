package io.longhorn.engine.client;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.StandardProtocolFamily;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.UnixDomainSocketAddress;
import java.nio.file.Path;

/**
 * Where an export is, in the form that all NBD tools know: {@code nbd://HOST:PORT/EXPORT} or {@code
 * nbd+unix:///EXPORT?socket=PATH}.
 */
public sealed interface NbdUri {
  /** The port that IANA gave to NBD. */
  int DEFAULT_PORT = 10_809;

  /** Over TCP. */
  record Tcp(String host, int port, String export) implements NbdUri {}

  /** Over a unix socket. */
  record Unix(Path socket, String export) implements NbdUri {}

  /** Name of the export; empty for the server's default one. */
  String export();

  /** Parses the text; throws {@link VolumeException} (INVALID) that says what is wrong. */
  static NbdUri parse(String text) {
    try {
      URI uri = new URI(text);
      String path = uri.getPath() == null ? "" : uri.getPath();
      String export = path.startsWith("/") ? path.substring(1) : path;
      String host = uri.getHost();
      String query = uri.getQuery();
      if ("nbd".equals(uri.getScheme()) && host != null) {
        return new Tcp(host, uri.getPort() < 0 ? DEFAULT_PORT : uri.getPort(), export);
      }
      if ("nbd+unix".equals(uri.getScheme()) && query != null && query.startsWith("socket=")) {
        return new Unix(Path.of(query.substring("socket=".length())), export);
      }
    } catch (URISyntaxException _) {
      // falls through to the one message
    }
    throw new VolumeException(
        IoError.INVALID,
        "'" + text + "' is neither nbd://HOST:PORT/EXPORT nor nbd+unix:///EXPORT?socket=PATH");
  }

  /** The address to connect to. */
  default SocketAddress socketAddress() {
    return switch (this) {
      case Tcp(String host, int port, String _) -> new InetSocketAddress(host, port);
      case Unix(Path socket, String _) -> UnixDomainSocketAddress.of(socket);
    };
  }

  /** The protocol family of its socket. */
  default StandardProtocolFamily family() {
    return switch (this) {
      case Tcp(String host, int _, String _) ->
          host.contains(":") ? StandardProtocolFamily.INET6 : StandardProtocolFamily.INET;
      case Unix _ -> StandardProtocolFamily.UNIX;
    };
  }
}
