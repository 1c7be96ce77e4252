package io.longhorn.engine.transport;

import io.longhorn.api.VolumeException;
import io.netty.channel.IoEvent;
import io.netty.channel.IoRegistration;
import io.netty.channel.epoll.EpollIoHandle;
import io.netty.channel.epoll.EpollIoOps;
import io.netty.channel.unix.FileDescriptor;
import io.netty.channel.unix.Socket;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** One attempt to connect, with a bound in time. Loop thread only. */
public final class Connector implements EpollIoHandle {
  private final VolumeLoop loop;
  private final Endpoint endpoint;
  private final Socket socket;
  private final StreamHandlers handlers;
  private final Consumer<String> failed;
  private @Nullable IoRegistration registration;
  private boolean isDone;

  private Connector(
      VolumeLoop loop,
      Endpoint endpoint,
      Socket socket,
      StreamHandlers handlers,
      Consumer<String> failed) {
    this.loop = loop;
    this.endpoint = endpoint;
    this.socket = socket;
    this.handlers = handlers;
    this.failed = failed;
  }

  /**
   * Begins to connect. Either a handler is made for the stream, or {@code failed} is told why,
   * once.
   *
   * @param timeoutMillis how long the attempt may take
   */
  public static void connect(
      VolumeLoop loop,
      Endpoint endpoint,
      long timeoutMillis,
      StreamHandlers handlers,
      Consumer<String> failed) {
    Socket socket = Sockets.create(endpoint);
    Connector attempt = new Connector(loop, endpoint, socket, handlers, failed);
    try {
      Sockets.tune(socket, endpoint);
      if (socket.connect(endpoint.socketAddress())) {
        attempt.connected();
        return;
      }
    } catch (IOException | VolumeException e) {
      attempt.fail(reason(e));
      return;
    }
    var registered = loop.netty().register(attempt);
    registered.addListener(_ -> {
      if (registered.isSuccess()) {
        attempt.registration = registered.getNow();
        registered.getNow().submit(EpollIoOps.EPOLLOUT);
      } else {
        attempt.fail("could not be registered: " + registered.cause());
      }
    });
    loop.after(timeoutMillis, () -> attempt.fail("no answer in " + timeoutMillis + " ms"));
  }

  @Override
  public FileDescriptor fd() {
    return socket;
  }

  @Override
  public void handle(IoRegistration registered, IoEvent event) {
    if (isDone) {
      return;
    }
    try {
      if (socket.finishConnect()) {
        // The stream registers the same descriptor anew, once this registration is gone.
        registered.cancel();
        connected();
      }
    } catch (IOException e) {
      fail(reason(e));
    }
  }

  /** Netty says nothing about a path that is not there. */
  private static String reason(Exception e) {
    return e instanceof FileNotFoundException
        ? "there is no such socket"
        : String.valueOf(e.getMessage());
  }

  private void connected() {
    isDone = true;
    loop.execute(() -> RawStream.start(loop, socket, endpoint.toString(), handlers));
  }

  private void fail(String why) {
    if (isDone) {
      return;
    }
    isDone = true;
    IoRegistration registered = registration;
    if (registered != null) {
      registered.cancel();
    }
    Sockets.closeQuietly(socket);
    failed.accept(why);
  }

  @Override
  public void close() {
    fail("the loop ended");
  }
}
