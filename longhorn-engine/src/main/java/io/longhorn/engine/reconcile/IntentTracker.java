package io.longhorn.engine.reconcile;

import io.longhorn.api.membership.RecordStamp;
import java.util.Optional;

/**
 * Which regions are marked on members' disks, as far as this engine knows, and which marks may be
 * cleared.
 *
 * <p>A mark may be cleared if a FLUSH that began after the last write to the region was answered
 * has been answered by every member (E5), the set has been complete since before that FLUSH began,
 * and nothing is being reconciled or returning (E6): then all members hold the same there, on disk.
 * It is cleared lazily: not before the region was left alone for a whole tick after that.
 *
 * <p>The bookkeeping is four bit sets and a table of counts. {@code candidate} is what was marked
 * when the FLUSH that is being followed began, less what was written since; when it is answered,
 * {@code flushed} gets it, and what is still there at the next tick is {@code ripe}. A write takes
 * its regions out of all three when it is sent and again when it ends, so only a write that is
 * under way from before the FLUSH until now could be missed: the counts have those, by a hash of
 * the place (a collision only clears later). One FLUSH is followed at a time, the first after each
 * tick.
 *
 * <p><b>Marked at once.</b> A replica that sets the first mark in a span sets all of the span, so
 * that the next writes there wait for no mark. So a write counts here for all regions that it may
 * have marked: they are marked together, rest together and are cleared together. That this number
 * is the replica's matters for no promise: a mark that nobody here knows of is never cleared, and
 * one that a replica does not have is cleared in vain.
 *
 * <p><b>Order at the replica.</b> INTENT_CLEAR and WRITE may pass each other in a replica's
 * threads. No write to a region is under way when its clearing is sent; a replica must let a write
 * that arrives <i>after</i> INTENT_CLEAR mark its region anew, durably, before the data. Here such
 * a region stays marked.
 *
 * <p><b>{@code validSince}.</b> Clearing makes a bitmap silent about what was written before, so a
 * member's marks tell a returning replica everything only if it left later than that. They are
 * cleared only while every configured replica is a member, under the committed record R. Whoever
 * leaves from then on gets a {@code leftAt} above R, and nobody has a lower one: all have come back
 * and were made equal before they joined. So R is right, and it is durable on all members before
 * the first mark is cleared under it; with an older R the marks would promise too much.
 *
 * <p>Loop thread. {@link #writeSent}, {@link #writeEnded}, {@link #flushSent} and {@link
 * #flushEnded} are for the data path and allocate nothing.
 */
public final class IntentTracker {
  /** Most regions that one {@link IntentEffect.Clear} names. */
  public static final int MAX_CLEARED_REGIONS = 4096;

  /** A volume that is never idle is flushed for clearing after this many ticks. */
  public static final int BUSY_FLUSH_TICKS = 12;

  private static final int COUNTS = 4096;
  private static final long NO_FLUSH = 0;

  private final RegionMap regions;
  private final int atOnceShift;
  private final ReconcileRules rules;
  private final RegionBits marked;
  private final RegionBits candidate;
  private final RegionBits flushed;
  private final RegionBits ripe;
  private final RegionBits clearing;
  private final int[] underWay = new int[COUNTS];

  private long flushes;
  private long followedFlush = NO_FLUSH;
  private boolean mayFollow = true;
  private boolean hasWritten;
  private int ticksSinceFlush;
  private boolean isWaiting;
  private RecordStamp validSince = RecordStamp.NONE;

  /**
   * Knows of no marks.
   *
   * @param atOnce how many regions a replica marks together, at a multiple of that: a power of two
   */
  public IntentTracker(RegionMap regions, int atOnce) {
    this(regions, atOnce, ReconcileRules.ALL);
  }

  IntentTracker(RegionMap regions, int atOnce, ReconcileRules rules) {
    if (Integer.bitCount(atOnce) != 1 || atOnce < 0) {
      throw new IllegalArgumentException("marks of " + atOnce + " regions at once");
    }
    this.regions = regions;
    this.atOnceShift = Integer.numberOfTrailingZeros(atOnce);
    this.rules = rules;
    marked = new RegionBits(regions.count());
    candidate = new RegionBits(regions.count());
    flushed = new RegionBits(regions.count());
    ripe = new RegionBits(regions.count());
    clearing = new RegionBits(regions.count());
  }

  // ---- data path -----------------------------------------------------------------------------

  /**
   * A write, zero or trim of the range is about to be sent: a client's, or one that makes members
   * equal there, for it is on their disks no sooner than that.
   */
  public void writeSent(long offset, int length) {
    hasWritten = true;
    int first = firstOf(offset);
    int last = lastOf(offset + length - 1);
    marked.set(first, last);
    touch(first, last);
    clearing.clear(first, last);
    count(first, last, 1);
  }

  /** The same range, once: every member it was sent to has answered or is lost. */
  public void writeEnded(long offset, int length) {
    int first = firstOf(offset);
    int last = lastOf(offset + length - 1);
    touch(first, last);
    count(first, last, -1);
  }

  /** The first of the regions that are marked together with the one of this byte. */
  private int firstOf(long offset) {
    return regions.regionOf(offset) >> atOnceShift << atOnceShift;
  }

  private int lastOf(long offset) {
    return Math.min(regions.count(), firstOf(offset) + (1 << atOnceShift)) - 1;
  }

  private void touch(int first, int last) {
    candidate.clear(first, last);
    flushed.clear(first, last);
    ripe.clear(first, last);
  }

  private void count(int first, int last, int change) {
    for (int i = first >> atOnceShift; i <= last >> atOnceShift; i++) {
      underWay[i & (COUNTS - 1)] += change;
    }
  }

  private boolean isUnderWay(int region) {
    return underWay[region >> atOnceShift & (COUNTS - 1)] != 0;
  }

  /** A FLUSH is about to be sent to every required member; returns its number, 1 or more. */
  public long flushSent() {
    flushes++;
    if (followedFlush == NO_FLUSH && mayFollow) {
      followedFlush = flushes;
      mayFollow = false;
      candidate.assign(marked);
    }
    return flushes;
  }

  /** The FLUSH of that number was answered by every required member, or failed. */
  public void flushEnded(long number, boolean isDurable) {
    if (number != followedFlush) {
      return;
    }
    followedFlush = NO_FLUSH;
    if (isDurable) {
      flushed.or(candidate);
    }
  }

  // ---- control -------------------------------------------------------------------------------

  /** Marks found on members' disks. */
  public void known(RegionBits found) {
    marked.or(found);
    forgetFlushes();
  }

  /**
   * The sets in force or the links of their members changed, or a replica began to be made equal:
   * no FLUSH so far counts for clearing, since it need not have reached every member of the set as
   * it will be.
   */
  public void membersChanged() {
    forgetFlushes();
    validSince = RecordStamp.NONE;
  }

  /** A copy of the marks: everything written since any replica left, and more. */
  public RegionBits marks() {
    return new RegionBits(marked);
  }

  /** How many regions are marked. */
  public int markedRegions() {
    return marked.cardinality();
  }

  /**
   * A few seconds have passed; says what to do next. At most one effect is under way at a time.
   *
   * @param mayClear the set is complete, with every member linked, no change of it under way,
   *     nothing unreconciled and nobody returning (E6)
   * @param record stamp of the committed record
   */
  public Optional<IntentEffect> tick(boolean mayClear, RecordStamp record) {
    boolean wasBusy = hasWritten;
    hasWritten = false;
    mayFollow = true;
    ticksSinceFlush++;
    if (isWaiting) {
      return Optional.empty();
    }
    if (!mayClear && rules.clearComplete()) {
      forgetFlushes();
      return Optional.empty();
    }
    chooseClearing();
    boolean wantsClear = !clearing.isEmpty();
    ripe.assign(flushed);
    if (wantsClear && !validSince.equals(record)) {
      clearing.clearAll();
      isWaiting = true;
      return Optional.of(new IntentEffect.SetValidSince(record));
    }
    if (wantsClear) {
      isWaiting = true;
      return Optional.of(new IntentEffect.Clear(new RegionBits(clearing)));
    }
    if (followedFlush == NO_FLUSH
        && (!wasBusy || ticksSinceFlush >= BUSY_FLUSH_TICKS)
        && hasUnflushed()) {
      ticksSinceFlush = 0;
      return Optional.of(new IntentEffect.Flush());
    }
    return Optional.empty();
  }

  /** Every member has stored the stamp, or one was lost. */
  public void validSinceStored(RecordStamp stamp, boolean isDone) {
    isWaiting = false;
    if (isDone) {
      validSince = stamp;
    }
  }

  /** Every member has cleared the marks, or one was lost: then they stay known as marked. */
  public void cleared(boolean isDone) {
    isWaiting = false;
    if (isDone) {
      marked.andNot(clearing);
      ripe.andNot(clearing);
      flushed.andNot(clearing);
      candidate.andNot(clearing);
    }
    clearing.clearAll();
  }

  private void chooseClearing() {
    clearing.clearAll();
    RegionBits from = rules.clearFlushed() ? ripe : marked;
    int chosen = 0;
    for (int i = from.nextSet(0); i >= 0 && chosen < MAX_CLEARED_REGIONS; i = from.nextSet(i + 1)) {
      if (!isUnderWay(i)) {
        clearing.set(i);
        chosen++;
      }
    }
  }

  private boolean hasUnflushed() {
    for (int i = marked.nextSet(0); i >= 0; i = marked.nextSet(i + 1)) {
      if (!flushed.test(i)) {
        return true;
      }
    }
    return false;
  }

  private void forgetFlushes() {
    followedFlush = NO_FLUSH;
    candidate.clearAll();
    flushed.clearAll();
    ripe.clearAll();
  }

  /** For checks: whether the region counts as marked. */
  boolean isMarked(int region) {
    return marked.test(region);
  }
}
