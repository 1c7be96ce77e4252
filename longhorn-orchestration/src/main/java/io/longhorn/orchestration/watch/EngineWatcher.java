package io.longhorn.orchestration.watch;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.VolumeException;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.wire.EngineStatus;
import io.longhorn.api.wire.FrameType;
import io.longhorn.api.wire.WireFormatException;
import io.longhorn.orchestration.call.CallAddress;
import io.longhorn.orchestration.call.CallClient;
import io.longhorn.orchestration.decision.EngineSeen;
import java.time.Duration;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** Watches one engine: a poll that it answers when its status changes. A thread of its own. */
public final class EngineWatcher implements AutoCloseable {
  private static final Duration CONNECT = Duration.ofSeconds(1);
  private static final int WAIT_MILLIS = 5_000;
  private static final Duration ANSWER = Duration.ofMillis(2 * WAIT_MILLIS);
  private static final long LOOK_AGAIN_NANOS = 50_000_000;

  private final CallAddress address;
  private final Consumer<EngineSeen> seen;
  private volatile boolean isClosed;
  private volatile @Nullable CallClient current;

  private EngineWatcher(CallAddress address, Consumer<EngineSeen> seen) {
    this.address = address;
    this.seen = seen;
  }

  /** Watches until closed; whatever the engine says is told, on a thread of the watcher. */
  public static EngineWatcher start(CallAddress address, Consumer<EngineSeen> seen) {
    EngineWatcher watcher = new EngineWatcher(address, seen);
    Thread.ofVirtual().name("watch " + address).start(watcher::run);
    return watcher;
  }

  private void run() {
    while (!isClosed) {
      try (CallClient client = CallClient.connect(address, CONNECT)) {
        current = client;
        watch(client);
      } catch (VolumeException | WireFormatException _) {
        // Not there yet, or not any more: what its instance manager says decides.
        LockSupport.parkNanos(LOOK_AGAIN_NANOS);
      } finally {
        current = null;
      }
    }
  }

  private void watch(CallClient client) {
    long revision = 0;
    while (!isClosed) {
      EngineStatus.Query query = new EngineStatus.Query(revision, WAIT_MILLIS);
      EngineStatus status =
          EngineStatus.read(client.call(FrameType.ENGINE_STATUS, query.write(), ANSWER));
      revision = status.revision();
      if (!isClosed) {
        seen.accept(seen(status));
      }
    }
  }

  private static EngineSeen seen(EngineStatus status) {
    TreeMap<ReplicaId, Engine.Member> replicas = new TreeMap<>();
    for (EngineStatus.Replica replica : status.replicas()) {
      replicas.put(
          replica.id(),
          new Engine.Member(
              replica.mode(), replica.reason(), replica.progressPermille(), replica.resyncBytes()));
    }
    return new EngineSeen(
        status.pid(),
        Optional.empty(),
        "",
        status.isServing(),
        status.generation(),
        status.heldReason().orElse(status.state()),
        status.uris(),
        replicas);
  }

  /** Ends it. */
  @Override
  public void close() {
    isClosed = true;
    CallClient client = current;
    if (client != null) {
      client.close();
    }
  }
}
