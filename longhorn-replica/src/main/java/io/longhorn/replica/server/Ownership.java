package io.longhorn.replica.server;

import io.longhorn.api.EngineId;
import io.longhorn.api.IoError;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.replica.server.GenerationGate.RecordVerdict;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * Which session owns the replica's store, one at a time (I3, R8): a newer promise asks the session
 * that has it to end, and takes it over only when that one has finished everything it had begun.
 * Any thread; nothing here waits, and what it calls under its lock returns at once.
 */
final class Ownership {
  /** A session that can own the store. Its methods are called by any thread and return at once. */
  interface Owner {
    /**
     * Asks the session to end: it takes no more frames, sends no more answers, and calls {@link
     * Ownership#leave} when nothing of it is under way. Repeated calls are harmless.
     */
    void end();

    /** The claim that had to wait is decided: OK, it is the owner now; otherwise it is not. */
    void claimed(IoError verdict);
  }

  private final ReentrantLock lock = new ReentrantLock();
  private final GenerationGate gate;
  private @Nullable Owner owner;
  private @Nullable Owner waiting;
  private boolean isClosed;

  Ownership(GenerationGate gate) {
    this.gate = gate;
  }

  /**
   * Makes {@code claimant} the owner if the gate allows the promise (R1), after the present owner
   * has left. The promise still has to be made durable, by the new owner.
   *
   * @return {@link IoError#OK} if it is the owner now; {@link IoError#BUSY} if it waits and {@link
   *     Owner#claimed} follows; {@link IoError#FENCED} if the gate refuses; {@link
   *     IoError#DISCONNECTED} if the replica is closing
   */
  IoError claim(Owner claimant, long generation, EngineId engine) {
    lock.lock();
    try {
      if (isClosed) {
        return IoError.DISCONNECTED;
      }
      IoError judged = gate.judgePromise(generation, engine);
      if (!judged.isOk()) {
        return judged;
      }
      gate.promise(generation, engine);
      refuseWaiting(IoError.FENCED);
      Owner present = owner;
      if (present == null || present.equals(claimant)) {
        owner = claimant;
        return IoError.OK;
      }
      waiting = claimant;
      present.end();
      return IoError.BUSY;
    } finally {
      lock.unlock();
    }
  }

  /**
   * The session ends, nothing of it is under way any more: it no longer owns, or waits to. Harmless
   * if it did neither.
   */
  void leave(Owner leaving) {
    lock.lock();
    try {
      if (leaving.equals(waiting)) {
        waiting = null;
      }
      if (leaving.equals(owner)) {
        Owner next = waiting;
        owner = next;
        waiting = null;
        if (next != null) {
          next.claimed(IoError.OK);
        }
      }
    } finally {
      lock.unlock();
    }
  }

  /** Whether a session owns the store. */
  boolean isOwned() {
    lock.lock();
    try {
      return owner != null;
    } finally {
      lock.unlock();
    }
  }

  /** R3, for a record offered by the owner. */
  RecordVerdict judge(MembershipRecord offered) {
    lock.lock();
    try {
      return gate.judgeRecord(offered);
    } finally {
      lock.unlock();
    }
  }

  /** The owner has made this record durable. */
  void recorded(MembershipRecord durable) {
    lock.lock();
    try {
      gate.record(durable);
    } finally {
      lock.unlock();
    }
  }

  /** Nobody becomes the owner any more; who waits for it is refused. */
  void close() {
    lock.lock();
    try {
      isClosed = true;
      refuseWaiting(IoError.DISCONNECTED);
    } finally {
      lock.unlock();
    }
  }

  private void refuseWaiting(IoError verdict) {
    Owner overtaken = waiting;
    waiting = null;
    if (overtaken != null) {
      overtaken.claimed(verdict);
    }
  }
}
