package io.longhorn.replica.store;

import java.util.ArrayDeque;

/**
 * Tasks that must not overlap, one after the other in the order they came. A task can take several
 * rounds, each prepared and applied on the owner thread and performed in the pool; nothing else of
 * the lane happens in between.
 */
final class Lane {
  private final DiskPool pool;
  private final ArrayDeque<Task> waiting = new ArrayDeque<>();
  private boolean isBusy;

  Lane(DiskPool pool) {
    this.pool = pool;
  }

  /** Something to be done in a lane. */
  abstract static class Task implements DiskTask {
    private final Lane lane;

    Task(Lane lane) {
      this.lane = lane;
    }

    /** Makes the next round ready; false if there is none (more). */
    abstract boolean prepare();

    /** Applies the round that was performed. */
    abstract void apply();

    /** It is over; the lane is free for the next one, which this may add. */
    abstract void ended();

    @Override
    public final void finish() {
      apply();
      lane.advance(this);
    }
  }

  boolean isIdle() {
    return !isBusy;
  }

  /** Queues a task. */
  void add(Task task) {
    waiting.add(task);
    startNext();
  }

  private void startNext() {
    while (!isBusy) {
      Task task = waiting.poll();
      if (task == null) {
        return;
      }
      isBusy = true;
      advance(task);
    }
  }

  private void advance(Task task) {
    if (task.prepare()) {
      pool.submit(task);
      return;
    }
    isBusy = false;
    task.ended();
    startNext();
  }

  /** Does a task on the calling thread, blocking; the lane is idle. */
  void runNow(Task task) {
    if (isBusy) {
      throw new IllegalStateException("a task is under way");
    }
    isBusy = true;
    while (task.prepare()) {
      task.perform();
      task.apply();
    }
    isBusy = false;
    task.ended();
  }
}
