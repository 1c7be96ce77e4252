package io.longhorn.orchestration.sim.world;

import io.longhorn.api.EngineId;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.VolumeId;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.RecordStamp;
import java.util.Arrays;
import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeSet;

/**
 * A replica directory. What is said here of promises, records and marks is durable when it is set;
 * blocks are durable when they were flushed. A process that dies leaves everything as it is; a loss
 * of power loses, keeps or tears each block that was not flushed.
 */
public final class SimDirectory {
  /** Where it is. */
  public final String path;

  /** The volume that it is of. */
  public final VolumeId volume;

  /** Whose it is, for ever. */
  public final ReplicaId replica;

  private final BlockValue[] blocks;
  private final BlockValue[] durable;

  /** Write-intent marks. */
  public final SortedSet<Integer> marks = new TreeSet<>();

  /** Since when marks are complete. */
  public RecordStamp validSince = RecordStamp.NONE;

  /** Highest generation promised, 0 for none. */
  public long promised;

  /** Who it was promised to. */
  public Optional<EngineId> promisedTo = Optional.empty();

  /** The newest record it was given. */
  public MembershipRecord record;

  /** The process that ran when it was last equal to its set; 0 for none. */
  public long equalProcess;

  /** Who counts as the process that has run since, when it takes the lock; 0 for nobody. */
  private long successor;

  /** The process that has its lock, 0 for none. */
  public long holder;

  /** A loss of power took something since it was last equal to its set. */
  public boolean hasLost;

  /** One with nothing in it. */
  public SimDirectory(
      String path, VolumeId volume, ReplicaId replica, int size, MembershipRecord record) {
    this.path = path;
    this.volume = volume;
    this.replica = replica;
    this.record = record;
    blocks = new BlockValue[size];
    durable = new BlockValue[size];
    Arrays.fill(blocks, BlockValue.NONE);
    Arrays.fill(durable, BlockValue.NONE);
  }

  /** Whether it is the directory of this replica as it was made, and nobody has used it since. */
  public boolean isAsMade(ReplicaId one, MembershipRecord first) {
    return replica.equals(one) && promised == 0 && record.equals(first);
  }

  /** How many blocks it has. */
  public int size() {
    return blocks.length;
  }

  /** What a block holds. */
  public BlockValue block(int number) {
    return blocks[number];
  }

  /** What is left of a block if the power goes now, at least. */
  public BlockValue durable(int number) {
    return durable[number];
  }

  /** A block is written; its mark is durable before that. */
  public void write(int number, BlockValue value) {
    marks.add(number);
    blocks[number] = value;
  }

  /** All of it is to be compared with others before it counts. */
  public void markAll() {
    for (int i = 0; i < blocks.length; i++) {
      marks.add(i);
    }
  }

  /** Everything is on the disk. */
  public void flush() {
    System.arraycopy(blocks, 0, durable, 0, blocks.length);
  }

  /** A process takes its lock. */
  public void take(long process) {
    // Rule E3: the one that follows in good order counts as the same process.
    if (successor == process && process != 0) {
      equalProcess = process;
    }
    successor = 0;
    holder = process;
  }

  /**
   * The process that has its lock gives it up.
   *
   * @param next who it is given to in good order, 0 for nobody. Whoever has not run itself since
   *     the last equality has nothing of that to pass on
   */
  public void leave(long next) {
    successor = isContinuous(holder) ? next : 0;
    holder = 0;
  }

  /** The power goes: each block that was not flushed is lost, kept, or torn. */
  void losePower(SimScheduler scheduler, boolean mayTear) {
    holder = 0;
    successor = 0;
    for (int i = 0; i < blocks.length; i++) {
      if (!blocks[i].equals(durable[i])) {
        hasLost = true;
        switch (scheduler.random().nextInt(mayTear ? 3 : 2)) {
          case 0 -> {}
          case 1 -> blocks[i] = durable[i];
          default -> blocks[i] = BlockValue.TORN;
        }
        durable[i] = blocks[i];
      }
    }
  }

  /** Whether a process has run, or those that it followed have, since it was last equal. */
  public boolean isContinuous(long process) {
    return equalProcess == process && process != 0;
  }
}
