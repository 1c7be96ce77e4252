package io.longhorn.standalone.demo;

import io.longhorn.engine.client.LoadReport;
import io.longhorn.engine.client.LoadTarget;
import io.longhorn.engine.client.NbdClient;
import io.longhorn.engine.client.NbdUri;
import io.longhorn.engine.client.VerifyingLoad;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Stream;

/**
 * Writes and reads over NBD and knows what every read may return, across reconnects. Closing the
 * connections does not end what it knows.
 */
final class Client implements AutoCloseable {
  private static final int CONNECTIONS = 2;
  private static final int DEPTH = 4;

  private final VerifyingLoad load;
  private List<NbdClient> connections = List.of();

  Client(long seed, long sizeBytes) {
    load = new VerifyingLoad(seed, sizeBytes);
  }

  void connect(String uri) {
    NbdUri parsed = NbdUri.parse(uri);
    connections = Stream.generate(() -> NbdClient.connect(parsed)).limit(CONNECTIONS).toList();
  }

  /**
   * Runs while {@code meanwhile} does, and for at least so long; ends early if a read was wrong or
   * the connections are lost.
   */
  LoadReport runDuring(Duration atLeast, Runnable meanwhile) {
    List<LoadTarget> targets = connections.stream().map(LoadTarget::of).toList();
    CompletableFuture<LoadReport> report = new CompletableFuture<>();
    long began = System.nanoTime();
    Thread.ofPlatform()
        .daemon()
        .name("load")
        .start(() -> report.complete(load.run(targets, DEPTH, Long.MAX_VALUE)));
    try {
      meanwhile.run();
      return report.get(atLeast.toNanos() - (System.nanoTime() - began), TimeUnit.NANOSECONDS);
    } catch (TimeoutException _) {
      // Time is up.
    } catch (InterruptedException | ExecutionException e) {
      throw new IllegalStateException(e);
    } finally {
      load.stop();
    }
    return report.join();
  }

  /** The server was killed; the connections are of no use any more, what was answered counts. */
  void connectionsBroke() {
    close();
    load.crashed(false);
  }

  /** Reads all of it and checks every sector. */
  LoadReport verifyAll() {
    return load.verifyAll(LoadTarget.of(connections.getFirst()));
  }

  @Override
  public void close() {
    connections.forEach(NbdClient::close);
    connections = List.of();
  }
}
