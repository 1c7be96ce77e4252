package io.longhorn.replica.store;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.IoError;
import io.longhorn.api.replica.ReplicaOpener.IoMode;
import io.longhorn.api.wire.LayerList;
import io.longhorn.replica.file.FaultPlan;
import io.longhorn.replica.file.FaultPlan.Call;
import io.longhorn.replica.file.FaultPlan.Fault;
import io.longhorn.replica.file.FaultyFiles;
import io.longhorn.replica.file.MemoryFiles;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The traps of Longhorn's own data path that concern what is on the disk, by their numbers. */
class StoreTrapsTest {
  private static final long SIZE = 8L << 20;

  private final MemoryFiles memory = new MemoryFiles();
  private final FaultyFiles files = new FaultyFiles(memory, FaultPlan.none());
  private final StoreFixture it = new StoreFixture(files, SIZE);

  private void powerCycle(long seed) {
    it.store.kill();
    memory.cutPower(new Random(seed));
    it.open();
  }

  @ParameterizedTest
  @EnumSource(IoMode.class)
  void t1AWriteThatWasFlushedIsThereAfterThePowerWasCutWithDirectToo(IoMode mode) {
    it.mode = mode;
    it.create().open();
    for (long seed = 0; seed < 20; seed++) {
      assertThat(it.write(5 + 64 * seed, 8, seed + 1)).isEqualTo(IoError.OK);
      assertThat(it.flush()).isEqualTo(IoError.OK);
      powerCycle(seed);
      for (long block = 0; block < 8; block++) {
        assertThat(it.version(5 + 64 * seed + block)).as("seed %d", seed).isEqualTo(seed + 1);
      }
    }
  }

  @Test
  void t3ABitIsOnTheDiskBeforeTheDataItIsAbout() {
    for (long stop = 0; stop < 40; stop++) {
      MemoryFiles disk = new MemoryFiles();
      FaultyFiles stopping = new FaultyFiles(disk, FaultPlan.none());
      StoreFixture one = new StoreFixture(stopping, SIZE).create().open();
      stopping.plan(FaultPlan.stopAt(stop));
      one.write(700, 1, 9);
      one.store.kill();
      disk.cutPower(new Random(stop));
      stopping.plan(FaultPlan.none());
      one.open();
      if (one.version(700) != 0) {
        assertThat(one.dirtyRegions()).as("stop %d", stop).contains(700 / 16);
      }
    }
  }

  @Test
  void t5TrimmedDataDoesNotComeBackFromASnapshotBelow() {
    it.create().open();
    it.write(5, 3, 1);
    it.snapshot(1, "one", 2);
    assertThat(it.zero(5, 3)).isEqualTo(IoError.OK);
    it.reopen();
    assertThat(it.version(6)).isZero();
    it.killAndOpen();
    assertThat(it.version(6)).isZero();
    it.flush();
    powerCycle(1);
    assertThat(it.version(6)).isZero();
    assertThat(it.map(5, 3)).containsExactly(new int[] {3, 2});
    assertThat(it.version(1, 6)).as("the snapshot keeps it").isEqualTo(1);
  }

  @Test
  void t5AHoleOfDataStaysData() {
    it.create().open();
    it.write(5, 1, 1);
    it.snapshot(1, "one", 2);
    it.write(5, 1, 0);
    it.killAndOpen();
    assertThat(it.version(5)).as("zeros that were written hide what is below").isZero();
    assertThat(it.map(5, 1)).containsExactly(new int[] {1, 1});
  }

  @Test
  void t6ATrimTouchesTheHeadAloneHoweverManyLayersThereAre() {
    it.create().open();
    for (int layer = 1; layer <= 5; layer++) {
      it.write(layer, 3, layer);
      it.snapshot(layer, "s" + layer, layer + 1);
    }
    it.zero(0, 16);
    for (int layer = 1; layer <= 5; layer++) {
      assertThat(it.version(layer, layer)).isEqualTo(layer);
      assertThat(it.version(layer, layer + 2)).isEqualTo(layer);
    }
  }

  @Test
  void t7ASnapshotThatStoppedAnywhereIsThereWholeOrNotAtAll() {
    for (long stop = 0; stop < 40; stop++) {
      for (int seed = 0; seed < 5; seed++) {
        MemoryFiles disk = new MemoryFiles();
        FaultyFiles stopping = new FaultyFiles(disk, FaultPlan.none());
        StoreFixture one = new StoreFixture(stopping, SIZE).create().open();
        one.write(5, 1, 1);
        stopping.plan(FaultPlan.stopAt(stop));
        boolean isDone = one.snapshot(1, "one", 2).isOk();
        one.store.kill();
        disk.cutPower(new Random(31 * stop + seed));
        stopping.plan(FaultPlan.none());
        one.open();
        List<LayerList.Layer> layers = one.store.layers().layers();
        if (isDone) {
          assertThat(layers).hasSize(2);
        }
        if (layers.size() == 2) {
          assertThat(layers.getFirst().snapshot()).isEqualTo("one");
          assertThat(layers.getFirst().isUserCreated()).isTrue();
          assertThat(one.version(1, 5)).isEqualTo(1);
        }
        assertThat(one.snapshot(1, "one", 2))
            .as("again, stop %d seed %d", stop, seed)
            .isEqualTo(IoError.OK);
        assertThat(one.store.layers().layers()).hasSize(2);
      }
    }
  }

  @Test
  void t10NoSpaceIsATypedError() {
    it.create().open();
    it.write(5, 1, 1);
    files.plan((call, _, _) -> call == Call.WRITE ? Fault.ENOSPC : Fault.NONE);
    assertThat(it.write(5, 1, 2)).isEqualTo(IoError.ENOSPC);
  }

  @Test
  void t14HashesSkipWhatHasNoData() {
    it.create().open();
    it.write(5, 1, 1);
    it.flush();
    it.hashes(0, 0, 1);
    long[] reads = new long[1];
    files.plan((call, name, _) -> {
      reads[0] += call == Call.READ && name.equals("L1.dat") ? 1 : 0;
      return Fault.NONE;
    });
    it.hashes(0, 32, 480);
    assertThat(reads[0]).isZero();
  }

  @Test
  void t16LayerIdsAreMonotonicAndNeverReused() {
    it.create().open();
    assertThat(it.snapshot(1, "one", 7)).isEqualTo(IoError.OK);
    assertThat(it.snapshot(2, "two", 7)).isEqualTo(IoError.EXISTS);
    assertThat(it.snapshot(2, "two", 3)).isEqualTo(IoError.EXISTS);
    assertThat(it.snapshot(2, "two", 1_000_000)).isEqualTo(IoError.OK);
    it.reopen();
    assertThat(it.store.layers().layers().stream().mapToInt(LayerList.Layer::id).toArray())
        .isEqualTo(new int[] {1, 7, 1_000_000});
  }

  @Test
  void t17OpeningALargeVolumeTakesMemoryForItsCacheNotForItsSize() {
    StoreFixture large = new StoreFixture(new MemoryFiles(), 1L << 40).create().open();
    for (int i : IntStream.range(0, 300).toArray()) {
      large.write(i * 80_000L * 8, 1, 1);
    }
    large.flush();
    large.killAndOpen();
    assertThat(large.store.counters().spansToRepair()).isBetween(300L, 600L);
    assertThat(large.store.counters().cachedPages()).isLessThanOrEqualTo(256);
    assertThat(large.version(80_000L * 8)).isEqualTo(1);
    large.store.close();
  }
}
