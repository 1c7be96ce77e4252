package io.longhorn.engine.transport;

import io.netty.channel.unix.Socket;
import java.io.IOException;

/** What every socket of the data path is set to. */
final class Sockets {
  /** Send and receive buffers: a few large requests, so that a turn's output leaves in one call. */
  private static final int BUFFER_BYTES = 1 << 20;

  private Sockets() {}

  static Socket create(Endpoint endpoint) {
    return switch (endpoint) {
      case Endpoint.Tcp _ -> Socket.newSocketStream();
      case Endpoint.Unix _ -> Socket.newSocketDomain();
    };
  }

  static void tune(Socket socket, Endpoint endpoint) throws IOException {
    socket.setSendBufferSize(BUFFER_BYTES);
    socket.setReceiveBufferSize(BUFFER_BYTES);
    if (endpoint instanceof Endpoint.Tcp) {
      socket.setTcpNoDelay(true);
      socket.setKeepAlive(true);
    }
  }

  static void closeQuietly(Socket socket) {
    try {
      socket.close();
    } catch (IOException _) {
      // The descriptor is gone either way; nobody can act on it.
    }
  }
}
