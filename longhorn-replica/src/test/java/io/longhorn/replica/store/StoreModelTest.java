package io.longhorn.replica.store;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.IoError;
import io.longhorn.api.memory.Crc32c;
import io.longhorn.api.replica.ReplicaOpener.IoMode;
import io.longhorn.api.wire.SnapshotSpec;
import io.longhorn.replica.file.MemoryFiles;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * The store against a map of blocks: many requests under way, tasks performed and finished in any
 * order, snapshots, clears, deaths, and a cache too small for the volume.
 */
class StoreModelTest {
  private static final long SIZE = 1L << 30;
  private static final int BLOCK = 4096;
  private static final ValueLayout.OfInt U32 =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final int STEPS = 4000;
  private static final int MOST_UNDER_WAY = 24;

  /** Performs and finishes tasks when and in which order the seed says. */
  private static final class RandomPool implements DiskPool {
    final Random random;
    final List<DiskTask> submitted = new ArrayList<>();
    final List<DiskTask> performed = new ArrayList<>();

    RandomPool(Random random) {
      this.random = random;
    }

    @Override
    public void submit(DiskTask task) {
      submitted.add(task);
    }

    boolean isEmpty() {
      return submitted.isEmpty() && performed.isEmpty();
    }

    void step() {
      boolean isPerforming = !submitted.isEmpty() && (performed.isEmpty() || random.nextBoolean());
      if (isPerforming) {
        DiskTask task = submitted.remove(random.nextInt(submitted.size()));
        task.perform();
        performed.add(task);
      } else if (!performed.isEmpty()) {
        performed.remove(random.nextInt(performed.size())).finish();
      }
    }

    void drain() {
      while (!isEmpty()) {
        step();
      }
    }
  }

  private final class Op extends BlockRequest {
    final long block;
    final int blocks;
    final MemorySegment memory;
    final MemorySegment sums = arena.allocate(4 * 32, 8);
    long version;
    boolean isRead;
    IoError outcome;

    Op(long block, int blocks, boolean isAligned) {
      this.block = block;
      this.blocks = blocks;
      MemorySegment whole = arena.allocate((long) blocks * BLOCK + 64, 4096);
      memory = isAligned ? whole : whole.asSlice(16);
      range(0, block * BLOCK, blocks * BLOCK);
      data(memory, 0);
      crcs(sums, 0);
    }

    @Override
    public void completed(IoError error) {
      assertThat(outcome).as("completed once").isNull();
      outcome = error;
      assertThat(error).isEqualTo(IoError.OK);
      underWay.remove(this);
      if (isRead) {
        checkRead();
      }
    }

    private void checkRead() {
      for (int i = 0; i < blocks; i++) {
        long expected = model.getOrDefault(block + i, 0L);
        long found = memory.get(ValueLayout.JAVA_LONG_UNALIGNED, (long) i * BLOCK + 8);
        assertThat(found).as("block %d, seed %d", block + i, seed).isEqualTo(expected);
        MemorySegment copy = arena.allocate(BLOCK, 8);
        MemorySegment.copy(memory, (long) i * BLOCK, copy, 0, BLOCK);
        assertThat(sums.get(U32, 4L * i))
            .as("checksum of block %d, seed %d", block + i, seed)
            .isEqualTo(crc.of(copy.asByteBuffer(), 0, BLOCK));
      }
    }

    boolean overlaps(long otherBlock, int otherBlocks) {
      return block < otherBlock + otherBlocks && otherBlock < block + blocks;
    }
  }

  private final Arena arena = Arena.ofAuto();
  private final Crc32c crc = new Crc32c();
  private final TreeMap<Long, Long> model = new TreeMap<>();
  private final TreeMap<Integer, TreeMap<Long, Long>> snapshots = new TreeMap<>();
  private final List<Op> underWay = new ArrayList<>();
  private long seed;
  private long versions;

  @ParameterizedTest
  @CsvSource({"1, BUFFERED", "2, BUFFERED", "3, BUFFERED", "4, DIRECT", "5, DIRECT", "6, DIRECT"})
  void theStoreIsAMapOfBlocks(long seedGiven, IoMode mode) {
    seed = seedGiven;
    Random random = new Random(seed);
    RandomPool pool = new RandomPool(random);
    StoreFixture it = new StoreFixture(new MemoryFiles(), SIZE);
    it.mode = mode;
    it.pool = pool;
    it.create().open();
    for (int step = 0; step < STEPS; step++) {
      int what = random.nextInt(1000);
      if (what < 350) {
        start(it, random, false);
      } else if (what < 650) {
        start(it, random, true);
      } else if (what < 700) {
        startChange(it, random);
      } else if (what < 730) {
        it.store.flush(error -> assertThat(error).isEqualTo(IoError.OK));
      } else if (what < 733) {
        settle(pool, it);
        snapshot(it, pool);
      } else if (what < 736) {
        settle(pool, it);
        it.store.kill();
        it.open();
      } else if (what < 738) {
        settle(pool, it);
        it.store.close();
        it.open();
      } else if (what < 741) {
        settle(pool, it);
        clear(it);
      } else {
        pool.step();
      }
    }
    settle(pool, it);
    checkAll(it, random, pool);
    it.store.close();
  }

  private void settle(RandomPool pool, StoreFixture it) {
    pool.drain();
    assertThat(underWay).as("requests left over, seed %d", seed).isEmpty();
    assertThat(it.store.isIdle()).as("idle, seed %d", seed).isTrue();
  }

  /** Some spans are busier than others, and there are more of them than the cache has pages. */
  private static long someBlock(Random random) {
    long span = random.nextInt(4) == 0 ? random.nextInt(512) : random.nextInt(3);
    return span * 512 + random.nextInt(512);
  }

  private boolean isBusy(long block, int blocks, boolean isRead) {
    for (Op op : underWay) {
      if (op.overlaps(block, blocks) && !(isRead && op.isRead)) {
        return true;
      }
    }
    return underWay.size() >= MOST_UNDER_WAY;
  }

  private void start(StoreFixture it, Random random, boolean isRead) {
    long block = someBlock(random);
    int blocks = 1 + random.nextInt((int) (32 - block % 32));
    if (isBusy(block, blocks, isRead)) {
      return;
    }
    Op op = new Op(block, blocks, random.nextBoolean());
    op.isRead = isRead;
    underWay.add(op);
    if (isRead) {
      it.store.read(op);
      return;
    }
    op.version = random.nextInt(20) == 0 ? 0 : ++versions;
    for (int i = 0; i < blocks; i++) {
      MemorySegment one = arena.allocate(BLOCK, 8);
      if (op.version != 0) {
        StoreFixture.pattern(one, 0, block + i, op.version);
      }
      MemorySegment.copy(one, 0, op.memory, (long) i * BLOCK, BLOCK);
      op.sums.set(U32, 4L * i, crc.of(one.asByteBuffer(), 0, BLOCK));
      model.put(block + i, op.version);
    }
    it.store.write(op);
  }

  private void startChange(StoreFixture it, Random random) {
    long block = someBlock(random);
    int blocks = 1 + random.nextInt((int) (512 - block % 512));
    if (isBusy(block, blocks, false)) {
      return;
    }
    Op op = new Op(block, blocks, true);
    underWay.add(op);
    for (int i = 0; i < blocks; i++) {
      model.put(block + i, 0L);
    }
    if (random.nextBoolean()) {
      it.store.zero(op);
    } else {
      it.store.zeroAllocated(op);
    }
  }

  private void snapshot(StoreFixture it, RandomPool pool) {
    int layer = it.store.head();
    it.store.snapshot(
        layer,
        new SnapshotSpec("s" + layer, layer + 1, layer, false),
        error -> assertThat(error).isEqualTo(IoError.OK));
    pool.drain();
    assertThat(it.store.head()).isEqualTo(layer + 1);
    snapshots.put(layer, new TreeMap<>(model));
  }

  private void clear(StoreFixture it) {
    MemorySegment bits = arena.allocate(it.store.regionCount() / 8);
    bits.fill((byte) -1);
    it.store.clearIntent(
        0, it.store.regionCount(), bits, 0, error -> assertThat(error).isEqualTo(IoError.OK));
  }

  private void checkAll(StoreFixture it, Random random, RandomPool pool) {
    for (long block = 0; block < SIZE / BLOCK; block += 32) {
      if (block >= 4 * 512 && random.nextInt(8) != 0) {
        continue;
      }
      Op op = new Op(block, 32, true);
      op.isRead = true;
      underWay.add(op);
      it.store.read(op);
      pool.drain();
    }
    checkSnapshots(it, pool);
  }

  /** What a snapshot shows is what its layer and those below it show. */
  private void checkSnapshots(StoreFixture it, RandomPool pool) {
    snapshots.forEach((top, shown) -> {
      for (long block = 0; block < 3 * 512; block += 7) {
        assertThat(shownBy(it, pool, top, block))
            .as("snapshot %d, block %d, seed %d", top, block, seed)
            .isEqualTo(shown.getOrDefault(block, 0L));
      }
    });
  }

  private long shownBy(StoreFixture it, RandomPool pool, int top, long block) {
    for (int layer = top; layer >= 1; layer--) {
      BlockRequest hash =
          new BlockRequest() {
            @Override
            public void completed(IoError error) {
              assertThat(error).isEqualTo(IoError.OK);
            }
          };
      MemorySegment memory = arena.allocate(BLOCK, 4096);
      MemorySegment sums = arena.allocate(4, 4);
      hash.range(layer, block * BLOCK, BLOCK);
      hash.data(memory, 0);
      hash.crcs(sums, 0);
      it.store.blockHashes(hash);
      pool.drain();
      int state = memory.get(ValueLayout.JAVA_BYTE, 0);
      if (state == 2) {
        return 0;
      }
      if (state == 1) {
        it.store.read(hash);
        pool.drain();
        return memory.get(ValueLayout.JAVA_LONG, 8);
      }
    }
    return 0;
  }
}
