package io.longhorn.orchestration.sim.volume;

import io.longhorn.orchestration.sim.world.SimFailure;
import java.util.Arrays;
import java.util.TreeMap;

/**
 * What a volume may hold, as those know who wrote to it: of each block the newest write that was
 * acknowledged, and the newest that was read; nothing older may be read again. What was not flushed
 * may be gone if every copy of it has lost its power.
 */
public final class VolumeOracle {
  private final World world;
  private final String volume;
  private final long[] acknowledged;
  private final long[] seen;
  private final long[] flushed;
  private final long[] lastAsked;
  private final boolean[] mayBeTorn;
  private final TreeMap<Long, Integer> writes = new TreeMap<>();
  private long lastStamp;
  private long answers;

  VolumeOracle(World world, String volume) {
    this.world = world;
    this.volume = volume;
    int blocks = world.knobs.blocks;
    acknowledged = new long[blocks];
    seen = new long[blocks];
    flushed = new long[blocks];
    lastAsked = new long[blocks];
    mayBeTorn = new boolean[blocks];
  }

  /** How many blocks it has. */
  public int size() {
    return acknowledged.length;
  }

  /** How many requests were answered. */
  public long answers() {
    return answers;
  }

  /** A write is asked for; what it writes. */
  long asked(int block) {
    writes.put(++lastStamp, block);
    lastAsked[block] = lastStamp;
    return lastStamp;
  }

  /** What is the least that a read that begins now may find. */
  long least(int block) {
    return Math.max(acknowledged[block], seen[block]);
  }

  /** Newest acknowledged write of a block. */
  public long acknowledged(int block) {
    return acknowledged[block];
  }

  /** Whether a replica that has this in a block has lost something that was acknowledged. */
  public boolean isTooOld(int block, long stamp) {
    return isTooOld(block, stamp, acknowledged[block]);
  }

  boolean isTooOld(int block, long stamp, long least) {
    return stamp < 0 ? !mayBeTorn[block] : stamp < least;
  }

  /** What has to be on disks once a flush that begins now is answered. */
  long[] acknowledged() {
    return acknowledged.clone();
  }

  void acknowledge(int block, long stamp) {
    answers++;
    acknowledged[block] = Math.max(acknowledged[block], stamp);
    mayBeTorn[block] = false;
  }

  void flushed(long[] stamps) {
    answers++;
    for (int b = 0; b < flushed.length; b++) {
      flushed[b] = Math.max(flushed[b], Math.min(stamps[b], acknowledged[b]));
    }
  }

  void read(String who, int block, long found, long least) {
    answers++;
    if (found < 0) {
      if (!mayBeTorn[block]) {
        throw new SimFailure("I3", who + " reads block " + block + " torn");
      }
      return;
    }
    boolean isKnown = found == 0 || Integer.valueOf(block).equals(writes.get(found));
    if (!isKnown || found < Math.min(least, least(block))) {
      throw new SimFailure(
          "I3",
          who
              + " reads "
              + found
              + " in block "
              + block
              + " of "
              + volume
              + (isKnown ? ", after " + Math.min(least, least(block)) : ", which nobody wrote"));
    }
    seen[block] = Math.max(seen[block], found);
  }

  /** All copies have lost their power: what was not flushed may be gone. */
  void mayHaveLost() {
    world.trace.tell("control", () -> "what was not flushed of " + volume + " may be gone");
    for (int b = 0; b < flushed.length; b++) {
      acknowledged[b] = Math.min(acknowledged[b], flushed[b]);
      seen[b] = Math.min(seen[b], flushed[b]);
      mayBeTorn[b] = lastAsked[b] > flushed[b];
    }
  }

  @Override
  public String toString() {
    return volume + " " + Arrays.toString(acknowledged);
  }
}
