package io.longhorn.orchestration.sim.volume;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.membership.RecordStamp;
import io.longhorn.api.memory.Crc32c;
import io.longhorn.api.wire.FieldWriter;
import io.longhorn.api.wire.FrameType;
import io.longhorn.api.wire.RecordCodec;
import io.longhorn.engine.claim.ClaimEffect;
import io.longhorn.engine.claim.ClaimEvent;
import io.longhorn.engine.claim.ClaimRole;
import io.longhorn.engine.reconcile.IntentEffect;
import io.longhorn.engine.reconcile.IntentTracker;
import io.longhorn.engine.reconcile.RegionBits;
import io.longhorn.engine.reconcile.RegionMap;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * What an engine has under way at its replicas that matters for their marks: tells the real {@link
 * IntentTracker} of writes and of FLUSHes, and carries out what that wants.
 */
final class EngineMarks {
  /** A write that some replica has not answered. */
  private record Write(int block, SortedSet<ReplicaId> awaited) {}

  /** A FLUSH of the owner, by the number of the claim core's call. */
  private static final class Flush {
    final List<ReplicaId> members = new ArrayList<>();

    /** Number of the tracker, 0 until it is sent. */
    long number;

    final SortedSet<ReplicaId> awaited = new TreeSet<>();

    /** Those that are not in the set yet, and will have what is promised. */
    final SortedSet<ReplicaId> returning = new TreeSet<>();

    final List<ReplicaId> done = new ArrayList<>();
    boolean isLost;
  }

  private final SimEngine engine;
  private final RegionMap regions;
  private final IntentTracker tracker;
  private final TreeMap<Long, Write> writes = new TreeMap<>();
  private final TreeMap<Long, Flush> flushes = new TreeMap<>();

  EngineMarks(SimEngine engine, RegionMap regions) {
    this.engine = engine;
    this.regions = regions;
    tracker = new IntentTracker(regions, 1);
  }

  // ---- writes -----------------------------------------------------------------------------------

  /** A write is about to be sent to these. */
  void writeSent(long send, int block, Collection<ReplicaId> replicas) {
    tracker.writeSent(offset(block), Crc32c.BLOCK_BYTES);
    writes.put(send, new Write(block, new TreeSet<>(replicas)));
  }

  /** One of them has answered, or never got it. */
  void wrote(long send, ReplicaId from) {
    Write write = writes.get(send);
    if (write != null) {
      write.awaited.remove(from);
      if (write.awaited.isEmpty()) {
        writes.remove(send);
        tracker.writeEnded(offset(write.block), Crc32c.BLOCK_BYTES);
      }
    }
  }

  /** A write that makes members equal is about to be sent: one as any other (E5). */
  void rangeWriteSent(long offset, int length) {
    tracker.writeSent(offset, length);
  }

  /** It has ended. */
  void rangeWriteEnded(long offset, int length) {
    tracker.writeEnded(offset, length);
  }

  private static long offset(int block) {
    return (long) block * Crc32c.BLOCK_BYTES;
  }

  // ---- FLUSH ------------------------------------------------------------------------------------

  /** The claim core wants one member flushed. It is sent with others of its call. */
  void flush(ClaimEffect.FlushMember wanted) {
    boolean isOwner =
        engine.role() == ClaimRole.OWNER && wanted.generation() == engine.generation();
    if (isOwner) {
      flushes.computeIfAbsent(wanted.call(), _ -> new Flush()).members.add(wanted.replica());
    } else {
      // One that has lost the volume speaks of what it had (F1).
      send(wanted.call(), wanted.replica(), wanted.generation());
    }
  }

  private void send(long call, ReplicaId replica, long generation) {
    SimFrame frame = SimFrame.ask(FrameType.FLUSH, generation, engine.nextSequence());
    engine.portOf(replica).ifPresent(port -> port.send(frame, call));
  }

  /** Those that have waited, as long as they have to (E8), are sent; to those that return too. */
  void sendFlushes() {
    if (flushes.isEmpty() || !engine.upkeep().mayFlush()) {
      return;
    }
    flushes.forEach((call, flush) -> {
      if (flush.number == 0) {
        flush.number = tracker.flushSent();
        flush.returning.addAll(engine.upkeep().receiving());
        flush.returning.removeAll(flush.members);
        flush.awaited.addAll(flush.members);
        flush.awaited.addAll(flush.returning);
        flush.isLost = !flush.members.containsAll(engine.requiredMembers());
        flush.awaited.forEach(id -> send(call, id, engine.generation()));
      }
    });
  }

  /** A FLUSH was answered. */
  void flushed(long call, ReplicaId from) {
    Flush flush = flushes.get(call);
    if (flush == null) {
      engine.tell(now -> new ClaimEvent.MemberFlushed(now, call, from));
      return;
    }
    flush.awaited.remove(from);
    if (!flush.returning.remove(from)) {
      flush.done.add(from);
    }
    goOn(call, flush);
  }

  private void goOn(long call, Flush flush) {
    if (flush.returning.isEmpty()) {
      List<ReplicaId> done = List.copyOf(flush.done);
      flush.done.clear();
      for (ReplicaId id : done) {
        engine.tell(now -> new ClaimEvent.MemberFlushed(now, call, id));
      }
    }
    if (flush.awaited.isEmpty() && flushes.remove(call) != null) {
      tracker.flushEnded(flush.number, !flush.isLost);
    }
  }

  // ---- members ----------------------------------------------------------------------------------

  /** The set, or whom it is linked to, is another one, or somebody begins to return. */
  void membersChanged() {
    tracker.membersChanged();
  }

  /** The link of a replica is gone. */
  void broke(ReplicaId replica) {
    tracker.membersChanged();
    for (long send : List.copyOf(writes.keySet())) {
      wrote(send, replica);
    }
    List.copyOf(flushes.entrySet())
        .forEach(entry -> {
          Flush flush = entry.getValue();
          flush.members.remove(replica);
          flush.returning.remove(replica);
          if (flush.number != 0 && flush.awaited.remove(replica)) {
            flush.isLost = true;
            goOn(entry.getKey(), flush);
          }
        });
  }

  void generationEnds() {
    flushes.values().forEach(flush -> tracker.flushEnded(flush.number, false));
    flushes.clear();
    writes.values().forEach(write -> tracker.writeEnded(offset(write.block), Crc32c.BLOCK_BYTES));
    writes.clear();
    tracker.membersChanged();
  }

  /** Marks were found on members' disks. */
  void known(RegionBits found) {
    tracker.known(found);
  }

  /** Everything written since any replica left, and more. */
  RegionBits marks() {
    return tracker.marks();
  }

  // ---- clearing ---------------------------------------------------------------------------------

  /** A few seconds have passed. */
  void tick(boolean mayClear, RecordStamp record) {
    tracker.tick(mayClear, record).ifPresent(this::carryOut);
  }

  private void carryOut(IntentEffect effect) {
    switch (effect) {
      case IntentEffect.Flush _ -> engine.flush();
      case IntentEffect.SetValidSince(RecordStamp stamp) ->
          engine
              .calls()
              .askAll(
                  engine.requiredMembers(),
                  () -> validSince(stamp),
                  isDone -> {
                    if (isDone) {
                      engine.upkeep().areValidSince(stamp);
                    }
                    tracker.validSinceStored(stamp, isDone);
                  });
      case IntentEffect.Clear(RegionBits cleared) ->
          engine
              .calls()
              .askAll(
                  engine.requiredMembers(),
                  () -> bitmap(FrameType.INTENT_CLEAR, cleared),
                  tracker::cleared);
    }
  }

  /** INTENT_VALID_SINCE. */
  SimFrame validSince(RecordStamp stamp) {
    return SimFrame.ask(
        FrameType.INTENT_VALID_SINCE,
        engine.generation(),
        engine.nextSequence(),
        RecordCodec.stamp(new FieldWriter(), 1, 2, stamp));
  }

  /** A frame with the bits of all regions. */
  SimFrame bitmap(FrameType type, RegionBits bits) {
    return SimFrame.bitmap(
        type,
        engine.generation(),
        engine.nextSequence(),
        regions.count(),
        bits.toBytes(0, regions.count()));
  }
}
