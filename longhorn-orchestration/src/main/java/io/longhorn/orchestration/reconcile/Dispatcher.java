package io.longhorn.orchestration.reconcile;

import io.longhorn.api.VolumeException;
import io.longhorn.orchestration.decision.Action;
import io.longhorn.orchestration.decision.Action.ProcessAction;
import io.longhorn.orchestration.decision.SwapSeen;
import io.longhorn.orchestration.execution.ActionExecutor;
import io.longhorn.orchestration.execution.Observation;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Semaphore;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Has actions carried out beside the loop, by {@link ActionTurns}, and only so many at the same time
 * at an instance manager. Called by one thread.
 */
final class Dispatcher {
  /** Most actions at the same time at one instance manager; others wait for their turn. */
  private static final int MAX_AT_MANAGER = 16;

  private static final Logger LOG = LoggerFactory.getLogger(Dispatcher.class);

  private final ActionExecutor executor;
  private final Observation observation;
  private final Consumer<ProcessAction> whenEnded;
  private final ActionTurns turns = new ActionTurns();
  private final Map<String, Semaphore> slots = new ConcurrentHashMap<>();

  /**
   * Begins nothing by itself.
   *
   * @param observation told of a switch of an engine that failed: those are counted
   * @param whenEnded told of each action when it has ended, whether it went well or not; on its own
   *     thread
   */
  Dispatcher(ActionExecutor executor, Observation observation, Consumer<ProcessAction> whenEnded) {
    this.executor = executor;
    this.observation = observation;
    this.whenEnded = whenEnded;
  }

  /** Begins an action, unless it was begun a short while ago, or another one is under way. */
  void dispatch(ProcessAction action, long nowMillis) {
    if (turns.begin(action, nowMillis)) {
      String what = ActionTurns.name(action);
      Thread.ofVirtual().name(what).start(() -> execute(action, what));
    }
  }

  private void execute(ProcessAction action, String what) {
    Semaphore slot =
        slots.computeIfAbsent(
            action instanceof Action.ManagerAction at ? at.manager().name() : "",
            _ -> new Semaphore(MAX_AT_MANAGER));
    slot.acquireUninterruptibly();
    try {
      executor.execute(action);
    } catch (VolumeException e) {
      LOG.warn("{}: {}", what, e.getMessage());
      if (action instanceof Action.SwapEngine swap) {
        observation.swap(swap.engine().name(), SwapSeen.failed(swap, e.getMessage()));
      }
    } catch (RuntimeException e) {
      LOG.error("defect in {}", what, e);
    } finally {
      slot.release();
      turns.end(action);
      whenEnded.accept(action);
    }
  }
}
