package io.longhorn.engine.membership;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.membership.RecordStamp;
import io.longhorn.api.wire.ReplicaInfo;
import io.longhorn.api.wire.VolumeRecordCodec;

/**
 * What {@link MembershipCore} is told. Every event carries the loop's monotonic time in
 * nanoseconds. The shell delivers the events of one replica in order: nothing of a link after its
 * {@link LinkBroke}, {@link ReplicaAnswered} of the next link only after that, and nothing more of
 * a link that the core had {@linkplain MembershipEffect.Disconnect disconnected}.
 */
public sealed interface MembershipEvent {
  /** Now, in the nanoseconds of the loop's monotonic clock. */
  long nowNanos();

  /** Time has passed; due at {@link MembershipCore#nextWakeNanos} or later. */
  record Tick(long nowNanos) implements MembershipEvent {}

  /**
   * A new link is up and its HELLO was answered; its volume, authority and size have been checked.
   */
  record ReplicaAnswered(long nowNanos, ReplicaId replica, ReplicaInfo info)
      implements MembershipEvent {}

  /** A PROMISE was answered: the promise is durable and the older session over (R1, R8). */
  record Promised(long nowNanos, ReplicaId replica, long generation, ReplicaInfo info)
      implements MembershipEvent {}

  /**
   * A PROMISE of {@code generation} was refused with FENCED.
   *
   * @param promisedThere the generation promised there; if the replica did not say, {@code
   *     generation}
   */
  record PromiseRefused(long nowNanos, ReplicaId replica, long generation, long promisedThere)
      implements MembershipEvent {}

  /** A RECORD was answered OK: it is on that replica's disk. */
  record RecordStored(long nowNanos, ReplicaId replica, RecordStamp stamp)
      implements MembershipEvent {}

  /**
   * The link is gone, or the shell closed it because the member failed (EIO on a write or fsync, a
   * refused RECORD, a protocol error, any answer that a healthy member does not give). The member
   * has left (E2): what it had answered and not flushed no longer counts.
   */
  record LinkBroke(long nowNanos, ReplicaId replica) implements MembershipEvent {}

  /**
   * A member looks failed ({@link SuspicionCore}); its link is still up. A change without it is
   * proposed if one is legal; if not, nothing happens.
   */
  record Suspected(long nowNanos, ReplicaId replica) implements MembershipEvent {}

  /** A suspected member answered again. A change that was proposed goes on. */
  record Unsuspected(long nowNanos, ReplicaId replica) implements MembershipEvent {}

  /**
   * A frame of the session was answered FENCED: a higher generation owns that replica.
   *
   * @param byGeneration the higher generation if known, else 0
   */
  record Fenced(long nowNanos, ReplicaId replica, long byGeneration) implements MembershipEvent {}

  /**
   * A returned replica was made equal ({@link MembershipEffect.MayReturn} began it): take it into
   * the set. From before this event every WRITE, ZERO, TRIM and FLUSH goes to it too, and none that
   * a client has an answer to is missing on it.
   */
  record JoinWanted(long nowNanos, ReplicaId replica) implements MembershipEvent {}

  /**
   * A person has decided to open with what answers, whatever the newest set needs. Valid while
   * opening or held; stays in effect until the volume is open.
   */
  record ForceWanted(long nowNanos) implements MembershipEvent {}

  /**
   * Start over with a higher generation, for example because a replica stays out with a promise to
   * an engine that is gone. I/O pauses as at an opening.
   */
  record ReopenWanted(long nowNanos) implements MembershipEvent {}

  /** The answer to a call of the store; one that nobody waits for any more is ignored. */
  sealed interface OfStore extends MembershipEvent {
    /** The number of the call. */
    long call();
  }

  /** What the store has. */
  record StoreRead(long nowNanos, long call, VolumeRecordCodec.Stored stored) implements OfStore {}

  /** The record was replaced, durably, and has this revision now. */
  record StoreSet(long nowNanos, long call, long revision) implements OfStore {}

  /** The record has another revision than was expected; nothing was changed by this call. */
  record StoreConflict(long nowNanos, long call, VolumeRecordCodec.Stored stored)
      implements OfStore {}

  /**
   * No answer, or none that helps. A change may have happened, or happen later.
   *
   * @param why for a person
   */
  record StoreUnreachable(long nowNanos, long call, String why) implements OfStore {}
}
