package io.longhorn.engine.claim;

import io.longhorn.api.IoError;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.VolumeRecord;
import java.util.Collections;
import java.util.SortedSet;
import java.util.TreeSet;

/**
 * What {@link ClaimCore} wants done, in this order, on the loop that called it. A {@code send} is a
 * number of the core for one sending of a request; answers name it.
 */
public sealed interface ClaimEffect {
  // ---- requests -------------------------------------------------------------------------------

  /** Send the request to the owner engine; answer with ForwardAnswered or ForwardRefused. */
  record Forward(ClaimRequest request) implements ClaimEffect {}

  /** Tell the other engine that this one does not own the volume. */
  record RefuseForward(long id) implements ClaimEffect {}

  /** Give the answer, with the data of the latest send or forward. */
  record Answer(long id) implements ClaimEffect {}

  /** Fail it; if it is under way under a generation that was lost it is never sent again. */
  record Fail(long id, IoError error) implements ClaimEffect {}

  /** Send WRITE to all of these; answer with Wrote for each. */
  record SendWrite(long send, long id, long generation, SortedSet<ReplicaId> replicas)
      implements ClaimEffect {
    /** Copies the set. */
    public SendWrite {
      replicas = Collections.unmodifiableSortedSet(new TreeSet<>(replicas));
    }
  }

  /**
   * Read from any one of these; answer with ReadDone or ReadFailed.
   *
   * @param isEqualFirst make all members equal over the range first (K4). Such a read runs alone in
   *     its range
   */
  record SendRead(
      long send, long id, long generation, SortedSet<ReplicaId> sources, boolean isEqualFirst)
      implements ClaimEffect {
    /** Copies the set. */
    public SendRead {
      sources = Collections.unmodifiableSortedSet(new TreeSet<>(sources));
    }
  }

  /** Carry out a SNAPSHOT or STATUS; answer with Executed. */
  record Execute(long send, long id, long generation) implements ClaimEffect {}

  /** Send FLUSH on the link; answer with MemberFlushed, Fenced or LinkBroke. */
  record FlushMember(long call, ReplicaId replica, long generation) implements ClaimEffect {}

  // ---- the other engine -----------------------------------------------------------------------

  /** Send QUIESCE to the other engine; answer with QuiesceAnswered or QuiesceRefused. */
  record AskQuiesce(long number) implements ClaimEffect {}

  /** Tell the other engine that its answer is not counted on any more. */
  record GiveUpQuiesce(long number) implements ClaimEffect {}

  /** Answer a QUIESCE: this engine has stopped. */
  record AnswerQuiesce(QuiesceId quiesce, long generation, boolean isClean)
      implements ClaimEffect {}

  /** Answer a QUIESCE: this engine serves nothing that could be stopped. */
  record RefuseQuiesce(QuiesceId quiesce) implements ClaimEffect {}

  // ---- replicas -------------------------------------------------------------------------------

  /**
   * Send PROMISE, then RECORD; answer with Promised when both are answered, or PromiseRefused, or
   * LinkBroke.
   */
  record AskPromise(ReplicaId replica, long generation, MembershipRecord record)
      implements ClaimEffect {}

  /** Send PING in the session; answer with Heard, Fenced or LinkBroke. */
  record Ping(ReplicaId replica) implements ClaimEffect {}

  /** A replica outside the set has promised: make it equal, then MadeEqual. */
  record MakeEqual(ReplicaId replica, long generation) implements ClaimEffect {}

  /** Reconcile as after a crash, in the background and on demand; then Reconciled. */
  record Reconcile(long generation, SortedSet<ReplicaId> members) implements ClaimEffect {
    /** Copies the set. */
    public Reconcile {
      members = Collections.unmodifiableSortedSet(new TreeSet<>(members));
    }
  }

  // ---- the store ------------------------------------------------------------------------------

  /** Read the record; answer with StoreRead or StoreUnreachable, once, within a bound. */
  record ReadStore(long call) implements ClaimEffect {}

  /**
   * Replace the record if it has the expected revision; answer with StoreSet, StoreConflict or
   * StoreUnreachable, once, within a bound.
   */
  record SetStore(long call, long expectedRevision, VolumeRecord record) implements ClaimEffect {}

  // ---- to be known ----------------------------------------------------------------------------

  /** This engine is the owner now, and serves. */
  record Serving(long generation) implements ClaimEffect {}

  /**
   * This engine is the owner no more; everything of its generation ends.
   *
   * @param byGeneration 0 if no other engine took it: its members are gone
   */
  record Lost(long generation, long byGeneration) implements ClaimEffect {}

  /** This engine claims back for a write: both sides write. To be reported as an event. */
  record BothSidesWrite(long generation) implements ClaimEffect {}

  /** The record names this engine alone. */
  record Finished(long generation) implements ClaimEffect {}

  /** The record names this engine no more: it can never claim again. */
  record Over() implements ClaimEffect {}
}
