package io.longhorn.orchestration.sim.volume;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.RecordStamp;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.api.wire.FrameType;
import io.longhorn.engine.claim.ClaimEffect;
import io.longhorn.engine.claim.ClaimEvent;
import io.longhorn.engine.claim.ClaimRole;
import io.longhorn.orchestration.sim.world.BlockValue;
import io.longhorn.orchestration.sim.world.SimDirectory;
import io.longhorn.orchestration.sim.world.SimFailure;
import io.longhorn.orchestration.sim.world.SimKnobs.Sabotage;
import io.longhorn.orchestration.sim.world.SimScheduler;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * How an engine makes replicas equal: after a crash, one that returns, one that is empty. A block
 * at a time, each in one step that is done only while nothing of the block is under way and every
 * replica that it touches would take a frame of this engine's session: what a lock of the range and
 * frames on the links come to.
 */
final class EngineCopies {
  private static final long BLOCKED_NANOS = 20 * SimScheduler.MILLI;
  private static final long LOOK_NANOS = 500 * SimScheduler.MILLI;

  private enum Step {
    DONE,
    GOES_ON,
    BLOCKED
  }

  private static final class Return {
    final SortedSet<Integer> left;
    final int all;

    Return(SortedSet<Integer> blocks) {
      left = new TreeSet<>(blocks);
      all = Math.max(blocks.size(), 1);
    }
  }

  private final SimEngine engine;
  private final World world;
  private final TreeSet<Integer> unequal = new TreeSet<>();
  private final LinkedHashMap<ClaimEffect.SendRead, Integer> reads = new LinkedHashMap<>();
  private final TreeMap<ReplicaId, Return> returns = new TreeMap<>();
  private final SortedMap<ReplicaId, String> failures = new TreeMap<>();
  private boolean isReconciling;
  private boolean isStepDue;
  private @Nullable ReplicaId source;
  private @Nullable ReplicaId filling;
  private int filled;
  private boolean isFilled;
  private boolean isLooking;

  EngineCopies(SimEngine engine) {
    this.engine = engine;
    world = engine.world;
  }

  boolean isReconciling() {
    return isReconciling;
  }

  Optional<Integer> progressPermille(ReplicaId replica) {
    Return back = returns.get(replica);
    if (back != null) {
      return Optional.of(1000 * (back.all - back.left.size()) / back.all);
    }
    return replica.equals(filling)
        ? Optional.of(1000 * filled / world.knobs.blocks)
        : Optional.empty();
  }

  Optional<String> failure(ReplicaId replica) {
    return Optional.ofNullable(failures.get(replica));
  }

  void generationEnds() {
    isReconciling = false;
    unequal.clear();
    reads.clear();
    returns.clear();
    source = null;
    stopFilling("the engine lost its generation");
  }

  void broke(ReplicaId replica) {
    returns.remove(replica);
    if (replica.equals(source)) {
      source = null;
    }
    if (replica.equals(filling)) {
      stopFilling("no connection");
    }
  }

  private void stopFilling(String why) {
    ReplicaId was = filling;
    filling = null;
    filled = 0;
    isFilled = false;
    if (was != null) {
      failures.put(was, "rebuild failed: " + why);
      engine.reportDue();
    }
  }

  // ---- what there is to do
  // ------------------------------------------------------------------------

  /** After a crash: whatever may differ is made equal. */
  void reconcile(long generation) {
    if (world.knobs.does(Sabotage.ENGINE_SKIPS_RECONCILE)) {
      engine.soon(now -> new ClaimEvent.Reconciled(now, generation));
      return;
    }
    isReconciling = true;
    unequal.clear();
    for (ReplicaId id : engine.requiredMembers()) {
      world.directory(id).ifPresent(directory -> unequal.addAll(directory.marks));
    }
    if (areAllInSession(engine.requiredMembers())
        && !committed(engine.requiredMembers()).isEmpty()) {
      // What it finds to be gone is gone before anything is answered.
      source(engine.requiredMembers());
    }
    look();
  }

  /** A read wants its block equal first. */
  void equalize(ClaimEffect.SendRead send, int block) {
    reads.put(send, block);
    look();
  }

  /** One that returns, and takes every write from now on. */
  void makeEqual(ReplicaId replica) {
    Optional<SimReplica> back = engine.inSession(replica);
    if (back.isEmpty()) {
      return;
    }
    SortedSet<Integer> blocks = new TreeSet<>();
    boolean isPart = isPartEnough(back.get().directory());
    for (int b = 0; b < world.knobs.blocks; b++) {
      if (!isPart || back.get().directory().marks.contains(b)) {
        blocks.add(b);
      }
    }
    for (ReplicaId id : engine.requiredMembers()) {
      world.directory(id).ifPresent(directory -> blocks.addAll(directory.marks));
    }
    blocks.addAll(engine.beingWritten());
    engine.tell(
        () -> engine.name() + " copies " + blocks.size() + " blocks to " + engine.shortly(replica));
    returns.put(replica, new Return(blocks));
    engine.reportDue();
    look();
  }

  /** Whether marks say all that it missed. */
  private boolean isPartEnough(SimDirectory back) {
    Optional<MembershipRecord> record = engine.store().known().map(VolumeRecord::membership);
    if (record.isEmpty() || !back.isFilled) {
      return false;
    }
    RecordStamp left = record.get().leftAt().get(back.replica);
    Long until = record.get().memberUntil().get(back.replica);
    if (left == null || until == null || back.promised < until) {
      return false;
    }
    for (ReplicaId id : engine.requiredMembers()) {
      Optional<SimDirectory> member = world.directory(id);
      if (member.isEmpty() || member.get().validSince.isNewerThan(left)) {
        return false;
      }
    }
    return true;
  }

  /** All members are equal: who runs now is who ran then (E4). */
  void markEqual() {
    for (ReplicaId id : engine.requiredMembers()) {
      engine.inSession(id).ifPresent(EngineCopies::markEqual);
    }
  }

  private static void markEqual(SimReplica replica) {
    replica.directory().equalProcess = replica.pid();
    replica.directory().hasLost = false;
    replica.directory().isFilled = true;
  }

  /** Everything in these blocks is on the disks of all: marks that are not needed are cleared. */
  void clearMarks(Collection<Integer> blocks) {
    Optional<MembershipRecord> record = engine.store().known().map(VolumeRecord::membership);
    SortedSet<ReplicaId> required = engine.requiredMembers();
    boolean isComplete =
        record.isPresent()
            && record.get().leftAt().isEmpty()
            && record.get().members().equals(required)
            && !isReconciling;
    List<SimDirectory> members = new ArrayList<>();
    for (ReplicaId id : required) {
      engine.inSession(id).ifPresent(replica -> members.add(replica.directory()));
    }
    if (!isComplete || members.size() != required.size()) {
      return;
    }
    List<Integer> cleared = new ArrayList<>();
    for (int block : blocks) {
      boolean isClean =
          !engine.beingWritten().contains(block)
              && members.stream().allMatch(m -> m.block(block).equals(m.durable(block)));
      if (isClean) {
        cleared.add(block);
      }
    }
    for (SimDirectory member : members) {
      member.marks.removeAll(cleared);
      member.validSince = record.get().stamp();
    }
    engine.cleared(cleared);
  }

  // ---- steps
  // --------------------------------------------------------------------------------------

  /** Goes on, if there is anything to do. */
  void look() {
    boolean isWork = isReconciling || !reads.isEmpty() || !returns.isEmpty();
    if (isWork && !isStepDue) {
      isStepDue = true;
      engine.after(world.knobs.copy.pick(world.scheduler), this::step);
    }
    if (engine.role() == ClaimRole.OWNER) {
      tidyRecord();
    }
  }

  private void step() {
    isStepDue = false;
    boolean isBlocked = true;
    for (Map.Entry<ClaimEffect.SendRead, Integer> read : List.copyOf(reads.entrySet())) {
      isBlocked &= stepRead(read.getKey(), read.getValue());
    }
    if (isReconciling) {
      isBlocked &= stepReconcile();
    }
    for (ReplicaId id : List.copyOf(returns.keySet())) {
      isBlocked &= stepReturn(id);
    }
    boolean isWork = isReconciling || !reads.isEmpty() || !returns.isEmpty();
    if (isWork && !isStepDue) {
      isStepDue = true;
      if (isBlocked) {
        engine.inBackground(BLOCKED_NANOS, this::step);
      } else {
        world.scheduler.active();
        engine.after(world.knobs.copy.pick(world.scheduler), this::step);
      }
    }
  }

  private boolean stepRead(ClaimEffect.SendRead read, int block) {
    Step step = equalize(block);
    if (step == Step.DONE) {
      reads.remove(read);
      BlockValue value = member(engine.requiredMembers().first()).block(block);
      engine.equalRead(read, value);
    } else if (step == Step.BLOCKED) {
      reads.remove(read);
      engine.equalReadFailed(read);
    }
    return step == Step.BLOCKED;
  }

  private boolean stepReconcile() {
    boolean isBlocked = true;
    for (int block : List.copyOf(unequal)) {
      if (!engine.isBusy(block)) {
        Step step = equalize(block);
        if (step == Step.DONE) {
          unequal.remove(block);
        }
        isBlocked &= step == Step.BLOCKED;
        break;
      }
    }
    if (unequal.isEmpty() && areAllInSession(engine.requiredMembers())) {
      isReconciling = false;
      markEqual();
      long generation = engine.generation();
      engine.tell(() -> engine.name() + " has made all equal");
      engine.tell(now -> new ClaimEvent.Reconciled(now, generation));
      return false;
    }
    return isBlocked;
  }

  private boolean areAllInSession(Collection<ReplicaId> replicas) {
    return replicas.stream().allMatch(id -> engine.inSession(id).isPresent());
  }

  private SimDirectory member(ReplicaId id) {
    return engine.inSession(id).orElseThrow().directory();
  }

  private boolean isWriteUnderWay(ReplicaId id, int block) {
    return engine.portOf(id).filter(p -> p.isUnanswered(FrameType.WRITE, block)).isPresent();
  }

  /** One step towards a block that is equal on all members. */
  private Step equalize(int block) {
    SortedSet<ReplicaId> required = engine.requiredMembers();
    boolean isBusy =
        committed(required).isEmpty()
            || !areAllInSession(required)
            || required.stream().anyMatch(id -> isWriteUnderWay(id, block));
    if (isBusy) {
      return Step.BLOCKED;
    }
    ReplicaId from = source(required);
    BlockValue value = member(from).block(block);
    if (value.equals(BlockValue.TORN)) {
      for (ReplicaId id : required) {
        BlockValue other = member(id).block(block);
        value = other.equals(BlockValue.TORN) ? value : other;
      }
    }
    for (ReplicaId id : required) {
      if (!member(id).block(block).equals(value)) {
        checkSource(from);
        copy(id, block, value);
        return Step.GOES_ON;
      }
    }
    return Step.DONE;
  }

  private void copy(ReplicaId to, int block, BlockValue value) {
    member(to).write(block, value);
    world.watcher().touched(engine.volume());
  }

  /**
   * Rule E3: a member that has run since all were equal; another one only if none has. Then what
   * was not flushed may be gone, if the power was.
   */
  private ReplicaId source(SortedSet<ReplicaId> required) {
    ReplicaId chosen = source;
    if (chosen != null && required.contains(chosen)) {
      return chosen;
    }
    List<ReplicaId> sound = new ArrayList<>();
    boolean hasLost = false;
    for (ReplicaId id : committed(required)) {
      SimReplica replica = engine.inSession(id).orElseThrow();
      hasLost |= replica.directory().hasLost;
      if (replica.directory().isContinuous(replica.pid())) {
        sound.add(id);
      }
    }
    List<ReplicaId> from = sound.isEmpty() ? List.copyOf(committed(required)) : sound;
    if (sound.isEmpty() && hasLost) {
      world.oracle(engine.volume()).mayHaveLost();
    }
    chosen = from.get(world.scheduler.random().nextInt(from.size()));
    source = chosen;
    return chosen;
  }

  /** Those of them that the record names: who was made equal and is not named yet is no source. */
  private SortedSet<ReplicaId> committed(SortedSet<ReplicaId> of) {
    SortedSet<ReplicaId> named = new TreeSet<>(of);
    engine.store().known().ifPresent(record -> named.retainAll(record.membership().members()));
    return named;
  }

  /** Rule I7: nobody outside the newest committed set is a source of data. */
  private void checkSource(ReplicaId from) {
    Optional<VolumeRecord> record = world.records().record(engine.volume());
    boolean isOurs = record.filter(r -> r.isOwnedBy(engine.id(), engine.generation())).isPresent();
    if (isOurs && !record.get().membership().members().contains(from)) {
      throw new SimFailure(
          "I7", engine.name() + " copies from " + engine.shortly(from) + ", not a member");
    }
  }

  private boolean stepReturn(ReplicaId id) {
    Return back = returns.get(id);
    Optional<SimReplica> replica = engine.inSession(id);
    SortedSet<ReplicaId> members = new TreeSet<>(engine.requiredMembers());
    members.remove(id);
    if (back == null
        || replica.isEmpty()
        || committed(members).isEmpty()
        || !areAllInSession(members)) {
      return true;
    }
    ReplicaId from = sourceOfReturn(id, members);
    for (int block : List.copyOf(back.left)) {
      boolean isFree =
          !engine.beingWritten().contains(block)
              && !isWriteUnderWay(id, block)
              && members.stream().noneMatch(other -> isWriteUnderWay(other, block));
      if (isFree) {
        checkSource(from);
        copy(id, block, member(from).block(block));
        back.left.remove(block);
        engine.reportDue();
        engine.look();
        break;
      }
    }
    boolean isAnswering =
        engine.portOf(id).filter(p -> p.isUnanswered(FrameType.WRITE, -1)).isPresent();
    if (back.left.isEmpty() && isAnswering) {
      // What was acknowledged without it is on its way; were it counted now, that could be lost.
      return true;
    }
    if (back.left.isEmpty()) {
      returned(id, replica.get().directory(), members);
    }
    return false;
  }

  private ReplicaId sourceOfReturn(ReplicaId id, SortedSet<ReplicaId> members) {
    if (world.knobs.does(Sabotage.ENGINE_COPIES_FROM_ANYBODY)) {
      return id;
    }
    List<ReplicaId> sources = new ArrayList<>(committed(members));
    return sources.get(world.scheduler.random().nextInt(sources.size()));
  }

  private void returned(ReplicaId id, SimDirectory back, SortedSet<ReplicaId> members) {
    returns.remove(id);
    for (ReplicaId other : members) {
      SimDirectory member = member(other);
      back.marks.addAll(member.marks);
      back.validSince =
          member.validSince.isNewerThan(back.validSince) ? member.validSince : back.validSince;
    }
    // Rule E7: its data is on its disk before it counts.
    back.flush();
    engine.inSession(id).ifPresent(EngineCopies::markEqual);
    engine.tell(() -> engine.name() + " has made " + engine.shortly(id) + " equal");
    engine.reportDue();
    engine.tell(now -> new ClaimEvent.MadeEqual(now, id));
  }

  // ---- empty ones, and those that are not used any more
  // -------------------------------------------

  /**
   * Replicas that the record does not know are filled, then enter it as ones that have left: they
   * come back as any other. Those that are not used any more are struck from it.
   */
  private void tidyRecord() {
    Optional<MembershipRecord> known = engine.store().known().map(VolumeRecord::membership);
    if (known.isEmpty()) {
      return;
    }
    SortedSet<ReplicaId> configured = engine.configured();
    failures.keySet().retainAll(configured);
    ReplicaId was = filling;
    if (was != null && !configured.contains(was)) {
      stopFilling("not wanted any more");
      failures.remove(was);
    }
    SortedSet<ReplicaId> unknown = new TreeSet<>(configured);
    unknown.removeAll(known.get().members());
    unknown.removeAll(known.get().leftAt().keySet());
    unknown.removeAll(failures.keySet());
    boolean isStale = !unknown.isEmpty() || !configured.containsAll(known.get().leftAt().keySet());
    if (isStale && !isLooking) {
      isLooking = true;
      engine.inBackground(LOOK_NANOS, () -> engine.store().look(this::tidy));
      // The answer may be lost: then it is looked at again.
      engine.inBackground(4 * LOOK_NANOS, () -> isLooking = false);
    }
  }

  private void tidy(VolumeRecord record) {
    isLooking = false;
    if (!record.isOwnedBy(engine.id(), engine.generation())
        || engine.role() != ClaimRole.OWNER
        || isReconciling) {
      return;
    }
    MembershipRecord membership = record.membership();
    SortedSet<ReplicaId> configured = engine.configured();
    if (!configured.containsAll(membership.leftAt().keySet())) {
      change();
      return;
    }
    for (ReplicaId id : configured) {
      boolean isKnown = membership.members().contains(id) || membership.leftAt().containsKey(id);
      boolean isThere = engine.portOf(id).filter(ReplicaPort::isLinked).isPresent();
      if (!isKnown && filling == null && isThere && !failures.containsKey(id)) {
        filling = id;
        filled = 0;
        engine.tell(() -> engine.name() + " fills " + engine.shortly(id));
        fill(id);
      }
    }
  }

  private void fill(ReplicaId id) {
    if (!id.equals(filling) || isFilled) {
      return;
    }
    if (filled >= world.knobs.blocks) {
      isFilled = true;
      change();
      return;
    }
    filled++;
    engine.reportDue();
    engine.look();
    world.scheduler.active();
    engine.after(world.knobs.fill.pick(world.scheduler), () -> fill(id));
  }

  private void change() {
    engine
        .store()
        .change(
            this::tidied,
            record -> {
              ReplicaId was = filling;
              if (was != null && record.membership().leftAt().containsKey(was)) {
                filling = null;
                isFilled = false;
                filled = 0;
              }
              engine.tell(ClaimEvent.RecordChanged::new);
            });
  }

  private VolumeRecord tidied(VolumeRecord record) {
    MembershipRecord before = record.membership();
    if (!record.isOwnedBy(engine.id(), engine.generation())) {
      return record;
    }
    TreeMap<ReplicaId, RecordStamp> left = new TreeMap<>(before.leftAt());
    left.keySet().retainAll(engine.configured());
    ReplicaId fresh = filling;
    if (fresh != null
        && isFilled
        && !before.members().contains(fresh)
        && before.members().size() + left.size() < MembershipRecord.MAX_REPLICAS) {
      left.put(fresh, before.stamp());
    }
    TreeMap<ReplicaId, Long> until = new TreeMap<>(before.memberUntil());
    until.keySet().retainAll(left.keySet());
    return record.withMembership(
        new MembershipRecord(before.stamp(), before.members(), left, until));
  }
}
