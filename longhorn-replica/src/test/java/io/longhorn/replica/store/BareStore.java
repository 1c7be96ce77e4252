package io.longhorn.replica.store;

import io.longhorn.api.EngineId;
import io.longhorn.api.IoError;
import io.longhorn.api.ProcessNonce;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.VolumeId;
import io.longhorn.api.VolumeName;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.RecordStamp;
import io.longhorn.api.memory.Crc32c;
import io.longhorn.api.wire.BlockState;
import io.longhorn.api.wire.FrameType;
import io.longhorn.api.wire.LayerList;
import io.longhorn.api.wire.SnapshotSpec;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.EnumMap;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.Semaphore;

/**
 * A store without a directory: blocks in memory, one layer, for tests of what is around a store.
 * Reads and writes into dirty regions complete at once, everything else goes through the pool, as
 * in the real one; a test can hold the pool's tasks, and choose how operations end.
 */
public final class BareStore implements ReplicaStore {
  public static final long SIZE_BYTES = 16 << 20;
  public static final int REGION_BYTES = 64 << 10;

  public final VolumeId volume = new VolumeId(new UUID(1, 1));
  public final ReplicaId replica = new ReplicaId(new UUID(2, 2));
  public final ProcessNonce process = new ProcessNonce(new UUID(3, 3));

  /** Each task takes one permit; a test that holds them takes all away. */
  public final Semaphore permits = new Semaphore(Integer.MAX_VALUE / 2);

  /** How operations of a type end, when not OK. */
  public final EnumMap<FrameType, IoError> endings = new EnumMap<>(FrameType.class);

  public final List<String> calls = new ArrayList<>();
  public final Arena arena = Arena.ofShared();
  public final MemorySegment blocks = arena.allocate(SIZE_BYTES, 4096);
  public final MemorySegment crcs = arena.allocate(SIZE_BYTES / BLOCK_BYTES * 4, 4);
  public final BitSet intent = new BitSet();

  public volatile boolean isCold;
  public volatile boolean isClosed;
  public volatile boolean isKilled;

  private final DiskPool pool;
  private long promised;
  private Optional<EngineId> promisedTo = Optional.empty();
  private MembershipRecord record = MembershipRecord.ofNewVolume(List.of(replica));
  private long released;
  private long operation;
  private long syncs;
  private RecordStamp since = new RecordStamp(0, 1);

  /** A store whose slow operations run in a pool. */
  public BareStore(DiskPool pool) {
    this.pool = pool;
    for (long i = 0; i < SIZE_BYTES / BLOCK_BYTES; i++) {
      crcs.set(ValueLayout.JAVA_INT, 4 * i, Crc32c.ZERO_BLOCK);
    }
  }

  /** Tasks wait until {@link #letGo}. */
  public void hold() {
    permits.drainPermits();
  }

  /** Ends {@link #hold}. */
  public void letGo() {
    permits.release(Integer.MAX_VALUE / 2);
  }

  private void later(FrameType type, Completion done, Runnable applied) {
    IoError ending = endings.getOrDefault(type, IoError.OK);
    pool.submit(
        new DiskTask() {
          @Override
          public void perform() {
            permits.acquireUninterruptibly();
          }

          @Override
          public void finish() {
            if (ending.isOk()) {
              applied.run();
            }
            done.completed(ending);
          }
        });
  }

  @Override
  public boolean readNow(BlockRequest request) {
    if (isCold || endings.containsKey(FrameType.READ)) {
      return false;
    }
    copyOut(request);
    request.completed(IoError.OK);
    return true;
  }

  @Override
  public void read(BlockRequest request) {
    if (readNow(request)) {
      return;
    }
    later(FrameType.READ, request, () -> copyOut(request));
  }

  private void copyOut(BlockRequest request) {
    MemorySegment.copy(blocks, request.offset, request.data, request.dataAt, request.length);
    MemorySegment.copy(
        crcs,
        request.offset / BLOCK_BYTES * 4,
        request.crcs,
        request.crcsAt,
        request.length / BLOCK_BYTES * 4L);
  }

  private void copyIn(BlockRequest request) {
    MemorySegment.copy(request.data, request.dataAt, blocks, request.offset, request.length);
    MemorySegment.copy(
        request.crcs,
        request.crcsAt,
        crcs,
        request.offset / BLOCK_BYTES * 4,
        request.length / BLOCK_BYTES * 4L);
  }

  @Override
  public boolean writeNow(BlockRequest request) {
    if (!isIntentSet(request.offset, request.length) || endings.containsKey(FrameType.WRITE)) {
      return false;
    }
    copyIn(request);
    request.completed(IoError.OK);
    return true;
  }

  @Override
  public int layerShowing(long offset) {
    return 0;
  }

  @Override
  public void write(BlockRequest request) {
    if (writeNow(request)) {
      return;
    }
    later(
        FrameType.WRITE,
        request,
        () -> {
          copyIn(request);
          setIntent(request.offset, request.length);
        });
  }

  @Override
  public void zero(BlockRequest request) {
    later(
        FrameType.ZERO,
        request,
        () -> {
          blocks.asSlice(request.offset, request.length).fill((byte) 0);
          setIntent(request.offset, request.length);
        });
  }

  @Override
  public void zeroAllocated(BlockRequest request) {
    calls.add("zeroAllocated");
    zero(request);
  }

  @Override
  public void absent(BlockRequest request) {
    zero(request);
  }

  @Override
  public void flush(Completion done) {
    later(FrameType.FLUSH, done, () -> syncs++);
  }

  @Override
  public void blockHashes(BlockRequest request) {
    later(
        FrameType.BLOCK_HASHES,
        request,
        () -> {
          int count = request.length / BLOCK_BYTES;
          for (int i = 0; i < count; i++) {
            long at = request.dataAt + (long) i * FrameType.HASH_ENTRY_BYTES;
            byte state = (byte) BlockState.DATA.code();
            request.data.set(ValueLayout.JAVA_BYTE, at, state);
            request.data.asSlice(at + 1, 16).fill((byte) (request.offset / BLOCK_BYTES + i));
          }
          request.resultBytes = count * FrameType.HASH_ENTRY_BYTES;
        });
  }

  @Override
  public void blockMap(BlockRequest request) {
    later(
        FrameType.BLOCK_MAP,
        request,
        () -> {
          request.data.set(
              ValueLayout.JAVA_INT_UNALIGNED, request.dataAt, request.length / BLOCK_BYTES);
          request.data.set(
              ValueLayout.JAVA_INT_UNALIGNED, request.dataAt + 4, BlockState.DATA.code());
          request.resultBytes = 8;
        });
  }

  @Override
  public boolean isIntentSet(long offset, long length) {
    int first = (int) (offset / REGION_BYTES);
    int last = (int) ((offset + length - 1) / REGION_BYTES);
    return intent.nextClearBit(first) > last;
  }

  private void setIntent(long offset, long length) {
    intent.set((int) (offset / REGION_BYTES), (int) ((offset + length - 1) / REGION_BYTES) + 1);
  }

  @Override
  public void readIntent(int firstRegion, int regions, MemorySegment target, long at) {
    target.asSlice(at, regions / 8).fill((byte) 0);
    for (int i = 0; i < regions; i++) {
      if (intent.get(firstRegion + i)) {
        byte before = target.get(ValueLayout.JAVA_BYTE, at + i / 8);
        target.set(ValueLayout.JAVA_BYTE, at + i / 8, (byte) (before | 1 << i % 8));
      }
    }
  }

  @Override
  public void mergeIntent(
      int firstRegion, int regions, MemorySegment bits, long at, Completion done) {
    change(firstRegion, regions, bits, at, true);
    later(FrameType.INTENT_MERGE, done, () -> {});
  }

  @Override
  public void clearIntent(
      int firstRegion, int regions, MemorySegment bits, long at, Completion done) {
    change(firstRegion, regions, bits, at, false);
    later(FrameType.INTENT_CLEAR, done, () -> {});
  }

  private void change(int firstRegion, int regions, MemorySegment bits, long at, boolean value) {
    for (int i = 0; i < regions; i++) {
      if ((bits.get(ValueLayout.JAVA_BYTE, at + i / 8) & 1 << i % 8) != 0) {
        intent.set(firstRegion + i, value);
      }
    }
  }

  @Override
  public void validSince(RecordStamp newer, Completion done) {
    later(FrameType.INTENT_VALID_SINCE, done, () -> since = newer);
  }

  @Override
  public void promise(long generation, EngineId engine, Completion done) {
    later(
        FrameType.PROMISE,
        done,
        () -> {
          promised = generation;
          promisedTo = Optional.of(engine);
        });
  }

  @Override
  public void record(MembershipRecord newer, Completion done) {
    later(FrameType.RECORD, done, () -> record = newer);
  }

  @Override
  public void markEqual(Completion done) {
    later(FrameType.MARK_EQUAL, done, () -> calls.add("markEqual"));
  }

  @Override
  public void release(long generation, Completion done) {
    later(FrameType.RELEASE, done, () -> released = generation);
  }

  @Override
  public void snapshot(long number, SnapshotSpec spec, Completion done) {
    later(FrameType.SNAPSHOT, done, () -> operation = number);
  }

  @Override
  public VolumeId volume() {
    return volume;
  }

  @Override
  public VolumeName name() {
    return new VolumeName("bare");
  }

  @Override
  public ReplicaId replica() {
    return replica;
  }

  @Override
  public long sizeBytes() {
    return SIZE_BYTES;
  }

  @Override
  public String authority() {
    return "replicas";
  }

  @Override
  public ProcessNonce process() {
    return process;
  }

  @Override
  public long promised() {
    return promised;
  }

  @Override
  public Optional<EngineId> promisedTo() {
    return promisedTo;
  }

  @Override
  public MembershipRecord record() {
    return record;
  }

  @Override
  public long releasedGeneration() {
    return released;
  }

  @Override
  public boolean isContinuous() {
    return true;
  }

  @Override
  public RecordStamp validSince() {
    return since;
  }

  @Override
  public long regionBytes() {
    return REGION_BYTES;
  }

  @Override
  public int regionCount() {
    return (int) (SIZE_BYTES / REGION_BYTES);
  }

  @Override
  public long lastOperation() {
    return operation;
  }

  @Override
  public int head() {
    return 1 + (int) operation;
  }

  @Override
  public LayerList layers() {
    return new LayerList(List.of(new LayerList.Layer(head(), 0, 0, "", 0, false)));
  }

  @Override
  public IoError failure() {
    return IoError.OK;
  }

  @Override
  public boolean isIdle() {
    return true;
  }

  @Override
  public Counters counters() {
    return new Counters(syncs, 0, intent.cardinality(), 0, 0, 0, 0);
  }

  @Override
  public void close() {
    isClosed = true;
  }

  @Override
  public void kill() {
    isKilled = true;
  }
}
