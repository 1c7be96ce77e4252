package io.longhorn.replica.store;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.EngineId;
import io.longhorn.api.IoError;
import io.longhorn.api.ProcessNonce;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.VolumeId;
import io.longhorn.api.VolumeName;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.RecordStamp;
import io.longhorn.api.memory.Crc32c;
import io.longhorn.api.replica.ReplicaOpener.IoMode;
import io.longhorn.api.replica.ReplicaSpec;
import io.longhorn.api.wire.SnapshotSpec;
import io.longhorn.replica.file.FileLayer;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;

/** A directory and the store that is open on it, driven request by request. */
final class StoreFixture {
  static final int BLOCK = ReplicaStore.BLOCK_BYTES;
  static final Path DIRECTORY = Path.of("/replica");
  static final ReplicaId REPLICA = new ReplicaId(new UUID(3, 1));
  static final ReplicaId OTHER = new ReplicaId(new UUID(3, 2));
  private static final ValueLayout.OfInt U32 =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  /** One request after the other in all tests: thousands of fixtures are made by some. */
  private static final MemorySegment DATA = Arena.global().allocate(ReplicaStore.SPAN_BYTES, 4096);

  private static final MemorySegment CRCS = Arena.global().allocate(4 * 512, 8);

  final FileLayer files;
  final Path directory;
  final long sizeBytes;
  IoMode mode = IoMode.BUFFERED;
  long cacheBytes = StoreOptions.MIN_CACHE_BYTES;
  DiskPool pool = DiskPool.inline();
  ReplicaStore store;
  private long openings;
  private final Crc32c crc = new Crc32c();

  StoreFixture(FileLayer files, long sizeBytes) {
    this(files, DIRECTORY, sizeBytes);
  }

  StoreFixture(FileLayer files, Path directory, long sizeBytes) {
    this.files = files;
    this.directory = directory;
    this.sizeBytes = sizeBytes;
  }

  /** Keeps how it ended. */
  static class Request extends BlockRequest {
    IoError outcome;
    int completions;

    @Override
    public void completed(IoError error) {
      outcome = error;
      completions++;
    }
  }

  static ReplicaSpec spec(long sizeBytes) {
    return new ReplicaSpec(
        new VolumeId(new UUID(1, 1)),
        new VolumeName("vol"),
        REPLICA,
        sizeBytes,
        ReplicaSpec.AUTHORITY_REPLICAS,
        MembershipRecord.ofNewVolume(List.of(REPLICA, OTHER)));
  }

  StoreFixture create() {
    ReplicaDirectory.create(files, directory, spec(sizeBytes));
    return this;
  }

  StoreFixture open() {
    ProcessNonce process = new ProcessNonce(new UUID(9, ++openings));
    store =
        ReplicaDirectory.open(files, directory, new StoreOptions(mode, process, cacheBytes), pool);
    return this;
  }

  StoreFixture reopen() {
    store.close();
    return open();
  }

  StoreFixture killAndOpen() {
    store.kill();
    return open();
  }

  /** What a test writes into a block: tells block and version apart in every sector. */
  static void pattern(MemorySegment target, long at, long block, long version) {
    for (int i = 0; i < BLOCK; i += 16) {
      target.set(ValueLayout.JAVA_LONG, at + i, block * 31 + 1);
      target.set(ValueLayout.JAVA_LONG, at + i + 8, version);
    }
  }

  Request ranged(int layer, long block, int blocks) {
    Request request = new Request();
    request.range(layer, block * BLOCK, blocks * BLOCK);
    request.data(DATA, 0);
    request.crcs(CRCS, 0);
    return request;
  }

  IoError write(long block, int blocks, long version) {
    return write(0, block, blocks, version);
  }

  IoError write(int layer, long block, int blocks, long version) {
    for (int i = 0; i < blocks; i++) {
      if (version == 0) {
        DATA.asSlice((long) i * BLOCK, BLOCK).fill((byte) 0);
      } else {
        pattern(DATA, (long) i * BLOCK, block + i, version);
      }
      CRCS.set(U32, 4L * i, crc.of(DATA.asByteBuffer(), i * BLOCK, BLOCK));
    }
    Request request = ranged(layer, block, blocks);
    store.write(request);
    return ended(request);
  }

  IoError ended(Request request) {
    assertThat(request.completions).as("completions").isEqualTo(1);
    return request.outcome;
  }

  IoError zero(long block, int blocks) {
    Request request = ranged(0, block, blocks);
    store.zero(request);
    return ended(request);
  }

  IoError zeroAllocated(long block, int blocks) {
    Request request = ranged(0, block, blocks);
    store.zeroAllocated(request);
    return ended(request);
  }

  IoError absent(int layer, long block, int blocks) {
    Request request = ranged(layer, block, blocks);
    store.absent(request);
    return ended(request);
  }

  IoError flush() {
    Request request = new Request();
    store.flush(request);
    return ended(request);
  }

  IoError snapshot(long operation, String name, int newHead) {
    Request request = new Request();
    store.snapshot(operation, new SnapshotSpec(name, newHead, 1000 + operation, true), request);
    return ended(request);
  }

  IoError promise(long generation, long engine) {
    Request request = new Request();
    store.promise(generation, new EngineId(new UUID(7, engine)), request);
    return ended(request);
  }

  IoError record(long generation, long number) {
    Request request = new Request();
    store.record(recordOf(generation, number), request);
    return ended(request);
  }

  static MembershipRecord recordOf(long generation, long number) {
    return new MembershipRecord(
        new RecordStamp(generation, number),
        new TreeSet<>(List.of(REPLICA, OTHER)),
        new TreeMap<>());
  }

  IoError release(long generation) {
    Request request = new Request();
    store.release(generation, request);
    return ended(request);
  }

  /** Clears all bits of the volume. */
  IoError clearAll() {
    int regions = (store.regionCount() + 7) / 8 * 8;
    DATA.asSlice(0, regions / 8).fill((byte) -1);
    Request request = new Request();
    store.clearIntent(0, regions, DATA, 0, request);
    return ended(request);
  }

  List<Integer> dirtyRegions() {
    int regions = (store.regionCount() + 7) / 8 * 8;
    store.readIntent(0, regions, DATA, 0);
    List<Integer> dirty = new ArrayList<>();
    for (int i = 0; i < regions; i++) {
      if (IntentBitmap.isIn(DATA, 0, i)) {
        dirty.add(i);
      }
    }
    return dirty;
  }

  /**
   * What a block shows: 0 for zeros, its version, or -1 for anything that was never written whole.
   */
  long version(int layer, long block) {
    byte[] bytes = read(layer, block);
    MemorySegment found = MemorySegment.ofArray(bytes);
    long version = found.get(ValueLayout.JAVA_LONG_UNALIGNED, 8);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment wanted = arena.allocate(BLOCK, 8);
      if (version != 0) {
        pattern(wanted, 0, block, version);
      }
      return wanted.mismatch(found) < 0 ? version : -1;
    }
  }

  long version(long block) {
    return version(0, block);
  }

  /** The bytes of a block; their checksum has been compared with the one that came along. */
  byte[] read(int layer, long block) {
    Request request = ranged(layer, block, 1);
    store.read(request);
    assertThat(ended(request)).isEqualTo(IoError.OK);
    assertThat(CRCS.get(U32, 0))
        .as("checksum of block %d in layer %d", block, layer)
        .isEqualTo(crc.of(DATA.asByteBuffer(), 0, BLOCK));
    return DATA.asSlice(0, BLOCK).toArray(ValueLayout.JAVA_BYTE);
  }

  /** The checksum that the store has for a block, whatever the data is. */
  int storedCrc(int layer, long block) {
    Request request = ranged(layer, block, 1);
    store.read(request);
    assertThat(ended(request)).isEqualTo(IoError.OK);
    return CRCS.get(U32, 0);
  }

  /** State and 16 bytes of hash of each block. */
  byte[] hashes(int layer, long block, int blocks) {
    Request request = ranged(layer, block, blocks);
    store.blockHashes(request);
    assertThat(ended(request)).isEqualTo(IoError.OK);
    return DATA.asSlice(0, request.resultBytes()).toArray(ValueLayout.JAVA_BYTE);
  }

  /** Lengths and states of the extents that one answer has. */
  List<int[]> map(long block, int blocks) {
    Request request = ranged(0, block, blocks);
    store.blockMap(request);
    assertThat(ended(request)).isEqualTo(IoError.OK);
    List<int[]> extents = new ArrayList<>();
    for (int at = 0; at < request.resultBytes(); at += 8) {
      extents.add(new int[] {DATA.get(U32, at), DATA.get(U32, at + 4)});
    }
    return extents;
  }
}
