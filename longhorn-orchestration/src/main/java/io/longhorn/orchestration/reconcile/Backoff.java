package io.longhorn.orchestration.reconcile;

import java.util.TreeMap;

/**
 * When the same thing may be tried again: at once the first time, then after ever longer pauses
 * until it has been quiet for a while. Time is given in milliseconds; if it goes back, what was
 * tried in the future counts as never tried. One thread.
 */
final class Backoff {
  /** Pause after the first attempt. */
  static final long FIRST_MILLIS = 500;

  /** Longest pause. */
  static final long LONGEST_MILLIS = 10_000;

  /** After this long without an attempt it is as if there had been none. */
  static final long FORGOTTEN_MILLIS = 30_000;

  private final TreeMap<String, Attempts> attempts = new TreeMap<>();

  /** When those that are forgotten are removed again: not with every question. */
  private long nextSweepMillis;

  private record Attempts(int count, long lastMillis) {
    long nextMillis() {
      int doublings = Math.min(count - 1, 16);
      return lastMillis + Math.min(FIRST_MILLIS << doublings, LONGEST_MILLIS);
    }

    boolean isForgotten(long nowMillis) {
      return nowMillis - lastMillis > FORGOTTEN_MILLIS || lastMillis > nowMillis;
    }
  }

  /** Whether it may be tried now; if so, this is an attempt. */
  boolean mayTry(String what, long nowMillis) {
    if (nowMillis < nextMillis(what, nowMillis)) {
      return false;
    }
    tried(what, nowMillis);
    return true;
  }

  /** It was tried. */
  void tried(String what, long nowMillis) {
    sweep(nowMillis);
    Attempts past = attempts.get(what);
    attempts.put(what, new Attempts(past == null ? 1 : past.count + 1, nowMillis));
  }

  private void sweep(long nowMillis) {
    if (nowMillis >= nextSweepMillis || nowMillis < nextSweepMillis - FORGOTTEN_MILLIS) {
      attempts.values().removeIf(past -> past.isForgotten(nowMillis));
      nextSweepMillis = nowMillis + FIRST_MILLIS;
    }
  }

  /** It went well: the next time is a first one. */
  void forget(String what) {
    attempts.remove(what);
  }

  /** When it may be tried; not after now if it may be at once. */
  long nextMillis(String what, long nowMillis) {
    Attempts past = attempts.get(what);
    if (past != null && past.isForgotten(nowMillis)) {
      attempts.remove(what);
      past = null;
    }
    return past == null ? nowMillis : past.nextMillis();
  }
}
