package io.longhorn.replica.store;

import io.longhorn.api.IoError;
import io.longhorn.api.membership.RecordStamp;
import io.longhorn.replica.file.DiskFile;
import io.longhorn.replica.format.IntentFormat;
import io.longhorn.replica.format.IntentFormat.Description;
import io.longhorn.replica.format.RecordMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The write-intent bits in memory and the commits that make them durable. A bit is {@code wanted}
 * as soon as somebody needs it, and {@code durable} when a page with it is on the disk and nobody
 * has cleared it since; only a durable bit lets a write begin. All who wait when a commit begins
 * share it.
 */
final class IntentBitmap {
  /**
   * A sequential writer's next bits are set with its own: as many as are set before it, at most.
   */
  static final int MAX_SET_AHEAD_REGIONS = 256;

  private final DirectoryStore.Owner owner;
  private final Lane lane;
  private final DiskFile file;
  private final RecordMemory staging;
  private final long regionBytes;
  private final int regionShift;
  private final int regions;
  private final long[] wanted;
  private final long[] durable;
  private final long[] staged;

  /** Cleared in memory, and to stay on the disk until what it stands for is there. */
  private final long[] clearing;

  private final int pages;
  private final int[] newestSlot;
  private final long[] sequence;
  private final boolean[] isPageDirty;
  private final boolean[] isPageStaged;
  private RecordStamp validSince;
  private RecordStamp nextValidSince;

  private final Commit commit;
  private boolean isCommitting;
  private final BlockRequest.Queue waiting = new BlockRequest.Queue();
  private final BlockRequest.Queue covered = new BlockRequest.Queue();
  private List<Completion> told = new ArrayList<>();
  private List<Completion> coveredTold = new ArrayList<>();
  private long commits;

  /**
   * What a file says.
   *
   * @param description page 0
   * @param bits of the volume
   * @param newestSlot of each page
   * @param sequence of each page
   * @param doubtful pages whose bits were lost and count as set, but not on the disk yet
   */
  @SuppressWarnings("ArrayRecordComponent")
  record Contents(
      Description description,
      long[] bits,
      int[] newestSlot,
      long[] sequence,
      boolean[] doubtful) {}

  IntentBitmap(
      DirectoryStore.Owner owner, DiskPool pool, Arena arena, DiskFile file, Contents contents) {
    this.owner = owner;
    this.lane = new Lane(pool);
    this.file = file;
    this.regionBytes = contents.description.regionBytes();
    this.regionShift = Long.numberOfTrailingZeros(regionBytes);
    this.regions = contents.description.regions();
    this.pages = IntentFormat.pages(regions);
    this.staging =
        RecordMemory.over(
            arena.allocate((long) pages * IntentFormat.PAGE_BYTES, IntentFormat.PAGE_BYTES));
    this.wanted = contents.bits.clone();
    this.durable = contents.bits.clone();
    this.staged = new long[wanted.length];
    this.clearing = new long[wanted.length];
    this.newestSlot = contents.newestSlot.clone();
    this.sequence = contents.sequence.clone();
    this.isPageDirty = contents.doubtful.clone();
    this.isPageStaged = new boolean[pages];
    this.validSince = contents.description.validSince();
    this.nextValidSince = validSince;
    this.commit = new Commit();
  }

  /** Makes doubtful pages durable, blocking; before anything else. */
  void settle() {
    lane.runNow(commit);
  }

  /**
   * Reads a bitmap's file.
   *
   * @param in all of it
   * @param isClean whether the directory was closed cleanly: then no slot may be damaged
   * @return null if page 0 is damaged in both slots
   */
  static @Nullable Contents read(RecordMemory in, int regions, boolean isClean) {
    int pages = IntentFormat.pages(regions);
    long[] bits = new long[(regions + 63) / 64];
    int[] newest = new int[pages];
    long[] sequence = new long[pages];
    boolean[] doubtful = new boolean[pages];
    for (int page = 0; page < pages; page++) {
      boolean isDamaged = false;
      for (int slot = 0; slot < 2; slot++) {
        int at = (int) IntentFormat.slotAt(page, slot);
        IntentFormat.Slot found = IntentFormat.check(in, at, page);
        isDamaged |= found == IntentFormat.Slot.BAD;
        if (found == IntentFormat.Slot.VALID && IntentFormat.sequence(in, at) > sequence[page]) {
          newest[page] = slot;
          sequence[page] = IntentFormat.sequence(in, at);
        }
      }
      if (page == 0) {
        if (sequence[0] == 0) {
          return null;
        }
      } else if (sequence[page] == 0 || (isDamaged && isClean)) {
        doubtful[page] = true;
        int first = (page - 1) * IntentFormat.BITS_PER_PAGE;
        setBits(bits, first, Math.min(regions, first + IntentFormat.BITS_PER_PAGE) - 1);
      } else {
        IntentFormat.readBits(in, (int) IntentFormat.slotAt(page, newest[page]), page, bits);
      }
    }
    Description description =
        IntentFormat.readDescription(in, (int) IntentFormat.slotAt(0, newest[0]));
    return new Contents(description, bits, newest, sequence, doubtful);
  }

  long regionBytes() {
    return regionBytes;
  }

  int regions() {
    return regions;
  }

  RecordStamp validSince() {
    return validSince;
  }

  long commits() {
    return commits;
  }

  boolean isIdle() {
    return lane.isIdle();
  }

  void close() {
    file.close();
  }

  int count() {
    int count = 0;
    for (int i = 0; i < wanted.length; i++) {
      count += Long.bitCount(wanted[i] | clearing[i]);
    }
    return count;
  }

  /** A copy of the bits. */
  long[] copyBits() {
    return wanted.clone();
  }

  int regionOf(long offset) {
    return (int) (offset >>> regionShift);
  }

  /** Whether every region of the range may be written. */
  boolean isSet(long offset, long length) {
    int last = regionOf(offset + length - 1);
    for (int region = regionOf(offset); region <= last; region++) {
      if ((durable[region >> 6] >>> region & 1) == 0) {
        return false;
      }
    }
    return true;
  }

  /**
   * Sets the bits of the range's spans and runs the request again when they are durable: of whole
   * spans, so that writes here and there wait once for each span and not for each region.
   */
  void want(long offset, long length, BlockRequest request) {
    long end = offset + length - 1;
    int first = regionOf(offset - offset % ReplicaStore.SPAN_BYTES);
    int last = regionOf(end - end % ReplicaStore.SPAN_BYTES + ReplicaStore.SPAN_BYTES - 1);
    int ahead = 0;
    while (ahead < MAX_SET_AHEAD_REGIONS
        && first - 1 - ahead >= 0
        && (wanted[(first - 1 - ahead) >> 6] >>> (first - 1 - ahead) & 1) != 0) {
      ahead++;
    }
    setWanted(first, Math.min(regions - 1, last + ahead));
    waiting.add(request);
    start();
  }

  private void setWanted(int first, int last) {
    setBits(wanted, first, last);
    for (int page = pageOf(first); page <= pageOf(last); page++) {
      isPageDirty[page] = true;
    }
  }

  private static int pageOf(int region) {
    return 1 + region / IntentFormat.BITS_PER_PAGE;
  }

  private static void setBits(long[] bits, int first, int last) {
    for (int region = first; region <= last; region++) {
      bits[region >> 6] |= 1L << region;
    }
  }

  /** Copies bits out; those beyond the volume are 0. */
  void read(int firstRegion, int count, MemorySegment target, long at) {
    checkShape(firstRegion, count);
    for (int i = 0; i < count; i += 8) {
      int region = firstRegion + i;
      long word = region < regions ? wanted[region >> 6] | clearing[region >> 6] : 0;
      target.set(ValueLayout.JAVA_BYTE, at + i / 8, (byte) (word >>> (region & 63)));
    }
  }

  private static void checkShape(int firstRegion, int count) {
    if (firstRegion < 0 || count < 0 || (firstRegion | count) % 8 != 0) {
      throw new IllegalArgumentException(
          "bits of " + count + " regions from " + firstRegion + ": use multiples of 8");
    }
  }

  /** ORs bits in; told when they are durable. */
  void merge(int firstRegion, int count, MemorySegment bits, long at, Completion done) {
    checkShape(firstRegion, count);
    for (int i = 0; i < count && firstRegion + i < regions; i++) {
      if (isIn(bits, at, i)) {
        setWanted(firstRegion + i, firstRegion + i);
      }
    }
    told.add(done);
    start();
  }

  static boolean isIn(MemorySegment bits, long at, int index) {
    return (bits.get(ValueLayout.JAVA_BYTE, at + index / 8) >>> (index % 8) & 1) != 0;
  }

  /**
   * The bit is no longer set in memory: whoever writes there sets it again. On the disk it stays
   * until {@link #cleared}.
   */
  void beginClear(int region) {
    Objects.checkIndex(region, regions);
    if ((wanted[region >> 6] >>> region & 1) != 0) {
      wanted[region >> 6] &= ~(1L << region);
      durable[region >> 6] &= ~(1L << region);
      clearing[region >> 6] |= 1L << region;
    }
  }

  /**
   * What the bits stand for is on the disk: those that nobody set again go. One clear at a time.
   */
  void cleared(Completion done) {
    for (int i = 0; i < clearing.length; i++) {
      if (clearing[i] != 0) {
        clearing[i] = 0;
        isPageDirty[1 + i / IntentFormat.LONGS_PER_PAGE] = true;
      }
    }
    commit(done);
  }

  /** Told when everything that changed so far is durable. */
  void commit(Completion done) {
    told.add(done);
    start();
  }

  void validSince(RecordStamp since, Completion done) {
    nextValidSince = since;
    isPageDirty[0] = true;
    commit(done);
  }

  private void start() {
    if (!isCommitting) {
      isCommitting = true;
      lane.add(commit);
    }
  }

  private final class Commit extends Lane.Task {
    private IoError outcome = IoError.OK;
    private RecordStamp stagedValidSince = RecordStamp.NONE;

    Commit() {
      super(lane);
    }

    @Override
    boolean prepare() {
      covered.addAll(waiting);
      List<Completion> swap = coveredTold;
      coveredTold = told;
      told = swap;
      if (!owner.failure().isOk()) {
        outcome = owner.failure();
        return false;
      }
      outcome = IoError.OK;
      stagedValidSince = nextValidSince;
      boolean isAny = false;
      for (int page = 0; page < pages; page++) {
        if (isPageDirty[page]) {
          isPageDirty[page] = false;
          isPageStaged[page] = true;
          isAny = true;
          stage(page);
        }
      }
      return isAny;
    }

    private void stage(int page) {
      int at = page * IntentFormat.PAGE_BYTES;
      if (page == 0) {
        IntentFormat.write(
            staging, at, sequence[0] + 1, new Description(stagedValidSince, regionBytes, regions));
        return;
      }
      int from = (page - 1) * IntentFormat.LONGS_PER_PAGE;
      int to = Math.min(wanted.length, from + IntentFormat.LONGS_PER_PAGE);
      for (int i = from; i < to; i++) {
        staged[i] = wanted[i] | clearing[i];
      }
      IntentFormat.write(staging, at, page, sequence[page] + 1, staged);
    }

    @Override
    public void perform() {
      for (int page = 0; page < pages && outcome.isOk(); page++) {
        if (isPageStaged[page]) {
          outcome =
              file.write(
                  staging.address() + (long) page * IntentFormat.PAGE_BYTES,
                  IntentFormat.PAGE_BYTES,
                  IntentFormat.slotAt(page, 1 - newestSlot[page]));
        }
      }
      if (outcome.isOk()) {
        outcome = file.sync();
      }
    }

    @Override
    void apply() {
      commits++;
      if (!outcome.isOk()) {
        owner.fail(outcome);
      } else {
        for (int page = 0; page < pages; page++) {
          if (isPageStaged[page]) {
            settled(page);
          }
        }
        validSince = stagedValidSince;
      }
      tell();
    }

    private void settled(int page) {
      isPageStaged[page] = false;
      newestSlot[page] = 1 - newestSlot[page];
      sequence[page]++;
      if (page > 0) {
        int from = (page - 1) * IntentFormat.LONGS_PER_PAGE;
        int to = Math.min(wanted.length, from + IntentFormat.LONGS_PER_PAGE);
        for (int i = from; i < to; i++) {
          durable[i] |= staged[i] & wanted[i];
        }
      }
    }

    private void tell() {
      List<Completion> ready = coveredTold;
      coveredTold = List.of();
      for (Completion completion : ready) {
        completion.completed(outcome);
      }
      ready.clear();
      coveredTold = ready;
      owner.runAll(covered);
    }

    @Override
    void ended() {
      tell();
      isCommitting = false;
      if (!told.isEmpty() || !waiting.isEmpty()) {
        start();
      }
    }
  }
}
