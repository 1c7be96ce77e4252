package io.longhorn.orchestration.sim.volume;

import io.longhorn.api.IoError;
import io.longhorn.engine.claim.ClaimRequest;
import java.util.ArrayDeque;
import org.jspecify.annotations.Nullable;

/**
 * A guest's connection to an engine on its machine. It can be given to another process of the
 * engine: what was not taken from it yet waits in it meanwhile.
 */
final class SimClient {
  /** Who is at the other end. */
  interface Listener {
    void answered(long operation, long stamp);

    void failed(long operation, IoError error);

    /** The connection is over; nothing on it is answered any more. */
    void broken();
  }

  private record Operation(long number, ClaimRequest.Kind kind, int block, long stamp) {}

  private final Listener listener;
  private final ArrayDeque<Operation> waiting = new ArrayDeque<>();
  private @Nullable SimEngine engine;
  private boolean isPaused;

  SimClient(SimEngine engine, Listener listener) {
    this.engine = engine;
    this.listener = listener;
    engine.connected(this);
  }

  /** Whether it is connected. */
  boolean isOpen() {
    return engine != null;
  }

  /** To which process it is connected. */
  @Nullable SimEngine engine() {
    return engine;
  }

  void request(long number, ClaimRequest.Kind kind, int block, long stamp) {
    Operation operation = new Operation(number, kind, block, stamp);
    if (isPaused) {
      waiting.add(operation);
    } else {
      pass(operation);
    }
  }

  private void pass(Operation operation) {
    SimEngine there = engine;
    if (there != null) {
      there.wanted(this, operation.number, operation.kind, operation.block, operation.stamp);
    }
  }

  /** Nothing is taken from it any more. */
  void pause() {
    isPaused = true;
  }

  /** Taken from it by this process from now on. */
  void goOn(SimEngine with) {
    SimEngine before = engine;
    if (before == null) {
      return;
    }
    if (before != with) {
      before.disconnected(this);
      engine = with;
      with.connected(this);
    }
    isPaused = false;
    while (!waiting.isEmpty() && engine != null) {
      pass(waiting.remove());
    }
  }

  void answered(long operation, long stamp) {
    listener.answered(operation, stamp);
  }

  void failed(long operation, IoError error) {
    listener.failed(operation, error);
  }

  void brokenBy(SimEngine by) {
    if (engine == by) {
      engine = null;
      waiting.clear();
      listener.broken();
    }
  }

  /** Ended by the guest. */
  void close() {
    SimEngine there = engine;
    if (there != null) {
      engine = null;
      waiting.clear();
      there.disconnected(this);
    }
  }
}
