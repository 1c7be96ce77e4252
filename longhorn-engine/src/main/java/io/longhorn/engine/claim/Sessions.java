package io.longhorn.engine.claim;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.membership.RecordStamp;
import io.longhorn.engine.membership.ReadWindow;
import java.util.Collection;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;

/** What this engine knows of each replica's link, and the session on it. */
final class Sessions {
  /** One replica's. */
  static final class Session {
    boolean isLinked;

    /** PROMISE of this generation was sent on this link. */
    boolean isAsked;

    /** It promised this generation on this link. */
    boolean isOurs;

    /** A member whose session broke: it has left (E2), and has to leave the set. */
    boolean isLost;

    /** It is being made equal, or has been. */
    boolean isReturning;

    /** What it answered and did not flush is still there, as far as is known. */
    boolean isContinuous = true;

    long promised;
    RecordStamp record = RecordStamp.NONE;
    private boolean isHeard;
    private long heardNanos;
    private boolean isPinged;
    private long pingedNanos;

    void linked(long promisedThere, RecordStamp recordThere, boolean isContinuousThere) {
      down();
      isLinked = true;
      isContinuous = isContinuousThere;
      promised = Math.max(promised, promisedThere);
      record = recordThere;
    }

    void down() {
      isLinked = false;
      ended();
    }

    /** The session is over, its link may be up. */
    void ended() {
      isAsked = false;
      isOurs = false;
      isReturning = false;
      forgetHeard();
    }

    void forgetHeard() {
      isHeard = false;
      isPinged = false;
    }

    void heard(long sentNanos) {
      if (isOurs && (!isHeard || sentNanos - heardNanos > 0)) {
        isHeard = true;
        heardNanos = sentNanos;
      }
    }

    /** Whether a read may be answered as far as this member goes (K3). */
    boolean isInWindow(long now) {
      return isOurs && isHeard && now - heardNanos < ReadWindow.READ_WINDOW_NANOS;
    }

    boolean isPingDue(long now, long everyNanos) {
      return isOurs && (!isPinged || now - pingedNanos >= everyNanos);
    }

    void pinged(long now) {
      isPinged = true;
      pingedNanos = now;
    }

    long pingDueNanos(long everyNanos) {
      return pingedNanos + everyNanos;
    }
  }

  private final TreeMap<ReplicaId, Session> all = new TreeMap<>();

  Session of(ReplicaId id) {
    return all.computeIfAbsent(id, _ -> new Session());
  }

  /** Those of these that have a link. */
  SortedSet<ReplicaId> linked(Collection<ReplicaId> of) {
    SortedSet<ReplicaId> found = new TreeSet<>(of);
    found.removeIf(id -> !of(id).isLinked);
    return found;
  }

  /** All that have promised this generation. */
  SortedSet<ReplicaId> ours() {
    SortedSet<ReplicaId> found = new TreeSet<>(all.keySet());
    found.removeIf(id -> !of(id).isOurs);
    return found;
  }

  boolean areOurs(Collection<ReplicaId> ids) {
    return ids.stream().allMatch(id -> of(id).isOurs);
  }

  boolean areContinuous(Collection<ReplicaId> ids) {
    return ids.stream().allMatch(id -> of(id).isContinuous);
  }

  boolean areInWindow(Collection<ReplicaId> ids, long now) {
    return ids.stream().allMatch(id -> of(id).isInWindow(now));
  }

  /** Highest generation that any is known to have promised. */
  long highestPromised() {
    return all.values().stream().mapToLong(session -> session.promised).max().orElse(0);
  }

  void forgetHeard() {
    all.values().forEach(Session::forgetHeard);
  }

  void endAll() {
    all.values()
        .forEach(session -> {
          session.ended();
          session.isLost = false;
        });
  }
}
