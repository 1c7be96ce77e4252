package io.longhorn.engine.reconcile;

import io.longhorn.api.ProcessNonce;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.VolumeId;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.RecordStamp;
import io.longhorn.api.wire.LayerList;
import io.longhorn.api.wire.ReplicaInfo;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import org.jspecify.annotations.Nullable;

/**
 * A small world around the real {@link ReconcileCore}, {@link IntentTracker} and {@link
 * ReturnCore}: replicas with values, values on disk, and marks; an engine that crashes; members
 * that lose power (what was not flushed is gone), are dropped, and return. Two regions of one block
 * each; values of a block grow in the order of writes. Sets change at once: how they become durable
 * is the membership's matter.
 */
final class ReconcileWorld {
  /** A property that does not hold. */
  static final class Violation extends RuntimeException {
    private static final long serialVersionUID = 1;

    Violation(String message) {
      super(message);
    }
  }

  /** Rules that are the caller's: the world plays the caller. */
  record CallerRules(boolean voidsWhenLinkBreaks, boolean readsWaitForWrites) {
    static final CallerRules ALL = new CallerRules(true, true);
  }

  /** What may happen next, and how often beside the others. */
  private enum Action {
    OPEN(20, false),
    TASK(200, false),
    WRITE(40, false),
    READ(60, false),
    FLUSH(10, false),
    BACKGROUND(10, false),
    TICK(15, false),
    RETURN(15, false),
    GIVE_UP_WRITE(1, true),
    DROP(2, true),
    POWER_LOSS(2, true),
    CRASH(2, true);

    final int weight;
    final boolean isTrouble;

    Action(int weight, boolean isTrouble) {
      this.weight = weight;
      this.isTrouble = isTrouble;
    }
  }

  private static final int BLOCKS = 2;
  private static final int BLOCK_BYTES = 4096;
  private static final VolumeId VOLUME = new VolumeId(new UUID(7, 7));
  private static final LayerList LAYERS =
      new LayerList(List.of(new LayerList.Layer(1, 0, 0, "", 0, false)));

  private static final class Replica {
    final ReplicaId id;
    final int bit;
    final long[] value = new long[BLOCKS];
    final long[] disk = new long[BLOCKS];
    final boolean[] isMarked = new boolean[BLOCKS];
    boolean isContinuous = true;
    RecordStamp validSince = new RecordStamp(0, 1);

    Replica(ReplicaId id, int index) {
      this.id = id;
      bit = 1 << index;
    }
  }

  /** A frame under way to one replica; void when the link of that time is gone. */
  private record Task(int replica, int link, String what, Runnable action) {}

  private static final class Flush {
    long number;
    int awaited;
    boolean isLost;
    final long[] acked = new long[BLOCKS];
  }

  /** Making one block equal: from one source, member by member, under the block's lock. */
  private static final class Equalize {
    final Replica source;
    final ReconcileCore.@Nullable Chunk chunk;

    /** Whether some member differs: then it is written to. */
    final boolean writes;

    int awaited;

    Equalize(Replica source, ReconcileCore.@Nullable Chunk chunk, boolean writes) {
      this.writes = writes;
      this.source = source;
      this.chunk = chunk;
    }
  }

  private static final class Clearing {
    final RegionBits regions;
    int awaited;
    boolean isLost;

    Clearing(RegionBits regions) {
      this.regions = regions;
    }
  }

  private final RandomGenerator random;
  private final ReconcileRules rules;
  private final CallerRules caller;
  private final boolean isTold;
  private final List<String> story = new ArrayList<>();
  private final List<Replica> replicas = new ArrayList<>();
  private final List<Integer> weights = new ArrayList<>();
  private final RegionMap regions = new RegionMap((long) BLOCKS * BLOCK_BYTES, BLOCK_BYTES);
  private final int atOnce;

  // What clients know.
  private final long[] acked = new long[BLOCKS];
  private final long[] ackedAtOpening = new long[BLOCKS];
  private final long[] flushed = new long[BLOCKS];
  private final long[] seen = new long[BLOCKS];
  private long nextValue = 1;
  private int reads;
  private int returns;
  private int clears;

  // The set, which outlives engines.
  private MembershipRecord record;
  private int members;

  // The engine.
  private boolean isUp;
  private ReconcileCore core;
  private IntentTracker tracker;
  private SortedSet<ReplicaId> sources = new TreeSet<>();
  private final List<Task> tasks = new ArrayList<>();
  private final int[] links;
  private final long[] write = new long[BLOCKS];
  private final int[] writeTargets = new int[BLOCKS];
  private final int[] writeAcks = new int[BLOCKS];
  private final @Nullable Equalize[] lock = new @Nullable Equalize[BLOCKS];
  private final List<Flush> flushes = new ArrayList<>();
  private @Nullable Clearing clearing;
  private int validSinceAwaited;
  private @Nullable RecordStamp validSinceSending;
  private @Nullable ReturnCore returning;
  private int returner = -1;

  /** The member that is asked for its chain on behalf of the returner; 0: none. */
  private int chainSource;

  private int receiving;

  /** Every other pair of seeds has replicas that mark both blocks at once. */
  ReconcileWorld(long seed, int count, ReconcileRules rules, CallerRules caller, boolean isTold) {
    random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
    atOnce = 1 + (int) (seed / 2 % 2);
    this.rules = rules;
    this.caller = caller;
    this.isTold = isTold;
    List<ReplicaId> ids = new ArrayList<>();
    for (int r = 0; r < count; r++) {
      ids.add(new ReplicaId(new UUID(0, r + 1)));
      replicas.add(new Replica(ids.get(r), r));
    }
    record = MembershipRecord.ofNewVolume(ids);
    members = (1 << count) - 1;
    links = new int[count];
    core = new ReconcileCore(regions, rules);
    tracker = new IntentTracker(regions, atOnce, rules);
    for (Action action : Action.values()) {
      int much = random.nextInt(3) * random.nextInt(4);
      weights.add(action.isTrouble ? action.weight * much : action.weight);
    }
  }

  int reads() {
    return reads;
  }

  int returns() {
    return returns;
  }

  int clears() {
    return clears;
  }

  String story() {
    return String.join("\n", story.subList(Math.max(0, story.size() - 100), story.size()));
  }

  void run(int steps) {
    int total = weights.stream().mapToInt(Integer::intValue).sum();
    for (int i = 0; i < steps; i++) {
      int pick = random.nextInt(total);
      int action = 0;
      for (; pick >= weights.get(action); action++) {
        pick -= weights.get(action);
      }
      act(Action.values()[action]);
      check();
    }
  }

  /**
   * The trouble ends: everyone returns, all is made equal, on disk too, and every mark is cleared.
   */
  void heal() {
    for (int turn = 0; turn < 300; turn++) {
      if (isWhole()) {
        return;
      }
      open();
      for (int block = 0; block < BLOCKS; block++) {
        if (write[block] == 0) {
          background();
        }
      }
      for (int r = 0; r < replicas.size(); r++) {
        beginReturn(r);
      }
      while (!tasks.isEmpty()) {
        runTask(tasks.getFirst());
        check();
      }
      tick();
    }
    throw new Violation(
        "not whole after the trouble: members "
            + members
            + ", "
            + tracker.markedRegions()
            + " marked");
  }

  private boolean isWhole() {
    if (!isUp || members != (1 << replicas.size()) - 1 || tracker.markedRegions() > 0) {
      return false;
    }
    Replica first = replicas.getFirst();
    for (Replica replica : replicas) {
      for (int block = 0; block < BLOCKS; block++) {
        if (replica.isMarked[block]
            || replica.value[block] != first.value[block]
            || replica.disk[block] != first.value[block]) {
          return false;
        }
      }
    }
    return true;
  }

  private void act(Action action) {
    int block = random.nextInt(BLOCKS);
    int r = random.nextInt(replicas.size());
    switch (action) {
      case OPEN -> open();
      case TASK -> runTask();
      case WRITE -> write(block);
      case READ -> read(block);
      case FLUSH -> {
        if (isUp && core.mayFlush()) {
          flush();
        }
      }
      case BACKGROUND -> background();
      case TICK -> tick();
      case RETURN -> beginReturn(r);
      case GIVE_UP_WRITE -> giveUp(block);
      case DROP -> drop(r);
      case POWER_LOSS -> losePower(r);
      case CRASH -> crash();
    }
  }

  // ---- the set -------------------------------------------------------------------------------

  private void setMembers(int mask) {
    members = mask;
    SortedSet<ReplicaId> ids = new TreeSet<>();
    forEach(mask, replica -> ids.add(replica.id));
    record = record.next(new RecordStamp(1, record.stamp().number() + 1), ids);
    permitLossIfNoneRan();
  }

  /** Only members that lost power are left: losing what was never flushed is allowed. */
  private void permitLossIfNoneRan() {
    for (Replica replica : replicas) {
      if ((members & replica.bit) != 0 && replica.isContinuous) {
        return;
      }
    }
    tell("only members that lost power are left");
    System.arraycopy(flushed, 0, acked, 0, BLOCKS);
    System.arraycopy(flushed, 0, seen, 0, BLOCKS);
  }

  private void open() {
    if (isUp) {
      return;
    }
    int answered = 0;
    for (Replica replica : replicas) {
      if ((members & replica.bit) != 0 && random.nextInt(4) != 0) {
        answered |= replica.bit;
      }
    }
    if (answered == 0) {
      return;
    }
    tell("open with", answered);
    isUp = true;
    setMembers(answered);
    System.arraycopy(acked, 0, ackedAtOpening, 0, BLOCKS);
    core = new ReconcileCore(regions, rules);
    tracker = new IntentTracker(regions, atOnce, rules);
    List<ReconcileEvent.Member> opened = new ArrayList<>();
    forEach(
        answered,
        replica -> opened.add(new ReconcileEvent.Member(replica.id, replica.isContinuous)));
    carryOut(core.step(new ReconcileEvent.Began(opened, false)));
  }

  private void crash() {
    if (isUp) {
      tell("engine crashes");
      isUp = false;
      tasks.clear();
      flushes.clear();
      Arrays.fill(write, 0);
      Arrays.fill(lock, null);
      clearing = null;
      validSinceSending = null;
      returning = null;
      returner = -1;
      receiving = 0;
      chainSource = 0;
    }
  }

  private void drop(int r) {
    Replica replica = replicas.get(r);
    if (!isUp || (members & replica.bit) == 0) {
      if (isUp && r == returner) {
        endReturn();
      }
      return;
    }
    if (members == replica.bit) {
      crash();
      return;
    }
    tell("drop", r);
    breakLink(r);
    setMembers(members & ~replica.bit);
    tracker.membersChanged();
    carryOut(core.step(new ReconcileEvent.MemberLeft(replica.id)));
    for (int block = 0; block < BLOCKS; block++) {
      Equalize equalize = lock[block];
      if (equalize != null && equalize.source == replica) {
        unlock(block, equalize);
        if (equalize.chunk != null) {
          carryOut(core.step(new ReconcileEvent.ChunkFailed(equalize.chunk)));
        }
      } else {
        equalized(block);
      }
      acknowledge(block);
    }
  }

  private void breakLink(int r) {
    int bit = replicas.get(r).bit;
    links[r]++;
    tasks.removeIf(task -> task.replica == r && task.link != links[r]);
    for (int block = 0; block < BLOCKS; block++) {
      writeTargets[block] &= ~bit;
      writeAcks[block] &= ~bit;
      Equalize equalize = lock[block];
      if (equalize != null) {
        equalize.awaited &= ~bit;
      }
    }
    for (Flush flush : List.copyOf(flushes)) {
      if ((flush.awaited & bit) != 0) {
        flush.awaited &= ~bit;
        flush.isLost = flush.isLost || (members & bit) == 0;
        flushed(flush);
      }
    }
    Clearing clear = clearing;
    if (clear != null && (clear.awaited & bit) != 0) {
      clear.awaited &= ~bit;
      clear.isLost = true;
      cleared();
    }
    if (validSinceSending != null && (validSinceAwaited & bit) != 0) {
      validSinceAwaited = 0;
      tracker.validSinceStored(validSinceSending, false);
      validSinceSending = null;
    }
    if (chainSource == bit) {
      chainSource = 0;
      reply(new ReturnEvent.LayersLost());
    }
  }

  private void losePower(int r) {
    Replica replica = replicas.get(r);
    tell("power loss", r, "member", (members & replica.bit) != 0);
    System.arraycopy(replica.disk, 0, replica.value, 0, BLOCKS);
    replica.isContinuous = false;
    if (isUp && caller.voidsWhenLinkBreaks) {
      drop(r);
    } else if (isUp && r == returner) {
      endReturn();
    }
    permitLossIfNoneRan();
  }

  // ---- frames --------------------------------------------------------------------------------

  private void send(int r, String what, Runnable action) {
    tasks.add(new Task(r, links[r], what, action));
  }

  private void runTask() {
    if (!tasks.isEmpty()) {
      runTask(tasks.get(random.nextInt(tasks.size())));
    }
  }

  private void runTask(Task task) {
    tasks.remove(task);
    tell(task.what, "at", task.replica);
    task.action.run();
  }

  private interface ReplicaAction {
    void on(Replica replica);
  }

  private void forEach(int mask, ReplicaAction action) {
    for (Replica replica : replicas) {
      if ((mask & replica.bit) != 0) {
        action.on(replica);
      }
    }
  }

  // ---- writes, reads, flushes ----------------------------------------------------------------

  private void write(int block) {
    if (!isUp || write[block] != 0 || lock[block] != null) {
      return;
    }
    long value = nextValue++;
    tell("write", value, "to", block);
    write[block] = value;
    writeTargets[block] = members | receiving;
    writeAcks[block] = 0;
    tracker.writeSent((long) block * BLOCK_BYTES, BLOCK_BYTES);
    forEach(
        writeTargets[block],
        replica ->
            send(
                indexOf(replica),
                "write " + value,
                () -> {
                  clearFirst(replica);
                  mark(replica, block);
                  replica.value[block] = value;
                  writeAcks[block] |= replica.bit;
                  acknowledge(block);
                }));
  }

  private void acknowledge(int block) {
    int needed = members | (receiving & writeTargets[block]);
    if (write[block] != 0 && (needed & ~writeAcks[block]) == 0) {
      tell("acknowledge", write[block], "of", block);
      acked[block] = write[block];
      write[block] = 0;
      tracker.writeEnded((long) block * BLOCK_BYTES, BLOCK_BYTES);
    }
  }

  /** The write failed on all (no space), each may have taken it or not. */
  private void giveUp(int block) {
    if (isUp && write[block] != 0) {
      tell("give up", write[block]);
      tasks.removeIf(task -> task.what.equals("write " + write[block]));
      write[block] = 0;
      core.unreconciled((long) block * BLOCK_BYTES, BLOCK_BYTES);
      tracker.writeEnded((long) block * BLOCK_BYTES, BLOCK_BYTES);
      endReturn();
    }
  }

  private void read(int block) {
    if (!isUp || lock[block] != null || (caller.readsWaitForWrites && write[block] != 0)) {
      return;
    }
    if (core.isUnreconciled((long) block * BLOCK_BYTES, BLOCK_BYTES)) {
      if (write[block] == 0) {
        equalize(block, null);
      }
      return;
    }
    List<Replica> from = new ArrayList<>();
    forEach(members, from::add);
    answer(block, from.get(random.nextInt(from.size())));
  }

  private void answer(int block, Replica replica) {
    long value = replica.value[block];
    reads++;
    tell("read", value, "of", block, "from", indexOf(replica));
    if (value < acked[block]) {
      throw new Violation("lost: read " + value + ", acknowledged " + acked[block]);
    }
    if (value < seen[block]) {
      throw new Violation("flip-flop: read " + value + " after " + seen[block]);
    }
    seen[block] = Math.max(seen[block], value);
  }

  private void flush() {
    Flush flush = new Flush();
    flush.number = tracker.flushSent();
    flush.awaited = members | receiving;
    System.arraycopy(acked, 0, flush.acked, 0, BLOCKS);
    flushes.add(flush);
    tell("flush", flush.number);
    forEach(
        flush.awaited,
        replica ->
            send(
                indexOf(replica),
                "flush " + flush.number,
                () -> {
                  System.arraycopy(replica.value, 0, replica.disk, 0, BLOCKS);
                  flush.awaited &= ~replica.bit;
                  flushed(flush);
                }));
  }

  private void flushed(Flush flush) {
    if (flush.awaited == 0 && flushes.remove(flush)) {
      tell("flushed", flush.number);
      tracker.flushEnded(flush.number, true);
      for (int block = 0; block < BLOCKS; block++) {
        flushed[block] = Math.max(flushed[block], Math.min(flush.acked[block], acked[block]));
      }
    }
  }

  // ---- making equal --------------------------------------------------------------------------

  private void background() {
    if (isUp) {
      carryOut(core.step(new ReconcileEvent.Retry()));
      core.nextChunk().ifPresent(chunk -> backgroundChunk(chunk));
    }
  }

  private void backgroundChunk(ReconcileCore.Chunk chunk) {
    int block = (int) (chunk.offset() / BLOCK_BYTES);
    if (write[block] != 0 || lock[block] != null) {
      carryOut(core.step(new ReconcileEvent.ChunkFailed(chunk)));
    } else {
      equalize(block, chunk);
    }
  }

  private void equalize(int block, ReconcileCore.@Nullable Chunk chunk) {
    List<Replica> from = new ArrayList<>();
    forEach(
        members,
        replica -> {
          if (sources.contains(replica.id)) {
            from.add(replica);
          }
        });
    Replica source = from.get(random.nextInt(from.size()));
    boolean writes =
        replicas.stream()
            .anyMatch(r -> (members & r.bit) != 0 && r.value[block] != source.value[block]);
    Equalize equalize = new Equalize(source, chunk, writes);
    if (writes) {
      tracker.writeSent((long) block * BLOCK_BYTES, BLOCK_BYTES);
    }
    equalize.awaited = members & ~equalize.source.bit;
    lock[block] = equalize;
    tell("equalize", block, "from", indexOf(equalize.source));
    forEach(
        equalize.awaited,
        replica ->
            send(
                indexOf(replica),
                "equal " + block,
                () -> {
                  if (lock[block] == equalize) {
                    if (replica.value[block] != equalize.source.value[block]) {
                      clearFirst(replica);
                      mark(replica, block);
                      replica.value[block] = equalize.source.value[block];
                    }
                    equalize.awaited &= ~replica.bit;
                    equalized(block);
                  }
                }));
    equalized(block);
  }

  private void unlock(int block, Equalize equalize) {
    lock[block] = null;
    if (equalize.writes) {
      tracker.writeEnded((long) block * BLOCK_BYTES, BLOCK_BYTES);
    }
  }

  private void equalized(int block) {
    Equalize equalize = lock[block];
    if (equalize == null || equalize.awaited != 0) {
      return;
    }
    unlock(block, equalize);
    if (equalize.chunk == null) {
      answer(block, equalize.source);
    } else {
      carryOut(core.step(new ReconcileEvent.ChunkEqual(equalize.chunk)));
    }
  }

  private void carryOut(List<ReconcileEffect> effects) {
    for (ReconcileEffect effect : effects) {
      switch (effect) {
        case ReconcileEffect.ReadBits(ReplicaId id) -> {
          Replica replica = replicas.get(indexOf(id));
          send(
              indexOf(id),
              "read bits",
              () -> carryOut(core.step(new ReconcileEvent.BitsRead(id, bitsOf(replica)))));
        }
        case ReconcileEffect.BitsKnown(RegionBits union) -> tracker.known(union);
        case ReconcileEffect.PreferSources(SortedSet<ReplicaId> preferred, _) ->
            sources = preferred;
        case ReconcileEffect.Flush(ReplicaId id) -> {
          Replica replica = replicas.get(indexOf(id));
          send(
              indexOf(id),
              "flush before the mark",
              () -> {
                System.arraycopy(replica.value, 0, replica.disk, 0, BLOCKS);
                carryOut(core.step(new ReconcileEvent.Flushed(id)));
              });
        }
        case ReconcileEffect.MarkEqual(ReplicaId id) -> {
          Replica replica = replicas.get(indexOf(id));
          send(
              indexOf(id),
              "mark equal",
              () -> {
                checkMarked(replica);
                replica.isContinuous = true;
                carryOut(core.step(new ReconcileEvent.Marked(id)));
              });
        }
        case ReconcileEffect.Reconciled _ -> tell("reconciled");
      }
    }
  }

  /** One that has lost something counts from now on as one that has all on its disk (E9). */
  private void checkMarked(Replica replica) {
    if (replica.isContinuous || !rules.markWhenEqual() || !caller.voidsWhenLinkBreaks) {
      return;
    }
    for (int block = 0; block < BLOCKS; block++) {
      long least = Math.min(ackedAtOpening[block], acked[block]);
      if (replica.value[block] >= least && replica.disk[block] < least) {
        throw new Violation("marked as equal, and " + least + " is not on its disk");
      }
    }
  }

  private static RegionBits bitsOf(Replica replica) {
    RegionBits bits = new RegionBits(BLOCKS);
    for (int block = 0; block < BLOCKS; block++) {
      if (replica.isMarked[block]) {
        bits.set(block);
      }
    }
    return bits;
  }

  // ---- clearing ------------------------------------------------------------------------------

  private void tick() {
    if (!isUp) {
      return;
    }
    boolean mayClear =
        members == (1 << replicas.size()) - 1 && !core.isReconciling() && returner < 0;
    tracker.tick(mayClear, record.stamp()).ifPresent(this::carryOut);
  }

  private void carryOut(IntentEffect effect) {
    switch (effect) {
      case IntentEffect.Flush _ -> flush();
      case IntentEffect.SetValidSince(RecordStamp stamp) when !rules.clearComplete() ->
          // Would keep every returning replica out, which hides what E6 is for.
          tracker.validSinceStored(stamp, true);
      case IntentEffect.SetValidSince(RecordStamp stamp) -> {
        validSinceSending = stamp;
        validSinceAwaited = members;
        forEach(
            members,
            replica ->
                send(
                    indexOf(replica),
                    "valid since",
                    () -> {
                      replica.validSince = stamp;
                      validSinceAwaited &= ~replica.bit;
                      if (validSinceAwaited == 0 && validSinceSending != null) {
                        validSinceSending = null;
                        tracker.validSinceStored(stamp, true);
                      }
                    }));
      }
      case IntentEffect.Clear(RegionBits which) -> {
        Clearing clear = new Clearing(which);
        clear.awaited = members;
        clearing = clear;
        forEach(members, replica -> send(indexOf(replica), "clear", () -> clear(clear, replica)));
      }
    }
  }

  /** Before a block is written: with the others that a replica marks at once. */
  private void mark(Replica replica, int block) {
    for (int other = 0; other < BLOCKS; other++) {
      replica.isMarked[other] |= other / atOnce == block / atOnce;
    }
  }

  private void clear(Clearing clear, Replica replica) {
    for (int block = 0; block < BLOCKS; block++) {
      if (clear.regions.test(block)) {
        replica.isMarked[block] = false;
        clears++;
      }
    }
    clear.awaited &= ~replica.bit;
    if (clearing == clear) {
      cleared();
    }
  }

  private void cleared() {
    Clearing clear = clearing;
    if (clear != null && clear.awaited == 0) {
      clearing = null;
      tracker.cleared(!clear.isLost);
    }
  }

  /**
   * Frames of one link arrive in order: a clearing that was sent before a write takes effect before
   * it.
   */
  private void clearFirst(Replica replica) {
    for (Task task : List.copyOf(tasks)) {
      if (task.replica == indexOf(replica) && task.what.equals("clear")) {
        runTask(task);
      }
    }
  }

  // ---- return --------------------------------------------------------------------------------

  private void beginReturn(int r) {
    Replica replica = replicas.get(r);
    if (!isUp || (members & replica.bit) != 0) {
      return;
    }
    if (returner == r && returning != null) {
      carryOutReturn(returning.step(new ReturnEvent.Budget(1 << 20)));
      return;
    }
    if (returner >= 0 || core.isReconciling()) {
      return;
    }
    SortedMap<ReplicaId, ReplicaInfo> infos = new TreeMap<>();
    forEach(members, member -> infos.put(member.id, infoOf(member)));
    returner = r;
    returning = new ReturnCore(regions, infoOf(replica), infos, record, OptionalInt.empty(), rules);
    links[r]++;
    tracker.membersChanged();
    tell("return of", r);
    carryOutReturn(returning.step(new ReturnEvent.Began()));
  }

  private void endReturn() {
    if (returner >= 0) {
      int r = returner;
      tell("return ends", r);
      receiving = 0;
      returner = -1;
      returning = null;
      chainSource = 0;
      breakLink(r);
      for (int block = 0; block < BLOCKS; block++) {
        acknowledge(block);
      }
    }
  }

  private void reply(ReturnEvent event) {
    ReturnCore of = returning;
    if (of != null) {
      carryOutReturn(of.step(event));
    }
  }

  private void carryOutReturn(List<ReturnEffect> effects) {
    for (ReturnEffect effect : effects) {
      Replica replica = replicas.get(returner);
      switch (effect) {
        case ReturnEffect.ReadLayers _ -> readLayers();
        case ReturnEffect.ReplaySnapshot _ -> throw new Violation("no snapshot was taken");
        case ReturnEffect.Receive _ -> {
          receiving = replica.bit;
          reply(new ReturnEvent.Receiving(tracker.marks(), 1));
        }
        case ReturnEffect.ReadBits _ ->
            send(returner, "own bits", () -> reply(new ReturnEvent.BitsRead(bitsOf(replica))));
        case ReturnEffect.Copy copy -> send(returner, "copy", () -> copy(replica, copy));
        case ReturnEffect.MergeBits(RegionBits bits) ->
            send(
                returner,
                "merge",
                () -> {
                  for (int block = 0; block < BLOCKS; block++) {
                    replica.isMarked[block] |= bits.test(block);
                  }
                  reply(new ReturnEvent.Merged());
                });
        case ReturnEffect.SetValidSince(RecordStamp stamp) ->
            send(
                returner,
                "valid since",
                () -> {
                  replica.validSince = stamp;
                  reply(new ReturnEvent.ValidSinceStored());
                });
        case ReturnEffect.Flush _ ->
            send(
                returner,
                "flush of return",
                () -> {
                  System.arraycopy(replica.value, 0, replica.disk, 0, BLOCKS);
                  reply(new ReturnEvent.Flushed());
                });
        case ReturnEffect.MarkEqual _ ->
            send(
                returner,
                "mark equal",
                () -> {
                  replica.isContinuous = true;
                  reply(new ReturnEvent.Marked());
                });
        case ReturnEffect.Join _ -> join(replica);
        case ReturnEffect.StayOut(String why) -> throw new Violation("stays out: " + why);
      }
    }
  }

  private void readLayers() {
    ReturnCore of = returning;
    chainSource = Integer.lowestOneBit(members);
    send(
        Integer.numberOfTrailingZeros(chainSource),
        "layers",
        () -> {
          if (returning == of) {
            chainSource = 0;
            send(returner, "own layers", () -> reply(new ReturnEvent.LayersRead(LAYERS, LAYERS)));
          }
        });
  }

  private void join(Replica replica) {
    returns++;
    tell("joined", indexOf(replica));
    returning = null;
    returner = -1;
    receiving = 0;
    setMembers(members | replica.bit);
    tracker.membersChanged();
    carryOut(core.step(new ReconcileEvent.MemberJoined(replica.id)));
  }

  private void copy(Replica replica, ReturnEffect.Copy copy) {
    int block = (int) (copy.offset() / BLOCK_BYTES);
    if (write[block] != 0 || lock[block] != null) {
      reply(new ReturnEvent.CopyFailed(copy));
      return;
    }
    List<Replica> from = new ArrayList<>();
    forEach(members, from::add);
    Replica source = from.get(random.nextInt(from.size()));
    if (replica.value[block] != source.value[block]) {
      mark(replica, block);
      replica.value[block] = source.value[block];
    }
    reply(new ReturnEvent.Copied());
  }

  private static ReplicaInfo infoOf(Replica replica) {
    return new ReplicaInfo(
        1,
        VOLUME,
        replica.id,
        (long) BLOCKS * BLOCK_BYTES,
        "replicas",
        1,
        MembershipRecord.ofNewVolume(List.of(replica.id)),
        0,
        new ProcessNonce(replica.id.uuid()),
        replica.isContinuous,
        replica.validSince,
        BLOCK_BYTES,
        0,
        1,
        64);
  }

  private int indexOf(Replica replica) {
    return Integer.numberOfTrailingZeros(replica.bit);
  }

  private static int indexOf(ReplicaId id) {
    return (int) id.uuid().getLeastSignificantBits() - 1;
  }

  // ---- properties ----------------------------------------------------------------------------

  private void check() {
    for (int block = 0; block < BLOCKS; block++) {
      boolean isMarked = false;
      boolean isEqual = true;
      long value = -1;
      for (Replica replica : replicas) {
        if ((members & replica.bit) != 0) {
          isMarked |= replica.isMarked[block];
          isEqual &= value < 0 || value == replica.value[block];
          value = replica.value[block];
        }
      }
      if (!isEqual && !isMarked) {
        throw new Violation("members differ in block " + block + " and none has it marked");
      }
      boolean isQuiet = isUp && write[block] == 0 && lock[block] == null && rules.equalFirst();
      if (isQuiet && !isEqual && !core.isUnreconciled((long) block * BLOCK_BYTES, BLOCK_BYTES)) {
        throw new Violation("members differ in block " + block + ", which counts as equal");
      }
    }
  }

  private void tell(Object... words) {
    if (isTold) {
      StringBuilder line = new StringBuilder();
      for (Object word : words) {
        line.append(word).append(' ');
      }
      for (Replica replica : replicas) {
        line.append(" | ")
            .append(Arrays.toString(replica.value))
            .append(Arrays.toString(replica.disk))
            .append(replica.isMarked[0] ? "m" : "-")
            .append(replica.isMarked[1] ? "m" : "-")
            .append(replica.isContinuous ? "c" : "-")
            .append((members & replica.bit) != 0 ? "S" : "");
      }
      story.add(line.toString());
    }
  }
}
