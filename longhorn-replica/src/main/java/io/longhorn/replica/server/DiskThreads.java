package io.longhorn.replica.server;

import io.longhorn.replica.store.DiskPool;
import io.longhorn.replica.store.DiskTask;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jctools.queues.varhandle.MpscVarHandleArrayQueue;

/**
 * The platform threads that wait for a replica's disk, started as they are needed and never
 * interrupted. Work is handed in by the owner thread of the store, performed here, and handed back
 * to whichever thread is the owner by then.
 */
final class DiskThreads implements DiskPool, AutoCloseable {
  /** Most threads of one replica: how many requests its disk sees at once. */
  static final int MAX_THREADS = 16;

  /** Most tasks under way: more than one session and the store itself may have. */
  static final int MAX_TASKS = 2 * ReplicaHost.CREDITS;

  private static final long STACK_BYTES = 256 << 10;

  /** How the owner thread learns that there is something to finish. Any thread; returns at once. */
  interface Waker {
    /** There is something to finish. */
    void wake();
  }

  private final String name;
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition hasWork = lock.newCondition();
  private final DiskTask[] waiting = new DiskTask[MAX_TASKS];
  private int firstWaiting;
  private int waitingCount;
  private int threads;
  private int idleThreads;
  private boolean isClosed;

  private final MpscVarHandleArrayQueue<DiskTask> performed =
      new MpscVarHandleArrayQueue<>(MAX_TASKS);
  private volatile Waker owner = () -> {};

  // Of the owner thread.
  private int outstanding;

  /** A pool whose threads are named after the replica. */
  DiskThreads(String name) {
    this.name = name;
  }

  /** Whom to wake from now on. Called by a new owner thread, before it looks for work to finish. */
  void owner(Waker waker) {
    owner = waker;
  }

  @Override
  public void submit(DiskTask task) {
    outstanding++;
    lock.lock();
    try {
      if (isClosed || waitingCount == MAX_TASKS) {
        throw new IllegalStateException(
            isClosed ? "disk task after the end" : "more than " + MAX_TASKS + " disk tasks");
      }
      waiting[(firstWaiting + waitingCount) % MAX_TASKS] = task;
      waitingCount++;
      if (idleThreads >= waitingCount) {
        hasWork.signal();
      } else if (threads < MAX_THREADS) {
        threads++;
        Thread.ofPlatform()
            .name(name + "-disk-" + threads)
            .daemon()
            .stackSize(STACK_BYTES)
            .start(this::work);
      }
    } finally {
      lock.unlock();
    }
  }

  /** Tasks handed in and not finished. Owner thread. */
  int outstanding() {
    return outstanding;
  }

  /** Whether {@link #finish} has something to do. Owner thread. */
  boolean hasPerformed() {
    return !performed.isEmpty();
  }

  /** Finishes what was performed. Owner thread. */
  void finish() {
    for (DiskTask task = performed.poll(); task != null; task = performed.poll()) {
      outstanding--;
      task.finish();
    }
  }

  private void work() {
    for (DiskTask task = take(); task != null; task = take()) {
      task.perform();
      if (!performed.offer(task)) {
        throw new IllegalStateException("more than " + MAX_TASKS + " disk tasks performed");
      }
      owner.wake();
    }
  }

  private @org.jspecify.annotations.Nullable DiskTask take() {
    lock.lock();
    try {
      while (waitingCount == 0) {
        if (isClosed) {
          return null;
        }
        idleThreads++;
        hasWork.awaitUninterruptibly();
        idleThreads--;
      }
      DiskTask task = waiting[firstWaiting];
      firstWaiting = (firstWaiting + 1) % MAX_TASKS;
      waitingCount--;
      return task;
    } finally {
      lock.unlock();
    }
  }

  /** The threads end when the work that is there is done. */
  @Override
  public void close() {
    lock.lock();
    try {
      isClosed = true;
      hasWork.signalAll();
    } finally {
      lock.unlock();
    }
  }
}
