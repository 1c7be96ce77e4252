package io.longhorn.engine.membership;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.RecordStamp;
import io.longhorn.engine.membership.MembershipEffect.StoreRecord;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * The replicas keep the record themselves: a generation is taken by their promises, a record is
 * durable when all its members have stored it (R5), and sets follow each other so that whoever
 * opens finds the newest (R4, R6, R9).
 */
final class KeptByReplicas implements RecordKeeper {
  private final Peers peers;
  private final RuleSet rules;

  private @Nullable MembershipRecord current;
  private final SortedSet<ReplicaId> stored = new TreeSet<>();

  /** What an opening proposes when all its members have the record found. */
  private @Nullable MembershipRecord next;

  KeptByReplicas(Peers peers, RuleSet rules) {
    this.peers = peers;
    this.rules = rules;
  }

  @Override
  public void turn(long nowNanos, List<MembershipEffect> out) {
    MembershipRecord own = next;
    if (own != null && stored.containsAll(own.members())) {
      next = null;
      propose(own, out);
    }
  }

  @Override
  public void take(MembershipEvent.OfStore event, List<MembershipEffect> out) {
    throw new IllegalStateException("there is no store: " + event);
  }

  @Override
  public void stored(ReplicaId id, RecordStamp stamp) {
    MembershipRecord record = current;
    if (record != null && record.stamp().equals(stamp) && peers.isOurs(id)) {
      stored.add(id);
    }
  }

  @Override
  public Optional<String> lacks() {
    return Optional.empty();
  }

  @Override
  public OpenRule.Verdict judge(SortedMap<ReplicaId, MembershipRecord> found) {
    return OpenRule.judge(found, rules);
  }

  @Override
  public long highestTaken() {
    return 0;
  }

  @Override
  public long takenByAnother() {
    return 0;
  }

  @Override
  public long namedIn(ReplicaId id) {
    return 0;
  }

  @Override
  public void reserve(long generation, MembershipRecord newest) {}

  @Override
  public boolean isReserved() {
    return true;
  }

  @Override
  public void begin(
      OpenRule.Verdict.Opens opens, MembershipRecord own, List<MembershipEffect> out) {
    next = own;
    current = opens.newest();
    stored.clear();
    stored.addAll(opens.members());
    stored.removeAll(opens.lacking());
    send(opens.newest(), opens.lacking(), out);
  }

  @Override
  public boolean mayFollow(SetsInForce inForce, SortedSet<ReplicaId> members) {
    return inForce.allows(members, rules);
  }

  @Override
  public boolean mayRepeat() {
    return false;
  }

  @Override
  public boolean wantsConfirmation(MembershipRecord committed) {
    return rules.contestedNeedsAll()
        && committed.members().size() > 2
        && OpenRule.isContested(committed);
  }

  @Override
  public void propose(MembershipRecord record, List<MembershipEffect> out) {
    current = record;
    stored.clear();
    send(record, record.members(), out);
  }

  private void send(
      MembershipRecord record, Collection<ReplicaId> members, List<MembershipEffect> out) {
    for (ReplicaId member : members) {
      if (peers.isOurs(member)) {
        out.add(new StoreRecord(member, record));
      }
    }
  }

  @Override
  public Optional<MembershipRecord> underWay() {
    return Optional.ofNullable(current);
  }

  @Override
  public Optional<MembershipRecord> decided(MembershipRecord before) {
    MembershipRecord record = current;
    if (record == null || next != null || !isDurable(record, before)) {
      return Optional.empty();
    }
    reset();
    return Optional.of(record);
  }

  private boolean isDurable(MembershipRecord record, MembershipRecord before) {
    return rules.durableOnAll()
        ? stored.containsAll(record.members())
        : 2 * OpenRule.countIn(stored, before.members()) >= before.members().size();
  }

  @Override
  public Optional<Loss> loss() {
    return Optional.empty();
  }

  @Override
  public void reset() {
    current = null;
    next = null;
    stored.clear();
  }

  @Override
  public long nextWakeNanos() {
    return Long.MAX_VALUE;
  }

  @Override
  public String trouble() {
    return "";
  }
}
