package io.longhorn.replica.store;

import io.longhorn.api.IoError;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.memory.Crc32c;
import io.longhorn.api.wire.BlockState;
import io.longhorn.replica.file.DiskException;
import io.longhorn.replica.file.DiskFile;
import io.longhorn.replica.file.FileDirectory;
import io.longhorn.replica.file.FileDirectory.Cache;
import io.longhorn.replica.format.IndexLogFormat;
import io.longhorn.replica.format.IndexLogFormat.Run;
import io.longhorn.replica.format.IndexPageFormat;
import io.longhorn.replica.format.RecordMemory;
import io.longhorn.replica.index.LayerTable;
import io.longhorn.replica.index.LayerTable.Layer;
import io.longhorn.replica.index.PageCache;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntPredicate;
import org.jspecify.annotations.Nullable;

/**
 * {@code index.log} and the way of the index to the disk. Every round of every task here keeps the
 * one order: data first, then what the log says about it, then pages in their place, then, if the
 * log is full, a new log.
 */
final class IndexJournal {
  /** A log that is longer gets a checkpoint. */
  static final long MAX_LOG_BYTES = 8L << 20;

  /** Pages written back in one round. */
  static final int PAGES_PER_ROUND = 64;

  private static final int STAGING_BYTES = 1 << 20;
  private static final String NEW_LOG = ReplicaDirectory.INDEX_LOG_NEW;

  private final DirectoryStore.Owner owner;
  private final Lane lane;
  private final FileDirectory directory;
  private final ReplicaId replica;
  private final LayerTable layers;
  private final PageCache cache;
  private final RecordMemory staging;
  private final RecordMemory logHead;
  private DiskFile log;
  private long logEnd;
  private long lsn;
  private boolean isLogUnsynced;

  private final Round round = new Round();
  private List<Completion> flushing = new ArrayList<>();
  private List<Completion> covered = new ArrayList<>();

  /** Takes over while a flush tells those it covered; null while that is under way. */
  private @Nullable List<Completion> spare = new ArrayList<>();

  private final FlushTask flushTask;
  private boolean isFlushQueued;
  private boolean isCheckpointQueued;
  private boolean isReliefQueued;

  /** A layer that is not the head has pages that differ from their place. */
  private boolean hasSealedChanges;

  private long syncs;
  private long pagesWritten;

  IndexJournal(
      DirectoryStore.Owner owner,
      DiskPool pool,
      Arena arena,
      FileDirectory directory,
      ReplicaId replica,
      LayerTable layers,
      PageCache cache,
      LogPosition position) {
    this.owner = owner;
    this.lane = new Lane(pool);
    this.flushTask = new FlushTask();
    this.directory = directory;
    this.replica = replica;
    this.layers = layers;
    this.cache = cache;
    this.log = position.log;
    this.logEnd = position.end;
    this.lsn = position.lsn;
    this.staging = RecordMemory.over(arena.allocate(STAGING_BYTES, IndexPageFormat.BYTES));
    this.logHead = RecordMemory.over(arena.allocate(IndexLogFormat.HEAD_BYTES, 8));
  }

  /**
   * Where the log goes on.
   *
   * @param log the file
   * @param end its length, all of it valid
   * @param lsn of its last record, or its base
   */
  record LogPosition(DiskFile log, long end, long lsn) {}

  /** One round: what is done, in this order. */
  private final class Round {
    final List<DiskFile> dataFiles = new ArrayList<>();
    @Nullable DiskFile changed;
    boolean isPunch;
    long changeAt;
    int changeLength;
    int logBytes;
    boolean isLogSynced;
    final int[] frames = new int[PAGES_PER_ROUND];
    final int[] stagedAt = new int[PAGES_PER_ROUND];
    final DiskFile[] places = new DiskFile[PAGES_PER_ROUND];
    final int[] spans = new int[PAGES_PER_ROUND];
    int pages;
    final List<DiskFile> indexFiles = new ArrayList<>();
    boolean isNewLog;
    IoError outcome = IoError.OK;
    private int syncsDone;

    void begin() {
      dataFiles.clear();
      indexFiles.clear();
      changed = null;
      logBytes = 0;
      isLogSynced = false;
      pages = 0;
      isNewLog = false;
      outcome = IoError.OK;
      syncsDone = 0;
    }

    boolean isEmpty() {
      return dataFiles.isEmpty()
          && changed == null
          && logBytes == 0
          && !isLogSynced
          && pages == 0
          && indexFiles.isEmpty()
          && !isNewLog;
    }

    void perform() {
      outcome = performAll();
    }

    private IoError performAll() {
      IoError error = syncAll(dataFiles);
      DiskFile file = changed;
      if (error.isOk() && file != null) {
        error = isPunch ? file.punch(changeAt, changeLength) : writeZeros(file);
      }
      if (error.isOk() && logBytes > 0) {
        error = log.write(staging.address(), logBytes, logEnd);
      }
      if (error.isOk() && isLogSynced) {
        error = log.sync();
        syncsDone++;
      }
      for (int i = 0; i < pages && error.isOk(); i++) {
        error =
            places[i].write(
                staging.address() + stagedAt[i],
                IndexPageFormat.BYTES,
                (long) spans[i] * IndexPageFormat.BYTES);
      }
      if (error.isOk()) {
        error = syncAll(indexFiles);
      }
      return error.isOk() && isNewLog ? replaceLog() : error;
    }

    private IoError writeZeros(DiskFile file) {
      IoError error = IoError.OK;
      for (int done = 0; done < changeLength && error.isOk(); ) {
        int part = (int) Math.min(Transfer.ZEROS.byteSize(), changeLength - done);
        error = file.write(Transfer.ZEROS.address(), part, changeAt + done);
        done += part;
      }
      return error;
    }

    private IoError syncAll(List<DiskFile> files) {
      IoError error = IoError.OK;
      for (int i = 0; i < files.size() && error.isOk(); i++) {
        error = files.get(i).sync();
        syncsDone++;
      }
      return error;
    }

    private IoError replaceLog() {
      try {
        if (directory.list().contains(NEW_LOG)) {
          directory.delete(NEW_LOG);
        }
        DiskFile next = createLog(directory, NEW_LOG, logHead, replica, lsn);
        directory.rename(NEW_LOG, ReplicaDirectory.INDEX_LOG);
        directory.sync();
        log.close();
        log = next;
        return IoError.OK;
      } catch (DiskException e) {
        return e.error();
      }
    }

    /** Applies what every task has in common. False if the store failed. */
    boolean apply() {
      syncs += syncsDone;
      for (int i = 0; i < pages; i++) {
        cache.written(frames[i]);
      }
      if (!outcome.isOk()) {
        owner.fail(outcome);
        return false;
      }
      pagesWritten += pages;
      logEnd += logBytes;
      isLogUnsynced = !isLogSynced && (isLogUnsynced || logBytes > 0);
      if (isNewLog) {
        logEnd = IndexLogFormat.HEAD_BYTES;
        isLogUnsynced = false;
      }
      return true;
    }
  }

  /** Makes an empty log and syncs it; its name is the caller's to sync. */
  static DiskFile createLog(
      FileDirectory directory, String name, RecordMemory head, ReplicaId replica, long base)
      throws DiskException {
    DiskFile file = directory.create(name, Cache.BUFFERED);
    IndexLogFormat.writeHead(head, replica, base);
    IoError error = file.write(head.address(), IndexLogFormat.HEAD_BYTES, 0);
    if (error.isOk()) {
      error = file.sync();
    }
    if (!error.isOk()) {
      file.close();
      throw new DiskException(error, "cannot write " + name + ": " + error);
    }
    return file;
  }

  boolean isIdle() {
    return lane.isIdle();
  }

  long syncs() {
    return syncs;
  }

  long pagesWritten() {
    return pagesWritten;
  }

  long logBytes() {
    return logEnd;
  }

  void close() {
    log.close();
  }

  /** A layer that is not the head was changed: the next flush writes its pages. */
  void sealedChanged() {
    hasSealedChanges = true;
  }

  // Rounds.

  private void takeDataFiles() {
    List<Layer> chain = layers.chain();
    for (int i = 0; i < chain.size(); i++) {
      Layer layer = chain.get(i);
      if (layer.takeDataDirty()) {
        round.dataFiles.add(layer.data());
      }
    }
  }

  private void takeIndexFiles() {
    List<Layer> chain = layers.chain();
    for (int i = 0; i < chain.size(); i++) {
      Layer layer = chain.get(i);
      if (layer.takeIndexDirty()) {
        round.indexFiles.add(layer.index());
      }
    }
  }

  /** Puts changes that are not in the log into the staging area, as many as fit. */
  private void takeChanges() {
    while (cache.pendingFrames() > 0
        && round.logBytes + IndexLogFormat.MAX_RECORD_BYTES <= STAGING_BYTES) {
      int at = round.logBytes;
      IndexLogFormat.begin(staging, at, ++lsn, IndexLogFormat.CHANGES);
      int count = 0;
      while (cache.pendingFrames() > 0
          && count + IndexPageFormat.BLOCKS <= IndexLogFormat.MAX_CHANGES) {
        count = putChanges(at, count, cache.firstPending());
      }
      if (count == 0) {
        lsn--;
        return;
      }
      round.logBytes +=
          IndexLogFormat.seal(staging, at, count, count * IndexLogFormat.CHANGE_BYTES);
    }
  }

  private int putChanges(int at, int count, int frame) {
    int layer = layers.bySlot(cache.slot(frame)).id();
    long firstBlock = (long) cache.span(frame) * IndexPageFormat.BLOCKS;
    int put = count;
    int block = cache.nextChanged(frame, 0);
    while (block < IndexPageFormat.BLOCKS) {
      int run = cache.changedRun(frame, block);
      IndexLogFormat.putChange(
          staging, at, put++, layer, new Run(firstBlock + block, run, cache.state(frame, block)));
      block = cache.nextChanged(frame, block + run);
    }
    if (put > count) {
      cache.logged(frame);
      cache.lsn(frame, lsn);
    }
    cache.pendingDone();
    return put;
  }

  /** Takes up to a round's pages that differ from their place and are wanted. */
  private void takePages(IntPredicate wanted) {
    int frame = cache.nextUnwritten(0);
    while (frame != PageCache.NONE && round.pages < PAGES_PER_ROUND) {
      if (wanted.test(frame)) {
        takePage(frame);
      }
      frame = cache.nextUnwritten(frame + 1);
    }
    if (round.pages > 0) {
      cache.dropWrittenFromPending();
      takeDataFiles();
      round.isLogSynced = true;
    }
  }

  private void takePage(int frame) {
    Layer layer = layers.bySlot(cache.slot(frame));
    int span = cache.span(frame);
    int at = round.logBytes;
    int page = at + IndexLogFormat.RECORD_HEAD_BYTES;
    lsn++;
    staging.putMemory(page, cache.address(frame), IndexPageFormat.BYTES);
    IndexPageFormat.seal(staging, page, layer.id(), span, lsn);
    IndexLogFormat.begin(staging, at, lsn, IndexLogFormat.PAGE);
    round.logBytes += IndexLogFormat.seal(staging, at, 1, IndexPageFormat.BYTES);
    cache.lsn(frame, lsn);
    cache.writing(frame);
    layer.indexDirty();
    round.frames[round.pages] = frame;
    round.stagedAt[round.pages] = page;
    round.places[round.pages] = layer.index();
    round.spans[round.pages] = span;
    round.pages++;
  }

  private void afterRound() {
    if (logEnd > MAX_LOG_BYTES && !isCheckpointQueued && owner.failure().isOk()) {
      isCheckpointQueued = true;
      lane.add(new CheckpointTask(false, _ -> {}));
    }
    if (cache.dirtyPages() > cache.capacity() / 2) {
      relieve();
    }
  }

  // What can be asked for.

  /** FLUSH; those that wait for the lane share one. */
  void flush(Completion done) {
    flushing.add(done);
    if (!isFlushQueued) {
      isFlushQueued = true;
      lane.add(flushTask);
    }
  }

  /** Pages are written back so that frames can be evicted; requests that wait for one run again. */
  void relieve() {
    if (!isReliefQueued) {
      isReliefQueued = true;
      lane.add(new ReliefTask());
    }
  }

  /**
   * Blocks become zero, zero as data, or absent: punched or written, and noted in the log without
   * waiting for the disk, since zeros in a file do not say what they mean. Ends with {@code
   * Owner.noted}.
   */
  void change(BlockRequest request, Layer layer, int frame, BlockState state) {
    lane.add(new ChangeTask(request, layer, frame, state));
  }

  /** The same for blocks of zeros that were written and hide something below. */
  void noteZeros(BlockRequest request, Layer layer, int frame) {
    lane.add(new NoteTask(request, layer, frame));
  }

  /** Everything is on the disk, pages in their place, the log empty. */
  void checkpoint(Completion done) {
    lane.add(new CheckpointTask(true, done));
  }

  /** {@link #checkpoint} on the calling thread, blocking. */
  void checkpointNow(Completion done) {
    lane.runNow(new CheckpointTask(true, done));
  }

  /** Data of all layers and the index pages of the spans are on the disk. */
  void settle(IntPredicate spans, Completion done) {
    lane.add(new SettleTask(spans, done));
  }

  /**
   * Data and pages of the head are on the disk; then {@code seal} runs in the pool, in the lane.
   */
  void seal(Sealing sealing) {
    lane.add(new SealTask(sealing));
  }

  /** What a snapshot does once the head is on the disk. */
  interface Sealing {
    /** In the pool. */
    IoError perform();

    /** On the owner thread, the lane being free for others. */
    void ended(IoError outcome);
  }

  private abstract class JournalTask extends Lane.Task {
    JournalTask() {
      super(lane);
    }

    /** Makes the round; nothing in it ends the task. */
    abstract void fill();

    @Override
    boolean prepare() {
      if (!owner.failure().isOk()) {
        return false;
      }
      round.begin();
      fill();
      return !round.isEmpty();
    }

    @Override
    public void perform() {
      round.perform();
    }

    @Override
    void apply() {
      round.apply();
    }
  }

  private final class FlushTask extends JournalTask {
    private boolean isBegun;

    @Override
    void fill() {
      if (!isBegun) {
        isBegun = true;
        isFlushQueued = false;
        List<Completion> swap = covered;
        covered = flushing;
        flushing = swap;
      }
      if (hasSealedChanges) {
        int head = layers.head().slot();
        takePages(frame -> cache.slot(frame) != head);
        if (round.pages > 0) {
          return;
        }
        hasSealedChanges = false;
      }
      takeDataFiles();
      takeChanges();
      round.isLogSynced = cache.pendingFrames() == 0 && (round.logBytes > 0 || isLogUnsynced);
    }

    @Override
    void ended() {
      if (!isBegun) {
        isBegun = true;
        isFlushQueued = false;
        List<Completion> swap = covered;
        covered = flushing;
        flushing = swap;
      }
      isBegun = false;
      List<Completion> ready = covered;
      List<Completion> next = spare;
      covered = next == null ? new ArrayList<>() : next;
      spare = null;
      IoError outcome = owner.failure();
      for (int i = 0; i < ready.size(); i++) {
        ready.get(i).completed(outcome);
      }
      ready.clear();
      spare = ready;
      afterRound();
    }
  }

  private final class ReliefTask extends JournalTask {
    private boolean isDone;

    @Override
    void fill() {
      if (isDone) {
        return;
      }
      takePages(_ -> true);
      if (round.pages < PAGES_PER_ROUND || cache.dirtyPages() <= cache.capacity() / 4) {
        isDone = true;
        takeIndexFiles();
      }
    }

    @Override
    void ended() {
      isReliefQueued = false;
      owner.framesFreed();
      afterRound();
    }
  }

  private static int firstBlock(BlockRequest request) {
    return (int) (request.offset / ReplicaStore.BLOCK_BYTES % IndexPageFormat.BLOCKS);
  }

  private static int blocks(BlockRequest request) {
    return request.length / ReplicaStore.BLOCK_BYTES;
  }

  private final class ChangeTask extends JournalTask {
    private final BlockRequest request;
    private final Layer layer;
    private final int frame;
    private final BlockState state;
    private boolean isDone;

    ChangeTask(BlockRequest request, Layer layer, int frame, BlockState state) {
      this.request = request;
      this.layer = layer;
      this.frame = frame;
      this.state = state;
    }

    @Override
    void fill() {
      if (isDone) {
        return;
      }
      isDone = true;
      round.changed = layer.data();
      round.isPunch = state != BlockState.DATA;
      round.changeAt = request.offset;
      round.changeLength = request.length;
      IndexLogFormat.begin(staging, 0, ++lsn, IndexLogFormat.CHANGES);
      Run run = new Run(request.offset / ReplicaStore.BLOCK_BYTES, blocks(request), state.code());
      IndexLogFormat.putChange(staging, 0, 0, layer.id(), run);
      round.logBytes = IndexLogFormat.seal(staging, 0, 1, IndexLogFormat.CHANGE_BYTES);
    }

    @Override
    void apply() {
      if (!round.apply()) {
        return;
      }
      int first = firstBlock(request);
      layer.dataDirty();
      cache.setStates(frame, first, blocks(request), state.code());
      cache.forgetChanges(frame, first, blocks(request));
      for (int i = 0; state == BlockState.DATA && i < blocks(request); i++) {
        cache.setCrc(frame, first + i, Crc32c.ZERO_BLOCK);
      }
      cache.dirty(frame);
      cache.logged(frame);
      cache.lsn(frame, lsn);
    }

    @Override
    void ended() {
      owner.noted(request, layer, frame, state);
      afterRound();
    }
  }

  private final class NoteTask extends JournalTask {
    private final BlockRequest request;
    private final Layer layer;
    private final int frame;
    private boolean isDone;

    NoteTask(BlockRequest request, Layer layer, int frame) {
      this.request = request;
      this.layer = layer;
      this.frame = frame;
    }

    @Override
    void fill() {
      if (isDone) {
        return;
      }
      isDone = true;
      int count = 0;
      int end = firstBlock(request) + blocks(request);
      int block = cache.nextChanged(frame, firstBlock(request));
      IndexLogFormat.begin(staging, 0, lsn + 1, IndexLogFormat.CHANGES);
      while (block < end) {
        if (cache.crc(frame, block) == Crc32c.ZERO_BLOCK) {
          long inVolume = (long) cache.span(frame) * IndexPageFormat.BLOCKS + block;
          Run run = new Run(inVolume, 1, BlockState.DATA.code());
          IndexLogFormat.putChange(staging, 0, count++, layer.id(), run);
          cache.forgetChanges(frame, block, 1);
        }
        block = cache.nextChanged(frame, block + 1);
      }
      if (count > 0) {
        lsn++;
        round.logBytes =
            IndexLogFormat.seal(staging, 0, count, count * IndexLogFormat.CHANGE_BYTES);
        cache.dirty(frame);
        cache.logged(frame);
        cache.lsn(frame, lsn);
      }
    }

    @Override
    void ended() {
      owner.noted(request, layer, frame, BlockState.DATA);
      afterRound();
    }
  }

  private final class CheckpointTask extends JournalTask {
    private final boolean isWhole;
    private final Completion done;
    private boolean isReplaced;

    CheckpointTask(boolean isWhole, Completion done) {
      this.isWhole = isWhole;
      this.done = done;
    }

    @Override
    void fill() {
      if (isReplaced) {
        return;
      }
      takePages(frame -> isWhole || cache.isLogged(frame));
      if (round.pages == 0) {
        // Every change in the log is in a page now, and those are in their place once synced.
        isReplaced = true;
        takeDataFiles();
        takeIndexFiles();
        round.isNewLog = true;
      }
    }

    @Override
    void ended() {
      isCheckpointQueued = false;
      done.completed(owner.failure());
    }
  }

  private final class SettleTask extends JournalTask {
    private final IntPredicate spans;
    private final Completion done;
    private boolean isDone;

    SettleTask(IntPredicate spans, Completion done) {
      this.spans = spans;
      this.done = done;
    }

    @Override
    void fill() {
      if (isDone) {
        return;
      }
      takePages(frame -> spans.test(cache.span(frame)));
      if (round.pages < PAGES_PER_ROUND) {
        isDone = true;
        takeDataFiles();
        takeIndexFiles();
      }
    }

    @Override
    void ended() {
      done.completed(owner.failure());
      afterRound();
    }
  }

  private final class SealTask extends JournalTask {
    private final Sealing sealing;
    private boolean isHeadDone;
    private boolean isDone;
    private IoError outcome = IoError.OK;

    SealTask(Sealing sealing) {
      this.sealing = sealing;
    }

    @Override
    void fill() {
      if (!isHeadDone) {
        takePages(_ -> true);
        isHeadDone = round.pages < PAGES_PER_ROUND;
        if (isHeadDone) {
          takeDataFiles();
          round.isLogSynced = true;
        }
      }
    }

    @Override
    boolean prepare() {
      if (isDone || !owner.failure().isOk()) {
        return false;
      }
      if (super.prepare()) {
        return true;
      }
      isDone = true;
      return true;
    }

    @Override
    public void perform() {
      if (isDone) {
        outcome = sealing.perform();
      } else {
        super.perform();
      }
    }

    @Override
    void apply() {
      if (!isDone) {
        super.apply();
      } else if (!outcome.isOk()) {
        owner.fail(outcome);
      }
    }

    @Override
    void ended() {
      sealing.ended(owner.failure());
      afterRound();
    }
  }

  // Replay, at open, blocking.

  /** Applies the log to the pages; {@code load} brings a page into the cache, damaged or not. */
  void replay(PageLoader load) throws ReplayException {
    long end = logEnd;
    long at = IndexLogFormat.HEAD_BYTES;
    List<Integer> damaged = new ArrayList<>();
    while (at < end) {
      int part = (int) Math.min(STAGING_BYTES, end - at);
      if (!log.read(staging.address(), part, at).isOk()) {
        throw new ReplayException(IoError.EIO, "index.log cannot be read");
      }
      int inPart = 0;
      while (inPart < part) {
        int length = recordLength(inPart, part);
        if (length == 0) {
          break;
        }
        replayRecord(inPart, load, damaged);
        inPart += length;
      }
      if (inPart == 0) {
        throw new ReplayException(IoError.CORRUPT, "index.log changed while it was read");
      }
      at += inPart;
    }
    for (int frame : damaged) {
      if (cache.lsn(frame) == Long.MAX_VALUE) {
        throw new ReplayException(
            IoError.CORRUPT,
            "index page "
                + cache.span(frame)
                + " of layer "
                + layers.bySlot(cache.slot(frame)).id()
                + " is damaged and the log has no image of it");
      }
      cache.unpin(frame);
    }
  }

  private int recordLength(int at, int end) {
    return end - at < IndexLogFormat.RECORD_HEAD_BYTES
        ? 0
        : IndexLogFormat.check(staging, at, end, staging.takeLong(at + 8));
  }

  private void replayRecord(int at, PageLoader load, List<Integer> damaged) throws ReplayException {
    long number = staging.takeLong(at + 8);
    if (IndexLogFormat.type(staging, at) == IndexLogFormat.PAGE) {
      int page = at + IndexLogFormat.RECORD_HEAD_BYTES;
      IndexPageFormat.Key key = IndexPageFormat.key(staging, page);
      int frame = load(key.layer(), key.span(), load, damaged);
      if (frame != PageCache.NONE
          && (cache.lsn(frame) == Long.MAX_VALUE || cache.lsn(frame) < number)) {
        staging.takeMemory(page, cache.address(frame), IndexPageFormat.BYTES);
        cache.dirty(frame);
        cache.logged(frame);
        cache.lsn(frame, number);
      }
      return;
    }
    for (int i = 0; i < IndexLogFormat.count(staging, at); i++) {
      Run run = IndexLogFormat.change(staging, at, i);
      int span = (int) (run.firstBlock() / IndexPageFormat.BLOCKS);
      int block = (int) (run.firstBlock() % IndexPageFormat.BLOCKS);
      if (run.blocks() < 1
          || block + run.blocks() > IndexPageFormat.BLOCKS
          || run.state() > BlockState.ZERO.code()) {
        throw new ReplayException(IoError.CORRUPT, "index.log: impossible change " + run);
      }
      int frame = load(IndexLogFormat.changeLayer(staging, at, i), span, load, damaged);
      // Several changes of one page share a record; a page in its place has the number of an image.
      if (frame != PageCache.NONE && cache.lsn(frame) <= number) {
        cache.replayStates(frame, block, run.blocks(), run.state(), number);
      }
    }
  }

  private int load(int layerId, int span, PageLoader load, List<Integer> damaged)
      throws ReplayException {
    Layer layer = layers.byId(layerId);
    if (layer == null) {
      return PageCache.NONE;
    }
    int frame = cache.find(layer.slot(), span);
    if (frame == PageCache.NONE) {
      frame = load.load(layer, span);
      if (cache.lsn(frame) == Long.MAX_VALUE) {
        cache.pin(frame);
        damaged.add(frame);
      }
    }
    return frame;
  }

  /** Reads pages during replay. */
  interface PageLoader {
    /** The frame with the page; one that is damaged has LSN {@code Long.MAX_VALUE}. */
    int load(Layer layer, int span) throws ReplayException;
  }

  /** The log cannot be applied. */
  static final class ReplayException extends Exception {
    private static final long serialVersionUID = 1;

    private final IoError error;
    private final String line;

    ReplayException(IoError error, String message) {
      super(message);
      this.error = error;
      this.line = message;
    }

    IoError error() {
      return error;
    }

    String line() {
      return line;
    }
  }

  /**
   * Finds the end of a log: cuts off what was not committed.
   *
   * @param buffer for reading, at least {@link IndexLogFormat#MAX_RECORD_BYTES}
   */
  static LogPosition position(DiskFile log, ReplicaId replica, RecordMemory buffer)
      throws ReplayException {
    try {
      long size = log.sizeBytes();
      if (size < IndexLogFormat.HEAD_BYTES
          || !log.read(buffer.address(), IndexLogFormat.HEAD_BYTES, 0).isOk()) {
        throw new ReplayException(IoError.CORRUPT, "index.log is too short");
      }
      long last = IndexLogFormat.readHead(buffer, replica);
      long at = IndexLogFormat.HEAD_BYTES;
      boolean isEnd = false;
      while (!isEnd && at < size) {
        int part = (int) Math.min(buffer.length(), size - at);
        if (!log.read(buffer.address(), part, at).isOk()) {
          throw new ReplayException(IoError.EIO, "index.log cannot be read");
        }
        int inPart = 0;
        int length = IndexLogFormat.check(buffer, 0, part, last + 1);
        while (length > 0) {
          last++;
          inPart += length;
          length =
              inPart + IndexLogFormat.RECORD_HEAD_BYTES > part
                  ? 0
                  : IndexLogFormat.check(buffer, inPart, part, last + 1);
        }
        isEnd = inPart == 0;
        at += inPart;
      }
      if (at < size) {
        IoError error = log.truncate(at);
        error = error.isOk() ? log.sync() : error;
        if (!error.isOk()) {
          throw new ReplayException(error, "index.log cannot be cut");
        }
      }
      return new LogPosition(log, at, last);
    } catch (io.longhorn.replica.format.FormatException e) {
      throw new ReplayException(e.error(), e.line());
    }
  }
}
