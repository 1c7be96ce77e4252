package io.longhorn.engine.claim;

import io.longhorn.api.EngineId;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.membership.RecordStamp;
import io.longhorn.api.wire.VolumeRecordCodec.Stored;
import java.util.Collections;
import java.util.SortedSet;
import java.util.TreeSet;

/**
 * What {@link ClaimCore} is told. Every event carries the loop's monotonic time in nanoseconds. The
 * shell delivers the events of one replica's link in order, nothing of a link after its {@link
 * LinkBroke}, and {@link Linked} of the next one only after that.
 */
public sealed interface ClaimEvent {
  /** Now, in the nanoseconds of the loop's monotonic clock. */
  long nowNanos();

  /** Time has passed; due at {@link ClaimCore#nextWakeNanos} or later. */
  record Tick(long nowNanos) implements ClaimEvent {}

  /**
   * This engine owns the volume already, by an opening of its own, when the migration begins. Valid
   * once, before anything else.
   *
   * @param stored the record as it is, owned by this engine
   * @param sessions replicas that have promised its generation on the link that is up
   * @param isReconciled members are equal everywhere
   */
  record Owns(long nowNanos, Stored stored, SortedSet<ReplicaId> sessions, boolean isReconciled)
      implements ClaimEvent {
    /** Copies the set. */
    public Owns {
      sessions = Collections.unmodifiableSortedSet(new TreeSet<>(sessions));
    }
  }

  // ---- requests -------------------------------------------------------------------------------

  /** A client, or the other engine, wants something. */
  record Wanted(long nowNanos, ClaimRequest request) implements ClaimEvent {}

  /** The other engine answered a request that was forwarded to it. */
  record ForwardAnswered(long nowNanos, long id) implements ClaimEvent {}

  /** The other engine is not the owner, or there is no link to it. */
  record ForwardRefused(long nowNanos, long id) implements ClaimEvent {}

  /** A member has applied a write. */
  record Wrote(long nowNanos, long send, ReplicaId replica) implements ClaimEvent {}

  /** The data of a read is there; it has not been given to the client. */
  record ReadDone(long nowNanos, long send) implements ClaimEvent {}

  /** No source could answer; the read is sent again. Nothing of it goes on. */
  record ReadFailed(long nowNanos, long send) implements ClaimEvent {}

  /** A SNAPSHOT or STATUS was carried out. */
  record Executed(long nowNanos, long send) implements ClaimEvent {}

  /** A member has everything on its disk that it had answered before the FLUSH. */
  record MemberFlushed(long nowNanos, long call, ReplicaId replica) implements ClaimEvent {}

  // ---- the other engine -----------------------------------------------------------------------

  /** The other engine wants to claim. */
  record QuiesceAsked(long nowNanos, QuiesceId quiesce) implements ClaimEvent {}

  /** The other engine claims no more and does not count on the answer any more. */
  record QuiesceGivenUp(long nowNanos, QuiesceId quiesce) implements ClaimEvent {}

  /**
   * The other engine has stopped.
   *
   * @param number of the QUIESCE
   * @param generation that it owned and stopped to serve
   * @param isClean nothing it sent is undecided, members are equal everywhere; a member that was
   *     started anew may have lost what it had not flushed
   */
  record QuiesceAnswered(long nowNanos, long number, EngineId by, long generation, boolean isClean)
      implements ClaimEvent {}

  /** The other engine does not serve, or there is no link to it. */
  record QuiesceRefused(long nowNanos, long number) implements ClaimEvent {}

  // ---- replicas -------------------------------------------------------------------------------

  /**
   * A link is up and its HELLO was answered.
   *
   * @param promised highest generation promised there
   * @param record stamp of the record kept there
   * @param isContinuous whether the process there has run since the member was last equal (E3): if
   *     not, what it had answered and not flushed may be gone
   */
  record Linked(
      long nowNanos, ReplicaId replica, long promised, RecordStamp record, boolean isContinuous)
      implements ClaimEvent {}

  /** The link is gone; what the member answered and had not flushed no longer counts (E2). */
  record LinkBroke(long nowNanos, ReplicaId replica) implements ClaimEvent {}

  /**
   * PROMISE and RECORD were answered: both are durable there, everything applied before too, and
   * the older sessions are over.
   *
   * @param isContinuous as it says with the promise: whether the process there has run since the
   *     member was last equal (E3), which may have been after it was {@link Linked}
   */
  record Promised(long nowNanos, ReplicaId replica, long generation, boolean isContinuous)
      implements ClaimEvent {}

  /** A PROMISE was refused: {@code there} is promised. */
  record PromiseRefused(long nowNanos, ReplicaId replica, long generation, long there)
      implements ClaimEvent {}

  /**
   * A frame was answered FENCED: a higher generation is promised there, durably, and what was
   * applied before is on its disk.
   */
  record Fenced(long nowNanos, ReplicaId replica, long byGeneration) implements ClaimEvent {}

  /** Any frame of the session was answered; {@code sentNanos} is when it was sent. */
  record Heard(long nowNanos, ReplicaId replica, long sentNanos) implements ClaimEvent {}

  /**
   * A returned replica was made equal ({@link ClaimEffect.MakeEqual} began it). Since before this
   * event every write goes to it too, none sent before that is under way, and it has answered all
   * that were: one that the others had answered is acknowledged, and it is a source from now on.
   * What it was made equal to is on its disk, and no FLUSH is reported that it was not asked for as
   * well from the moment it was sent writes: what that promised must not be missing here.
   */
  record MadeEqual(long nowNanos, ReplicaId replica) implements ClaimEvent {}

  /** All members are equal everywhere, in this generation. */
  record Reconciled(long nowNanos, long generation) implements ClaimEvent {}

  // ---- the control plane ----------------------------------------------------------------------

  /**
   * Confirm or rollback: this engine is the winner.
   *
   * @param generation the volume's when that was decided; it is nothing to an engine that has taken
   *     the volume since
   */
  record FinishWanted(long nowNanos, long generation) implements ClaimEvent {}

  /** This engine is the only one: it takes the volume before anybody wants something of it. */
  record OwnWanted(long nowNanos) implements ClaimEvent {}

  /**
   * Somebody else changed the record under the same generation: the set of replicas that belong to
   * the volume, for example. It is read again.
   */
  record RecordChanged(long nowNanos) implements ClaimEvent {}

  // ---- the store ------------------------------------------------------------------------------

  /** The answer to a call of the store; one that nobody waits for any more is ignored. */
  sealed interface OfStore extends ClaimEvent {
    /** The number of the call. */
    long call();
  }

  /** What the store has. */
  record StoreRead(long nowNanos, long call, Stored stored) implements OfStore {}

  /** The record was replaced, durably, and has this revision now. */
  record StoreSet(long nowNanos, long call, long revision) implements OfStore {}

  /** The record has another revision than was expected; nothing was changed by this call. */
  record StoreConflict(long nowNanos, long call, Stored stored) implements OfStore {}

  /** No answer: a change may have happened, or happen later. */
  record StoreUnreachable(long nowNanos, long call) implements OfStore {}
}
