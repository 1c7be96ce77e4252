package io.longhorn.replica.store;

import io.longhorn.api.IoError;
import io.longhorn.replica.file.DiskException;
import io.longhorn.replica.file.DiskFile;
import io.longhorn.replica.file.FileDirectory;
import io.longhorn.replica.file.FileDirectory.Cache;
import io.longhorn.replica.format.RecordMemory;
import io.longhorn.replica.format.SuperFormat;
import io.longhorn.replica.format.SuperFormat.Super;
import java.lang.foreign.Arena;
import java.util.function.Function;
import java.util.function.UnaryOperator;

/**
 * What {@code super.a} and {@code super.b} say, and the one way to change it: both slots, one after
 * the other, each synced. The state moves on when both are on the disk.
 *
 * <p>The file {@code in-use} is there from before the first change of a clean directory until after
 * the change that makes it clean again: a slot that is damaged without it was not torn by a crash.
 */
final class SuperSlots {
  /** A and B. */
  static final int SLOTS = 2;

  private final DirectoryStore.Owner owner;
  private final Lane lane;
  private final DiskFile[] files;
  private final FileDirectory directory;
  private final RecordMemory staging;
  private Super now;

  /** The slot to be written first: the older one, or the one that is not valid. */
  private int first;

  /** The file {@code in-use} is there. */
  private boolean isInUse;

  SuperSlots(
      DirectoryStore.Owner owner,
      DiskPool pool,
      Arena arena,
      FileDirectory directory,
      Found found) {
    this.owner = owner;
    this.lane = new Lane(pool);
    this.directory = directory;
    this.files = found.files.clone();
    this.staging =
        RecordMemory.over(arena.allocate(SLOTS * (long) SuperFormat.BYTES, SuperFormat.BYTES));
    this.now = found.now;
    this.first = SLOTS - 1 - found.newestSlot;
    this.isInUse = found.isInUse;
  }

  /**
   * What opening found.
   *
   * @param files A and B
   * @param now the newer valid slot
   * @param newestSlot which one that is
   * @param isInUse whether the file {@code in-use} is there
   */
  @SuppressWarnings("ArrayRecordComponent")
  record Found(DiskFile[] files, Super now, int newestSlot, boolean isInUse) {}

  /** What is on the disk. */
  Super now() {
    return now;
  }

  boolean isIdle() {
    return lane.isIdle();
  }

  void close() {
    for (DiskFile file : files) {
      file.close();
    }
  }

  /**
   * Changes it after the changes before this one.
   *
   * @param verdict whether the change is still right; an error ends it
   * @param change the same value means there is nothing to write; the sequence is set here
   */
  void commit(Function<Super, IoError> verdict, UnaryOperator<Super> change, Completion done) {
    lane.add(new Commit(verdict, change, done));
  }

  /** {@link #commit} on the calling thread, blocking. */
  void commitNow(UnaryOperator<Super> change, Completion done) {
    lane.runNow(new Commit(_ -> IoError.OK, change, done));
  }

  private final class Commit extends Lane.Task {
    private final Function<Super, IoError> verdict;
    private final UnaryOperator<Super> change;
    private final Completion done;
    private IoError outcome = IoError.OK;
    private Super next = now;
    private boolean isDone;

    Commit(Function<Super, IoError> verdict, UnaryOperator<Super> change, Completion done) {
      super(lane);
      this.verdict = verdict;
      this.change = change;
      this.done = done;
    }

    @Override
    boolean prepare() {
      if (isDone) {
        return false;
      }
      isDone = true;
      outcome = owner.failure().isOk() ? verdict.apply(now) : owner.failure();
      if (!outcome.isOk()) {
        return false;
      }
      next = change.apply(now);
      if (next.equals(now)) {
        return false;
      }
      next = next.withSequence(now.sequence() + SLOTS);
      SuperFormat.write(staging, next.withSequence(next.sequence() - 1));
      return true;
    }

    @Override
    public void perform() {
      try {
        if (!isInUse) {
          directory.create(ReplicaDirectory.IN_USE, Cache.BUFFERED).close();
          directory.sync();
        }
        outcome = writeAndSync(files[first]);
        if (outcome.isOk()) {
          SuperFormat.write(staging, next);
          outcome = writeAndSync(files[SLOTS - 1 - first]);
        }
        if (outcome.isOk() && isCleanNow()) {
          directory.delete(ReplicaDirectory.IN_USE);
          directory.sync();
        }
      } catch (DiskException e) {
        outcome = e.error() == IoError.ENOSPC ? IoError.ENOSPC : IoError.EIO;
      }
    }

    private boolean isCleanNow() {
      return next.isClean() && !now.isClean();
    }

    private IoError writeAndSync(DiskFile file) {
      IoError written = file.write(staging.address(), SuperFormat.BYTES, 0);
      return written.isOk() ? file.sync() : written;
    }

    @Override
    void apply() {
      if (outcome.isOk()) {
        isInUse = !isCleanNow();
        now = next;
      } else {
        owner.fail(outcome);
      }
    }

    @Override
    void ended() {
      done.completed(outcome);
    }
  }
}
