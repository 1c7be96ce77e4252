package io.longhorn.orchestration.sim.volume;

import io.longhorn.orchestration.sim.world.SimFailure;
import io.longhorn.orchestration.sim.world.SimTrace;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;

/**
 * What a volume may hold, as those know who wrote to it: of each block the newest write that was
 * acknowledged, and the newest that was read; nothing older may be read again. What was not flushed
 * may be gone if every copy of it has lost its power.
 */
public final class VolumeOracle {
  private final SimTrace trace;
  private final String volume;
  private final List<Acknowledged.Loss> losses = new ArrayList<>();
  private final Acknowledged acknowledged;
  private final long[] seen;
  private final long[] flushed;
  private final long[] lastAsked;
  private final TreeMap<Long, Integer> writes = new TreeMap<>();
  private long lastStamp;
  private long answers;

  VolumeOracle(SimTrace trace, String volume, int blocks) {
    this.trace = trace;
    this.volume = volume;
    acknowledged = new Acknowledged(blocks, losses);
    seen = new long[blocks];
    flushed = new long[blocks];
    lastAsked = new long[blocks];
  }

  /** How many blocks it has. */
  public int size() {
    return seen.length;
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
    return Math.max(acknowledged.of(block), seen[block]);
  }

  /** Newest acknowledged write of a block. */
  public long acknowledged(int block) {
    return acknowledged.of(block);
  }

  /** Whether a replica that has this in a block has lost something that was acknowledged. */
  public boolean isTooOld(int block, long stamp) {
    return acknowledged.isTooOld(block, stamp);
  }

  /** What has to be on disks once a flush that begins now is answered. */
  Acknowledged acknowledged() {
    return acknowledged.copy();
  }

  /** What an engine has acknowledged that is started now. */
  Acknowledged nothingYet() {
    return acknowledged.nothing();
  }

  void acknowledge(int block, long stamp) {
    answers++;
    acknowledged.add(block, stamp);
  }

  void flushed(Acknowledged promised) {
    answers++;
    for (int b = 0; b < flushed.length; b++) {
      flushed[b] = Math.max(flushed[b], promised.of(b));
    }
  }

  void read(String who, int block, long found, long least) {
    answers++;
    if (found < 0) {
      if (!acknowledged.mayBeTorn(block)) {
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
    trace.tell("control", () -> "what was not flushed of " + volume + " may be gone");
    boolean[] mayBeTorn = new boolean[flushed.length];
    for (int b = 0; b < flushed.length; b++) {
      seen[b] = Math.min(seen[b], flushed[b]);
      mayBeTorn[b] = lastAsked[b] > flushed[b];
    }
    losses.add(new Acknowledged.Loss(flushed.clone(), mayBeTorn));
  }
}
