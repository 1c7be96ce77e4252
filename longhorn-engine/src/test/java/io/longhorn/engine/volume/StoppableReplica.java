package io.longhorn.engine.volume;

import io.longhorn.api.replica.FrameExchange;
import io.longhorn.api.replica.LocalReplica;
import io.longhorn.api.wire.FrameHeader;
import io.longhorn.api.wire.FrameType;
import java.util.ArrayDeque;
import java.util.Optional;

/**
 * A replica whose process can be stopped (SIGSTOP) at a frame, and goes on later: while it is
 * stopped it takes connections and frames, and answers nothing.
 */
final class StoppableReplica extends PassingReplica {
  private Optional<FrameType> stopAt = Optional.empty();
  private boolean isStopped;
  private final ArrayDeque<Runnable> held = new ArrayDeque<>();

  StoppableReplica(LocalReplica real) {
    super(real);
  }

  /** Stops when the next frame of this type arrives: that one is not answered either. */
  synchronized void stopAt(FrameType type) {
    stopAt = Optional.of(type);
  }

  synchronized boolean isStopped() {
    return isStopped;
  }

  synchronized void goOn() {
    isStopped = false;
    stopAt = Optional.empty();
    held.forEach(Runnable::run);
    held.clear();
  }

  @Override
  public LocalConnection connect(Listener listener) {
    return new Connection(real.connect(listener));
  }

  private final class Connection implements LocalConnection {
    private final LocalConnection connection;
    private boolean isClosed;

    Connection(LocalConnection connection) {
      this.connection = connection;
    }

    @Override
    public boolean send(FrameExchange exchange) {
      synchronized (StoppableReplica.this) {
        int type = FrameHeader.typeCode(exchange.head(), 0);
        isStopped = isStopped || stopAt.filter(wanted -> wanted.code() == type).isPresent();
        if (!isStopped) {
          return connection.send(exchange);
        }
        held.add(() -> {
          if (!isClosed && !connection.send(exchange)) {
            close();
          }
        });
        return true;
      }
    }

    @Override
    public void close() {
      synchronized (StoppableReplica.this) {
        isClosed = true;
        connection.close();
      }
    }
  }
}
