package io.longhorn.replica.store;

import static io.longhorn.replica.file.NativeMemory.EVERYTHING;

import io.longhorn.api.IoError;
import io.longhorn.api.memory.Crc32c;
import io.longhorn.api.wire.BlockState;
import io.longhorn.replica.format.FormatException;
import io.longhorn.replica.format.IndexPageFormat;
import io.longhorn.replica.format.RecordMemory;
import io.longhorn.replica.index.LayerTable;
import io.longhorn.replica.index.LayerTable.Layer;
import io.longhorn.replica.index.PageCache;
import io.longhorn.replica.index.VisibleMap;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Brings index pages and spans of the visible map into memory, and with the pages of the head what
 * an unclean stop left to be repaired: checksums of dirty regions are computed again from the data;
 * a block that the index calls absent or zero, but whose file has data, was written after the last
 * flush. If the machine did not restart since, nothing that was written is lost and the block is
 * adopted; if it did, the data may be torn, was never flushed, and is punched out.
 */
final class PageLoads {
  /** Loads under way at once; more wait. */
  static final int MAX_LOADS = 8;

  private static final int BLOCK = ReplicaStore.BLOCK_BYTES;
  private static final int PIECE_BYTES = ReplicaStore.MAX_TRANSFER_BYTES;

  private final DirectoryStore.Owner owner;
  private final DiskPool pool;
  private final Arena arena;
  private final LayerTable layers;
  private final PageCache cache;
  private final VisibleMap map;
  private final Repair repair;
  private final List<PageLoad> freePageLoads = new ArrayList<>();
  private final List<PageLoad> pageLoads = new ArrayList<>();
  private final SpanLoad spanLoad;
  private boolean isSpanLoading;
  private final BlockRequest.Queue waiting = new BlockRequest.Queue();
  private final MemorySegment values;

  /** Counts changes of layers that are not the head: a span loaded across one is loaded again. */
  private long sealedChanges;

  /**
   * What an unclean stop left: regions that were dirty, the spans of the head that are not repaired
   * yet, and whether unflushed data can be believed.
   */
  static final class Repair {
    private final long[] dirty;
    private final int regionShift;
    private final long[] spans;
    private final boolean isAdopting;
    private long count;
    private int next;

    Repair(long[] dirty, long regionBytes, long sizeBytes, boolean isAdopting) {
      this.dirty = dirty;
      this.regionShift = Long.numberOfTrailingZeros(regionBytes);
      this.isAdopting = isAdopting;
      int spanCount = spansOf(sizeBytes);
      this.spans = new long[(spanCount + 63) / 64];
      int spanShift = Integer.numberOfTrailingZeros(ReplicaStore.SPAN_BYTES);
      for (int word = 0; word < dirty.length; word++) {
        for (long bits = dirty[word]; bits != 0; bits &= bits - 1) {
          long region = 64L * word + Long.numberOfTrailingZeros(bits);
          long first = region << regionShift;
          long last = Math.min(sizeBytes, first + regionBytes) - 1;
          for (long span = first >>> spanShift; span <= last >>> spanShift; span++) {
            mark((int) span);
          }
        }
      }
    }

    private void mark(int span) {
      if (!isPending(span)) {
        spans[span >> 6] |= 1L << span;
        count++;
      }
    }

    boolean isPending(int span) {
      return (spans[span >> 6] >>> span & 1) != 0;
    }

    void done(int span) {
      if (isPending(span)) {
        spans[span >> 6] &= ~(1L << span);
        count--;
      }
    }

    long count() {
      return count;
    }

    /** Some span that is pending; only if there is one. */
    int any() {
      while (spans[next] == 0) {
        next = next + 1 == spans.length ? 0 : next + 1;
      }
      return 64 * next + Long.numberOfTrailingZeros(spans[next]);
    }

    boolean isDirty(long offset) {
      long region = offset >>> regionShift;
      return (dirty[(int) (region >> 6)] >>> region & 1) != 0;
    }
  }

  PageLoads(
      DirectoryStore.Owner owner,
      DiskPool pool,
      Arena arena,
      LayerTable layers,
      PageCache cache,
      VisibleMap map,
      Repair repair) {
    this.owner = owner;
    this.pool = pool;
    this.arena = arena;
    this.layers = layers;
    this.cache = cache;
    this.map = map;
    this.repair = repair;
    this.values = arena.allocate(2L * IndexPageFormat.BLOCKS, 8);
    this.spanLoad = new SpanLoad();
  }

  static int spansOf(long sizeBytes) {
    return Math.toIntExact((sizeBytes + ReplicaStore.SPAN_BYTES - 1) / ReplicaStore.SPAN_BYTES);
  }

  Repair repair() {
    return repair;
  }

  boolean isIdle() {
    return pageLoads.isEmpty() && !isSpanLoading;
  }

  /** A layer that is not the head changed in this span. */
  void sealedChanged(int span) {
    sealedChanges++;
    map.drop(span);
  }

  /**
   * The frame of a page. {@code NONE}: it is being loaded, and the request runs again when it is
   * there; or it cannot be read, and the request was completed with the error.
   */
  int page(Layer layer, int span, BlockRequest request) {
    int frame = cache.find(layer.slot(), span);
    if (frame != PageCache.NONE && !(isHead(layer) && repair.isPending(span))) {
      return frame;
    }
    for (int i = 0; i < pageLoads.size(); i++) {
      PageLoad load = pageLoads.get(i);
      if (load.layer == layer && load.span == span) {
        load.waiting.add(request);
        return PageCache.NONE;
      }
    }
    if (pageLoads.size() >= MAX_LOADS) {
      waiting.add(request);
      return PageCache.NONE;
    }
    PageLoad load = freePageLoads.isEmpty() ? new PageLoad() : freePageLoads.removeLast();
    load.begin(layer, span, frame);
    load.waiting.add(request);
    pageLoads.add(load);
    pool.submit(load);
    return PageCache.NONE;
  }

  private boolean isHead(Layer layer) {
    return layer == layers.head();
  }

  /**
   * Whether the visible map has the span; if not, the request runs again, as with {@link #page}.
   */
  boolean span(int span, BlockRequest request) {
    if (map.isLoaded(span)) {
      return true;
    }
    int frame = page(layers.head(), span, request);
    if (frame == PageCache.NONE) {
      return false;
    }
    if (layers.chain().size() == 1) {
      clearValues();
      showAbove(frame, layers.head().slot());
      map.load(span, values);
      return true;
    }
    if (isSpanLoading) {
      waiting.add(request);
      return false;
    }
    isSpanLoading = true;
    spanLoad.begin(span);
    spanLoad.waiting.add(request);
    pool.submit(spanLoad);
    return false;
  }

  private void clearValues() {
    values.fill((byte) 0);
  }

  /** Shows what a layer has where nothing above it has. */
  private void showAbove(int frame, int slot) {
    showAbove(cache.address(frame) + IndexPageFormat.STATES_AT, slot);
  }

  private void showAbove(long states, int slot) {
    for (int block = 0; block < IndexPageFormat.BLOCKS; block++) {
      int state = EVERYTHING.get(ValueLayout.JAVA_BYTE, states + block);
      if (state != 0 && values.get(ValueLayout.JAVA_SHORT, 2L * block) == VisibleMap.ABSENT) {
        int value = state == BlockState.DATA.code() ? VisibleMap.data(slot) : VisibleMap.zero(slot);
        values.set(ValueLayout.JAVA_SHORT, 2L * block, (short) value);
      }
    }
  }

  private void end(BlockRequest.Queue own, IoError error) {
    if (error.isOk()) {
      owner.runAll(own);
    } else {
      owner.completeAll(own, error);
    }
    owner.runAll(waiting);
  }

  /** Reads one page, and repairs it if it is the head's and has to be. */
  private final class PageLoad implements DiskTask {
    final BlockRequest.Queue waiting = new BlockRequest.Queue();
    private final MemorySegment memory =
        arena.allocate(IndexPageFormat.BYTES, IndexPageFormat.BYTES);
    private final RecordMemory page = RecordMemory.over(memory);
    private @Nullable MemorySegment data;
    private @Nullable ByteBuffer dataView;
    private final Crc32c crc = new Crc32c();
    private final int[] crcs = new int[IndexPageFormat.BLOCKS];
    private final long[] recomputed = new long[IndexPageFormat.BLOCKS / 64];
    private final long[] adopted = new long[IndexPageFormat.BLOCKS / 64];
    private Layer layer = layers.head();
    private int span;
    private boolean isRepairing;
    private boolean hasPunched;
    private IoError outcome = IoError.OK;

    void begin(Layer which, int whichSpan, int frame) {
      layer = which;
      span = whichSpan;
      isRepairing = isHead(which) && repair.isPending(whichSpan);
      hasPunched = false;
      outcome = IoError.OK;
      Arrays.fill(recomputed, 0);
      Arrays.fill(adopted, 0);
      if (frame != PageCache.NONE) {
        // The log brought it in; nobody uses it before it is repaired.
        cache.pin(frame);
        page.putMemory(0, cache.address(frame), IndexPageFormat.BYTES);
      }
      isCached = frame != PageCache.NONE;
    }

    private boolean isCached;

    @Override
    public void perform() {
      outcome = isCached ? IoError.OK : readPage(page, layer, span);
      if (outcome.isOk() && isRepairing) {
        outcome = repairBlocks();
      }
    }

    private IoError repairBlocks() {
      MemorySegment piece = data;
      ByteBuffer view = dataView;
      if (piece == null || view == null) {
        piece = arena.allocate(PIECE_BYTES, BLOCK);
        view = piece.asByteBuffer();
        data = piece;
        dataView = view;
      }
      long start = (long) span * ReplicaStore.SPAN_BYTES;
      long end = Math.min(owner.sizeBytes(), start + ReplicaStore.SPAN_BYTES);
      for (long at = start; at < end; at += PIECE_BYTES) {
        int length = (int) Math.min(PIECE_BYTES, end - at);
        if (!isAnyDirty(at, length)) {
          continue;
        }
        IoError error = layer.data().read(piece.address(), length, at);
        for (int i = 0; i < length && error.isOk(); i += BLOCK) {
          if (repair.isDirty(at + i)) {
            error = repairBlock(view, piece.asSlice(i, BLOCK), at + i, i);
          }
        }
        if (!error.isOk()) {
          return error;
        }
      }
      return IoError.OK;
    }

    private boolean isAnyDirty(long at, int length) {
      for (int i = 0; i < length; i += BLOCK) {
        if (repair.isDirty(at + i)) {
          return true;
        }
      }
      return false;
    }

    private IoError repairBlock(ByteBuffer view, MemorySegment bytes, long offset, int inPiece) {
      int block = (int) (offset / BLOCK % IndexPageFormat.BLOCKS);
      boolean isData = page.takeByte(IndexPageFormat.STATES_AT + block) == BlockState.DATA.code();
      if (!isData && isZero(bytes)) {
        return IoError.OK;
      }
      if (!isData && !repair.isAdopting) {
        hasPunched = true;
        return layer.data().punch(offset, BLOCK);
      }
      crcs[block] = crc.of(view, inPiece, BLOCK);
      recomputed[block >> 6] |= 1L << block;
      if (!isData) {
        adopted[block >> 6] |= 1L << block;
      }
      return IoError.OK;
    }

    private static boolean isZero(MemorySegment bytes) {
      for (long i = 0; i < BLOCK; i += 8) {
        if (bytes.get(ValueLayout.JAVA_LONG, i) != 0) {
          return false;
        }
      }
      return true;
    }

    @Override
    public void finish() {
      int frame = isCached ? cache.find(layer.slot(), span) : PageCache.NONE;
      if (isCached) {
        cache.unpin(frame);
      }
      if (hasPunched) {
        layer.dataDirty();
      }
      boolean isFull = false;
      if (outcome.isOk()) {
        if (frame == PageCache.NONE) {
          frame = cache.install(layer.slot(), span);
          isFull = frame == PageCache.NONE;
        }
        if (!isFull) {
          install(frame);
        }
      }
      pageLoads.remove(this);
      BlockRequest.Queue mine = new BlockRequest.Queue();
      mine.addAll(waiting);
      freePageLoads.add(this);
      if (isFull) {
        owner.needFrame(mine);
        owner.runAll(PageLoads.this.waiting);
      } else {
        end(mine, outcome);
      }
    }

    private void install(int frame) {
      if (!isCached) {
        page.takeMemory(0, cache.address(frame), IndexPageFormat.BYTES);
        cache.lsn(frame, page.takeLong(16));
      }
      if (!isRepairing) {
        return;
      }
      for (int block = 0; block < IndexPageFormat.BLOCKS; block++) {
        if ((recomputed[block >> 6] >>> block & 1) != 0) {
          cache.setCrc(frame, block, crcs[block]);
        }
        if ((adopted[block >> 6] >>> block & 1) != 0) {
          cache.setStates(frame, block, 1, BlockState.DATA.code());
          layer.dataDirty();
        }
      }
      repair.done(span);
    }
  }

  /** Reads a page and checks it; an empty one is all zeros. */
  static IoError readPage(RecordMemory into, Layer layer, int span) {
    IoError error =
        layer
            .index()
            .read(into.address(), IndexPageFormat.BYTES, (long) span * IndexPageFormat.BYTES);
    if (!error.isOk() || IndexPageFormat.isEmpty(into, 0)) {
      return error;
    }
    try {
      IndexPageFormat.check(into, 0, layer.id(), span);
      return IoError.OK;
    } catch (FormatException e) {
      return e.error();
    }
  }

  /** Finds out what the sealed layers show in one span; what the head shows is known at the end. */
  private final class SpanLoad implements DiskTask {
    final BlockRequest.Queue waiting = new BlockRequest.Queue();
    private final RecordMemory page =
        RecordMemory.over(arena.allocate(IndexPageFormat.BYTES, IndexPageFormat.BYTES));
    private final List<Layer> chain = new ArrayList<>();
    private MemorySegment states = MemorySegment.NULL;
    private boolean[] isCopied = {};
    private int span;
    private long changesBefore;
    private IoError outcome = IoError.OK;

    void begin(int whichSpan) {
      span = whichSpan;
      outcome = IoError.OK;
      changesBefore = sealedChanges;
      chain.clear();
      chain.addAll(layers.chain());
      chain.removeLast();
      if (isCopied.length < chain.size()) {
        int room = Math.max(16, 2 * chain.size());
        isCopied = new boolean[room];
        states = arena.allocate((long) room * IndexPageFormat.BLOCKS, 64);
      }
      for (int i = 0; i < chain.size(); i++) {
        int frame = cache.find(chain.get(i).slot(), span);
        isCopied[i] = frame != PageCache.NONE;
        if (isCopied[i]) {
          MemorySegment.copy(
              EVERYTHING,
              cache.address(frame) + IndexPageFormat.STATES_AT,
              states,
              (long) i * IndexPageFormat.BLOCKS,
              IndexPageFormat.BLOCKS);
        }
      }
    }

    @Override
    public void perform() {
      for (int i = 0; i < chain.size() && outcome.isOk(); i++) {
        if (!isCopied[i]) {
          outcome = readPage(page, chain.get(i), span);
          page.takeMemory(
              IndexPageFormat.STATES_AT,
              states.address() + (long) i * IndexPageFormat.BLOCKS,
              IndexPageFormat.BLOCKS);
        }
      }
    }

    @Override
    public void finish() {
      int head = cache.find(layers.head().slot(), span);
      boolean isCurrent =
          changesBefore == sealedChanges
              && head != PageCache.NONE
              && layers.chain().size() == chain.size() + 1;
      if (outcome.isOk() && isCurrent) {
        clearValues();
        showAbove(head, layers.head().slot());
        for (int i = chain.size() - 1; i >= 0; i--) {
          showAbove(states.address() + (long) i * IndexPageFormat.BLOCKS, chain.get(i).slot());
        }
        map.load(span, values);
      }
      isSpanLoading = false;
      BlockRequest.Queue mine = new BlockRequest.Queue();
      mine.addAll(waiting);
      end(mine, outcome);
    }
  }
}
