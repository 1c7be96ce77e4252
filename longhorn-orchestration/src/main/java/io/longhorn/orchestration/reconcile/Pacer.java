package io.longhorn.orchestration.reconcile;

import java.time.Clock;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;

/** Time as a loop sees it: what a clock says, and waiting. Any thread. */
public interface Pacer {
  /** Milliseconds since 1970. */
  long nowMillis();

  /** Waits so long, or until somebody wakes it: since it last returned counts too. */
  void awaitWake(long atMostMillis);

  /** Wakes who waits, or who will. */
  void wake();

  /** That of a machine. */
  static Pacer system(Clock clock) {
    Semaphore wakes = new Semaphore(0);
    return new Pacer() {
      @Override
      public long nowMillis() {
        return clock.millis();
      }

      @Override
      public void awaitWake(long atMostMillis) {
        try {
          // Once for all that woke it: what they wanted seen is seen by the look that follows.
          if (wakes.tryAcquire(atMostMillis, TimeUnit.MILLISECONDS)) {
            wakes.drainPermits();
          }
        } catch (InterruptedException e) {
          throw new IllegalStateException("nobody interrupts a loop; it is closed", e);
        }
      }

      @Override
      public void wake() {
        if (wakes.availablePermits() == 0) {
          wakes.release();
        }
      }
    };
  }
}
