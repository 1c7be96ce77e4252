package io.longhorn.engine.membership;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.RecordStamp;
import java.util.List;
import java.util.Optional;
import java.util.SortedMap;
import java.util.SortedSet;

/**
 * Where the membership record is kept, seen from one {@link MembershipCore}: what may be opened,
 * how a generation is taken, which sets may follow, and when a record is decided. One change at a
 * time: what is proposed later replaces what is under way.
 *
 * <p>{@code out} takes effects; nothing here calls the core.
 */
sealed interface RecordKeeper permits KeptByReplicas, KeptByStore {
  /**
   * The record is not this session's any more.
   *
   * @param byGeneration taken by another engine; 0 if nobody took the volume
   * @param why for a person
   */
  record Loss(long byGeneration, String why) {}

  /** What it has asked for or waits for may be due. Called in every step. */
  void turn(long nowNanos, List<MembershipEffect> out);

  /** The store said something, or did not. */
  void take(MembershipEvent.OfStore event, List<MembershipEffect> out);

  /** A replica has this record on its disk. */
  void stored(ReplicaId id, RecordStamp stamp);

  // ---- opening --------------------------------------------------------------------------------

  /** What is missing before anything can be judged, for a person; sees to it. */
  Optional<String> lacks();

  /**
   * Whether these are enough.
   *
   * @param found the record of each replica that is there; not empty
   */
  OpenRule.Verdict judge(SortedMap<ReplicaId, MembershipRecord> found);

  /** Highest generation it knows to be taken. */
  long highestTaken();

  /** The highest generation taken, if by another engine; otherwise 0. */
  long takenByAnother();

  /** The generation of the record it keeps if that names the replica; otherwise 0. */
  long namedIn(ReplicaId id);

  /**
   * Takes a generation, before any replica is asked for it.
   *
   * @param newest the newest record found, for a place that has none
   */
  void reserve(long generation, MembershipRecord newest);

  /** Whether the generation is taken. */
  boolean isReserved();

  /** Makes the opening's own record durable, on all its members too. */
  void begin(OpenRule.Verdict.Opens opens, MembershipRecord next, List<MembershipEffect> out);

  // ---- changes --------------------------------------------------------------------------------

  /** Whether a set may be proposed, with these in force. */
  boolean mayFollow(SetsInForce inForce, SortedSet<ReplicaId> members);

  /** Whether a proposal that is undecided may be made again, as it was. */
  boolean mayRepeat();

  /** Whether a record wants a successor with the same members. */
  boolean wantsConfirmation(MembershipRecord committed);

  /** Begins to make a record durable. */
  void propose(MembershipRecord record, List<MembershipEffect> out);

  /** The record that is being made durable. */
  Optional<MembershipRecord> underWay();

  /**
   * Said once: a record has become the committed one; everything else that was proposed will never
   * be. Not always the one under way: an earlier one, or {@code before} itself.
   *
   * @param before the one before
   */
  Optional<MembershipRecord> decided(MembershipRecord before);

  /** Said once: the record is lost to this session. */
  Optional<Loss> loss();

  // ---- always ---------------------------------------------------------------------------------

  /** The session is over: nothing is under way or taken. */
  void reset();

  /** Earliest time at which {@link #turn} may have something to do. */
  long nextWakeNanos();

  /** Why the record cannot be read or changed at present, for a person; empty if it can. */
  String trouble();
}
