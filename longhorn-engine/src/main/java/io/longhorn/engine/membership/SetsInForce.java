package io.longhorn.engine.membership;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.membership.MembershipRecord;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeSet;

/**
 * The committed set and the proposals that were sent after it and may have been taken (R6).
 *
 * @param committed durable on all it names
 * @param undecided sent, oldest first; the last one is the one that is being made durable
 */
record SetsInForce(MembershipRecord committed, List<MembershipRecord> undecided) {
  SetsInForce {
    undecided = List.copyOf(undecided);
  }

  static SetsInForce of(MembershipRecord committed) {
    return new SetsInForce(committed, List.of());
  }

  SetsInForce with(MembershipRecord proposal) {
    if (undecided.contains(proposal)) {
      return this;
    }
    List<MembershipRecord> all = new ArrayList<>(undecided);
    all.add(proposal);
    return new SetsInForce(committed, all);
  }

  /** An undecided proposal with just these members. */
  Optional<MembershipRecord> undecidedOf(SortedSet<ReplicaId> members) {
    return undecided.stream().filter(proposal -> proposal.members().equals(members)).findFirst();
  }

  /** Whether this record is one of them. */
  boolean has(MembershipRecord record) {
    return committed.equals(record) || undecided.contains(record);
  }

  /** Members of all sets (R7). */
  SortedSet<ReplicaId> required(RuleSet rules) {
    SortedSet<ReplicaId> all = new TreeSet<>(committed.members());
    if (rules.jointAcknowledgement()) {
      undecided.forEach(proposal -> all.addAll(proposal.members()));
    }
    return all;
  }

  /**
   * Whether a set may be proposed: it has at least half of the committed set and of every undecided
   * one, so that whoever opens one of those finds it once it is durable; and whoever might open it
   * while it is not meets whoever might open one of those (R9).
   */
  boolean allows(SortedSet<ReplicaId> next, RuleSet rules) {
    if (next.isEmpty()) {
      return false;
    }
    if (!rules.proposalsStay()) {
      return 2 * next.size() >= committed.members().size();
    }
    if (!hasHalfOf(next, committed.members())) {
      return false;
    }
    boolean isContested = !next.containsAll(committed.members());
    for (MembershipRecord proposal : undecided) {
      if (!hasHalfOf(next, proposal.members())
          || (rules.contestedNeedsAll() && !openersMeet(next, isContested, proposal))) {
        return false;
      }
    }
    return true;
  }

  private static boolean openersMeet(
      SortedSet<ReplicaId> next, boolean isContested, MembershipRecord proposal) {
    SortedSet<ReplicaId> both = new TreeSet<>(next);
    both.addAll(proposal.members());
    return OpenRule.needed(next.size(), isContested)
            + OpenRule.needed(proposal.members().size(), OpenRule.isContested(proposal))
        > both.size();
  }

  private static boolean hasHalfOf(SortedSet<ReplicaId> next, SortedSet<ReplicaId> set) {
    return 2 * OpenRule.countIn(next, set) >= set.size();
  }
}
