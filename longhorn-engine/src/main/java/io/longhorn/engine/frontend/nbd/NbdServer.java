package io.longhorn.engine.frontend.nbd;

import io.longhorn.engine.frontend.nbd.protocol.NbdExport;
import io.longhorn.engine.frontend.nbd.protocol.NbdSession;
import io.longhorn.engine.request.VolumePort;
import io.longhorn.engine.transport.Endpoint;
import io.longhorn.engine.transport.Listener;
import io.longhorn.engine.transport.Stream;
import io.longhorn.engine.transport.StreamHandler;
import io.longhorn.engine.transport.VolumeLoop;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Supplier;

/**
 * Serves one export to NBD clients on one socket, unix or TCP. Connections live on the volume's
 * loop, each with a port of its own. One volume may have several servers.
 */
public final class NbdServer implements AutoCloseable {
  /** Most clients at once; one more is closed as soon as it connects. */
  public static final int MAX_CONNECTIONS = 64;

  /** How long clients get for what is under way when the server stops. */
  private static final long STOP_MILLIS = 5_000;

  private final VolumeLoop loop;
  private final NbdExport export;
  private final Supplier<VolumePort> ports;
  private final Listener listener;
  private final List<NbdConnection> open = new ArrayList<>();

  /** Closed connections of which requests are still with the volume. */
  private final List<NbdConnection> ending = new ArrayList<>();

  private final CompletableFuture<Void> stopped = new CompletableFuture<>();
  private final VolumeLoop.TurnListener endOfTurn = this::checkStopped;
  private boolean isStopping;

  private NbdServer(
      VolumeLoop loop, Endpoint endpoint, NbdExport export, Supplier<VolumePort> ports) {
    this.loop = loop;
    this.export = export;
    this.ports = ports;
    listener = Listener.open(loop, endpoint, this::admits, this::handlerOf);
  }

  /**
   * Listens and serves. Any thread. The file of a unix socket that nobody listens on any more is
   * replaced.
   *
   * @param ports makes the port of a new connection, with at least {@link NbdSession#MIN_CREDITS}
   *     credits; called on the loop
   * @throws io.longhorn.api.VolumeException BUSY if somebody listens there already
   */
  public static NbdServer open(
      VolumeLoop loop, Endpoint endpoint, NbdExport export, Supplier<VolumePort> ports) {
    return new NbdServer(loop, endpoint, export, ports);
  }

  /** Where it listens, with the real port. */
  public Endpoint endpoint() {
    return listener.endpoint();
  }

  /** What a client of any make takes to connect, for example {@code nbd://127.0.0.1:10809/v}. */
  public String uri() {
    try {
      URI uri =
          switch (endpoint()) {
            case Endpoint.Tcp(String host, int port) ->
                new URI("nbd", null, host, port, "/" + export.name(), null, null);
            case Endpoint.Unix(Path path) ->
                new URI("nbd+unix", "", "/" + export.name(), "socket=" + path, null);
          };
      return uri.toASCIIString();
    } catch (URISyntaxException e) {
      throw new IllegalStateException("address " + endpoint() + " has no URI", e);
    }
  }

  private boolean admits() {
    return !isStopping && open.size() < MAX_CONNECTIONS;
  }

  private StreamHandler handlerOf(Stream stream) {
    NbdConnection connection = new NbdConnection(loop, this, stream, export, ports.get());
    open.add(connection);
    connection.start();
    return connection;
  }

  /** A connection was closed, by either side. */
  void gone(NbdConnection connection) {
    open.remove(connection);
    ending.add(connection);
    checkStopped();
  }

  private void checkStopped() {
    ending.removeIf(NbdConnection::isFinished);
    if (isStopping && open.isEmpty() && ending.isEmpty()) {
      loop.removeOnTurnEnd(endOfTurn);
      stopped.complete(null);
    }
  }

  /** Clients connected now. Loop only. */
  public int connections() {
    return open.size();
  }

  /**
   * Stops listening, removes the file of a unix socket, lets each client have the answers to what
   * is under way, for a bounded time, and closes. Any thread; idempotent.
   *
   * @return done when the last connection is closed and the volume has given back its requests
   */
  public CompletableFuture<Void> stop() {
    loop.execute(this::stopNow);
    return stopped;
  }

  private void stopNow() {
    if (isStopping) {
      return;
    }
    isStopping = true;
    listener.close();
    List.copyOf(open).forEach(NbdConnection::stop);
    loop.after(
        STOP_MILLIS, () -> List.copyOf(open).forEach(each -> each.closeNow("the server stops")));
    loop.onTurnEnd(endOfTurn);
    checkStopped();
  }

  /** Closes every connection at once, as if the process had been killed. Any thread. */
  public void kill() {
    loop.execute(() -> {
      isStopping = true;
      listener.close();
      List.copyOf(open).forEach(each -> each.closeNow("killed"));
    });
  }

  /** {@link #stop} without waiting. */
  @Override
  public void close() {
    var _ = stop();
  }
}
