package io.longhorn.orchestration.sim.volume;

import io.longhorn.api.memory.Crc32c;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import java.util.function.IntPredicate;

/**
 * Played: what the range locks of one core would be if requests and the operations that make
 * replicas equal went through the same one. An operation begins when no request of its block is
 * under way; requests of the block that come meanwhile are sent when it has ended.
 */
final class BlockLocks {
  private record Waiting(int block, IntPredicate isFree, Runnable begin) {}

  private final List<Waiting> waiting = new ArrayList<>();

  /** Blocks with an operation, and the requests that wait for it. */
  private final TreeMap<Integer, ArrayDeque<Runnable>> locked = new TreeMap<>();

  /**
   * Begins when the block is free.
   *
   * @param isFree whether it is, as far as requests go
   */
  void lock(int block, IntPredicate isFree, Runnable begin) {
    waiting.add(new Waiting(block, isFree, begin));
    look();
  }

  /** The operation of a block has ended: what waits for it goes on. */
  void unlock(int block) {
    ArrayDeque<Runnable> requests = locked.remove(block);
    if (requests != null) {
      requests.forEach(Runnable::run);
    }
    look();
  }

  /** A request of a block goes on now, or when it may. */
  void request(int block, Runnable goOn) {
    ArrayDeque<Runnable> requests = locked.get(block);
    if (requests == null) {
      goOn.run();
    } else {
      requests.add(goOn);
    }
  }

  /** Something may be free that was not. */
  void look() {
    for (Waiting next : List.copyOf(waiting)) {
      boolean isFree = !locked.containsKey(next.block) && next.isFree.test(next.block);
      if (isFree && waiting.remove(next)) {
        locked.put(next.block, new ArrayDeque<>());
        next.begin.run();
      }
    }
  }

  /** Nothing waits any more, and nothing is locked. */
  void clear() {
    waiting.clear();
    locked.clear();
  }

  static int blockOf(long offset) {
    return (int) (offset / Crc32c.BLOCK_BYTES);
  }
}
