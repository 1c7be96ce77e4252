package io.longhorn.engine.reconcile;

import io.longhorn.api.ReplicaId;
import io.longhorn.engine.reconcile.ReconcileEffect.BitsKnown;
import io.longhorn.engine.reconcile.ReconcileEffect.Flush;
import io.longhorn.engine.reconcile.ReconcileEffect.MarkEqual;
import io.longhorn.engine.reconcile.ReconcileEffect.PreferSources;
import io.longhorn.engine.reconcile.ReconcileEffect.ReadBits;
import io.longhorn.engine.reconcile.ReconcileEffect.Reconciled;
import io.longhorn.engine.reconcile.ReconcileEvent.Began;
import io.longhorn.engine.reconcile.ReconcileEvent.BitsRead;
import io.longhorn.engine.reconcile.ReconcileEvent.ChunkEqual;
import io.longhorn.engine.reconcile.ReconcileEvent.ChunkFailed;
import io.longhorn.engine.reconcile.ReconcileEvent.Flushed;
import io.longhorn.engine.reconcile.ReconcileEvent.Marked;
import io.longhorn.engine.reconcile.ReconcileEvent.MemberJoined;
import io.longhorn.engine.reconcile.ReconcileEvent.MemberLeft;
import io.longhorn.engine.reconcile.ReconcileEvent.Retry;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * Where members may differ, and making them equal there: after an unclean stop (the union of their
 * marks), and after a write that failed (its range).
 *
 * <p>A read of an {@linkplain #isUnreconciled unreconciled} range first makes the blocks it reads
 * equal on every member of the sets in force, under their exclusive range lock, and then answers
 * (E1); so does the read of a merge. A write of whole blocks does not wait: it makes them equal
 * itself. In the background {@link #nextChunk} goes through all of it. Each chunk is made equal
 * from one source, whichever of the {@linkplain PreferSources preferred}; when a source fails
 * midway, that chunk is made equal anew from another, and chunks that were finished stay finished,
 * since all members hold the same there. No source has to be remembered over a crash: what was
 * answered is on all members by then.
 *
 * <p>E3, E4: a source has run since the set was last equal, so it holds everything acknowledged
 * that was in force when the volume stopped. Only if no member did, any will do; then only members
 * that lost power are left, and what they had not flushed may be gone. The mark moves when all
 * regions are equal on all members, also when there was nothing to do.
 *
 * <p>E8: FLUSH promises the disk of every member. While reconcile runs, a member that did not run
 * since the set was last equal may lack what was acknowledged before; its disk then says nothing of
 * that, so a client's FLUSH waits ({@link #mayFlush}). If all members ran, all have it, and a FLUSH
 * need not wait. (A write with FUA is about itself and does not wait.)
 *
 * <p>E9: such a member is flushed before it is marked. From its mark on it counts as one that has
 * lost nothing, so that a promise of it speaks of the disk (F1 of claims); what it was made equal
 * to has to be there, for it may have promised before.
 *
 * <p>E2, for the caller: an acknowledgement counts only from a member whose link has not broken
 * since. When a link breaks, what it acknowledged of requests that are still under way is void, and
 * they wait until a set without the member is durable.
 *
 * <p>Loop thread. {@link #isUnreconciled} and {@link #unreconciled} are for the data path: a bit
 * test per region, nothing allocated.
 */
public final class ReconcileCore {
  /** Largest range that is made equal at a time, and the alignment it does not cross. */
  public static final int CHUNK_BYTES = 128 << 10;

  /**
   * A range to make equal on all members.
   *
   * @param offset first byte
   * @param length at most {@link #CHUNK_BYTES}
   * @param turn of which opening it is; of no meaning to others
   */
  public record Chunk(long offset, int length, int turn) {}

  private enum Phase {
    IDLE,
    READING_BITS,
    EQUALIZING,
    FLUSHING,
    MARKING,
    EQUAL
  }

  private final RegionMap regions;
  private final ReconcileRules rules;
  private final RegionBits unreconciled;
  private final RegionBits union;
  private final SortedMap<ReplicaId, Boolean> members = new TreeMap<>();
  private final SortedSet<ReplicaId> awaited = new TreeSet<>();
  private final List<ReconcileEffect> out = new ArrayList<>();

  private Phase phase = Phase.IDLE;
  private boolean isClean;
  private int turn;
  private int remaining;

  // The background pass: regions from the cursor on, cut to chunks.
  private int cursor;
  private int region = -1;
  private long nextOffset;
  private final SortedMap<Integer, RegionWork> started = new TreeMap<>();

  private static final class RegionWork {
    int chunksUnderWay;
    boolean isCut;
    boolean hasFailed;
  }

  /** Nothing is known: everything counts as unreconciled. */
  public ReconcileCore(RegionMap regions) {
    this(regions, ReconcileRules.ALL);
  }

  ReconcileCore(RegionMap regions, ReconcileRules rules) {
    this.regions = regions;
    this.rules = rules;
    unreconciled = new RegionBits(regions.count());
    union = new RegionBits(regions.count());
  }

  // ---- data path -----------------------------------------------------------------------------

  /** Whether members may differ in the range, so that a read has to make it equal first. */
  public boolean isUnreconciled(long offset, int length) {
    if (!rules.equalFirst()) {
      return false;
    }
    if (remaining == 0) {
      return phase == Phase.IDLE || phase == Phase.READING_BITS;
    }
    int last = regions.regionOf(offset + length - 1);
    for (int i = regions.regionOf(offset); i <= last; i++) {
      if (unreconciled.test(i)) {
        return true;
      }
    }
    return phase == Phase.IDLE || phase == Phase.READING_BITS;
  }

  /**
   * Members may differ in the range from now on: a write failed on all of them, or was given up.
   * Its regions are marked already, since the write was sent.
   */
  public void unreconciled(long offset, int length) {
    int last = regions.regionOf(offset + length - 1);
    for (int i = regions.regionOf(offset); i <= last; i++) {
      if (!unreconciled.test(i)) {
        unreconciled.set(i);
        remaining++;
      }
      RegionWork work = started.get(i);
      if (work != null) {
        work.hasFailed = true;
      }
    }
  }

  // ---- control -------------------------------------------------------------------------------

  /** Whether anything is not known to be equal, or equal and not marked yet. */
  public boolean isReconciling() {
    return phase != Phase.EQUAL || remaining > 0;
  }

  /** Whether a FLUSH of all members now covers everything that was acknowledged (E8). */
  public boolean mayFlush() {
    return !rules.flushWhenEqual()
        || phase == Phase.FLUSHING
        || phase == Phase.MARKING
        || phase == Phase.EQUAL
        || (phase != Phase.IDLE && !members.containsValue(false));
  }

  /** Regions that are not known to be equal yet. */
  public int remainingRegions() {
    return remaining;
  }

  /** Takes one event; returns what is to be done, in order. */
  public List<ReconcileEffect> step(ReconcileEvent event) {
    out.clear();
    switch (event) {
      case Began began -> began(began);
      case BitsRead(ReplicaId replica, RegionBits bits) -> bitsRead(replica, bits);
      case ChunkEqual(Chunk chunk) -> ended(chunk, true);
      case ChunkFailed(Chunk chunk) -> ended(chunk, false);
      case Retry _ -> cursor = 0;
      case Flushed(ReplicaId replica) -> awaitNoMore(replica, Phase.FLUSHING);
      case Marked(ReplicaId replica) -> awaitNoMore(replica, Phase.MARKING);
      case MemberLeft(ReplicaId replica) -> left(replica);
      case MemberJoined(ReplicaId replica) -> {
        members.put(replica, true);
        prefer();
      }
    }
    advance();
    return List.copyOf(out);
  }

  /**
   * The next range to make equal on all members in the background, or nothing at present. Each one
   * is answered by ChunkEqual or ChunkFailed; the caller bounds how many are under way.
   */
  public Optional<Chunk> nextChunk() {
    if (phase == Phase.IDLE || phase == Phase.READING_BITS || members.isEmpty()) {
      return Optional.empty();
    }
    if (region < 0 && !nextRegion()) {
      return Optional.empty();
    }
    long end = regions.offsetOf(region) + regions.lengthOf(region);
    long boundary = (nextOffset / CHUNK_BYTES + 1) * CHUNK_BYTES;
    Chunk chunk = new Chunk(nextOffset, (int) (Math.min(end, boundary) - nextOffset), turn);
    RegionWork work = started.computeIfAbsent(region, _ -> new RegionWork());
    work.chunksUnderWay++;
    nextOffset += chunk.length();
    if (nextOffset == end) {
      work.isCut = true;
      cursor = region + 1;
      region = -1;
    }
    return Optional.of(chunk);
  }

  private boolean nextRegion() {
    int next = remaining == 0 ? -1 : unreconciled.nextSet(cursor);
    while (next >= 0 && started.containsKey(next)) {
      next = unreconciled.nextSet(next + 1);
    }
    if (next < 0) {
      return false;
    }
    region = next;
    nextOffset = regions.offsetOf(next);
    return true;
  }

  private void began(Began began) {
    members.clear();
    awaited.clear();
    started.clear();
    region = -1;
    cursor = 0;
    turn++;
    // What an opening before this one had found stays unreconciled; marks cover it anyway.
    isClean = began.isClean();
    for (ReconcileEvent.Member member : began.members()) {
      members.put(member.replica(), member.isContinuous());
      awaited.add(member.replica());
      out.add(new ReadBits(member.replica()));
      if (!rules.markWhenEqual()) {
        out.add(new MarkEqual(member.replica()));
      }
    }
    union.clearAll();
    phase = Phase.READING_BITS;
    prefer();
  }

  private void bitsRead(ReplicaId replica, RegionBits bits) {
    if (phase == Phase.READING_BITS && awaited.remove(replica)) {
      union.or(bits);
    }
  }

  private void left(ReplicaId replica) {
    awaited.remove(replica);
    if (members.remove(replica) != null && !members.isEmpty() && phase != Phase.IDLE) {
      prefer();
    }
  }

  private void awaitNoMore(ReplicaId replica, Phase during) {
    if (phase == during) {
      awaited.remove(replica);
    }
  }

  private void ended(Chunk chunk, boolean isEqual) {
    int of = regions.regionOf(chunk.offset());
    RegionWork work = started.get(of);
    if (work == null || chunk.turn() != turn) {
      return;
    }
    work.chunksUnderWay--;
    work.hasFailed |= !isEqual;
    if (work.isCut && work.chunksUnderWay == 0) {
      started.remove(of);
      if (!work.hasFailed && unreconciled.test(of)) {
        unreconciled.clear(of);
        remaining--;
      }
    }
  }

  private void advance() {
    if (members.isEmpty()) {
      return;
    }
    if (phase == Phase.READING_BITS && awaited.isEmpty()) {
      phase = Phase.EQUALIZING;
      if (!isClean) {
        unreconciled.or(union);
        remaining = unreconciled.cardinality();
      }
      out.add(new BitsKnown(new RegionBits(union)));
    }
    if (phase == Phase.EQUALIZING && remaining == 0) {
      phase = Phase.FLUSHING;
      members.forEach((replica, isContinuous) -> {
        if (!isContinuous && rules.flushBeforeMark()) {
          awaited.add(replica);
          out.add(new Flush(replica));
        }
      });
    }
    if (phase == Phase.FLUSHING && awaited.isEmpty()) {
      phase = Phase.MARKING;
      if (rules.markWhenEqual()) {
        awaited.addAll(members.keySet());
        members.keySet().forEach(replica -> out.add(new MarkEqual(replica)));
      }
    }
    if (phase == Phase.MARKING && awaited.isEmpty()) {
      phase = Phase.EQUAL;
      members.replaceAll((_, _) -> true);
      prefer();
      out.add(new Reconciled());
    }
  }

  private void prefer() {
    SortedSet<ReplicaId> continuous = new TreeSet<>();
    members.forEach((replica, isContinuous) -> {
      if (isContinuous || !rules.preferContinuous()) {
        continuous.add(replica);
      }
    });
    boolean mayHaveLost = continuous.isEmpty();
    out.add(
        new PreferSources(
            Collections.unmodifiableSortedSet(
                mayHaveLost ? new TreeSet<>(members.keySet()) : continuous),
            mayHaveLost));
  }
}
