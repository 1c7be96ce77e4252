package io.longhorn.replica.store;

import io.longhorn.api.EngineId;
import io.longhorn.api.IoError;
import io.longhorn.api.ProcessNonce;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.VolumeException;
import io.longhorn.api.VolumeId;
import io.longhorn.api.VolumeName;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.RecordStamp;
import io.longhorn.api.memory.Crc32c;
import io.longhorn.api.memory.Loan;
import io.longhorn.api.memory.LoanPool;
import io.longhorn.api.wire.BlockState;
import io.longhorn.api.wire.FrameType;
import io.longhorn.api.wire.LayerList;
import io.longhorn.api.wire.SnapshotSpec;
import io.longhorn.replica.file.DiskException;
import io.longhorn.replica.file.DiskFile;
import io.longhorn.replica.file.FileDirectory;
import io.longhorn.replica.file.FileDirectory.Cache;
import io.longhorn.replica.format.IndexPageFormat;
import io.longhorn.replica.format.ManifestFormat;
import io.longhorn.replica.format.ManifestRecord;
import io.longhorn.replica.format.RecordMemory;
import io.longhorn.replica.index.LayerTable;
import io.longhorn.replica.index.LayerTable.Layer;
import io.longhorn.replica.index.PageCache;
import io.longhorn.replica.index.VisibleMap;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * The open directory: takes requests through what they need, one condition after the other, and
 * begins again whenever one of them has come true. Nothing is remembered of how far a request came,
 * so nothing can change under it.
 */
final class DirectoryStore implements ReplicaStore {
  private static final int KIND_READ = 0;
  private static final int KIND_WRITE = 1;
  private static final int KIND_ZERO = 2;
  private static final int KIND_ZERO_ALLOCATED = 3;
  private static final int KIND_ABSENT = 4;
  private static final int KIND_HASHES = 5;
  private static final int KIND_MAP = 6;
  private static final int KIND_REPAIR = 7;

  /** Memory for aligned copies and for hashing. */
  private static final long STAGING_LIMIT_BYTES = 8L << 20;

  private static final UUID NO_ENGINE = new UUID(0, 0);
  private static final ValueLayout.OfInt U32 =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final int EXTENT_BYTES = 8;

  private final Parts parts;
  private final long sizeBytes;
  private final LayerTable layers;
  private final PageCache cache;
  private final VisibleMap map;
  private final SuperSlots supers;
  private final IntentBitmap intent;
  private final IndexJournal journal;
  private final PageLoads loads;
  private final DiskPool pool;
  private final Arena arena;
  private final LoanPool stagingPool = new LoanPool(STAGING_LIMIT_BYTES);
  private final Transfer scratch;
  private final List<Transfer> freeTransfers = new ArrayList<>();
  private final Manifest manifest;
  private final boolean isDirect;

  private IoError failure = IoError.OK;
  private boolean isClosed;

  /** Super says that what follows may be unclean, and since which boot. */
  private boolean isInUse;

  private boolean isBootPending;
  private boolean isMarking;
  private boolean isSealing;
  private final BlockRequest.Queue markWaiting = new BlockRequest.Queue();
  private final BlockRequest.Queue frameWaiting = new BlockRequest.Queue();
  private final BlockRequest.Queue stagingWaiting = new BlockRequest.Queue();
  private final BlockRequest.Queue sealWaiting = new BlockRequest.Queue();

  /** Changes of blocks that are in the pool or in a lane. */
  private final List<BlockRequest> changing = new ArrayList<>();

  private int transfersUnderWay;
  private final ArrayDeque<Clear> clears = new ArrayDeque<>();
  private int walks;

  /** What the parts of a store ask of it. Owner thread, except {@link #sizeBytes}. */
  interface Owner {
    /** Why the store has failed; OK while it works. */
    IoError failure();

    /** The store has failed for good. */
    void fail(IoError error);

    /** Size of the volume. */
    long sizeBytes();

    /** Takes the requests on from the beginning. */
    void runAll(BlockRequest.Queue requests);

    /** Ends the requests with an error. */
    void completeAll(BlockRequest.Queue requests, IoError error);

    /** The requests wait until pages were written back. */
    void needFrame(BlockRequest.Queue requests);

    /** Pages were written back. */
    void framesFreed();

    /** A change that the log knows is over, well or not. */
    void noted(BlockRequest request, Layer layer, int frame, BlockState state);
  }

  /** The manifest as it goes on: the file to append to, and what it says. */
  static final class Manifest {
    final DiskFile file;
    final long sizeBytes;
    long records;
    long lastOperation;

    Manifest(DiskFile file, long sizeBytes, long records, long lastOperation) {
      this.file = file;
      this.sizeBytes = sizeBytes;
      this.records = records;
      this.lastOperation = lastOperation;
    }
  }

  /**
   * What opening found.
   *
   * @param directory locked
   * @param options of the opening
   * @param pool for tasks
   * @param arena closed with the store
   * @param boot of the machine now
   * @param manifest where it goes on
   * @param layers with open files
   */
  record Parts(
      FileDirectory directory,
      StoreOptions options,
      DiskPool pool,
      Arena arena,
      UUID boot,
      Manifest manifest,
      LayerTable layers) {}

  /** Makes the parts that need each other's owner. */
  interface Wiring {
    SuperSlots supers(Owner owner);

    IntentBitmap intent(Owner owner);

    IndexJournal journal(Owner owner, PageCache cache);

    PageLoads.Repair repair();
  }

  DirectoryStore(Parts parts, Wiring wiring) {
    this.parts = parts;
    this.pool = parts.pool;
    this.arena = parts.arena;
    this.layers = parts.layers;
    this.manifest = parts.manifest;
    this.sizeBytes = parts.manifest.sizeBytes;
    this.isDirect = ReplicaDirectory.cacheOf(parts.options) == Cache.DIRECT;
    this.cache = new PageCache(parts.options.cacheBytes());
    this.map = new VisibleMap(PageLoads.spansOf(sizeBytes), parts.options.cacheBytes());
    Owner owner = new StoreOwner();
    this.supers = wiring.supers(owner);
    this.intent = wiring.intent(owner);
    this.journal = wiring.journal(owner, cache);
    this.loads = new PageLoads(owner, pool, arena, layers, cache, map, wiring.repair());
    this.scratch = new Transfer(this, arena);
  }

  /** Settles the bitmap and replays the log; before anything else. */
  void recover() throws IndexJournal.ReplayException {
    intent.settle();
    if (!failure.isOk()) {
      throw new IndexJournal.ReplayException(failure, "the bitmap cannot be written");
    }
    RecordMemory page =
        RecordMemory.over(arena.allocate(IndexPageFormat.BYTES, IndexPageFormat.BYTES));
    journal.replay((layer, span) -> loadForReplay(page, layer, span));
  }

  private int loadForReplay(RecordMemory page, Layer layer, int span)
      throws IndexJournal.ReplayException {
    if (span >= PageLoads.spansOf(sizeBytes)) {
      throw new IndexJournal.ReplayException(
          IoError.CORRUPT, "index.log speaks of span " + span + " beyond the volume");
    }
    IoError error = PageLoads.readPage(page, layer, span);
    if (error == IoError.EIO) {
      throw new IndexJournal.ReplayException(error, "L" + layer.id() + ".idx cannot be read");
    }
    int frame = cache.install(layer.slot(), span);
    if (frame == PageCache.NONE) {
      throw new IndexJournal.ReplayException(
          IoError.LIMIT, "the index log needs more memory than the cache has; open it with more");
    }
    page.takeMemory(0, cache.address(frame), IndexPageFormat.BYTES);
    cache.lsn(frame, error.isOk() ? IndexPageFormat.lsn(page, 0) : Long.MAX_VALUE);
    return frame;
  }

  private final class StoreOwner implements Owner {
    @Override
    public IoError failure() {
      return failure;
    }

    @Override
    public void fail(IoError error) {
      DirectoryStore.this.fail(error);
    }

    @Override
    public long sizeBytes() {
      return sizeBytes;
    }

    @Override
    public void runAll(BlockRequest.Queue requests) {
      DirectoryStore.this.runAll(requests);
    }

    @Override
    public void completeAll(BlockRequest.Queue requests, IoError error) {
      DirectoryStore.this.completeAll(requests, error);
    }

    @Override
    public void needFrame(BlockRequest.Queue requests) {
      frameWaiting.addAll(requests);
      journal.relieve();
    }

    @Override
    public void framesFreed() {
      DirectoryStore.this.runAll(frameWaiting);
    }

    @Override
    public void noted(BlockRequest request, Layer layer, int frame, BlockState state) {
      DirectoryStore.this.noted(request, layer, frame, state);
    }
  }

  private void fail(IoError error) {
    if (failure.isOk()) {
      failure = error;
      // Nobody will wake them otherwise.
      runAll(frameWaiting);
      runAll(stagingWaiting);
      runAll(sealWaiting);
    }
  }

  private void runAll(BlockRequest.Queue requests) {
    BlockRequest request = requests.takeAll();
    while (request != null) {
      BlockRequest next = request.next;
      request.next = null;
      run(request);
      request = next;
    }
  }

  private void completeAll(BlockRequest.Queue requests, IoError error) {
    BlockRequest request = requests.takeAll();
    while (request != null) {
      BlockRequest next = request.next;
      request.next = null;
      request.completed(error);
      request = next;
    }
  }

  // What it is.

  @Override
  public VolumeId volume() {
    return supers.now().volume();
  }

  @Override
  public VolumeName name() {
    return supers.now().name();
  }

  @Override
  public ReplicaId replica() {
    return supers.now().replica();
  }

  @Override
  public long sizeBytes() {
    return sizeBytes;
  }

  @Override
  public String authority() {
    return supers.now().authority();
  }

  @Override
  public ProcessNonce process() {
    return parts.options.process();
  }

  @Override
  public long promised() {
    return supers.now().promised();
  }

  @Override
  public Optional<EngineId> promisedTo() {
    EngineId engine = supers.now().promisedTo();
    return engine.uuid().equals(NO_ENGINE) ? Optional.empty() : Optional.of(engine);
  }

  @Override
  public MembershipRecord record() {
    return supers.now().record();
  }

  @Override
  public long releasedGeneration() {
    return supers.now().releasedGeneration();
  }

  @Override
  public boolean isContinuous() {
    return supers.now().equalProcess().equals(process().uuid());
  }

  @Override
  public RecordStamp validSince() {
    return intent.validSince();
  }

  @Override
  public long regionBytes() {
    return intent.regionBytes();
  }

  @Override
  public int regionCount() {
    return intent.regions();
  }

  @Override
  public long lastOperation() {
    return manifest.lastOperation;
  }

  @Override
  public int head() {
    return layers.head().id();
  }

  @Override
  public LayerList layers() {
    List<LayerList.Layer> list = new ArrayList<>();
    int parent = 0;
    for (Layer layer : layers.chain()) {
      list.add(
          new LayerList.Layer(
              layer.id(),
              parent,
              layer.sealedBy(),
              layer.snapshot(),
              layer.createdMillis(),
              layer.isUserCreated()));
      parent = layer.id();
    }
    return new LayerList(list);
  }

  @Override
  public IoError failure() {
    return failure;
  }

  @Override
  public Counters counters() {
    return new Counters(
        journal.syncs() + intent.commits(),
        intent.commits(),
        intent.count(),
        cache.pages(),
        journal.pagesWritten(),
        journal.logBytes(),
        loads.repair().count());
  }

  // Promises.

  @Override
  public void promise(long generation, EngineId engine, Completion done) {
    supers.commit(
        now ->
            generation < 1
                    || generation < now.promised()
                    || (generation == now.promised() && !engine.equals(now.promisedTo()))
                ? IoError.FENCED
                : IoError.OK,
        now -> generation == now.promised() ? now : now.withPromise(generation, engine),
        done);
  }

  @Override
  public void record(MembershipRecord newer, Completion done) {
    supers.commit(
        now ->
            newer.stamp().isNewerThan(now.record().stamp()) || newer.equals(now.record())
                ? IoError.OK
                : IoError.STALE,
        now -> now.withRecord(newer),
        done);
  }

  @Override
  public void markEqual(Completion done) {
    supers.commit(_ -> IoError.OK, now -> now.withEqualProcess(process().uuid()), done);
  }

  @Override
  public void release(long generation, Completion done) {
    if (supers.now().promised() != generation) {
      done.completed(failure.isOk() ? IoError.FENCED : failure);
      return;
    }
    journal.checkpoint(error -> {
      if (error.isOk()) {
        stop(generation, done);
      } else {
        done.completed(error);
      }
    });
  }

  private void stop(long generation, Completion done) {
    supers.commit(
        now -> now.promised() == generation ? IoError.OK : IoError.FENCED,
        now -> now.withStop(generation, isRepaired()),
        error -> {
          isInUse = false;
          done.completed(error);
        });
  }

  private boolean isRepaired() {
    return loads.repair().count() == 0;
  }

  // Requests.

  @Override
  public void read(BlockRequest request) {
    start(request, KIND_READ, MAX_TRANSFER_BYTES);
  }

  @Override
  public boolean readNow(BlockRequest request) {
    if (isDirect || !failure.isOk() || !isInRange(request, MAX_TRANSFER_BYTES)) {
      return false;
    }
    request.kind = KIND_READ;
    if (plan(scratch, request, request.offset, request.length, true)
        && scratch.readNow(request.data, request.dataAt).isOk()) {
      request.completed(IoError.OK);
      return true;
    }
    return false;
  }

  @Override
  public int layerShowing(long offset) {
    int span = spanOf(offset);
    int value = map.isLoaded(span) ? map.value(span, blockOf(offset)) : VisibleMap.ABSENT;
    return VisibleMap.isData(value) ? layers.bySlot(VisibleMap.slot(value)).id() : 0;
  }

  @Override
  public void write(BlockRequest request) {
    start(request, KIND_WRITE, MAX_TRANSFER_BYTES);
  }

  @Override
  public boolean writeNow(BlockRequest request) {
    if (isDirect
        || !failure.isOk()
        || !isInRange(request, MAX_TRANSFER_BYTES)
        || isSealing
        || !isInUse
        || (isBootPending && isRepaired())
        || !intent.isSet(request.offset, request.length)) {
      return false;
    }
    Layer layer = request.layer == 0 ? layers.head() : layers.byId(request.layer);
    int frame = layer == null ? PageCache.NONE : nowFrame(layer, spanOf(request.offset));
    if (layer == null || frame == PageCache.NONE || isNoted(request)) {
      return false;
    }
    request.kind = KIND_WRITE;
    writeBuffered(request, layer, frame);
    return true;
  }

  @Override
  public void zero(BlockRequest request) {
    start(request, KIND_ZERO, SPAN_BYTES);
  }

  @Override
  public void zeroAllocated(BlockRequest request) {
    start(request, KIND_ZERO_ALLOCATED, SPAN_BYTES);
  }

  @Override
  public void absent(BlockRequest request) {
    start(request, KIND_ABSENT, SPAN_BYTES);
  }

  @Override
  public void blockHashes(BlockRequest request) {
    start(request, KIND_HASHES, SPAN_BYTES);
  }

  @Override
  public void blockMap(BlockRequest request) {
    start(request, KIND_MAP, 0);
  }

  @Override
  public void flush(Completion done) {
    if (failure.isOk()) {
      journal.flush(done);
    } else {
      done.completed(failure);
    }
  }

  private void start(BlockRequest request, int kind, int limit) {
    if (!isInRange(request, limit)) {
      request.completed(failure.isOk() ? IoError.INVALID : failure);
      return;
    }
    request.kind = kind;
    request.step = 0;
    request.resultBytes = 0;
    run(request);
  }

  /** Whole blocks, in the volume, and within one piece of {@code limit} bytes (0 = no limit). */
  private boolean isInRange(BlockRequest request, int limit) {
    long offset = request.offset;
    int length = request.length;
    return length > 0
        && offset >= 0
        && ((offset | length) & (BLOCK_BYTES - 1)) == 0
        && offset <= sizeBytes - length
        && (limit == 0 || (offset & (limit - 1)) + length <= limit);
  }

  private void run(BlockRequest request) {
    if (!failure.isOk()) {
      request.completed(failure);
      return;
    }
    switch (request.kind) {
      case KIND_READ -> runRead(request);
      case KIND_WRITE -> runWrite(request);
      case KIND_ZERO -> runChange(request, BlockState.ZERO);
      case KIND_ZERO_ALLOCATED -> runChange(request, BlockState.DATA);
      case KIND_ABSENT -> runChange(request, BlockState.ABSENT);
      case KIND_HASHES -> runHashes(request);
      case KIND_MAP -> runMap(request);
      case KIND_REPAIR -> runRepair((RepairWalk) request);
      default -> throw new IllegalStateException("request of kind " + request.kind);
    }
  }

  private static int spanOf(long offset) {
    return (int) (offset / SPAN_BYTES);
  }

  private static int blockOf(long offset) {
    return (int) (offset % SPAN_BYTES) / BLOCK_BYTES;
  }

  // Reading.

  private void runRead(BlockRequest request) {
    if (isDirect) {
      Transfer transfer = takeTransfer();
      if (plan(transfer, request, request.offset, request.length, false)) {
        submit(transfer, Transfer.Kind.READ, request, isUnaligned(request) ? request.length : 0);
      } else {
        giveBack(transfer);
      }
      return;
    }
    if (!plan(scratch, request, request.offset, request.length, false)) {
      return;
    }
    IoError error = scratch.readNow(request.data, request.dataAt);
    if (error != IoError.BUSY) {
      request.completed(error);
      return;
    }
    Transfer transfer = takeTransfer();
    if (plan(transfer, request, request.offset, request.length, false)) {
      submit(transfer, Transfer.Kind.READ, request, 0);
    } else {
      giveBack(transfer);
    }
  }

  private boolean isUnaligned(BlockRequest request) {
    return isDirect && (request.data.address() + request.dataAt) % BLOCK_BYTES != 0;
  }

  /**
   * Finds out where the blocks of a range are, and their CRCs.
   *
   * @param isNow do not wait for what is not in memory
   * @return false if the request waits, or was completed with an error; with {@code isNow}, that it
   *     cannot be done now
   */
  private boolean plan(
      Transfer transfer, BlockRequest request, long offset, int length, boolean isNow) {
    transfer.begin(offset);
    int span = spanOf(offset);
    int block = blockOf(offset);
    int blocks = length / BLOCK_BYTES;
    return request.layer == 0
        ? planVisible(transfer, request, span, block, blocks, isNow)
        : planLayer(transfer, request, span, block, blocks, isNow);
  }

  private boolean planVisible(
      Transfer transfer, BlockRequest request, int span, int block, int blocks, boolean isNow) {
    if (isNow ? !map.isLoaded(span) : !loads.span(span, request)) {
      return false;
    }
    int done = 0;
    while (done < blocks) {
      int value = map.value(span, block + done);
      int run = map.run(span, block + done, blocks - done);
      if (VisibleMap.isData(value)) {
        Layer layer = layers.bySlot(VisibleMap.slot(value));
        int frame = isNow ? cache.find(layer.slot(), span) : loads.page(layer, span, request);
        if (frame == PageCache.NONE) {
          return false;
        }
        takeCrcs(transfer, request, frame, block, done, run);
        transfer.add(layer.data(), run);
        noteStates(transfer, done, run, BlockState.DATA);
      } else {
        zeroCrcs(transfer, request, done, run);
        transfer.add(null, run);
        noteStates(
            transfer, done, run, value == VisibleMap.ABSENT ? BlockState.ABSENT : BlockState.ZERO);
      }
      done += run;
    }
    return true;
  }

  private boolean planLayer(
      Transfer transfer, BlockRequest request, int span, int block, int blocks, boolean isNow) {
    Layer layer = layers.byId(request.layer);
    if (layer == null) {
      if (!isNow) {
        request.completed(IoError.NOT_FOUND);
      }
      return false;
    }
    int frame = isNow ? nowFrame(layer, span) : loads.page(layer, span, request);
    if (frame == PageCache.NONE) {
      return false;
    }
    for (int done = 0; done < blocks; done++) {
      BlockState state = BlockState.ofCode(cache.state(frame, block + done));
      if (state == BlockState.DATA) {
        takeCrcs(transfer, request, frame, block, done, 1);
        transfer.add(layer.data(), 1);
      } else {
        zeroCrcs(transfer, request, done, 1);
        transfer.add(null, 1);
      }
      noteStates(transfer, done, 1, state);
    }
    return true;
  }

  private int nowFrame(Layer layer, int span) {
    return layer == layers.head() && loads.repair().isPending(span)
        ? PageCache.NONE
        : cache.find(layer.slot(), span);
  }

  private void takeCrcs(
      Transfer transfer, BlockRequest request, int frame, int block, int done, int run) {
    if (request.kind == KIND_HASHES) {
      cache.copyCrcs(frame, block + done, run, transfer.crcs, 4L * done);
    } else {
      cache.copyCrcs(frame, block + done, run, request.crcs, request.crcsAt + 4L * done);
    }
  }

  private static void zeroCrcs(Transfer transfer, BlockRequest request, int done, int run) {
    MemorySegment target = request.kind == KIND_HASHES ? transfer.crcs : request.crcs;
    long at = request.kind == KIND_HASHES ? 0 : request.crcsAt;
    for (int i = done; i < done + run; i++) {
      target.set(U32, at + 4L * i, Crc32c.ZERO_BLOCK);
    }
  }

  private static void noteStates(Transfer transfer, int done, int run, BlockState state) {
    for (int i = done; i < done + run; i++) {
      transfer.states[i] = (byte) state.code();
    }
  }

  private void runHashes(BlockRequest request) {
    while (request.step * BLOCK_BYTES < request.length) {
      long offset = request.offset + (long) request.step * BLOCK_BYTES;
      int room = MAX_TRANSFER_BYTES - (int) (offset % MAX_TRANSFER_BYTES);
      int length = Math.min(room, request.length - request.step * BLOCK_BYTES);
      Transfer transfer = takeTransfer();
      if (plan(transfer, request, offset, length, false)) {
        submit(transfer, Transfer.Kind.HASH, request, length);
      } else {
        giveBack(transfer);
      }
      return;
    }
    request.resultBytes = request.length / BLOCK_BYTES * FrameType.HASH_ENTRY_BYTES;
    request.completed(IoError.OK);
  }

  private void runMap(BlockRequest request) {
    int span = spanOf(request.offset);
    if (!loads.span(span, request)) {
      return;
    }
    int block = blockOf(request.offset);
    int end = Math.min(IndexPageFormat.BLOCKS, block + request.length / BLOCK_BYTES);
    long at = request.dataAt;
    while (block < end && at + EXTENT_BYTES <= request.data.byteSize()) {
      int state = visibleState(span, block);
      int run = map.run(span, block, end - block);
      while (block + run < end && visibleState(span, block + run) == state) {
        run += map.run(span, block + run, end - block - run);
      }
      request.data.set(U32, at, run);
      request.data.set(U32, at + 4, state);
      at += EXTENT_BYTES;
      block += run;
    }
    request.resultBytes = (int) (at - request.dataAt);
    request.completed(request.resultBytes > 0 ? IoError.OK : IoError.INVALID);
  }

  private int visibleState(int span, int block) {
    int value = map.value(span, block);
    if (value == VisibleMap.ABSENT) {
      return BlockState.ABSENT.code();
    }
    return VisibleMap.isData(value) ? BlockState.DATA.code() : BlockState.ZERO.code();
  }

  // Transfers.

  private Transfer takeTransfer() {
    return freeTransfers.isEmpty() ? new Transfer(this, arena) : freeTransfers.removeLast();
  }

  private void giveBack(Transfer transfer) {
    transfer.end();
    freeTransfers.add(transfer);
  }

  /** Sends a transfer to the pool; with memory of ours if {@code staging} is not 0. */
  private boolean submit(Transfer transfer, Transfer.Kind kind, BlockRequest request, int staging) {
    Loan loan = staging == 0 ? null : stagingPool.take(staging);
    if (staging != 0 && loan == null) {
      giveBack(transfer);
      stagingWaiting.add(request);
      return false;
    }
    transfer.of(kind, request, loan);
    transfersUnderWay++;
    pool.submit(transfer);
    return true;
  }

  /** A transfer came back from the pool. */
  void transferred(Transfer transfer) {
    transfersUnderWay--;
    BlockRequest request = transfer.request();
    IoError outcome = transfer.outcome;
    Transfer.Kind kind = transfer.kind();
    if (kind == Transfer.Kind.WRITE) {
      finishWrite(transfer, request, outcome);
      giveBack(transfer);
      runAll(stagingWaiting);
      return;
    }
    giveBack(transfer);
    if (kind == Transfer.Kind.HASH && outcome.isOk()) {
      long offset = request.offset + (long) request.step * BLOCK_BYTES;
      int room = MAX_TRANSFER_BYTES - (int) (offset % MAX_TRANSFER_BYTES);
      request.step += Math.min(room / BLOCK_BYTES, request.length / BLOCK_BYTES - request.step);
      run(request);
    } else {
      request.completed(outcome);
    }
    runAll(stagingWaiting);
  }

  private void finishWrite(Transfer transfer, BlockRequest request, IoError outcome) {
    Layer layer = transfer.layer;
    int frame = transfer.frame;
    if (layer == null) {
      throw new IllegalStateException("write without a layer");
    }
    changing.remove(request);
    cache.unpin(frame);
    if (!outcome.isOk()) {
      notWritten(request, layer, frame, outcome);
      return;
    }
    applyData(layer, frame, request);
  }

  // Changing blocks.

  /** Whether a change may go on; if not, the request waits or was completed. */
  private boolean isReady(BlockRequest request) {
    if (isSealing) {
      sealWaiting.add(request);
      return false;
    }
    if (!isInUse || (isBootPending && isRepaired())) {
      mark(request);
      return false;
    }
    if (!intent.isSet(request.offset, request.length)) {
      intent.want(request.offset, request.length, request);
      return false;
    }
    return true;
  }

  private void mark(BlockRequest request) {
    markWaiting.add(request);
    if (isMarking) {
      return;
    }
    isMarking = true;
    boolean isRepaired = isRepaired();
    supers.commit(
        _ -> IoError.OK,
        now -> now.withUse(isRepaired ? parts.boot : now.boot()),
        error -> {
          isMarking = false;
          isInUse = error.isOk();
          isBootPending = !supers.now().boot().equals(parts.boot);
          if (error.isOk()) {
            runAll(markWaiting);
          } else {
            completeAll(markWaiting, error);
          }
        });
  }

  /** The layer that is changed; null if there is none, and the request was completed. */
  private @Nullable Layer changedLayer(BlockRequest request) {
    Layer layer = request.layer == 0 ? layers.head() : layers.byId(request.layer);
    if (layer == null) {
      request.completed(IoError.NOT_FOUND);
    }
    return layer;
  }

  /**
   * Whether the log may have to know of the write before it is completed: zeros over a snapshot.
   */
  private boolean isNoted(BlockRequest request) {
    if (layers.chain().size() > 1) {
      for (int i = 0; i < request.length / BLOCK_BYTES; i++) {
        if (request.crcs.get(U32, request.crcsAt + 4L * i) == Crc32c.ZERO_BLOCK) {
          return true;
        }
      }
    }
    return false;
  }

  private void runWrite(BlockRequest request) {
    Layer layer = changedLayer(request);
    if (layer == null || !isReady(request)) {
      return;
    }
    int frame = loads.page(layer, spanOf(request.offset), request);
    if (frame == PageCache.NONE) {
      return;
    }
    if (isDirect) {
      writeInPool(request, layer, frame);
      return;
    }
    writeBuffered(request, layer, frame);
  }

  private void writeBuffered(BlockRequest request, Layer layer, int frame) {
    IoError error =
        layer.data().write(request.data.address() + request.dataAt, request.length, request.offset);
    if (error.isOk()) {
      applyData(layer, frame, request);
    } else {
      notWritten(request, layer, frame, error);
    }
  }

  /**
   * A full disk fails the write and not the store: what it holds is still right, and there may be
   * space again. Blocks that have their space already (an overwrite, the beginning of this write)
   * may have been written, so each one is written again by itself: those that succeed are noted
   * with their new CRCs, the others are as they were. Any other error ends the store.
   */
  private void notWritten(BlockRequest request, Layer layer, int frame, IoError error) {
    if (error != IoError.ENOSPC || (isDirect && isUnaligned(request))) {
      fail(error);
      request.completed(error);
      return;
    }
    int span = spanOf(request.offset);
    int block = blockOf(request.offset);
    long address = request.data.address() + request.dataAt;
    layer.dataDirty();
    for (int i = 0; i < request.length / BLOCK_BYTES; i++) {
      long at = (long) i * BLOCK_BYTES;
      IoError one = layer.data().write(address + at, BLOCK_BYTES, request.offset + at);
      if (one.isOk()) {
        cache.setCrcs(frame, block + i, 1, request.crcs, request.crcsAt + 4L * i);
        boolean isChange = cache.setStates(frame, block + i, 1, BlockState.DATA.code());
        applyVisible(layer, span, block + i, 1, BlockState.DATA, isChange);
      } else if (one != IoError.ENOSPC) {
        fail(one);
        request.completed(one);
        return;
      }
    }
    request.completed(IoError.ENOSPC);
  }

  private void writeInPool(BlockRequest request, Layer layer, int frame) {
    Transfer transfer = takeTransfer();
    transfer.begin(request.offset);
    transfer.layer = layer;
    transfer.frame = frame;
    int staging = isUnaligned(request) ? request.length : 0;
    // Before it is submitted: it may be over when that returns.
    cache.pin(frame);
    changing.add(request);
    if (!submit(transfer, Transfer.Kind.WRITE, request, staging)) {
      cache.unpin(frame);
      changing.remove(request);
    }
  }

  private void applyData(Layer layer, int frame, BlockRequest request) {
    int span = spanOf(request.offset);
    int block = blockOf(request.offset);
    int blocks = request.length / BLOCK_BYTES;
    layer.dataDirty();
    cache.setCrcs(frame, block, blocks, request.crcs, request.crcsAt);
    boolean isChange = cache.setStates(frame, block, blocks, BlockState.DATA.code());
    applyVisible(layer, span, block, blocks, BlockState.DATA, isChange);
    if (isChange && layers.chain().size() > 1 && hasZeros(frame, block, blocks)) {
      cache.pin(frame);
      changing.add(request);
      journal.noteZeros(request, layer, frame);
    } else {
      request.completed(IoError.OK);
    }
  }

  private boolean hasZeros(int frame, int block, int blocks) {
    for (int i = block; i < block + blocks; i++) {
      if (cache.crc(frame, i) == Crc32c.ZERO_BLOCK) {
        return true;
      }
    }
    return false;
  }

  private void applyVisible(
      Layer layer, int span, int block, int blocks, BlockState state, boolean isChange) {
    if (layer != layers.head()) {
      journal.sealedChanged();
      if (isChange) {
        loads.sealedChanged(span);
      }
      return;
    }
    if (!isChange || !map.isLoaded(span)) {
      return;
    }
    switch (state) {
      case DATA -> map.set(span, block, blocks, VisibleMap.data(layer.slot()));
      case ZERO -> map.set(span, block, blocks, VisibleMap.zero(layer.slot()));
      case ABSENT -> map.drop(span);
    }
  }

  private void runChange(BlockRequest request, BlockState state) {
    Layer layer = changedLayer(request);
    if (layer == null || !isReady(request)) {
      return;
    }
    int frame = loads.page(layer, spanOf(request.offset), request);
    if (frame != PageCache.NONE) {
      cache.pin(frame);
      changing.add(request);
      journal.change(request, layer, frame, state);
    }
  }

  private void noted(BlockRequest request, Layer layer, int frame, BlockState state) {
    cache.unpin(frame);
    changing.remove(request);
    if (failure.isOk()) {
      applyVisible(
          layer,
          spanOf(request.offset),
          blockOf(request.offset),
          request.length / BLOCK_BYTES,
          state,
          true);
    }
    request.completed(failure);
  }

  // Repair.

  /** Takes the head's pages through repair, all of them or those of some spans. */
  private final class RepairWalk extends BlockRequest {
    private final boolean isWhole;
    private final int[] spans;
    private final Completion done;

    RepairWalk(boolean isWhole, int[] spans, Completion done) {
      this.isWhole = isWhole;
      this.spans = spans;
      this.done = done;
      this.kind = KIND_REPAIR;
    }

    @Override
    public void completed(IoError error) {
      walks--;
      done.completed(error);
    }
  }

  private void repair(boolean isWhole, int[] spans, Completion done) {
    walks++;
    run(new RepairWalk(isWhole, spans, done));
  }

  private void runRepair(RepairWalk walk) {
    PageLoads.Repair repair = loads.repair();
    if (walk.isWhole) {
      if (repair.count() > 0) {
        loads.page(layers.head(), repair.any(), walk);
        return;
      }
    } else {
      for (; walk.step < walk.spans.length; walk.step++) {
        if (repair.isPending(walk.spans[walk.step])) {
          loads.page(layers.head(), walk.spans[walk.step], walk);
          return;
        }
      }
    }
    walk.completed(IoError.OK);
  }

  // Snapshots.

  @Override
  public void snapshot(long operation, SnapshotSpec spec, Completion done) {
    IoError verdict = failure.isOk() ? verdict(operation, spec) : failure;
    if (!verdict.isOk() || isDone(operation)) {
      done.completed(verdict);
      return;
    }
    if (isSealing || !changing.isEmpty()) {
      done.completed(IoError.BUSY);
      return;
    }
    isSealing = true;
    repair(
        true,
        new int[0],
        error -> {
          if (error.isOk()) {
            seal(operation, spec, done);
          } else {
            endSeal();
            done.completed(error);
          }
        });
  }

  private boolean isDone(long operation) {
    return operation == manifest.lastOperation && operation != 0;
  }

  private IoError verdict(long operation, SnapshotSpec spec) {
    List<Layer> chain = layers.chain();
    if (operation < 1) {
      return IoError.INVALID;
    }
    if (isDone(operation)) {
      Layer sealed = chain.size() > 1 ? chain.get(chain.size() - 2) : layers.head();
      boolean isSame =
          sealed.sealedBy() == operation
              && sealed.snapshot().equals(spec.name())
              && sealed.createdMillis() == spec.createdMillis()
              && sealed.isUserCreated() == spec.isUserCreated()
              && layers.head().id() == spec.newHead();
      return isSame ? IoError.OK : IoError.EXISTS;
    }
    if (operation < manifest.lastOperation) {
      return IoError.STALE;
    }
    if (chain.size() > MAX_SNAPSHOTS) {
      return IoError.LIMIT;
    }
    for (Layer layer : chain) {
      if (spec.newHead() <= layer.id() || layer.snapshot().equals(spec.name())) {
        return IoError.EXISTS;
      }
    }
    return IoError.OK;
  }

  private void seal(long operation, SnapshotSpec spec, Completion done) {
    ManifestFormat.Entry entry =
        new ManifestFormat.Entry(
            operation,
            manifest.records,
            new ManifestRecord.Seal(
                head(), spec.newHead(), spec.name(), spec.createdMillis(), spec.isUserCreated()));
    journal.seal(new SealWork(operation, spec, entry, done));
  }

  private void endSeal() {
    isSealing = false;
    runAll(sealWaiting);
  }

  /** The new head's files, then the one record that makes them count. */
  private final class SealWork implements IndexJournal.Sealing {
    private final long operation;
    private final SnapshotSpec spec;
    private final ManifestFormat.Entry entry;
    private final Completion done;
    private @Nullable DiskFile data;
    private @Nullable DiskFile index;

    SealWork(long operation, SnapshotSpec spec, ManifestFormat.Entry entry, Completion done) {
      this.operation = operation;
      this.spec = spec;
      this.entry = entry;
      this.done = done;
    }

    @Override
    public IoError perform() {
      try (Arena memory = Arena.ofConfined()) {
        Cache mode = isDirect ? Cache.DIRECT : Cache.BUFFERED;
        data = ReplicaDirectory.createData(parts.directory, spec.newHead(), sizeBytes, mode);
        index = ReplicaDirectory.createIndex(parts.directory, spec.newHead(), sizeBytes);
        parts.directory.sync();
        RecordMemory record = RecordMemory.over(memory.allocate(ManifestFormat.RECORD_BYTES, 8));
        ManifestFormat.write(record, 0, entry);
        IoError error =
            manifest.file.write(
                record.address(),
                ManifestFormat.RECORD_BYTES,
                manifest.records * ManifestFormat.RECORD_BYTES);
        return error.isOk() ? manifest.file.sync() : error;
      } catch (DiskException e) {
        return e.error() == IoError.ENOSPC ? IoError.ENOSPC : IoError.EIO;
      }
    }

    @Override
    public void ended(IoError outcome) {
      DiskFile newData = data;
      DiskFile newIndex = index;
      if (outcome.isOk() && newData != null && newIndex != null) {
        layers.head().seal(operation, spec.name(), spec.createdMillis(), spec.isUserCreated());
        layers.add(spec.newHead(), newData, newIndex);
        manifest.records++;
        manifest.lastOperation = operation;
      } else {
        if (newData != null) {
          newData.close();
        }
        if (newIndex != null) {
          newIndex.close();
        }
      }
      endSeal();
      done.completed(outcome);
    }
  }

  // Intent.

  @Override
  public boolean isIntentSet(long offset, long length) {
    return intent.isSet(offset, length);
  }

  @Override
  public void readIntent(int firstRegion, int regions, MemorySegment target, long at) {
    intent.read(firstRegion, regions, target, at);
  }

  @Override
  public void mergeIntent(
      int firstRegion, int regions, MemorySegment bits, long at, Completion done) {
    if (failure.isOk()) {
      intent.merge(firstRegion, regions, bits, at, done);
    } else {
      done.completed(failure);
    }
  }

  @Override
  public void validSince(RecordStamp since, Completion done) {
    if (failure.isOk()) {
      intent.validSince(since, done);
    } else {
      done.completed(failure);
    }
  }

  /** Regions to be cleared, and who is told. */
  private record Clear(List<Integer> regions, Completion done) {}

  @Override
  public void clearIntent(
      int firstRegion, int regions, MemorySegment bits, long at, Completion done) {
    if (!failure.isOk()) {
      done.completed(failure);
      return;
    }
    List<Integer> wanted = new ArrayList<>();
    for (int i = 0; i < regions && firstRegion + i < intent.regions(); i++) {
      if (IntentBitmap.isIn(bits, at, i)) {
        wanted.add(firstRegion + i);
      }
    }
    clears.add(new Clear(wanted, done));
    if (clears.size() == 1) {
      clearNext();
    }
  }

  private void clearNext() {
    Clear clear = clears.peek();
    if (clear == null) {
      return;
    }
    long[] isTouched = new long[(PageLoads.spansOf(sizeBytes) + 63) / 64];
    List<Integer> pending = new ArrayList<>();
    for (int region : clear.regions) {
      long start = region * intent.regionBytes();
      long end = Math.min(sizeBytes, start + intent.regionBytes());
      for (int span = spanOf(start); span <= spanOf(end - 1); span++) {
        isTouched[span >> 6] |= 1L << span;
        if (loads.repair().isPending(span)) {
          pending.add(span);
        }
      }
    }
    repair(
        false,
        pending.stream().mapToInt(Integer::intValue).toArray(),
        error -> {
          if (!error.isOk()) {
            endClear(error);
            return;
          }
          for (int region : clear.regions) {
            if (!isChanging(region)) {
              intent.beginClear(region);
            }
          }
          journal.settle(
              span -> (isTouched[span >> 6] >>> span & 1) != 0,
              settled -> {
                if (settled.isOk()) {
                  intent.cleared(this::endClear);
                } else {
                  endClear(settled);
                }
              });
        });
  }

  private void endClear(IoError error) {
    clears.remove().done.completed(error);
    clearNext();
  }

  private boolean isChanging(int region) {
    long start = region * intent.regionBytes();
    for (BlockRequest request : changing) {
      if (request.offset < start + intent.regionBytes()
          && request.offset + request.length > start) {
        return true;
      }
    }
    return false;
  }

  // The end.

  @Override
  public boolean isIdle() {
    return transfersUnderWay == 0
        && walks == 0
        && supers.isIdle()
        && intent.isIdle()
        && journal.isIdle()
        && loads.isIdle();
  }

  @Override
  public void close() {
    if (isClosed) {
      return;
    }
    requireIdle();
    Outcome outcome = new Outcome();
    if (failure.isOk() && !supers.now().isClean()) {
      journal.checkpointNow(outcome);
      if (outcome.error.isOk()) {
        supers.commitNow(now -> now.withStop(now.releasedGeneration(), isRepaired()), outcome);
      }
    }
    release();
    if (!outcome.error.isOk()) {
      throw new VolumeException(
          outcome.error,
          "replica " + replica() + " could not be written back: it was not closed cleanly");
    }
  }

  private static final class Outcome implements Completion {
    IoError error = IoError.OK;

    @Override
    public void completed(IoError outcome) {
      error = outcome;
    }
  }

  private void requireIdle() {
    if (!isIdle()) {
      throw new IllegalStateException("replica " + replica() + " closed with tasks under way");
    }
  }

  @Override
  public void kill() {
    if (isClosed) {
      return;
    }
    requireIdle();
    release();
  }

  private void release() {
    isClosed = true;
    fail(IoError.DISCONNECTED);
    for (Layer layer : layers.chain()) {
      layer.close();
    }
    journal.close();
    supers.close();
    intent.close();
    manifest.file.close();
    parts.directory.close();
    stagingPool.close();
    cache.close();
    map.close();
    arena.close();
  }
}
