package io.longhorn.orchestration.store;

import io.longhorn.api.cluster.ObjectKey;
import java.time.Duration;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;

/**
 * Keys of objects that changed since they were last asked for. Bounded by the number of objects,
 * because a key is there once. Any thread.
 */
public final class Watch implements AutoCloseable {
  private final Consumer<Watch> whenClosed;

  // Guards what follows.
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition hasChanged = lock.newCondition();
  private TreeSet<ObjectKey> keys = new TreeSet<>();
  private boolean isClosed;

  Watch(Consumer<Watch> whenClosed) {
    this.whenClosed = whenClosed;
  }

  void changed(ObjectKey key) {
    lock.lock();
    try {
      keys.add(key);
      hasChanged.signalAll();
    } finally {
      lock.unlock();
    }
  }

  /**
   * The keys that changed since the last call; waits for one at most so long. Empty if there was
   * none, if the watch was closed, or if the thread was interrupted.
   */
  public SortedSet<ObjectKey> await(Duration atMost) {
    long left = atMost.toNanos();
    lock.lock();
    try {
      while (keys.isEmpty() && !isClosed && left > 0) {
        left = hasChanged.awaitNanos(left);
      }
      TreeSet<ObjectKey> changed = keys;
      keys = new TreeSet<>();
      return changed;
    } catch (InterruptedException _) {
      Thread.currentThread().interrupt();
      return new TreeSet<>();
    } finally {
      lock.unlock();
    }
  }

  /** Whether it was closed, or its store: nothing more will be told. */
  public boolean isClosed() {
    lock.lock();
    try {
      return isClosed;
    } finally {
      lock.unlock();
    }
  }

  /** Ends it; a thread that waits returns. */
  @Override
  public void close() {
    lock.lock();
    try {
      isClosed = true;
      hasChanged.signalAll();
    } finally {
      lock.unlock();
    }
    whenClosed.accept(this);
  }
}
