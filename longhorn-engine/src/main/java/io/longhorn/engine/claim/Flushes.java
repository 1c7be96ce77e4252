package io.longhorn.engine.claim;

import io.longhorn.api.ReplicaId;
import io.longhorn.engine.claim.ClaimEffect.FlushMember;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * FLUSHes under way. One has succeeded when each member that the engine had in force when it began
 * has flushed, has answered FENCED (its promise to the other engine was answered after fdatasync),
 * or is not in sync any more (F1). What a process says that did not run yet when the writes were
 * answered does not count: they may be gone.
 */
final class Flushes {
  /** The request of a FLUSH that is no client's: the last one before a QUIESCE is answered. */
  static final long OF_QUIESCE = -1;

  private record Flush(
      long request, long generation, long beganNanos, SortedSet<ReplicaId> missing) {}

  private final TreeMap<Long, Flush> all = new TreeMap<>();
  private long lastCall;

  void begin(
      long request,
      long generation,
      Collection<ReplicaId> members,
      Sessions sessions,
      long now,
      List<ClaimEffect> out) {
    SortedSet<ReplicaId> missing = new TreeSet<>(members);
    missing.removeIf(id -> sessions.of(id).promised > generation && sessions.of(id).isContinuous);
    all.put(++lastCall, new Flush(request, generation, now, missing));
    for (ReplicaId id : missing) {
      if (sessions.of(id).isLinked && sessions.of(id).isContinuous) {
        out.add(new FlushMember(lastCall, id, generation));
      }
    }
  }

  void flushed(long call, ReplicaId replica) {
    Flush flush = all.get(call);
    if (flush != null) {
      flush.missing.remove(replica);
    }
  }

  void fenced(ReplicaId replica, long by) {
    for (Flush flush : all.values()) {
      if (by > flush.generation) {
        flush.missing.remove(replica);
      }
    }
  }

  /** These are the replicas in sync; others do not matter any more. */
  void inSync(Collection<ReplicaId> members) {
    all.values().forEach(flush -> flush.missing.retainAll(members));
  }

  /** Requests whose FLUSH has succeeded; said once. */
  List<Long> done() {
    List<Long> requests = new ArrayList<>();
    all.values()
        .removeIf(flush -> {
          boolean isDone = flush.missing.isEmpty();
          if (isDone) {
            requests.add(flush.request);
          }
          return isDone;
        });
    return requests;
  }

  void drop(long request) {
    all.values().removeIf(flush -> flush.request == request);
  }

  /** Whether one began so long ago that somebody may have left the set since. */
  boolean isAnyOlder(long now, long nanos) {
    return all.values().stream().anyMatch(flush -> now - flush.beganNanos >= nanos);
  }
}
