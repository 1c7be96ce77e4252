package io.longhorn.engine.membership;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.api.wire.ReplicaInfo;
import java.util.List;
import java.util.SortedSet;

/** What {@link MembershipCore} wants done, in this order, on the loop that called it. */
public sealed interface MembershipEffect {
  /** Send PROMISE on the replica's link; answer with Promised, PromiseRefused or LinkBroke. */
  record AskPromise(ReplicaId replica, long generation) implements MembershipEffect {}

  /**
   * Send RECORD on the replica's link, under the generation of the session; answer with
   * RecordStored or LinkBroke.
   */
  record StoreRecord(ReplicaId replica, MembershipRecord record) implements MembershipEffect {}

  /**
   * Read the volume's record in the store; answer with StoreRead or StoreUnreachable, once, within
   * a bound. Calls follow each other.
   */
  record ReadStore(long call) implements MembershipEffect {}

  /**
   * Replace the volume's record in the store if it has the expected revision (RECORD_SET); answer
   * with StoreSet, StoreConflict or StoreUnreachable, once, within a bound.
   */
  record SetStore(long call, long expectedRevision, VolumeRecord record)
      implements MembershipEffect {}

  /**
   * Close the replica's link, report nothing more of it, and connect again after the usual pause
   * (HELLO, then ReplicaAnswered).
   */
  record Disconnect(ReplicaId replica, String why) implements MembershipEffect {}

  /**
   * The record that this opening makes is durable (R4). Crash reconcile may begin. Nothing is
   * acknowledged and no read is answered before {@link Serve}.
   *
   * @param generation the generation of every frame from now on
   * @param record the in-sync set
   * @param members what each member said in its promise, sorted by id
   * @param isContinuation nobody else has served since this engine did: requests it had under way
   *     may be sent again under the new generation, provided that their range locks were held all
   *     the time and reconcile has made their ranges equal. If false they fail (K5).
   * @param isClean the generation before released the volume: no write was under way
   */
  record Opened(
      long generation,
      MembershipRecord record,
      List<ReplicaInfo> members,
      boolean isContinuation,
      boolean isClean)
      implements MembershipEffect {}

  /** Acknowledgements and answers to reads are allowed: nobody else can be serving any more. */
  record Serve() implements MembershipEffect {}

  /**
   * The sets in force changed; {@link MembershipCore#requiredMask} and its companions have new
   * values. Requests that wait for acknowledgements are to be looked at again.
   */
  record InForceChanged() implements MembershipEffect {}

  /** A set without this member is durable. Its link, if any, was disconnected: it may return. */
  record Left(ReplicaId replica, MembershipRecord record) implements MembershipEffect {}

  /** A set with this member is durable. */
  record Joined(ReplicaId replica, MembershipRecord record) implements MembershipEffect {}

  /**
   * A replica outside the set has promised this generation: it may be made equal, and then {@link
   * MembershipEvent.JoinWanted}. If its link breaks before it has {@link Joined}, this is over.
   */
  record MayReturn(ReplicaId replica, ReplicaInfo info) implements MembershipEffect {}

  /** A replica that answers cannot be used at present. */
  record StaysOut(ReplicaId replica, String why) implements MembershipEffect {}

  /**
   * No legal set exists: the generation is given up, I/O is held. The core opens again by itself,
   * with a higher generation, once enough members answer; then {@link Opened}, or {@link Deposed}.
   */
  record Held(SortedSet<ReplicaId> missing, String why) implements MembershipEffect {}

  /** Another engine has taken over: everything fails, for ever. */
  record Deposed(long byGeneration) implements MembershipEffect {}

  /** The volume was opened by force; to be recorded and shown. */
  record Forced(ForceReport report) implements MembershipEffect {}

  /**
   * What a forced opening may have lost.
   *
   * @param newestFound the newest record found
   * @param opened the members it went on with
   * @param missing members of the newest set found that did not answer: what only they have is lost
   * @param text for a person
   */
  record ForceReport(
      MembershipRecord newestFound,
      SortedSet<ReplicaId> opened,
      SortedSet<ReplicaId> missing,
      String text) {}
}
