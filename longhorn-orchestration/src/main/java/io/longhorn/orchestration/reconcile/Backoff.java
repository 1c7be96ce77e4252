package io.longhorn.orchestration.reconcile;

import java.util.HashMap;
import java.util.Map;

/**
 * When the same thing may be tried again: at once the first time, then after ever longer pauses
 * until it has been quiet for a while. Time is given, in milliseconds of any clock that does not go
 * back; one thread.
 */
final class Backoff {
  /** Pause after the first attempt. */
  static final long FIRST_MILLIS = 500;

  /** Longest pause. */
  static final long LONGEST_MILLIS = 10_000;

  /** After this long without an attempt it is as if there had been none. */
  static final long FORGOTTEN_MILLIS = 30_000;

  private final Map<String, Attempts> attempts = new HashMap<>();

  private record Attempts(int count, long lastMillis) {
    long nextMillis() {
      int doublings = Math.min(count - 1, 16);
      return lastMillis + Math.min(FIRST_MILLIS << doublings, LONGEST_MILLIS);
    }
  }

  /** Whether it may be tried now; if so, this is an attempt. */
  boolean mayTry(String what, long nowMillis) {
    attempts.values().removeIf(past -> nowMillis - past.lastMillis > FORGOTTEN_MILLIS);
    Attempts past = attempts.get(what);
    if (past != null && nowMillis < past.nextMillis()) {
      return false;
    }
    attempts.put(what, new Attempts(past == null ? 1 : past.count + 1, nowMillis));
    return true;
  }

  /** It went well: the next time is a first one. */
  void forget(String what) {
    attempts.remove(what);
  }

  /** When this may be tried again. */
  long nextMillis(String what, long nowMillis) {
    Attempts past = attempts.get(what);
    return past == null ? nowMillis : past.nextMillis();
  }

  /** When something that was refused may be tried; {@link Long#MAX_VALUE} if nothing waits. */
  long nextMillis(long nowMillis) {
    return attempts.values().stream()
        .mapToLong(Attempts::nextMillis)
        .filter(next -> next > nowMillis)
        .min()
        .orElse(Long.MAX_VALUE);
  }
}
