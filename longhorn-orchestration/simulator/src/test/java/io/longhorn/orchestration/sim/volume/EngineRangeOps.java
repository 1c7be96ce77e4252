package io.longhorn.orchestration.sim.volume;

import io.longhorn.api.IoError;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.api.memory.Crc32c;
import io.longhorn.api.memory.Loan;
import io.longhorn.api.memory.LoanPool;
import io.longhorn.api.wire.FrameType;
import io.longhorn.engine.replication.FrameDraft;
import io.longhorn.engine.replication.MemberLink;
import io.longhorn.engine.replication.Members;
import io.longhorn.engine.replication.RangeOpOwner;
import io.longhorn.engine.replication.Regions;
import io.longhorn.engine.replication.ReplicationCore;
import io.longhorn.orchestration.sim.world.BlockValue;
import io.longhorn.orchestration.sim.world.SimFailure;
import io.longhorn.orchestration.sim.world.SimKnobs.Sabotage;
import io.longhorn.orchestration.sim.world.SimScheduler;
import java.nio.ByteBuffer;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.function.IntPredicate;
import org.jspecify.annotations.Nullable;

/**
 * Makes blocks equal by the operations of the real {@link ReplicationCore}, over frames. That core
 * has no clients here: requests are the claim core's, and {@link BlockLocks} keeps them apart.
 */
final class EngineRangeOps implements Members, Regions {
  /** Who asked. */
  interface Owner {
    /**
     * It ended.
     *
     * @param value what the block holds; null if it could not be done, or there is nothing to show
     */
    void ended(boolean isDone, @Nullable BlockValue value);
  }

  /** One of each thread: it is never closed, and has nothing lent between simulations. */
  private static final ThreadLocal<LoanPool> POOLS =
      ThreadLocal.withInitial(() -> new LoanPool(Long.MAX_VALUE));

  private final SimEngine engine;
  private final World world;
  private final ReplicationCore core;
  private final BlockLocks locks = new BlockLocks();
  private final @Nullable ReplicaId[] slots =
      new @Nullable ReplicaId[MembershipRecord.MAX_REPLICAS];
  private final TreeMap<ReplicaId, Integer> linked = new TreeMap<>();
  private List<Integer> lastSets = List.of();

  /** Of which generation an operation is: what ends after it does not count. */
  private long turn;

  EngineRangeOps(SimEngine engine) {
    this.engine = engine;
    world = engine.world;
    core =
        new ReplicationCore(
            (long) world.knobs.blocks * Crc32c.BLOCK_BYTES, this, this, 0, POOLS.get());
  }

  BlockLocks locks() {
    return locks;
  }

  // ---- generations and members ------------------------------------------------------------------

  /** All members have promised: operations may begin. */
  void serves() {
    setsChanged();
    core.open();
  }

  /** Everything under way is of no use any more. */
  void generationEnds() {
    turn++;
    locks.clear();
    core.suspend();
    List.copyOf(linked.keySet()).forEach(this::broke);
    core.abortUnderWay(IoError.EIO);
    lastSets = List.of();
  }

  /** The process ends. */
  void gone() {
    turn++;
    locks.clear();
    core.giveUp(IoError.EIO);
  }

  /** A replica has promised this generation. */
  void linked(ReplicaId id) {
    if (linked.containsKey(id)) {
      return;
    }
    int slot = slotOf(id);
    linked.put(id, slot);
    core.linked(slot, new ReplicaLink(id, slot));
  }

  /** Its link is gone. */
  void broke(ReplicaId id) {
    Integer slot = linked.remove(id);
    if (slot != null) {
      core.linkLost(slot);
    }
  }

  private int slotOf(ReplicaId id) {
    for (int i = 0; i < slots.length; i++) {
      if (id.equals(slots[i])) {
        return i;
      }
    }
    int free = 0;
    while (isTaken(slots[free])) {
      free++;
    }
    slots[free] = id;
    return free;
  }

  private boolean isTaken(@Nullable ReplicaId there) {
    return there != null && (linked.containsKey(there) || engine.requiredMembers().contains(there));
  }

  /** The sets in force, the committed one, or who returns may have changed. */
  void setsChanged() {
    int receiving = mask(engine.upkeep().receiving());
    SortedSet<ReplicaId> required = engine.requiredMembers();
    int readable = mask(engine.committed(required));
    if (world.knobs.does(Sabotage.ENGINE_COPIES_FROM_ANYBODY)) {
      readable |= receiving;
    }
    List<Integer> sets =
        List.of(mask(required), readable, receiving, mask(engine.upkeep().preferredSources()));
    if (!sets.equals(lastSets)) {
      lastSets = sets;
      core.preferSources(sets.get(3));
      core.sets(sets.get(0), sets.get(1), sets.get(2));
    }
  }

  private boolean isReadable(ReplicaId id) {
    return (lastSets.get(1) & 1 << slotOf(id)) != 0;
  }

  private int mask(Collection<ReplicaId> replicas) {
    int mask = 0;
    for (ReplicaId id : replicas) {
      mask |= 1 << slotOf(id);
    }
    return mask;
  }

  /** Time has passed. */
  void tick() {
    core.tick();
  }

  // ---- operations -------------------------------------------------------------------------------

  /** Makes a block equal on all members, for a read that has its block to itself. */
  void equalForRead(int block, Owner owner) {
    begin(block, one -> !isWriteUnderWay(one), owner, this::equalize);
  }

  /** Makes a block equal on all members. */
  void equal(int block, Owner owner) {
    begin(block, this::isFree, owner, this::equalize);
  }

  /** Makes a block of one that returns equal to a member's. */
  void copy(int layer, ReplicaId from, ReplicaId to, int block, Owner owner) {
    begin(
        block,
        this::isFree,
        owner,
        (at, op) -> {
          // Otherwise the core refuses it.
          if (linked.containsKey(from) && isReadable(from)) {
            checkSource(from);
          }
          core.copy(layer, slotOf(from), slotOf(to), at, Crc32c.BLOCK_BYTES, op);
        });
  }

  private void equalize(long at, RangeOpOwner op) {
    core.equalize(at, Crc32c.BLOCK_BYTES, op);
  }

  private interface Beginning {
    void begin(long at, RangeOpOwner op);
  }

  private void begin(int block, IntPredicate isFree, Owner owner, Beginning how) {
    long of = turn;
    long at = (long) block * Crc32c.BLOCK_BYTES;
    locks.lock(
        block,
        isFree,
        () -> {
          setsChanged();
          how.begin(at, (_, result, data) -> ended(of, block, owner, result, data));
        });
  }

  private void ended(long of, int block, Owner owner, IoError result, @Nullable Loan data) {
    if (of == turn) {
      BlockValue value = data == null ? null : SimFrame.value(data.buffer(), 0);
      world.scheduler.active();
      // Not from inside the core: it is in the middle of its operation.
      engine.after(
          0,
          () -> {
            if (of == turn) {
              locks.unlock(block);
              owner.ended(result == IoError.OK, value);
            }
          });
    }
  }

  private boolean isFree(int block) {
    return !engine.isBusy(block) && !isWriteUnderWay(block);
  }

  private boolean isWriteUnderWay(int block) {
    return engine.configured().stream()
        .anyMatch(id ->
            engine.portOf(id).filter(p -> p.isUnanswered(FrameType.WRITE, block)).isPresent());
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

  // ---- frames -----------------------------------------------------------------------------------

  private final class ReplicaLink implements MemberLink {
    private final ReplicaId id;
    private final int slot;

    ReplicaLink(ReplicaId id, int slot) {
      this.id = id;
      this.slot = slot;
    }

    @Override
    public void send(FrameDraft draft) {
      int block = BlockLocks.blockOf(draft.offset());
      long sequence = draft.sequence();
      long number = engine.nextSequence();
      SimFrame frame;
      if (draft.type() == FrameType.WRITE) {
        Loan data = draft.data();
        ByteBuffer content = data == null ? ByteBuffer.allocate(0) : data.buffer();
        frame =
            SimFrame.write(
                engine.generation(), number, block, SimFrame.value(content, draft.dataAt()));
      } else {
        if (draft.type() == FrameType.READ && draft.layer() == 0) {
          checkSource(id);
        }
        frame = SimFrame.ask(draft.type(), engine.generation(), number, block);
      }
      engine.calls().ask(id, frame, reply -> answered(sequence, reply), () -> {});
    }

    private void answered(long sequence, SimFrame reply) {
      byte[] payload = reply.payload();
      Loan target = core.target(slot, sequence);
      if (target != null && payload.length > 0) {
        target.buffer().clear();
        target.buffer().put(0, payload);
      }
      core.answered(slot, sequence, reply.status(), payload.length);
    }

    @Override
    public boolean isLocal() {
      return engine.inSession(id).filter(r -> r.node().equals(engine.node())).isPresent();
    }
  }

  // ---- Members ----------------------------------------------------------------------------------

  @Override
  public boolean mayServeReads() {
    return true;
  }

  @Override
  public void memberFailed(int slot, IoError error, String what) {
    ReplicaId id = slots[slot];
    engine.after(
        SimScheduler.MILLI,
        () -> {
          if (id != null) {
            engine.portOf(id).ifPresent(ReplicaPort::disconnect);
          }
        });
  }

  @Override
  public void fenced(int slot) {
    // The claim core has been told of every frame that was answered so.
  }

  // ---- Regions ----------------------------------------------------------------------------------

  @Override
  public boolean isUnreconciled(long offset, int length) {
    throw new IllegalStateException("no client asks this core");
  }

  @Override
  public void unreconciled(long offset, int length) {
    throw new IllegalStateException("no client asks this core");
  }

  @Override
  public void writeSent(long offset, int length) {
    engine.upkeep().marks().rangeWriteSent(offset, length);
  }

  @Override
  public void writeEnded(long offset, int length) {
    engine.upkeep().marks().rangeWriteEnded(offset, length);
  }

  @Override
  public boolean mayFlush() {
    throw new IllegalStateException("no client asks this core");
  }

  @Override
  public long flushSent() {
    throw new IllegalStateException("no client asks this core");
  }

  @Override
  public void flushEnded(long number, boolean isDurable) {
    throw new IllegalStateException("no client asks this core");
  }
}
