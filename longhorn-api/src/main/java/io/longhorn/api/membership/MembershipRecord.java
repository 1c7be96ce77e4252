package io.longhorn.api.membership;

import io.longhorn.api.ReplicaId;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * The record: the in-sync set as of one change, and for each configured replica outside it the
 * stamp of the record that first left it out ({@code leftAt}: what its bitmap must reach back to
 * when it returns) and the generation of the last one that named it ({@code memberUntil}: what it
 * must have promised, or its directory is an old copy of itself). Immutable; the collections are
 * sorted.
 *
 * @param stamp newest = highest stamp (R3)
 * @param members the in-sync set; never empty
 * @param leftAt one entry for each configured replica that is not a member
 * @param memberUntil for replicas in {@code leftAt}; 0 where nothing is known
 */
public record MembershipRecord(
    RecordStamp stamp,
    SortedSet<ReplicaId> members,
    SortedMap<ReplicaId, RecordStamp> leftAt,
    SortedMap<ReplicaId, Long> memberUntil) {
  /** Most replicas a volume may have, members and absent ones together. */
  public static final int MAX_REPLICAS = 8;

  /**
   * Copies the collections; throws {@link IllegalArgumentException} if empty, over the limit, a
   * replica is both, or one left after this record.
   */
  public MembershipRecord {
    // Not the copying constructors: they keep the order of what they copy.
    TreeSet<ReplicaId> sortedMembers = new TreeSet<>();
    sortedMembers.addAll(members);
    TreeMap<ReplicaId, RecordStamp> sortedLeftAt = new TreeMap<>();
    sortedLeftAt.putAll(leftAt);
    members = Collections.unmodifiableSortedSet(sortedMembers);
    leftAt = Collections.unmodifiableSortedMap(sortedLeftAt);
    TreeMap<ReplicaId, Long> sortedUntil = new TreeMap<>();
    sortedUntil.putAll(memberUntil);
    sortedUntil.values().removeIf(generation -> generation == 0);
    memberUntil = Collections.unmodifiableSortedMap(sortedUntil);
    if (!leftAt.keySet().containsAll(memberUntil.keySet())) {
      throw new IllegalArgumentException(
          "a replica was a member until " + memberUntil + " but has not left: " + leftAt);
    }
    if (members.isEmpty() || members.size() + leftAt.size() > MAX_REPLICAS) {
      throw new IllegalArgumentException(
          "a record has 1 to "
              + MAX_REPLICAS
              + " replicas with at least one member: "
              + members
              + ", left "
              + leftAt);
    }
    for (Map.Entry<ReplicaId, RecordStamp> left : leftAt.entrySet()) {
      if (members.contains(left.getKey())) {
        throw new IllegalArgumentException(
            "replica " + left.getKey() + " is a member and has left");
      }
      if (left.getValue().isNewerThan(stamp)) {
        throw new IllegalArgumentException(
            "replica "
                + left.getKey()
                + " left at "
                + left.getValue()
                + ", after the record "
                + stamp);
      }
    }
  }

  /** A record that does not know until when those that left were members. */
  public MembershipRecord(
      RecordStamp stamp, SortedSet<ReplicaId> members, SortedMap<ReplicaId, RecordStamp> leftAt) {
    this(stamp, members, leftAt, new TreeMap<>());
  }

  /**
   * The generation that a replica must have promised, because a record of it named the replica.
   *
   * @return 0 if this record knows of none
   */
  public long namedIn(ReplicaId replica) {
    return members.contains(replica) ? stamp.generation() : memberUntil.getOrDefault(replica, 0L);
  }

  /**
   * The record a volume is created with: generation 0, number 1, all replicas in sync.
   *
   * @param replicas 1 to {@link #MAX_REPLICAS}, each once
   */
  public static MembershipRecord ofNewVolume(List<ReplicaId> replicas) {
    TreeSet<ReplicaId> members = new TreeSet<>(replicas);
    if (members.size() != replicas.size()) {
      throw new IllegalArgumentException("a replica is named twice in " + replicas);
    }
    return new MembershipRecord(new RecordStamp(0, 1), members, new TreeMap<>());
  }

  /**
   * The record that follows this one with the given members: a replica that leaves is stamped with
   * {@code next}, one that had left keeps its stamp, one that is a member again loses it.
   *
   * @param next stamp of the new record, newer than this one's
   * @param nextMembers not empty; may name a replica that this record does not know
   */
  public MembershipRecord next(RecordStamp next, SortedSet<ReplicaId> nextMembers) {
    if (!next.isNewerThan(stamp)) {
      throw new IllegalArgumentException("record " + next + " does not follow " + stamp);
    }
    TreeMap<ReplicaId, RecordStamp> left = new TreeMap<>(leftAt);
    TreeMap<ReplicaId, Long> until = new TreeMap<>(memberUntil);
    for (ReplicaId id : members) {
      left.put(id, next);
      until.put(id, stamp.generation());
    }
    left.keySet().removeAll(nextMembers);
    until.keySet().removeAll(nextMembers);
    return new MembershipRecord(next, nextMembers, left, until);
  }
}
