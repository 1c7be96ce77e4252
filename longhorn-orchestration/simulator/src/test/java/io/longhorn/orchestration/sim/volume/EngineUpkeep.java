package io.longhorn.orchestration.sim.volume;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.RecordStamp;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.api.memory.Crc32c;
import io.longhorn.api.wire.FrameType;
import io.longhorn.api.wire.ReplicaInfo;
import io.longhorn.engine.claim.ClaimEvent;
import io.longhorn.engine.claim.ClaimRole;
import io.longhorn.engine.reconcile.ReconcileCore;
import io.longhorn.engine.reconcile.ReconcileEffect;
import io.longhorn.engine.reconcile.ReconcileEvent;
import io.longhorn.engine.reconcile.RegionBits;
import io.longhorn.engine.reconcile.RegionMap;
import io.longhorn.orchestration.sim.world.SimKnobs.Sabotage;
import io.longhorn.orchestration.sim.world.SimScheduler;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Consumer;

/**
 * Keeps the members that an engine serves equal: after a crash, when one returns, and their marks.
 * Carries out what the real cores of an engine decide; a region of theirs is one block.
 */
final class EngineUpkeep {
  private static final long TICK_NANOS = 1_000 * SimScheduler.MILLI;
  private static final int TICKS_A_CLEARING = 3;

  /** Chunks that are made equal in the background at a time. */
  private static final int MAX_EQUALIZING = 4;

  private final SimEngine engine;
  private final World world;
  private final RegionMap regions;
  private final ReconcileCore reconcile;
  private final EngineMarks marks;
  private final EngineRangeOps ops;
  private final TreeMap<ReplicaId, ReplicaInfo> infos = new TreeMap<>();
  private final TreeMap<ReplicaId, EngineReturn> returns = new TreeMap<>();
  private SortedSet<ReplicaId> preferred = new TreeSet<>();
  private boolean isServing;

  /** The claim core waits for all members to be equal. */
  private boolean isReconciling;

  private int equalizing;
  private boolean isTicking;
  private long ticks;

  EngineUpkeep(SimEngine engine) {
    this.engine = engine;
    world = engine.world;
    regions = new RegionMap((long) world.knobs.blocks * Crc32c.BLOCK_BYTES, Crc32c.BLOCK_BYTES);
    reconcile = new ReconcileCore(regions);
    marks = new EngineMarks(engine, regions);
    ops = new EngineRangeOps(engine);
  }

  RegionMap regions() {
    return regions;
  }

  EngineMarks marks() {
    return marks;
  }

  EngineRangeOps ops() {
    return ops;
  }

  // ---- what others read -------------------------------------------------------------------------

  /** Whether members may differ where nobody has looked, as far as the claim core goes. */
  boolean isReconciling() {
    return isReconciling;
  }

  /** Whether a read of a block has to make it equal first (E1). */
  boolean isUnreconciled(int block) {
    return reconcile.isUnreconciled((long) block * Crc32c.BLOCK_BYTES, Crc32c.BLOCK_BYTES);
  }

  /** Whether a FLUSH now speaks of all that was acknowledged (E8). */
  boolean mayFlush() {
    return reconcile.mayFlush();
  }

  /** Whom a block is made equal to, if it can be (E3). */
  SortedSet<ReplicaId> preferredSources() {
    return preferred;
  }

  /** Those whose answers count although they are in no set yet. */
  SortedSet<ReplicaId> receiving() {
    SortedSet<ReplicaId> receiving = new TreeSet<>(returns.keySet());
    receiving.removeIf(id -> !returns.get(id).isReceiving());
    return receiving;
  }

  /** How far one is that returns. */
  Optional<Integer> progressPermille(ReplicaId replica) {
    return Optional.ofNullable(returns.get(replica))
        .filter(back -> back.whyOut().isEmpty())
        .map(EngineReturn::progressPermille);
  }

  /** Why one cannot return, if it cannot. */
  Optional<String> whyOut(ReplicaId replica) {
    return Optional.ofNullable(returns.get(replica)).flatMap(EngineReturn::whyOut);
  }

  boolean isCurrent(EngineReturn back) {
    return returns.get(back.id) == back;
  }

  /** What members of the committed set say of themselves, as it is now. */
  SortedMap<ReplicaId, ReplicaInfo> memberInfos() {
    SortedMap<ReplicaId, ReplicaInfo> members = new TreeMap<>(infos);
    members.keySet().retainAll(engine.committed(engine.requiredMembers()));
    return members;
  }

  /** All members have stored this. */
  void areValidSince(RecordStamp stamp) {
    infos.replaceAll((_, info) -> info.withValidSince(stamp));
  }

  // ---- generations ------------------------------------------------------------------------------

  /** The one before did not stop in good order: serve only what was made equal. */
  void reconcileWanted(long generation) {
    if (world.knobs.does(Sabotage.ENGINE_SKIPS_RECONCILE)) {
      engine.soon(now -> new ClaimEvent.Reconciled(now, generation));
    } else {
      isReconciling = true;
    }
  }

  /** The engine serves: all members have promised. */
  void serves() {
    isServing = true;
    marks.membersChanged();
    List<ReconcileEvent.Member> members = new ArrayList<>();
    for (ReplicaId id : engine.requiredMembers()) {
      Optional<ReplicaInfo> info = engine.portOf(id).flatMap(ReplicaPort::info);
      info.ifPresent(said -> {
        infos.put(id, said);
        members.add(new ReconcileEvent.Member(id, said.isContinuous()));
      });
    }
    ops.serves();
    reconcile(new ReconcileEvent.Began(members, !isReconciling));
    if (!isTicking) {
      isTicking = true;
      engine.inBackground(TICK_NANOS, this::tick);
    }
  }

  void generationEnds() {
    isServing = false;
    isReconciling = false;
    returns.clear();
    infos.clear();
    ops.generationEnds();
    equalizing = 0;
    marks.generationEnds();
  }

  // ---- reconcile --------------------------------------------------------------------------------

  private void reconcile(ReconcileEvent event) {
    for (ReconcileEffect effect : reconcile.step(event)) {
      switch (effect) {
        case ReconcileEffect.ReadBits(ReplicaId id) ->
            readBits(id, bits -> reconcile(new ReconcileEvent.BitsRead(id, bits)));
        case ReconcileEffect.BitsKnown(RegionBits union) -> marks.known(union);
        case ReconcileEffect.PreferSources(SortedSet<ReplicaId> ids, boolean mayHaveLost) -> {
          preferred = ids;
          ops.setsChanged();
          if (mayHaveLost && isReconciling) {
            mayHaveLost(ids);
          }
        }
        case ReconcileEffect.Flush(ReplicaId id) ->
            ask(id, FrameType.FLUSH, new ReconcileEvent.Flushed(id));
        case ReconcileEffect.MarkEqual(ReplicaId id) ->
            ask(id, FrameType.MARK_EQUAL, new ReconcileEvent.Marked(id));
        case ReconcileEffect.Reconciled _ -> reconciled();
      }
    }
    equalizeMore();
  }

  private void ask(ReplicaId id, FrameType type, ReconcileEvent then) {
    SimFrame frame = SimFrame.ask(type, engine.generation(), engine.nextSequence());
    engine.calls().ask(id, frame, _ -> reconcile(then), () -> {});
  }

  private void reconciled() {
    if (isReconciling) {
      isReconciling = false;
      long generation = engine.generation();
      engine.tell(() -> engine.name() + " has made all equal");
      engine.tell(now -> new ClaimEvent.Reconciled(now, generation));
    }
  }

  /** No member has run since all were equal: what was not flushed may be gone, if the power was. */
  private void mayHaveLost(SortedSet<ReplicaId> members) {
    boolean hasLost =
        members.stream()
            .flatMap(id -> world.directory(id).stream())
            .anyMatch(directory -> directory.hasLost);
    if (hasLost) {
      world.oracle(engine.volume()).mayHaveLost();
    }
  }

  private void equalizeMore() {
    while (isServing && equalizing < MAX_EQUALIZING) {
      Optional<ReconcileCore.Chunk> next = reconcile.nextChunk();
      if (next.isEmpty()) {
        return;
      }
      ReconcileCore.Chunk chunk = next.get();
      equalizing++;
      ops.equal(
          BlockLocks.blockOf(chunk.offset()),
          (isDone, _) -> {
            equalizing--;
            reconcile(
                isDone
                    ? new ReconcileEvent.ChunkEqual(chunk)
                    : new ReconcileEvent.ChunkFailed(chunk));
          });
    }
  }

  /** Reads the whole bitmap of a replica. */
  void readBits(ReplicaId id, Consumer<RegionBits> then) {
    engine
        .calls()
        .ask(
            id,
            SimFrame.bitmap(
                FrameType.INTENT_READ,
                engine.generation(),
                engine.nextSequence(),
                regions.count(),
                new byte[0]),
            reply -> {
              RegionBits bits = new RegionBits(regions.count());
              bits.orBytes(0, reply.payload());
              then.accept(bits);
            },
            () -> {});
  }

  // ---- members ----------------------------------------------------------------------------------

  /** One that has left has promised, and takes every write from now on. */
  void makeEqual(ReplicaId id) {
    engine
        .portOf(id)
        .flatMap(ReplicaPort::info)
        .ifPresent(info -> {
          marks.membersChanged();
          returns.put(id, new EngineReturn(engine, this, id, info));
          engine.reportDue();
          look();
        });
  }

  /** The link of one is gone. */
  void broke(ReplicaId id) {
    marks.broke(id);
    returns.remove(id);
    ops.broke(id);
    infos.remove(id);
    if (isServing) {
      reconcile(new ReconcileEvent.MemberLeft(id));
    }
  }

  private void joined(EngineReturn back) {
    returns.remove(back.id);
    marks.membersChanged();
    RecordStamp since = RecordStamp.NONE;
    for (ReplicaInfo info : infos.values()) {
      since = info.validSince().isNewerThan(since) ? info.validSince() : since;
    }
    infos.put(back.id, back.info().withValidSince(since));
    reconcile(new ReconcileEvent.MemberJoined(back.id));
  }

  // ---- time -------------------------------------------------------------------------------------

  /** Goes on, if there is anything to do. */
  void look() {
    marks.sendFlushes();
    if (isServing) {
      ops.setsChanged();
      ops.locks().look();
    }
    if (!isServing || returns.isEmpty() || reconcile.isReconciling()) {
      return;
    }
    SortedSet<ReplicaId> named = engine.committed(returns.keySet());
    for (EngineReturn back : List.copyOf(returns.values())) {
      if (named.contains(back.id)) {
        joined(back);
      } else {
        back.tick();
      }
    }
  }

  private void tick() {
    isTicking = isServing;
    if (!isServing) {
      return;
    }
    ticks++;
    ops.tick();
    reconcile(new ReconcileEvent.Retry());
    List.copyOf(returns.values()).forEach(EngineReturn::retry);
    if (ticks % TICKS_A_CLEARING == 0) {
      engine
          .store()
          .known()
          .map(VolumeRecord::membership)
          .ifPresent(record -> marks.tick(mayClear(record), record.stamp()));
    }
    engine.inBackground(TICK_NANOS, this::tick);
  }

  /** Rule E6: the set is complete, everybody is linked, nothing differs and nobody returns. */
  private boolean mayClear(MembershipRecord record) {
    SortedSet<ReplicaId> required = engine.requiredMembers();
    return engine.role() == ClaimRole.OWNER
        && !engine.isStopping()
        && record.leftAt().isEmpty()
        && record.members().equals(required)
        && required.equals(engine.configured())
        && required.stream()
            .allMatch(id ->
                engine.portOf(id).filter(port -> port.hasPromised(engine.generation())).isPresent())
        && returns.isEmpty()
        && !reconcile.isReconciling();
  }
}
