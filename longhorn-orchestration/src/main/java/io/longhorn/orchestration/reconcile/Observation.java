package io.longhorn.orchestration.reconcile;

import io.longhorn.orchestration.decision.ClusterView;
import io.longhorn.orchestration.decision.EngineSeen;
import io.longhorn.orchestration.decision.ManagerSeen;
import io.longhorn.orchestration.decision.NodeSeen;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.locks.ReentrantLock;

/**
 * What was last seen of nodes, instance managers and engines. Whoever watches them writes; the
 * reconciler takes what is new into its view. Any thread. Bounded by what there is to be seen.
 */
public final class Observation {
  private final Runnable whenChanged;

  // Guards what follows: what was seen since it was last taken.
  private final ReentrantLock lock = new ReentrantLock();
  private final TreeMap<String, NodeSeen> nodes = new TreeMap<>();
  private final TreeMap<String, ManagerSeen> managers = new TreeMap<>();
  private final TreeMap<String, EngineSeen> engines = new TreeMap<>();
  private final TreeSet<String> forgotten = new TreeSet<>();

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
    note(() -> {
      engines.put(name, seen);
      forgotten.remove(name);
    });
  }

  /** An engine is not looked at any more. */
  public void forgetEngine(String name) {
    note(() -> {
      engines.remove(name);
      forgotten.add(name);
    });
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
      engines.forEach(view::seen);
      forgotten.forEach(view::forgetEngine);
      nodes.clear();
      managers.clear();
      engines.clear();
      forgotten.clear();
    } finally {
      lock.unlock();
    }
  }
}
