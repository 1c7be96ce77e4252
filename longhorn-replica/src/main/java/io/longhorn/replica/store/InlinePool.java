package io.longhorn.replica.store;

import java.util.ArrayDeque;

/** Runs tasks on the owner thread, one after the other, without recursion. */
final class InlinePool implements DiskPool {
  private final ArrayDeque<DiskTask> waiting = new ArrayDeque<>();
  private boolean isRunning;

  @Override
  public void submit(DiskTask task) {
    waiting.add(task);
    if (isRunning) {
      return;
    }
    isRunning = true;
    try {
      for (DiskTask next = waiting.poll(); next != null; next = waiting.poll()) {
        next.perform();
        next.finish();
      }
    } finally {
      isRunning = false;
    }
  }
}
