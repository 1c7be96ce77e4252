package io.longhorn.orchestration.sim.volume;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.api.wire.FrameType;
import io.longhorn.orchestration.sim.world.BlockValue;
import io.longhorn.orchestration.sim.world.SimDirectory;
import io.longhorn.orchestration.sim.world.SimFailure;
import io.longhorn.orchestration.sim.world.SimKnobs.Sabotage;
import io.longhorn.orchestration.sim.world.SimScheduler;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * Played: one block is made equal on all members, or one that returns is made equal in it, under
 * the lock of its range. Where and when, and from whom, is decided elsewhere. A step writes one
 * replica, at once, and is done only while no write of the block is under way and every replica
 * that it touches would take a frame of this engine's session: what a lock of the range and frames
 * on the links come to.
 */
final class BlockCopies {
  private static final long BLOCKED_NANOS = 20 * SimScheduler.MILLI;

  /** Who asked. */
  interface Owner {
    /**
     * It ended.
     *
     * @param value what the block holds, null if it could not be done
     */
    void ended(@Nullable BlockValue value);
  }

  private enum Kind {
    /** Equal on all members, for a read that has its range to itself; does not wait. */
    EQUAL_FOR_READ,
    EQUAL,
    RETURN
  }

  private enum Step {
    DONE,
    GOES_ON,
    BLOCKED
  }

  private record Op(Kind kind, int block, Optional<ReplicaId> to, Owner owner) {}

  private final SimEngine engine;
  private final World world;
  private final List<Op> ops = new ArrayList<>();
  private boolean isStepDue;
  private @Nullable ReplicaId source;

  BlockCopies(SimEngine engine) {
    this.engine = engine;
    world = engine.world;
  }

  /** Makes a block equal on all members; fails at once if that cannot be done now. */
  void equalForRead(int block, Owner owner) {
    add(new Op(Kind.EQUAL_FOR_READ, block, Optional.empty(), owner));
  }

  /** Makes a block equal on all members, however long it takes. */
  void equal(int block, Owner owner) {
    add(new Op(Kind.EQUAL, block, Optional.empty(), owner));
  }

  /** Makes a block of one that returns equal to any member's. */
  void copy(ReplicaId to, int block, Owner owner) {
    add(new Op(Kind.RETURN, block, Optional.of(to), owner));
  }

  private void add(Op op) {
    ops.add(op);
    stepLater(false);
  }

  /** All that was asked for is forgotten. */
  void generationEnds() {
    ops.clear();
    source = null;
  }

  /** The link of a replica is gone: it is no source, and does not return. */
  void broke(ReplicaId replica) {
    ops.removeIf(op -> op.to.filter(replica::equals).isPresent());
    if (replica.equals(source)) {
      source = null;
    }
  }

  /** Others may be sources from now on. */
  void sourcesChanged() {
    source = null;
  }

  private void stepLater(boolean isBlocked) {
    if (ops.isEmpty() || isStepDue) {
      return;
    }
    isStepDue = true;
    if (isBlocked) {
      engine.inBackground(BLOCKED_NANOS, this::step);
    } else {
      world.scheduler.active();
      engine.after(world.knobs.copy.pick(world.scheduler), this::step);
    }
  }

  /** Each read, one block in the background, and one of each that returns. */
  private void step() {
    isStepDue = false;
    boolean isBlocked = true;
    SortedSet<ReplicaId> served = new TreeSet<>();
    boolean isOneDone = false;
    for (Op op : List.copyOf(ops)) {
      boolean isTurn =
          switch (op.kind) {
            case EQUAL_FOR_READ -> true;
            case EQUAL -> !isOneDone && !engine.isBusy(op.block);
            case RETURN -> !served.contains(op.to.orElseThrow());
          };
      if (!isTurn || !ops.contains(op)) {
        continue;
      }
      Step step = op.kind == Kind.RETURN ? copy(op) : equalize(op);
      if (step != Step.BLOCKED) {
        isBlocked = false;
        isOneDone |= op.kind == Kind.EQUAL;
        op.to.ifPresent(id -> served.add(id));
      }
    }
    stepLater(isBlocked);
  }

  private void end(Op op, @Nullable BlockValue value) {
    ops.remove(op);
    op.owner.ended(value);
  }

  // ---- equal on all
  // -------------------------------------------------------------------------------

  private Step equalize(Op op) {
    SortedSet<ReplicaId> required = engine.requiredMembers();
    boolean isBlocked =
        engine.committed(required).isEmpty()
            || !areAllInSession(required)
            || required.stream().anyMatch(id -> isWriteUnderWay(id, op.block));
    if (isBlocked) {
      if (op.kind == Kind.EQUAL_FOR_READ) {
        end(op, null);
      }
      return Step.BLOCKED;
    }
    ReplicaId from = source(required);
    BlockValue value = member(from).block(op.block);
    for (ReplicaId id : required) {
      if (!member(id).block(op.block).equals(value)) {
        checkSource(from);
        engine.upkeep().marks().equalized(op.block);
        write(id, op.block, value);
        return Step.GOES_ON;
      }
    }
    end(op, value);
    return Step.DONE;
  }

  /** Rule E3: one that holds all that was acknowledged; the same for all blocks while it is one. */
  private ReplicaId source(SortedSet<ReplicaId> required) {
    SortedSet<ReplicaId> from = engine.committed(required);
    SortedSet<ReplicaId> preferred = new TreeSet<>(from);
    preferred.retainAll(engine.upkeep().preferredSources());
    List<ReplicaId> sources = List.copyOf(preferred.isEmpty() ? from : preferred);
    ReplicaId chosen = source;
    if (chosen == null || !sources.contains(chosen)) {
      chosen = sources.get(world.scheduler.random().nextInt(sources.size()));
      source = chosen;
    }
    return chosen;
  }

  // ---- one that returns
  // ---------------------------------------------------------------------------

  private Step copy(Op op) {
    ReplicaId to = op.to.orElseThrow();
    SortedSet<ReplicaId> members = new TreeSet<>(engine.requiredMembers());
    members.remove(to);
    boolean isBlocked =
        engine.inSession(to).isEmpty()
            || engine.committed(members).isEmpty()
            || !areAllInSession(members)
            || engine.beingWritten().contains(op.block)
            || isWriteUnderWay(to, op.block)
            || members.stream().anyMatch(id -> isWriteUnderWay(id, op.block));
    if (isBlocked) {
      return Step.BLOCKED;
    }
    ReplicaId from = sourceOfReturn(to, members);
    BlockValue value = member(from).block(op.block);
    checkSource(from);
    if (!member(to).block(op.block).equals(value)) {
      write(to, op.block, value);
    }
    end(op, value);
    return Step.DONE;
  }

  private ReplicaId sourceOfReturn(ReplicaId to, SortedSet<ReplicaId> members) {
    if (world.knobs.does(Sabotage.ENGINE_COPIES_FROM_ANYBODY)) {
      return to;
    }
    List<ReplicaId> sources = List.copyOf(engine.committed(members));
    return sources.get(world.scheduler.random().nextInt(sources.size()));
  }

  // ---- pieces
  // -------------------------------------------------------------------------------------

  private void write(ReplicaId to, int block, BlockValue value) {
    member(to).write(block, value);
    world.watcher().touched(engine.volume());
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

  /** Rule I7: nobody outside the newest committed set is a source of data. */
  private void checkSource(ReplicaId from) {
    Optional<VolumeRecord> record = world.records().record(engine.volume());
    boolean isOurs = record.filter(r -> r.isOwnedBy(engine.id(), engine.generation())).isPresent();
    if (isOurs && !record.get().membership().members().contains(from)) {
      throw new SimFailure(
          "I7", engine.name() + " copies from " + engine.shortly(from) + ", not a member");
    }
  }
}
