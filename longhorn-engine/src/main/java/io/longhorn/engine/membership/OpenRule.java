package io.longhorn.engine.membership;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.RecordStamp;
import java.util.ArrayList;
import java.util.List;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeSet;

/**
 * Whether the replicas that promised are enough to open with (R3, R4, R9).
 *
 * <p>R9, why: a record that left somebody out may be undecided. Opened by more than half of
 * <i>it</i>, and the set before it by more than half of <i>that</i>, two openings need not have a
 * replica in common once sets have three members or more ({1,2,3,4,5} by {1,2,3}, its undecided
 * successor {3,4,5} by {4,5}). So such a <i>contested</i> record is opened only by all its members,
 * who are given it first, until a later record with the same members has confirmed it. A record is
 * contested if somebody's {@code leftAt} is its own stamp: nothing more has to be kept. For sets of
 * up to two the rule says what R4 says.
 */
final class OpenRule {
  private OpenRule() {}

  /** The answer. */
  sealed interface Verdict {
    /** The newest record found. */
    MembershipRecord newest();

    /**
     * Enough.
     *
     * @param members the set to go on with: who promised, of the newest set
     * @param lacking members that have to be given the newest record before anything else (R9)
     */
    record Opens(
        MembershipRecord newest, SortedSet<ReplicaId> members, SortedSet<ReplicaId> lacking)
        implements Verdict {}

    /** Not to be opened with what is there, whoever promises; {@code why} is for a person. */
    record Refuses(MembershipRecord newest, String why) implements Verdict {}

    /** Not enough: {@code needed} of the newest set, {@code missing} are those without promise. */
    record Waits(MembershipRecord newest, SortedSet<ReplicaId> missing, int needed)
        implements Verdict {}
  }

  /**
   * Decides.
   *
   * @param found the record of each replica that promised; not empty
   */
  static Verdict judge(SortedMap<ReplicaId, MembershipRecord> found, RuleSet rules) {
    MembershipRecord newest = newest(found, rules);
    SortedSet<ReplicaId> answered = new TreeSet<>(newest.members());
    answered.retainAll(found.keySet());
    boolean isContested = rules.contestedNeedsAll() && isContested(newest);
    int needed = needed(newest.members().size(), isContested);
    if (answered.size() < needed) {
      SortedSet<ReplicaId> missing = new TreeSet<>(newest.members());
      missing.removeAll(answered);
      return new Verdict.Waits(newest, missing, needed);
    }
    SortedSet<ReplicaId> lacking = new TreeSet<>();
    if (isContested) {
      for (ReplicaId member : answered) {
        MembershipRecord record = found.get(member);
        if (record == null || !record.stamp().equals(newest.stamp())) {
          lacking.add(member);
        }
      }
    }
    return new Verdict.Opens(newest, answered, lacking);
  }

  /** The newest of the records found. */
  static MembershipRecord newest(SortedMap<ReplicaId, MembershipRecord> found, RuleSet rules) {
    List<MembershipRecord> records = new ArrayList<>(found.values());
    MembershipRecord newest = records.getFirst();
    for (MembershipRecord record : records) {
      if (isNewer(record.stamp(), newest.stamp(), rules)) {
        newest = record;
      }
    }
    return newest;
  }

  /** R3. */
  static boolean isNewer(RecordStamp a, RecordStamp b, RuleSet rules) {
    return rules.newestByGeneration() ? a.isNewerThan(b) : a.number() > b.number();
  }

  /** How many of a set's members it takes to open it. */
  static int needed(int members, boolean isContested) {
    return isContested ? members : members / 2 + 1;
  }

  /** Whether this record left somebody out, and nothing after it has confirmed it. */
  static boolean isContested(MembershipRecord record) {
    return record.leftAt().containsValue(record.stamp());
  }

  static int countIn(SortedSet<ReplicaId> some, SortedSet<ReplicaId> set) {
    int count = 0;
    for (ReplicaId id : some) {
      if (set.contains(id)) {
        count++;
      }
    }
    return count;
  }
}
