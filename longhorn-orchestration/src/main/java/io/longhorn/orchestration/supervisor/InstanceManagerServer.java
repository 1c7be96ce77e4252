package io.longhorn.orchestration.supervisor;

import io.longhorn.api.IoError;
import io.longhorn.api.ProcessNonce;
import io.longhorn.api.VolumeException;
import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FrameType;
import io.longhorn.orchestration.call.CallAddress;
import io.longhorn.orchestration.call.CallServer;
import io.longhorn.orchestration.instance.InstanceManagerInfo;
import io.longhorn.orchestration.instance.InstanceSpec;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The instance manager of one node, serving. There is one in a process: its children live as long
 * as the process does. Thread-safe.
 */
public final class InstanceManagerServer implements AutoCloseable {
  /** Longest wait of one INSTANCE_LIST; who asks for more gets this. */
  public static final long MAX_WAIT_MILLIS = 10_000;

  /** Revisions of a run begin this much higher for every millisecond it began later. */
  private static final int REVISIONS_PER_MILLI = 1_000;

  private final InstanceLogs logs;
  private final Supervisor supervisor;
  private final CallServer calls;
  private final ReentrantLock closing = new ReentrantLock();

  private InstanceManagerServer(InstanceManagerConfig config) {
    InstanceManagerInfo self =
        new InstanceManagerInfo(
            config.node(),
            ProcessHandle.current().pid(),
            new ProcessNonce(UUID.randomUUID()),
            config.version());
    logs = InstanceLogs.open(config.logs(), config.maxLogBytes());
    supervisor =
        new Supervisor(self, logs, config, System.currentTimeMillis() * REVISIONS_PER_MILLI);
    calls = CallServer.open(config.listen(), this::answer);
    supervisor.start();
  }

  /**
   * Serves until {@link #close}.
   *
   * @throws VolumeException BUSY if another process listens there; INVALID if the address or the
   *     directory of logs cannot be used
   */
  public static InstanceManagerServer open(InstanceManagerConfig config) {
    return new InstanceManagerServer(config);
  }

  /** Where it takes calls. */
  public CallAddress address() {
    return calls.address();
  }

  /**
   * Ends every engine, then every replica, as a stop of each would, and waits for it; it answers
   * calls meanwhile, and starts nothing any more. Idempotent.
   */
  @Override
  public void close() {
    closing.lock();
    try {
      supervisor.closing();
      // Ends: whatever does not end by SIGTERM is killed.
      supervisor.allStopped().join();
      supervisor.board().close();
      calls.close();
    } finally {
      closing.unlock();
    }
  }

  private byte[] answer(FrameType type, FieldReader request) {
    return switch (type) {
      case INSTANCE_START -> supervisor.create(InstanceSpec.read(request)).write().toBytes();
      case INSTANCE_STOP -> supervisor.stop(request.text(1), uuid(request)).write().toBytes();
      case INSTANCE_FORGET -> {
        supervisor.forget(request.text(1), uuid(request));
        yield new byte[0];
      }
      case INSTANCE_LIST -> list(request);
      case INSTANCE_LOG -> logs.read(request.text(1), request.number(2, 0)).write().toBytes();
      default ->
          throw new VolumeException(
              IoError.UNSUPPORTED, "an instance manager does not serve " + type);
    };
  }

  private byte[] list(FieldReader request) {
    long waitMillis = Math.clamp(request.number(2, 0), 0, MAX_WAIT_MILLIS);
    return supervisor
        .board()
        .await(request.number(1, 0), waitMillis)
        .page(request.optionalText(3).orElse(""))
        .write()
        .toBytes();
  }

  private static Optional<UUID> uuid(FieldReader request) {
    return request.has(2) ? Optional.of(request.uuid(2)) : Optional.empty();
  }
}
