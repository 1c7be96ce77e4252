package io.longhorn.orchestration.supervisor;

import io.longhorn.orchestration.instance.InstanceListing;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/** The newest listing, and those who wait for a newer one. Thread-safe. */
final class InstanceBoard {
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition changed = lock.newCondition();
  private InstanceListing listing;
  private boolean isClosed;

  InstanceBoard(InstanceListing first) {
    listing = first;
  }

  /** Shows another one and wakes everybody. */
  void publish(InstanceListing next) {
    lock.lock();
    try {
      listing = next;
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  InstanceListing newest() {
    lock.lock();
    try {
      return listing;
    } finally {
      lock.unlock();
    }
  }

  /** The newest one, as soon as its revision is not the given one, or when the time is over. */
  InstanceListing await(long revisionSeen, long waitMillis) {
    long nanos = TimeUnit.MILLISECONDS.toNanos(waitMillis);
    lock.lock();
    try {
      while (listing.revision() == revisionSeen && nanos > 0 && !isClosed) {
        nanos = changed.awaitNanos(nanos);
      }
    } catch (InterruptedException _) {
      // Whoever ends the thread wants no waiting: what is known is an answer too.
      Thread.currentThread().interrupt();
    } finally {
      lock.unlock();
    }
    return newest();
  }

  /** Nobody waits any more. */
  void close() {
    lock.lock();
    try {
      isClosed = true;
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }
}
