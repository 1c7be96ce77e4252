package io.longhorn.orchestration.sim.volume;

import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.engine.claim.ClaimRole;
import io.longhorn.orchestration.sim.world.SimKnobs.SwapTrouble;
import io.longhorn.orchestration.sim.world.SimScheduler;
import java.util.List;
import java.util.TreeSet;

/**
 * One try to let another process take an engine over, with its clients, in one instance manager:
 * the new one is started, becomes a claimant if the record says that one may, the old one takes
 * nothing from its clients any more, the new one claims, and then the clients are its own. Whatever
 * fails before it has the volume, the old one goes on, once nobody can take it over any more.
 */
public final class SimSwap {
  /** Who is told how it ended; one of these, once. */
  public interface Outcome {
    /** The new one serves; the old one is to be ended. */
    void done();

    /** The old one goes on. */
    void failed(String why);

    /** Neither serves. */
    void lost(String why);

    /** Nobody is there any more who could go on with it. */
    void forgotten();
  }

  private static final long TURN_NANOS = 10 * SimScheduler.MILLI;
  private static final long READY_NANOS = 20_000 * SimScheduler.MILLI;
  private static final long DRAIN_NANOS = 2_000 * SimScheduler.MILLI;
  private static final long CLAIM_NANOS = 10_000 * SimScheduler.MILLI;

  private enum Stage {
    STARTING,
    JOINING,
    DRAINING,
    CLAIMING,
    ABORTING,
    OVER
  }

  private final World world;
  private final SimEngine old;
  private final SimEngine next;
  private final Outcome outcome;
  private final SwapTrouble trouble;
  private Stage stage = Stage.STARTING;
  private long sinceNanos;
  private boolean isJoined;
  private boolean isAsking;
  private String why = "";

  /**
   * Begins.
   *
   * @param trouble what goes wrong with it
   * @param extraNanos so much longer than usual the new process takes to start
   */
  public SimSwap(
      World world,
      SimEngine old,
      SimEngine next,
      SwapTrouble trouble,
      long extraNanos,
      Outcome outcome) {
    this.world = world;
    this.old = old;
    this.next = next;
    this.trouble = trouble;
    this.outcome = outcome;
    sinceNanos = world.scheduler.nowNanos();
    world.scheduler.after(
        world.knobs.processStart.pick(world.scheduler) + extraNanos,
        () -> {
          sinceNanos = world.scheduler.nowNanos();
          if (trouble == SwapTrouble.DOES_NOT_START) {
            next.kill();
          } else if (next.isAlive() && trouble != SwapTrouble.HANGS) {
            next.serve();
          }
          turn();
        });
  }

  /** The process that is to take over. */
  public SimEngine next() {
    return next;
  }

  /** Whether it goes on. */
  public boolean isUnderWay() {
    return stage != Stage.OVER;
  }

  /** The instance manager is gone, and all with it. */
  public void forget() {
    if (stage != Stage.OVER) {
      stage = Stage.OVER;
      outcome.forgotten();
    }
  }

  private void go(Stage to) {
    world.trace.tell(old.node(), () -> "swap of " + old.name() + ": " + to);
    stage = to;
    sinceNanos = world.scheduler.nowNanos();
  }

  private boolean isOlderThan(long nanos) {
    return world.scheduler.nowNanos() - sinceNanos >= nanos;
  }

  private void turn() {
    if (stage == Stage.OVER) {
      return;
    }
    if (!old.isAlive() && !next.isAlive()) {
      stage = Stage.OVER;
      outcome.lost("both processes of the engine are gone");
      return;
    }
    if (!old.isAlive()) {
      oldIsGone();
    } else {
      step();
    }
    if (stage != Stage.OVER) {
      world.scheduler.after(TURN_NANOS, this::turn);
    }
  }

  /** Its clients are gone with it; the new one takes the volume if it may. */
  private void oldIsGone() {
    if (!isJoined) {
      next.kill();
      stage = Stage.OVER;
      outcome.lost("the engine is gone");
    } else if (next.isOwner()) {
      stage = Stage.OVER;
      outcome.done();
    } else if (next.role() == ClaimRole.OVER) {
      next.kill();
    } else if (!isAsking) {
      isAsking = true;
      next.finish(Long.MAX_VALUE);
    }
  }

  private void step() {
    if (!next.isAlive() && stage != Stage.ABORTING) {
      abort("the new process has ended");
    }
    switch (stage) {
      case STARTING -> {
        if (next.isReady()) {
          go(Stage.JOINING);
          join();
        } else if (isOlderThan(READY_NANOS)) {
          abort("the new process does not get ready");
        }
      }
      case JOINING -> {
        if (isJoined) {
          go(Stage.DRAINING);
          old.pauseClients();
        } else if (isOlderThan(CLAIM_NANOS)) {
          abort("the record cannot be changed");
        }
      }
      case DRAINING -> drain();
      case CLAIMING -> claim();
      case ABORTING, OVER -> {}
    }
  }

  private void join() {
    next.store()
        .change(
            record -> {
              boolean mayJoin =
                  record.phase() == VolumeRecord.Phase.SWAPPING
                      && record.owner().filter(old.id()::equals).isPresent();
              return mayJoin
                  ? new VolumeRecord(
                      record.membership(),
                      record.reservedGeneration(),
                      record.owner(),
                      new TreeSet<>(List.of(old.id(), next.id())),
                      record.phase())
                  : record;
            },
            record -> {
              if (record.claimants().contains(next.id())) {
                isJoined = true;
              } else if (stage == Stage.JOINING) {
                abort("the record says that nobody may take it over");
              }
            });
  }

  private void drain() {
    if (old.underWay() == 0) {
      if (trouble == SwapTrouble.DIES_BEFORE_COMMIT) {
        next.kill();
        abort("the new process has ended");
        return;
      }
      go(Stage.CLAIMING);
      next.finish(Long.MAX_VALUE);
    } else if (isOlderThan(DRAIN_NANOS)) {
      abort("the clients' requests do not end");
    }
  }

  private void claim() {
    if (next.isOwner()) {
      stage = Stage.OVER;
      if (trouble == SwapTrouble.DIES_AFTER_COMMIT) {
        next.kill();
        old.kill();
        outcome.lost("the new process has ended");
        return;
      }
      old.handClientsTo(next);
      outcome.done();
    } else if (next.role() == ClaimRole.OVER) {
      abort("the record says that nobody may take it over");
    } else if (isOlderThan(CLAIM_NANOS)) {
      abort("it cannot take the volume over");
    }
  }

  /** Commit and abort are changes of one record: the first one counts. */
  private void abort(String because) {
    why = because;
    go(Stage.ABORTING);
    next.kill();
    old.store()
        .change(
            record -> {
              boolean isUndecided = record.owner().filter(old.id()::equals).isPresent();
              return isUndecided && record.claimants().contains(next.id())
                  ? new VolumeRecord(
                      record.membership(),
                      record.reservedGeneration(),
                      record.owner(),
                      new TreeSet<>(List.of(old.id())),
                      record.phase())
                  : record;
            },
            this::aborted);
  }

  private void aborted(VolumeRecord record) {
    if (stage != Stage.ABORTING) {
      return;
    }
    stage = Stage.OVER;
    if (record.owner().filter(next.id()::equals).isPresent()) {
      old.kill();
      outcome.lost("the new process had taken the volume, and has ended");
      return;
    }
    old.handClientsTo(old);
    outcome.failed(why);
  }
}
