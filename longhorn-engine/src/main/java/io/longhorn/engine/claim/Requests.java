package io.longhorn.engine.claim;

import io.longhorn.api.ReplicaId;
import io.longhorn.engine.claim.ClaimRequest.Kind;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeSet;

/** The requests that have no answer yet, in the order they came. */
final class Requests {
  /** How far a request is. */
  enum State {
    /** Not sent anywhere. */
    WAITING,
    /** The owner engine has it. */
    FORWARDED,
    /** The replicas have it, or it is being carried out. */
    SENT,
    /** A read whose data is there; it waits for the read window. */
    READ,
    /** A FLUSH that {@link Flushes} has. */
    FLUSHING
  }

  /** One request. */
  static final class Pending {
    final ClaimRequest request;
    final long deadlineNanos;
    State state = State.WAITING;

    /** Number of the latest sending. */
    long send;

    long forwardUntilNanos;

    /** The owner did not answer: only a claim helps. */
    boolean needsClaim;

    boolean isEqualFirst;
    final SortedSet<ReplicaId> acknowledged = new TreeSet<>();

    Pending(ClaimRequest request, long deadlineNanos) {
      this.request = request;
      this.deadlineNanos = deadlineNanos;
    }

    boolean is(Kind kind) {
      return request.kind() == kind;
    }

    boolean isUnderWay() {
      return state == State.SENT || state == State.READ;
    }

    private boolean isExclusive() {
      return is(Kind.WRITE) || isEqualFirst;
    }

    void again() {
      state = State.WAITING;
      isEqualFirst = false;
      acknowledged.clear();
    }
  }

  private final LinkedHashMap<Long, Pending> all = new LinkedHashMap<>();

  void add(Pending pending) {
    if (all.putIfAbsent(pending.request.id(), pending) != null) {
      throw new IllegalArgumentException("request " + pending.request.id() + " is there already");
    }
  }

  int size() {
    return all.size();
  }

  boolean has(long id) {
    return all.containsKey(id);
  }

  void remove(Pending pending) {
    all.remove(pending.request.id());
  }

  Optional<Pending> of(long id) {
    return Optional.ofNullable(all.get(id));
  }

  /** The request that is under way under this number. */
  Optional<Pending> sent(long send) {
    return all.values().stream()
        .filter(pending -> pending.state == State.SENT && pending.send == send)
        .findFirst();
  }

  /** A copy: what is in it may be removed meanwhile. */
  List<Pending> all() {
    return new ArrayList<>(all.values());
  }

  boolean isAnyUnderWay() {
    return all.values().stream().anyMatch(Pending::isUnderWay);
  }

  /**
   * Whether nothing that came before or is under way keeps this one waiting: overlapping requests
   * run in the order they came if one of them writes, or makes members equal.
   *
   * @param readsWait whether reads wait for writes and writes for reads (K1)
   */
  boolean mayStart(Pending candidate, boolean readsWait) {
    boolean isBefore = true;
    for (Pending other : all.values()) {
      if (other == candidate) {
        isBefore = false;
        continue;
      }
      boolean isRelevant = other.isUnderWay() || (isBefore && other.state == State.WAITING);
      if (isRelevant
          && (other.is(Kind.READ) || other.is(Kind.WRITE))
          && other.request.overlaps(candidate.request)
          && (readsWait
              ? other.isExclusive() || candidate.isExclusive()
              : other.isExclusive() && candidate.isExclusive())) {
        return false;
      }
    }
    return true;
  }
}
