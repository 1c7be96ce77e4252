package io.longhorn.engine.membership;

import io.longhorn.api.EngineId;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.RecordStamp;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.api.wire.VolumeRecordCodec.Stored;
import io.longhorn.engine.membership.MembershipEffect.ReadStore;
import io.longhorn.engine.membership.MembershipEffect.SetStore;
import io.longhorn.engine.membership.MembershipEffect.StoreRecord;
import io.longhorn.engine.membership.MembershipEvent.StoreConflict;
import io.longhorn.engine.membership.MembershipEvent.StoreRead;
import io.longhorn.engine.membership.MembershipEvent.StoreSet;
import io.longhorn.engine.membership.MembershipEvent.StoreUnreachable;
import java.util.List;
import java.util.Optional;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * The cluster store keeps the record: one {@link VolumeRecord}, changed by compare-and-set. Any one
 * member of its set is enough to open, any set that is not empty may follow, and a record is
 * decided when the compare-and-set succeeded. The replicas are given it after that, never before
 * (C4), so that a replica with a newer record proves that the store is an old one (C5).
 *
 * <p>One call at a time. A compare-and-set whose answer did not come may have happened, or happen
 * yet: the record is read again, and while it has the revision that was expected the same is sent
 * again; the proposal stays in force all the while (R6, R7). As soon as the record has another
 * revision, every earlier call is void, and what the record says is what happened.
 */
final class KeptByStore implements RecordKeeper {
  private final EngineId engine;
  private final Peers peers;
  private final MembershipTiming timing;
  private final RuleSet rules;

  /** What the store is known to have had last: the base of the next change. */
  private @Nullable Stored view;

  private long viewAtNanos;
  private boolean isViewWanted;
  private boolean isRefusing;

  /** A change of what {@link #view} shows was sent, and nobody knows what became of it. */
  private boolean isInDoubt;

  private long lastCall;

  /** The call without an answer, 0 if there is none. */
  private long outstanding;

  /** What it is to change the record to; null for a read. */
  private @Nullable VolumeRecord sent;

  private boolean isPaused;
  private long retryAtNanos;
  private long nowNanos;
  private String trouble = "";

  /** Generation of the session that begins or is; 0 while looking. */
  private long generation;

  private boolean isReserved;
  private @Nullable MembershipRecord newestFound;
  private @Nullable MembershipRecord current;

  /** The opening's record counts only when its members have it too. */
  private boolean isOpening;

  private @Nullable MembershipRecord won;
  private boolean isDropped;
  private final SortedSet<ReplicaId> stored = new TreeSet<>();
  private @Nullable Loss loss;

  KeptByStore(EngineId engine, Peers peers, MembershipTiming timing, RuleSet rules) {
    this.engine = engine;
    this.peers = peers;
    this.timing = timing;
    this.rules = rules;
  }

  // ---- calls ----------------------------------------------------------------------------------

  @Override
  public void turn(long now, List<MembershipEffect> out) {
    nowNanos = now;
    if (outstanding != 0 || loss != null || (isPaused && now - retryAtNanos < 0)) {
      return;
    }
    isPaused = false;
    Stored base = view;
    if (base == null || isInDoubt || isLookingAgain()) {
      if (isViewWanted || isInDoubt) {
        sent = null;
        outstanding = ++lastCall;
        out.add(new ReadStore(outstanding));
      }
      return;
    }
    VolumeRecord wanted = wanted(base);
    if (wanted != null) {
      sent = wanted;
      outstanding = ++lastCall;
      out.add(new SetStore(outstanding, base.revision(), wanted));
    }
  }

  private boolean isLookingAgain() {
    return generation == 0 && isViewWanted && nowNanos - lookAgainAtNanos() >= 0;
  }

  private long lookAgainAtNanos() {
    return viewAtNanos + (isRefusing ? timing.retryNanos() : timing.refreshNanos());
  }

  /** What the record is to become, if it is to become something else. */
  private @Nullable VolumeRecord wanted(Stored base) {
    if (generation != 0 && !isReserved) {
      MembershipRecord found = newestFound;
      return base.record()
          .orElseGet(() -> VolumeRecord.ofNewVolume(MembershipCore.present(found)))
          .reserved(generation, engine);
    }
    MembershipRecord proposal = current;
    return proposal == null || won != null
        ? null
        : base.record().map(record -> record.withMembership(proposal)).orElse(null);
  }

  @Override
  public void take(MembershipEvent.OfStore event, List<MembershipEffect> out) {
    nowNanos = event.nowNanos();
    if (event.call() != outstanding) {
      return;
    }
    outstanding = 0;
    trouble = "";
    switch (event) {
      case StoreRead(_, _, Stored there) -> learned(there, out);
      case StoreConflict(_, _, Stored there) -> {
        // A store that refuses without a reason is not asked again at once.
        Stored base = view;
        if (base != null && base.revision() == there.revision()) {
          pause();
        }
        learned(there, out);
      }
      case StoreSet(_, _, long revision) -> {
        VolumeRecord record = MembershipCore.present(sent);
        view = new Stored(revision, Optional.of(record));
        isInDoubt = false;
        succeeded(record, out);
      }
      case StoreUnreachable(_, _, String why) -> {
        trouble = why;
        isInDoubt = isInDoubt || sent != null;
        pause();
        if (!rules.proposalsStay() && isReserved && !isOpening && current != null) {
          isDropped = true;
        }
      }
    }
  }

  private void pause() {
    isPaused = true;
    retryAtNanos = nowNanos + timing.retryNanos();
  }

  private void learned(Stored there, List<MembershipEffect> out) {
    Stored before = view;
    view = there;
    viewAtNanos = nowNanos;
    isRefusing = false;
    isInDoubt = false;
    if (before == null || before.revision() == there.revision() || generation == 0) {
      return;
    }
    if (there.record().isEmpty()) {
      loss = new Loss(0, "the store has no record of this volume any more");
      return;
    }
    VolumeRecord record = there.record().get();
    if (record.isOwnedBy(engine, generation)) {
      succeeded(record, out);
    } else if (rules.yieldsToOwner() || !isReserved) {
      boolean isOwn = record.owner().filter(engine::equals).isPresent();
      loss =
          isOwn
              ? new Loss(0, "an earlier change of this engine came late")
              : new Loss(
                  record.reservedGeneration(),
                  "generation "
                      + record.reservedGeneration()
                      + " was taken by "
                      + record.owner().map(owner -> "engine " + owner).orElse("nobody"));
    }
  }

  /** The record is this session's: it says what happened, also if no answer came. */
  private void succeeded(VolumeRecord record, List<MembershipEffect> out) {
    if (!isReserved) {
      isReserved = true;
      return;
    }
    MembershipRecord now = record.membership();
    if (isOpening && !now.equals(current)) {
      // Somebody changed another part of it: the opening's own record is still to come.
      return;
    }
    won = now;
    stored.clear();
    if (rules.storeFirst()) {
      send(now, out);
    }
  }

  private void send(MembershipRecord record, List<MembershipEffect> out) {
    for (ReplicaId member : record.members()) {
      if (peers.isOurs(member)) {
        out.add(new StoreRecord(member, record));
      }
    }
  }

  @Override
  public void stored(ReplicaId id, RecordStamp stamp) {
    MembershipRecord record = won;
    if (record != null && record.stamp().equals(stamp) && peers.isOurs(id)) {
      stored.add(id);
    }
  }

  // ---- opening --------------------------------------------------------------------------------

  @Override
  public Optional<String> lacks() {
    isViewWanted = true;
    if (view != null) {
      return Optional.empty();
    }
    return Optional.of(
        trouble.isEmpty()
            ? "asking the store for the volume's record"
            : "the store does not answer: " + trouble);
  }

  @Override
  public OpenRule.Verdict judge(SortedMap<ReplicaId, MembershipRecord> found) {
    Optional<VolumeRecord> kept = MembershipCore.present(view).record();
    MembershipRecord newestThere = OpenRule.newest(found, rules);
    if (kept.isEmpty()) {
      isRefusing = true;
      return new OpenRule.Verdict.Refuses(
          newestThere, "the store has no record of this volume; restore it, or use force");
    }
    MembershipRecord newest = kept.get().membership();
    if (rules.refusesOlderStore() && newestThere.stamp().isNewerThan(newest.stamp())) {
      isRefusing = true;
      return new OpenRule.Verdict.Refuses(
          newestThere,
          "the store is older than the replicas: it has record "
              + newest.stamp()
              + ", a replica has "
              + newestThere.stamp()
              + "; restore the newer store, or use force");
    }
    isRefusing = false;
    SortedSet<ReplicaId> answered = new TreeSet<>(newest.members());
    answered.retainAll(found.keySet());
    if (answered.isEmpty()) {
      return new OpenRule.Verdict.Waits(newest, newest.members(), 1);
    }
    return new OpenRule.Verdict.Opens(newest, answered, new TreeSet<>());
  }

  @Override
  public long highestTaken() {
    return kept().map(VolumeRecord::reservedGeneration).orElse(0L);
  }

  @Override
  public long takenByAnother() {
    return kept()
        .filter(record -> record.owner().filter(owner -> !owner.equals(engine)).isPresent())
        .map(VolumeRecord::reservedGeneration)
        .orElse(0L);
  }

  @Override
  public long namedIn(ReplicaId id) {
    return kept().map(record -> record.membership().namedIn(id)).orElse(0L);
  }

  private Optional<VolumeRecord> kept() {
    Stored known = view;
    return known == null ? Optional.empty() : known.record();
  }

  @Override
  public void reserve(long wanted, MembershipRecord newest) {
    generation = wanted;
    newestFound = newest;
    isReserved = false;
  }

  @Override
  public boolean isReserved() {
    return isReserved;
  }

  @Override
  public void begin(
      OpenRule.Verdict.Opens opens, MembershipRecord own, List<MembershipEffect> out) {
    isOpening = true;
    propose(own, out);
  }

  // ---- changes --------------------------------------------------------------------------------

  @Override
  public boolean mayFollow(SetsInForce inForce, SortedSet<ReplicaId> members) {
    return !members.isEmpty();
  }

  /** Otherwise a store that is long away would be left with ever more that is undecided. */
  @Override
  public boolean mayRepeat() {
    return true;
  }

  @Override
  public boolean wantsConfirmation(MembershipRecord committed) {
    return false;
  }

  @Override
  public void propose(MembershipRecord record, List<MembershipEffect> out) {
    current = record;
    if (!rules.storeFirst()) {
      send(record, out);
    }
  }

  @Override
  public Optional<MembershipRecord> underWay() {
    return Optional.ofNullable(current);
  }

  @Override
  public Optional<MembershipRecord> decided(MembershipRecord before) {
    MembershipRecord record = isDropped ? before : won;
    boolean isWaiting = isOpening && rules.waitsForPromises();
    if (record == null || (isWaiting && !stored.containsAll(record.members()))) {
      return Optional.empty();
    }
    current = null;
    won = null;
    isOpening = false;
    isDropped = false;
    return Optional.of(record);
  }

  @Override
  public Optional<Loss> loss() {
    Optional<Loss> said = Optional.ofNullable(loss);
    loss = null;
    return said;
  }

  // ---- always ---------------------------------------------------------------------------------

  @Override
  public void reset() {
    // A call under way may still change the record; the next one then finds another revision.
    view = null;
    isViewWanted = false;
    isRefusing = false;
    isInDoubt = false;
    outstanding = 0;
    sent = null;
    generation = 0;
    isReserved = false;
    newestFound = null;
    current = null;
    isOpening = false;
    won = null;
    isDropped = false;
    stored.clear();
    loss = null;
  }

  @Override
  public long nextWakeNanos() {
    if (outstanding != 0) {
      return Long.MAX_VALUE;
    }
    if (isPaused) {
      return retryAtNanos;
    }
    return generation == 0 && isViewWanted && view != null ? lookAgainAtNanos() : Long.MAX_VALUE;
  }

  @Override
  public String trouble() {
    return trouble;
  }
}
