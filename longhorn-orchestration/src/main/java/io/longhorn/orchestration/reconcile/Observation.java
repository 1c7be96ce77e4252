package io.longhorn.orchestration.reconcile;

import io.longhorn.orchestration.decision.EngineSeen;
import io.longhorn.orchestration.decision.ManagerSeen;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.locks.ReentrantLock;

/**
 * What was last seen of instance managers and engines. Whoever watches them writes, the loop reads;
 * any thread.
 */
public final class Observation {
  private final Runnable whenChanged;

  // Guards what follows.
  private final ReentrantLock lock = new ReentrantLock();
  private final TreeMap<String, ManagerSeen> managers = new TreeMap<>();
  private final TreeMap<String, EngineSeen> engines = new TreeMap<>();

  /**
   * Nothing seen yet.
   *
   * @param whenChanged called, without a lock held, whenever something else is seen than before
   */
  public Observation(Runnable whenChanged) {
    this.whenChanged = whenChanged;
  }

  /** An instance manager was looked at. */
  public void manager(String name, ManagerSeen seen) {
    boolean isNews;
    lock.lock();
    try {
      isNews = !seen.equals(managers.put(name, seen));
    } finally {
      lock.unlock();
    }
    if (isNews) {
      whenChanged.run();
    }
  }

  /** An engine has spoken. */
  public void engine(String name, EngineSeen seen) {
    boolean isNews;
    lock.lock();
    try {
      isNews = !seen.equals(engines.put(name, seen));
    } finally {
      lock.unlock();
    }
    if (isNews) {
      whenChanged.run();
    }
  }

  /** An engine is not looked at any more. */
  public void forgetEngine(String name) {
    lock.lock();
    try {
      engines.remove(name);
    } finally {
      lock.unlock();
    }
  }

  SortedMap<String, ManagerSeen> managers() {
    lock.lock();
    try {
      return new TreeMap<>(managers);
    } finally {
      lock.unlock();
    }
  }

  SortedMap<String, EngineSeen> engines() {
    lock.lock();
    try {
      return new TreeMap<>(engines);
    } finally {
      lock.unlock();
    }
  }
}
