package io.longhorn.orchestration.reconcile;

import io.longhorn.api.VolumeException;
import io.longhorn.orchestration.decision.Action;
import io.longhorn.orchestration.decision.Action.ProcessAction;
import io.longhorn.orchestration.decision.SwapSeen;
import io.longhorn.orchestration.execution.ActionExecutor;
import io.longhorn.orchestration.execution.Observation;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Semaphore;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Has actions carried out beside the loop: one for a subject at a time, the same one again only
 * after a {@link Backoff}, and only so many at an instance manager. What it does not begin is not
 * lost: the next plan asks again. Called by one thread.
 */
final class Dispatcher {
  /** Most actions at the same time at one instance manager; others wait for their turn. */
  private static final int MAX_AT_MANAGER = 16;

  private static final Logger LOG = LoggerFactory.getLogger(Dispatcher.class);

  private final ActionExecutor executor;
  private final Observation observation;
  private final Consumer<ProcessAction> whenEnded;
  private final Backoff backoff = new Backoff();
  private final Set<String> underWay = ConcurrentHashMap.newKeySet();
  private final Map<String, Semaphore> turns = new ConcurrentHashMap<>();

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
    String what = what(action.getClass(), action.subject());
    forgetOpposites(action);
    if (!underWay.contains(action.subject()) && backoff.mayTry(what, nowMillis)) {
      underWay.add(action.subject());
      Thread.ofVirtual().name(what).start(() -> execute(action, what));
    }
  }

  private static String what(Class<? extends ProcessAction> type, String subject) {
    return type.getSimpleName() + " " + subject;
  }

  /**
   * A process that runs, or starts, and is told to stop has not crashed: it may be started again at
   * once, however often. One that is started may then be stopped at once.
   */
  private void forgetOpposites(ProcessAction action) {
    List<Class<? extends ProcessAction>> opposites =
        switch (action) {
          case Action.StopInstance _ ->
              List.of(Action.StartReplica.class, Action.StartEngine.class);
          case Action.StartReplica _, Action.StartEngine _ ->
              List.of(Action.StopInstance.class, Action.ForgetInstance.class);
          case Action.KillInstanceManager _ -> List.of(Action.StartInstanceManager.class);
          case Action.StartInstanceManager _ -> List.of(Action.KillInstanceManager.class);
          case Action.CreateDirectory _,
              Action.DeleteDirectory _,
              Action.ForgetInstance _,
              Action.SwapEngine _,
              Action.ConfigureEngine _,
              Action.FinishMigration _,
              Action.PromoteReplica _ ->
              List.of();
        };
    opposites.forEach(opposite -> backoff.forget(what(opposite, action.subject())));
  }

  private void execute(ProcessAction action, String what) {
    Semaphore turn =
        turns.computeIfAbsent(
            action instanceof Action.ManagerAction at ? at.manager().name() : "",
            _ -> new Semaphore(MAX_AT_MANAGER));
    turn.acquireUninterruptibly();
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
      turn.release();
      underWay.remove(action.subject());
      whenEnded.accept(action);
    }
  }
}
