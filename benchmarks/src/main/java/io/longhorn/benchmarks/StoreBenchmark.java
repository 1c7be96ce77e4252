package io.longhorn.benchmarks;

import io.longhorn.api.IoError;
import io.longhorn.api.ProcessNonce;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.VolumeId;
import io.longhorn.api.VolumeName;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.memory.Crc32c;
import io.longhorn.api.replica.ReplicaOpener.IoMode;
import io.longhorn.api.replica.ReplicaSpec;
import io.longhorn.replica.file.FileLayer;
import io.longhorn.replica.file.MemoryFiles;
import io.longhorn.replica.file.PosixFiles;
import io.longhorn.replica.index.VisibleMap;
import io.longhorn.replica.store.BlockRequest;
import io.longhorn.replica.store.DiskPool;
import io.longhorn.replica.store.ReplicaDirectory;
import io.longhorn.replica.store.ReplicaStore;
import io.longhorn.replica.store.StoreOptions;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * The replica's store on its owner thread: 4 KiB written and read in a volume that is all data and
 * whose regions are marked already, buffered. In a directory of the machine's temporary file system
 * a request is the store's own work and one system call. {@link MemoryFiles} instead keeps a copy
 * of what is not synced, so the bytes that a request allocates there are its own, and a flush now
 * and then belongs to its writes.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class StoreBenchmark {
  private static final int SIZE_BYTES = 64 << 20;
  private static final int BLOCKS = SIZE_BYTES / Crc32c.BLOCK_BYTES;

  /** Any step that has no factor in common with the number of blocks visits all of them. */
  private static final int STEP = 7919;

  /** Writes that memory keeps copies of at most. */
  private static final int MEMORY_FLUSH_WRITES = 4096;

  /** Where the replica is. */
  public enum Where {
    /** In {@link MemoryFiles}. */
    MEMORY,
    /** In a temporary directory. */
    DIRECTORY
  }

  /** An open replica, written once from end to end. */
  @State(Scope.Thread)
  public static class Replica {
    /** Where it is. */
    @Param public Where where = Where.MEMORY;

    private @Nullable OpenReplica open;

    /** Makes, opens and fills it. */
    @Setup(Level.Trial)
    public void open() throws IOException {
      open = new OpenReplica(where);
    }

    /** Closes and deletes it. */
    @TearDown(Level.Trial)
    public void close() throws IOException {
      opened().close();
    }

    private OpenReplica opened() {
      return Objects.requireNonNull(open);
    }
  }

  private static final class Request extends BlockRequest {
    private @Nullable IoError answer;

    @Override
    public void completed(IoError error) {
      answer = error;
    }

    void await() {
      IoError got = answer;
      answer = null;
      if (got == null || !got.isOk()) {
        throw new IllegalStateException("the store answered " + got);
      }
    }
  }

  private static final class OpenReplica {
    private final Arena arena = Arena.ofShared();
    private final MemorySegment data = arena.allocate(Crc32c.BLOCK_BYTES, 4096);
    private final MemorySegment crcs = arena.allocate(4);
    private final Request request = new Request();
    private final Path directory;
    private final Where where;
    private final ReplicaStore store;
    private int block;
    private int unflushed;

    OpenReplica(Where where) throws IOException {
      this.where = where;
      FileLayer files =
          switch (where) {
            case MEMORY -> new MemoryFiles();
            case DIRECTORY -> new PosixFiles();
          };
      directory =
          switch (where) {
            case MEMORY -> Path.of("replica");
            case DIRECTORY -> Files.createTempDirectory("longhorn-benchmark");
          };
      ReplicaId id = new ReplicaId(new UUID(1, 1));
      ReplicaDirectory.create(
          files,
          directory,
          new ReplicaSpec(
              new VolumeId(new UUID(2, 2)),
              new VolumeName("benchmark"),
              id,
              SIZE_BYTES,
              ReplicaSpec.AUTHORITY_REPLICAS,
              MembershipRecord.ofNewVolume(List.of(id))));
      store =
          ReplicaDirectory.open(
              files,
              directory,
              new StoreOptions(IoMode.BUFFERED, new ProcessNonce(new UUID(3, 3))),
              DiskPool.inline());
      data.fill((byte) 0x5A);
      crcs.set(ValueLayout.JAVA_INT, 0, new Crc32c().of(data.asByteBuffer(), 0, 4096));
      for (int i = 0; i < BLOCKS; i++) {
        write();
      }
    }

    private void aim() {
      block = (block + STEP) % BLOCKS;
      request.range(0, (long) block * Crc32c.BLOCK_BYTES, Crc32c.BLOCK_BYTES);
      request.data(data, 0);
      request.crcs(crcs, 0);
    }

    int write() {
      aim();
      store.write(request);
      request.await();
      if (where == Where.MEMORY && ++unflushed == MEMORY_FLUSH_WRITES) {
        unflushed = 0;
        store.flush(request);
        request.await();
      }
      return block;
    }

    int read() {
      aim();
      store.read(request);
      request.await();
      return crcs.get(ValueLayout.JAVA_INT, 0);
    }

    boolean isMarked() {
      block = (block + STEP) % BLOCKS;
      return store.isIntentSet((long) block * Crc32c.BLOCK_BYTES, Crc32c.BLOCK_BYTES);
    }

    void close() throws IOException {
      store.close();
      arena.close();
      if (where == Where.DIRECTORY) {
        try (Stream<Path> names = Files.list(directory)) {
          for (Path file : names.toList()) {
            Files.delete(file);
          }
        }
        Files.delete(directory);
      }
    }
  }

  /** A map of a 64 GiB volume, every other span of it a mixture of layers. */
  @State(Scope.Thread)
  public static class Index {
    private static final int SPANS = 32_768;

    private final VisibleMap map = new VisibleMap(SPANS, 64L << 20);
    private int span;

    /** Fills the map. */
    @Setup(Level.Trial)
    public void fill() {
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment values = arena.allocate(1024, 8);
        for (int i = 0; i < SPANS; i++) {
          for (int block = 0; block < 512; block++) {
            values.setAtIndex(
                ValueLayout.JAVA_SHORT, block, (short) VisibleMap.data(1 + i % 2 * block % 3));
          }
          map.load(i, values);
        }
      }
    }

    /** Frees the map. */
    @TearDown(Level.Trial)
    public void free() {
      map.close();
    }
  }

  /** 4 KiB of data over existing data. */
  @Benchmark
  public int write4KiB(Replica replica) {
    return replica.opened().write();
  }

  /** 4 KiB of data with its checksum. */
  @Benchmark
  public int read4KiB(Replica replica) {
    return replica.opened().read();
  }

  /** Whether a write needs a change of the bitmap. */
  @Benchmark
  public boolean isMarked(Replica replica) {
    return replica.opened().isMarked();
  }

  /** Which file has a block. */
  @Benchmark
  public int indexLookup(Index index) {
    index.span = (index.span + STEP) % Index.SPANS;
    return index.map.value(index.span, index.span & 511);
  }
}
