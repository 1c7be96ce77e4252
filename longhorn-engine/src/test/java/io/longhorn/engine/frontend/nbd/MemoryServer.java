package io.longhorn.engine.frontend.nbd;

import io.longhorn.api.IoError;
import io.longhorn.engine.client.NbdClient;
import io.longhorn.engine.client.NbdUri;
import io.longhorn.engine.frontend.nbd.protocol.NbdExport;
import io.longhorn.engine.request.MemoryVolumePort;
import io.longhorn.engine.request.VolumePort;
import io.longhorn.engine.transport.Endpoint;
import io.longhorn.engine.transport.VolumeLoop;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.function.Function;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;

/** A real server on a real loop over a volume in memory, which completes out of order. */
final class MemoryServer implements AutoCloseable {
  static final String NAME = "vol-1";
  private static final long DEADLINE_SECONDS = 20;
  private static final long LOOK_AGAIN_NANOS = 1_000_000;

  final MemoryVolumePort.Disk disk;
  final VolumeLoop loop = new VolumeLoop("memory-volume");
  final NbdServer server;
  private final List<MemoryVolumePort> ports = new ArrayList<>();
  private final RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(1);
  private volatile Function<MemoryVolumePort.Asked, IoError> faults = _ -> IoError.OK;
  private volatile boolean isHolding;

  MemoryServer(Endpoint endpoint, int sizeBytes) {
    disk = new MemoryVolumePort.Disk(sizeBytes);
    server = NbdServer.open(loop, endpoint, new NbdExport(NAME, "in memory"), this::port);
  }

  private VolumePort port() {
    MemoryVolumePort port = new MemoryVolumePort(disk, 32, random).quiet();
    port.failing(asked -> faults.apply(asked));
    port.onSubmit(() ->
        loop.execute(() -> {
          if (!isHolding) {
            port.step();
          }
        }));
    ports.add(port);
    return port;
  }

  void failing(Function<MemoryVolumePort.Asked, IoError> which) {
    faults = which;
  }

  /** Completes nothing until {@link #letGo}. */
  void hold() {
    isHolding = true;
  }

  void letGo() {
    isHolding = false;
    loop.execute(() -> ports.forEach(MemoryVolumePort::drain));
  }

  NbdClient client() {
    return NbdClient.connect(NbdUri.parse(server.uri()));
  }

  /** Runs on the loop and gives the answer. */
  <T> T onLoop(java.util.concurrent.Callable<T> question) {
    FutureTask<T> task = new FutureTask<>(question);
    loop.execute(task);
    try {
      return task.get(DEADLINE_SECONDS, TimeUnit.SECONDS);
    } catch (InterruptedException | ExecutionException | TimeoutException e) {
      throw new IllegalStateException(e);
    }
  }

  int connections() {
    return onLoop(server::connections);
  }

  int lentLoans() {
    return onLoop(() -> ports.stream().mapToInt(MemoryVolumePort::lentLoans).sum());
  }

  static void await(String what, BooleanSupplier condition) {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(DEADLINE_SECONDS);
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() > deadline) {
        throw new AssertionError("not in time: " + what);
      }
      LockSupport.parkNanos(LOOK_AGAIN_NANOS);
    }
  }

  @Override
  public void close() {
    try {
      server.stop().get(DEADLINE_SECONDS, TimeUnit.SECONDS);
      if (lentLoans() != 0) {
        throw new IllegalStateException(lentLoans() + " loans are still out");
      }
    } catch (InterruptedException | ExecutionException | TimeoutException e) {
      throw new IllegalStateException(e);
    } finally {
      loop.close();
    }
  }
}
