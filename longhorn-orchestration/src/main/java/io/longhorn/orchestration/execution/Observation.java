package io.longhorn.orchestration.execution;

import io.longhorn.orchestration.decision.ClusterView;
import io.longhorn.orchestration.decision.EngineSeen;
import io.longhorn.orchestration.decision.ManagerSeen;
import io.longhorn.orchestration.decision.NodeSeen;
import io.longhorn.orchestration.decision.SwapSeen;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.locks.ReentrantLock;

/**
 * What was last seen of nodes, instance managers and engines, and not yet taken by the loop that
 * plans. An executor writes whatever it sees: only the last word on each counts, so it is bounded
 * by what there is to be seen. Any thread.
 */
public final class Observation {
  private final Runnable whenChanged;

  // Guards what follows: what was seen since it was last taken.
  private final ReentrantLock lock = new ReentrantLock();
  private final TreeMap<String, NodeSeen> nodes = new TreeMap<>();
  private final TreeMap<String, ManagerSeen> managers = new TreeMap<>();

  /** Empty for an engine that is not looked at any more. */
  private final TreeMap<String, Optional<EngineSeen>> engines = new TreeMap<>();

  private final TreeMap<String, SwapSeen> swaps = new TreeMap<>();

  /**
   * Nothing seen yet.
   *
   * @param whenChanged called, without a lock held, whenever something was seen
   */
  public Observation(Runnable whenChanged) {
    this.whenChanged = whenChanged;
  }

  /** The orchestrator said something of a node. */
  public void node(String name, NodeSeen seen) {
    note(() -> nodes.put(name, seen));
  }

  /** An instance manager was looked at. */
  public void manager(String name, ManagerSeen seen) {
    note(() -> managers.put(name, seen));
  }

  /** An engine has spoken. */
  public void engine(String name, EngineSeen seen) {
    note(() -> engines.put(name, Optional.of(seen)));
  }

  /** An engine is not looked at any more: what it said counts no longer. */
  public void forgetEngine(String name) {
    note(() -> engines.put(name, Optional.empty()));
  }

  /** A try to switch an engine has failed. */
  public void swap(String engine, SwapSeen seen) {
    note(() -> swaps.put(engine, seen));
  }

  private void note(Runnable what) {
    lock.lock();
    try {
      what.run();
    } finally {
      lock.unlock();
    }
    whenChanged.run();
  }

  /** Takes what is new into a view; the view's thread. */
  public void drainTo(ClusterView view) {
    lock.lock();
    try {
      nodes.forEach(view::seen);
      managers.forEach(view::seen);
      engines.forEach((name, seen) ->
          seen.ifPresentOrElse(said -> view.seen(name, said), () -> view.forgetEngine(name)));
      swaps.forEach(view::seen);
      nodes.clear();
      managers.clear();
      engines.clear();
      swaps.clear();
    } finally {
      lock.unlock();
    }
  }
}
