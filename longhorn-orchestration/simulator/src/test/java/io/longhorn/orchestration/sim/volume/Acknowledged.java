package io.longhorn.orchestration.sim.volume;

import java.util.List;

/**
 * The newest write of each block that somebody knows to be acknowledged: all who wrote, or one
 * engine, until now or until a FLUSH began. Once all copies have lost their power, what was not
 * flushed before that does not count any more, whoever knows of it.
 */
final class Acknowledged {
  /**
   * All copies have lost their power.
   *
   * @param least what is left of each block at least
   * @param mayBeTorn which of them were being written, or written and not flushed
   */
  record Loss(long[] least, boolean[] mayBeTorn) {}

  private final List<Loss> losses;
  private final long[] stamps;
  private final boolean[] mayBeTorn;
  private int seenLosses;

  /**
   * Nothing yet.
   *
   * @param losses of the volume, oldest first; it grows
   */
  Acknowledged(int blocks, List<Loss> losses) {
    this(losses, new long[blocks], new boolean[blocks]);
  }

  private Acknowledged(List<Loss> losses, long[] stamps, boolean[] mayBeTorn) {
    this.losses = losses;
    this.stamps = stamps;
    this.mayBeTorn = mayBeTorn;
    seenLosses = losses.size();
  }

  /** As it is now: what is acknowledged from now on is not in it. */
  Acknowledged copy() {
    seeLosses();
    return new Acknowledged(losses, stamps.clone(), mayBeTorn.clone());
  }

  /** Nothing acknowledged, on the copies that there are now. */
  Acknowledged nothing() {
    seeLosses();
    return new Acknowledged(losses, new long[stamps.length], mayBeTorn.clone());
  }

  void add(int block, long stamp) {
    seeLosses();
    stamps[block] = Math.max(stamps[block], stamp);
    mayBeTorn[block] = false;
  }

  /** The newest of a block that counts. */
  long of(int block) {
    seeLosses();
    return stamps[block];
  }

  /** Whether a block may be torn, for all that is known here. */
  boolean mayBeTorn(int block) {
    seeLosses();
    return mayBeTorn[block];
  }

  /** Whether somebody who has this in a block lacks something. */
  boolean isTooOld(int block, long stamp) {
    return stamp < 0 ? !mayBeTorn(block) : stamp < of(block);
  }

  private void seeLosses() {
    while (seenLosses < losses.size()) {
      Loss loss = losses.get(seenLosses++);
      for (int b = 0; b < stamps.length; b++) {
        stamps[b] = Math.min(stamps[b], loss.least[b]);
        mayBeTorn[b] |= loss.mayBeTorn[b];
      }
    }
  }
}
