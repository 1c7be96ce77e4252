package io.longhorn.replica.store;

/**
 * Where the store's blocking work runs: {@link DiskTask#perform} on some thread, then {@link
 * DiskTask#finish} on the owner thread. Supplied by whoever opens a store.
 */
@FunctionalInterface
public interface DiskPool {
  /**
   * Takes a task; never refuses, never blocks (the store has few tasks at a time: at most one for
   * each {@link BlockRequest} under way and {@link ReplicaStore#MAX_OWN_TASKS} of its own). Called
   * on the owner thread, also from within {@link DiskTask#finish}.
   */
  void submit(DiskTask task);

  /**
   * A pool that does everything on the calling thread before {@code submit} returns, except from
   * within a task: then right after it. For tools and for use without a server.
   */
  static DiskPool inline() {
    return new InlinePool();
  }
}
