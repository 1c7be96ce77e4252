package io.longhorn.engine.claim;

import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.api.wire.VolumeRecordCodec.Stored;
import io.longhorn.engine.claim.ClaimEffect.ReadStore;
import io.longhorn.engine.claim.ClaimEffect.SetStore;
import io.longhorn.engine.claim.ClaimEvent.OfStore;
import io.longhorn.engine.claim.ClaimEvent.StoreConflict;
import io.longhorn.engine.claim.ClaimEvent.StoreRead;
import io.longhorn.engine.claim.ClaimEvent.StoreSet;
import io.longhorn.engine.claim.ClaimEvent.StoreUnreachable;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The calls of one engine to the store: one at a time, each change on the base of what was seen
 * last. A change without an answer is undecided until the record is seen with another revision than
 * was expected; while it is seen with that one the same change is sent again.
 */
final class StoreCalls {
  private final long retryNanos;
  private @Nullable Stored view;
  private @Nullable VolumeRecord undecided;
  private boolean isReadWanted;
  private boolean isLookDue;
  private boolean isInDoubt;
  private long lastCall;

  /** The call without an answer, 0 if there is none. */
  private long outstanding;

  private boolean isPaused;
  private long retryAtNanos;

  StoreCalls(long retryNanos) {
    this.retryNanos = retryNanos;
  }

  /** What the record was when it was seen last; nothing while a fresh look is wanted. */
  Optional<VolumeRecord> record() {
    Stored seen = view;
    return seen == null || isReadWanted ? Optional.empty() : seen.record();
  }

  /** A change that was sent and may have happened, or happen yet. */
  Optional<VolumeRecord> undecided() {
    return Optional.ofNullable(undecided);
  }

  /** What was seen before is not enough: the record is read again. */
  void refresh() {
    isReadWanted = true;
  }

  /** What was seen counts on, and is looked at again when there is nothing else to ask. */
  void lookAgain() {
    isLookDue = true;
  }

  void seen(Stored stored) {
    view = stored;
    isReadWanted = false;
  }

  /** Nothing is wanted of the store any more; an undecided change may happen all the same. */
  void forget() {
    view = null;
    undecided = null;
    isReadWanted = false;
    isLookDue = false;
    isInDoubt = false;
    outstanding = 0;
    isPaused = false;
  }

  /** Makes a call if one is due: a look, or the change that is wanted now. */
  void turn(long now, Optional<VolumeRecord> wanted, List<ClaimEffect> out) {
    if (outstanding != 0 || (isPaused && now - retryAtNanos < 0)) {
      return;
    }
    isPaused = false;
    Stored base = view;
    if (isInDoubt || isReadWanted || isLookDue || (base == null && wanted.isPresent())) {
      isLookDue = false;
      outstanding = ++lastCall;
      out.add(new ReadStore(outstanding));
      return;
    }
    VolumeRecord change = undecided != null ? undecided : wanted.orElse(null);
    if (base != null && change != null) {
      undecided = change;
      outstanding = ++lastCall;
      out.add(new SetStore(outstanding, base.revision(), change));
    }
  }

  /**
   * Takes an answer.
   *
   * @return whether what the record is was learned
   */
  boolean take(OfStore event) {
    if (event.call() != outstanding) {
      return false;
    }
    outstanding = 0;
    return switch (event) {
      case StoreRead(_, _, Stored there) -> learned(there);
      case StoreConflict(long now, _, Stored there) -> {
        Stored base = view;
        if (base != null && base.revision() == there.revision()) {
          // A store that refuses without a reason is not asked again at once.
          pause(now);
        }
        yield learned(there);
      }
      case StoreSet(_, _, long revision) -> {
        view = new Stored(revision, Optional.ofNullable(undecided));
        undecided = null;
        isInDoubt = false;
        yield true;
      }
      case StoreUnreachable(long now, _) -> {
        isInDoubt = undecided != null;
        isLookDue = true;
        pause(now);
        yield false;
      }
    };
  }

  private boolean learned(Stored there) {
    Stored before = view;
    if (before == null || before.revision() != there.revision()) {
      // Every change that was sent expects a revision that is gone.
      undecided = null;
    }
    view = there;
    isInDoubt = false;
    isReadWanted = false;
    return true;
  }

  private void pause(long now) {
    isPaused = true;
    retryAtNanos = now + retryNanos;
  }

  /** Earliest time at which {@link #turn} may have something to do that it had not before. */
  long nextWakeNanos() {
    return isPaused && outstanding == 0 ? retryAtNanos : Long.MAX_VALUE;
  }
}
