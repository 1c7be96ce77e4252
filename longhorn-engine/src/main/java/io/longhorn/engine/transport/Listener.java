package io.longhorn.engine.transport;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.netty.channel.IoEvent;
import io.netty.channel.IoRegistration;
import io.netty.channel.epoll.EpollIoHandle;
import io.netty.channel.epoll.EpollIoOps;
import io.netty.channel.unix.FileDescriptor;
import io.netty.channel.unix.Socket;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A listening socket on the loop. A unix socket's file that nobody listens on any more is replaced;
 * one with a live listener is refused. The file is removed on close.
 */
public final class Listener implements EpollIoHandle {
  private static final Logger LOG = LoggerFactory.getLogger(Listener.class);
  private static final int BACKLOG = 128;
  private static final int ACCEPTS_AN_EVENT = 16;
  private static final int LONGEST_ADDRESS_BYTES = 128;

  private final VolumeLoop loop;
  private final Endpoint endpoint;
  private final Socket socket;
  private final BooleanSupplier admits;
  private final StreamHandlers handlers;
  private final byte[] address = new byte[LONGEST_ADDRESS_BYTES];
  private @Nullable IoRegistration registration;
  private boolean isOpen = true;

  private Listener(
      VolumeLoop loop,
      Endpoint endpoint,
      Socket socket,
      BooleanSupplier admits,
      StreamHandlers handlers) {
    this.loop = loop;
    this.endpoint = endpoint;
    this.socket = socket;
    this.admits = admits;
    this.handlers = handlers;
  }

  /**
   * Binds and listens at once; accepts on the loop. Any thread.
   *
   * @param admits asked for each new connection; one that is not admitted is closed at once
   * @throws VolumeException BUSY if somebody listens there already, EIO for anything else the
   *     kernel refuses
   */
  public static Listener open(
      VolumeLoop loop, Endpoint endpoint, BooleanSupplier admits, StreamHandlers handlers) {
    if (endpoint instanceof Endpoint.Unix(Path path)) {
      removeStale(path);
    }
    Socket socket = Sockets.create(endpoint);
    try {
      if (endpoint instanceof Endpoint.Tcp) {
        socket.setReuseAddress(true);
      }
      socket.bind(endpoint.socketAddress());
      socket.listen(BACKLOG);
    } catch (IOException e) {
      Sockets.closeQuietly(socket);
      throw new VolumeException(
          IoError.BUSY, "cannot listen on " + endpoint + ": " + e.getMessage(), e);
    }
    Endpoint bound =
        endpoint instanceof Endpoint.Tcp(String host, int _)
            ? new Endpoint.Tcp(host, socket.localAddress().getPort())
            : endpoint;
    Listener listener = new Listener(loop, bound, socket, admits, handlers);
    loop.execute(listener::register);
    return listener;
  }

  private static void removeStale(Path path) {
    if (!Files.exists(path)) {
      return;
    }
    try {
      SocketChannel.open(UnixDomainSocketAddress.of(path)).close();
      throw new VolumeException(
          IoError.BUSY,
          "socket " + path + " is in use by a running process; choose another path or stop it");
    } catch (IOException _) {
      try {
        // Nobody answers: the file was left by a process that died. Anything that is not a socket
        // is not ours to remove.
        if (!Files.isRegularFile(path) && !Files.isDirectory(path)) {
          Files.delete(path);
        }
      } catch (IOException e) {
        throw new VolumeException(
            IoError.EIO, "stale socket " + path + " cannot be removed: " + e.getMessage(), e);
      }
    }
  }

  private void register() {
    var registered = loop.netty().register(this);
    registered.addListener(_ -> {
      if (!registered.isSuccess()) {
        LOG.error("listener {} could not be registered", endpoint, registered.cause());
        return;
      }
      registration = registered.getNow();
      if (isOpen) {
        registered.getNow().submit(EpollIoOps.EPOLLIN);
      } else {
        registered.getNow().cancel();
      }
    });
  }

  /** Where it listens, with the real port. */
  public Endpoint endpoint() {
    return endpoint;
  }

  @Override
  public FileDescriptor fd() {
    return socket;
  }

  @Override
  public void handle(IoRegistration registered, IoEvent event) {
    for (int i = 0; i < ACCEPTS_AN_EVENT && isOpen; i++) {
      Socket accepted;
      try {
        int fd = socket.accept(address);
        if (fd < 0) {
          return;
        }
        accepted = new Socket(fd);
      } catch (IOException e) {
        LOG.warn("accepting on {} failed: {}", endpoint, e.getMessage());
        return;
      }
      if (!admits.getAsBoolean()) {
        LOG.warn("connection to {} refused: at the limit of connections", endpoint);
        Sockets.closeQuietly(accepted);
        continue;
      }
      try {
        Sockets.tune(accepted, endpoint);
      } catch (IOException e) {
        LOG.warn("connection to {} ended at once: {}", endpoint, e.getMessage());
        Sockets.closeQuietly(accepted);
        continue;
      }
      RawStream.start(loop, accepted, "client of " + endpoint, handlers);
    }
  }

  /** Stops listening; accepted streams go on. Loop thread only. Idempotent. */
  @Override
  public void close() {
    if (!isOpen) {
      return;
    }
    isOpen = false;
    IoRegistration registered = registration;
    if (registered != null) {
      registered.cancel();
    }
    Sockets.closeQuietly(socket);
    if (endpoint instanceof Endpoint.Unix(Path path)) {
      try {
        Files.deleteIfExists(path);
      } catch (IOException e) {
        LOG.warn("socket file {} is left behind: {}", path, e.getMessage());
      }
    }
  }
}
