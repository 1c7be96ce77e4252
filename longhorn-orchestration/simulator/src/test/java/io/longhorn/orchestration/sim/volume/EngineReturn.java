package io.longhorn.orchestration.sim.volume;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.RecordStamp;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.api.memory.Crc32c;
import io.longhorn.api.wire.FrameType;
import io.longhorn.api.wire.LayerList;
import io.longhorn.api.wire.ReplicaInfo;
import io.longhorn.engine.claim.ClaimEvent;
import io.longhorn.engine.reconcile.RegionBits;
import io.longhorn.engine.reconcile.ReturnCore;
import io.longhorn.engine.reconcile.ReturnEffect;
import io.longhorn.engine.reconcile.ReturnEvent;
import io.longhorn.orchestration.sim.world.SimKnobs.Sabotage;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.SortedMap;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** One attempt of a replica to come back: carries out what the real {@link ReturnCore} says. */
final class EngineReturn {
  private static final int HEAD = 1;

  final ReplicaId id;
  private final SimEngine engine;
  private final EngineUpkeep upkeep;
  private final ReplicaInfo info;
  private @Nullable ReturnCore core;
  private boolean isReceiving;
  private boolean isEqual;
  private boolean isTold;
  private Optional<String> whyOut = Optional.empty();

  EngineReturn(SimEngine engine, EngineUpkeep upkeep, ReplicaId id, ReplicaInfo info) {
    this.engine = engine;
    this.upkeep = upkeep;
    this.id = id;
    this.info = info;
  }

  ReplicaInfo info() {
    return info;
  }

  /** Whether answers of it are waited for. */
  boolean isReceiving() {
    return isReceiving;
  }

  /** Why it cannot come back, if it cannot. */
  Optional<String> whyOut() {
    return whyOut;
  }

  int progressPermille() {
    ReturnCore current = core;
    return current == null ? 0 : current.progressPermille();
  }

  /** Begins, when the record is known that says since when it is out; or goes on. */
  void tick() {
    Optional<MembershipRecord> record = engine.store().known().map(VolumeRecord::membership);
    SortedMap<ReplicaId, ReplicaInfo> members = upkeep.memberInfos();
    if (core == null
        && record.filter(known -> known.leftAt().containsKey(id)).isPresent()
        && !members.isEmpty()) {
      core = new ReturnCore(upkeep.regions(), info, members, record.get(), OptionalInt.empty());
      step(new ReturnEvent.Began());
      step(new ReturnEvent.Budget(Long.MAX_VALUE));
    }
    join();
  }

  /** What could not be done is tried again. */
  void retry() {
    if (core != null) {
      step(new ReturnEvent.Budget(Long.MAX_VALUE));
    }
  }

  private void step(ReturnEvent event) {
    ReturnCore current = core;
    if (current == null || whyOut.isPresent() || !upkeep.isCurrent(this)) {
      return;
    }
    for (ReturnEffect effect : current.step(event)) {
      carryOut(effect);
    }
    engine.reportDue();
  }

  private void carryOut(ReturnEffect effect) {
    switch (effect) {
      case ReturnEffect.ReadLayers _ -> readLayers();
      case ReturnEffect.ReplaySnapshot _ ->
          throw new IllegalStateException("no snapshot is ever taken");
      case ReturnEffect.Receive _ -> {
        isReceiving = true;
        step(new ReturnEvent.Receiving(upkeep.marks().marks(), HEAD));
      }
      case ReturnEffect.ReadBits _ ->
          upkeep.readBits(id, bits -> step(new ReturnEvent.BitsRead(bits)));
      case ReturnEffect.Copy copy -> copy(copy);
      case ReturnEffect.MergeBits(RegionBits bits) ->
          ask(upkeep.marks().bitmap(FrameType.INTENT_MERGE, bits), new ReturnEvent.Merged());
      case ReturnEffect.SetValidSince(RecordStamp stamp) ->
          ask(upkeep.marks().validSince(stamp), new ReturnEvent.ValidSinceStored());
      case ReturnEffect.Flush _ -> ask(frame(FrameType.FLUSH), new ReturnEvent.Flushed());
      case ReturnEffect.MarkEqual _ -> ask(frame(FrameType.MARK_EQUAL), new ReturnEvent.Marked());
      case ReturnEffect.Join _ -> {
        isEqual = true;
        engine.tell(() -> engine.name() + " has made " + engine.shortly(id) + " equal");
        join();
      }
      case ReturnEffect.StayOut(String why) -> {
        whyOut = Optional.of(why);
        isReceiving = false;
        engine.tell(() -> engine.name() + " leaves " + engine.shortly(id) + " out: " + why);
      }
    }
  }

  /** What was acknowledged without it may be on its way: counted now, that could be missing. */
  private void join() {
    boolean isAnswering =
        engine.portOf(id).filter(p -> p.isUnanswered(FrameType.WRITE, -1)).isPresent();
    if (isEqual && !isTold && !isAnswering) {
      isTold = true;
      engine.tell(now -> new ClaimEvent.MadeEqual(now, id));
    }
  }

  private SimFrame frame(FrameType type) {
    return SimFrame.ask(type, engine.generation(), engine.nextSequence());
  }

  private void ask(SimFrame frame, ReturnEvent then) {
    engine.calls().ask(id, frame, _ -> step(then), () -> {});
  }

  private void readLayers() {
    SortedMap<ReplicaId, ReplicaInfo> sources = upkeep.memberInfos();
    Runnable lost = () -> step(new ReturnEvent.LayersLost());
    if (sources.isEmpty()) {
      lost.run();
      return;
    }
    Function<SimFrame, LayerList> read = reply -> LayerList.read(reply.fields());
    engine
        .calls()
        .ask(
            sources.firstKey(),
            frame(FrameType.LAYERS),
            members ->
                engine
                    .calls()
                    .ask(
                        id,
                        frame(FrameType.LAYERS),
                        own ->
                            step(new ReturnEvent.LayersRead(read.apply(members), read.apply(own))),
                        lost),
            lost);
  }

  private void copy(ReturnEffect.Copy copy) {
    List<ReplicaId> sources =
        engine.world.knobs.does(Sabotage.ENGINE_COPIES_FROM_ANYBODY)
            ? List.of(id)
            : List.copyOf(upkeep.memberInfos().keySet());
    if (copy.length() != Crc32c.BLOCK_BYTES || sources.isEmpty()) {
      step(new ReturnEvent.CopyFailed(copy));
      return;
    }
    upkeep
        .ops()
        .copy(
            copy.layer(),
            sources.get(engine.world.scheduler.random().nextInt(sources.size())),
            id,
            BlockLocks.blockOf(copy.offset()),
            (isDone, _) ->
                step(isDone ? new ReturnEvent.Copied() : new ReturnEvent.CopyFailed(copy)));
  }
}
