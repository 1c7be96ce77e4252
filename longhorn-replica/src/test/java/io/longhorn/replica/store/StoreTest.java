package io.longhorn.replica.store;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.IoError;
import io.longhorn.api.membership.RecordStamp;
import io.longhorn.api.wire.LayerList;
import io.longhorn.replica.file.MemoryFiles;
import io.longhorn.replica.store.StoreFixture.Request;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** What an open store does, on a file system in memory. */
class StoreTest {
  private static final long SIZE = 8L << 20;

  private final MemoryFiles files = new MemoryFiles();
  private final StoreFixture it = new StoreFixture(files, SIZE).create().open();

  @Test
  void aNewReplicaIsZerosAndSaysWhoItIs() {
    assertThat(it.version(0)).isZero();
    assertThat(it.version(SIZE / 4096 - 1)).isZero();
    assertThat(it.store.sizeBytes()).isEqualTo(SIZE);
    assertThat(it.store.replica()).isEqualTo(StoreFixture.REPLICA);
    assertThat(it.store.name().value()).isEqualTo("vol");
    assertThat(it.store.authority()).isEqualTo("replicas");
    assertThat(it.store.promised()).isZero();
    assertThat(it.store.promisedTo()).isEmpty();
    assertThat(it.store.record().stamp()).isEqualTo(new RecordStamp(0, 1));
    assertThat(it.store.isContinuous()).isFalse();
    assertThat(it.store.regionBytes()).isEqualTo(64 << 10);
    assertThat(it.store.regionCount()).isEqualTo(128);
    assertThat(it.store.head()).isEqualTo(1);
    assertThat(it.dirtyRegions()).isEmpty();
  }

  @Test
  void whatIsWrittenIsRead() {
    assertThat(it.write(5, 3, 1)).isEqualTo(IoError.OK);
    assertThat(it.write(6, 1, 2)).isEqualTo(IoError.OK);
    assertThat(it.version(4)).isZero();
    assertThat(it.version(5)).isEqualTo(1);
    assertThat(it.version(6)).isEqualTo(2);
    assertThat(it.version(7)).isEqualTo(1);
    assertThat(it.version(1, 6)).isEqualTo(2);
  }

  @Test
  void itIsThereAfterACleanCloseAndTheDirectoryIsClean() {
    it.write(5, 3, 1);
    it.zero(6, 1);
    it.reopen();
    assertThat(it.store.counters().spansToRepair()).isZero();
    assertThat(it.version(5)).isEqualTo(1);
    assertThat(it.version(6)).isZero();
    assertThat(it.version(7)).isEqualTo(1);
    assertThat(it.dirtyRegions()).as("a clean close clears no bits").isEqualTo(regionsOfSpans(0));
  }

  @Test
  void aKilledProcessLosesNothingThatItAnswered() {
    it.write(5, 3, 1);
    it.flush();
    it.write(6, 1, 2);
    it.write(100, 4, 3);
    it.zero(5, 1);
    it.zeroAllocated(7, 1);
    it.killAndOpen();
    assertThat(it.store.counters().spansToRepair()).isEqualTo(1);
    assertThat(it.version(5)).isZero();
    assertThat(it.version(6)).isEqualTo(2);
    assertThat(it.version(7)).isZero();
    assertThat(it.version(100)).isEqualTo(3);
    assertThat(it.version(103)).isEqualTo(3);
    assertThat(it.store.counters().spansToRepair()).isZero();
  }

  @Test
  void allChangesOfOnePageInOneFlushAreReplayed() {
    it.write(5, 1, 1);
    it.write(7, 1, 2);
    it.write(9, 1, 3);
    it.flush();
    it.store.kill();
    files.cutPower(new Random(1));
    it.open();
    assertThat(it.version(5)).isEqualTo(1);
    assertThat(it.version(7)).isEqualTo(2);
    assertThat(it.version(9)).isEqualTo(3);
  }

  @Test
  void allZerosOfOneWriteThatHideALayerBelowAreReplayed() {
    it.write(5, 3, 1);
    it.snapshot(1, "one", 2);
    it.write(5, 3, 0);
    it.flush();
    it.killAndOpen();
    assertThat(it.version(5)).isZero();
    assertThat(it.version(6)).isZero();
    assertThat(it.version(7)).isZero();
  }

  @Test
  void aWriteSetsTheBitsOfItsRegionsAndAClearedOneIsSetAgain() {
    assertThat(it.store.isIntentSet(0, 4096)).isFalse();
    it.write(15, 2, 1);
    assertThat(it.dirtyRegions()).isEqualTo(regionsOfSpans(0));
    it.write(512, 1, 1);
    assertThat(it.dirtyRegions()).containsAll(regionsOfSpans(0, 1));
    assertThat(it.clearAll()).isEqualTo(IoError.OK);
    assertThat(it.dirtyRegions()).isEmpty();
    assertThat(it.store.isIntentSet(15 * 4096, 8192)).isFalse();
    it.write(512, 1, 2);
    assertThat(it.dirtyRegions()).isEqualTo(regionsOfSpans(1));
    it.killAndOpen();
    assertThat(it.dirtyRegions()).isEqualTo(regionsOfSpans(1));
    assertThat(it.version(15)).isEqualTo(1);
    assertThat(it.version(512)).isEqualTo(2);
  }

  @Test
  void writesHereAndThereWaitOnceForEachSpan() {
    long before = it.store.counters().intentCommits();
    for (int region = 3; region < 32; region += 2) {
      it.write(16 * region, 1, 1);
      it.write(16 * (region + 64), 1, 1);
    }
    assertThat(it.store.counters().intentCommits() - before).isEqualTo(2);
    assertThat(it.dirtyRegions()).isEqualTo(regionsOfSpans(0, 2));
  }

  /** A span has 32 regions of 64 KiB. */
  private static List<Integer> regionsOfSpans(int... spans) {
    return IntStream.of(spans)
        .flatMap(span -> IntStream.range(32 * span, 32 * (span + 1)))
        .boxed()
        .toList();
  }

  @Test
  void aSequentialWriterSetsBitsAhead() {
    long before = it.store.counters().intentCommits();
    for (int block = 0; block < 2048; block += 16) {
      it.write(block, 16, 1);
    }
    assertThat(it.store.counters().intentCommits() - before).isLessThan(10);
    assertThat(it.dirtyRegions()).hasSize(128);
  }

  @Test
  void aFlushOfOverwritesAppendsNothingToTheIndexLog() {
    it.write(5, 3, 1);
    it.flush();
    long logBytes = it.store.counters().indexLogBytes();
    it.write(5, 3, 2);
    long syncs = it.store.counters().syncs();
    it.flush();
    assertThat(it.store.counters().indexLogBytes()).isEqualTo(logBytes);
    assertThat(it.store.counters().syncs() - syncs).as("one fdatasync, of the data").isEqualTo(1);
    it.flush();
    assertThat(it.store.counters().syncs() - syncs).as("nothing to do").isEqualTo(1);
  }

  @Test
  void aSnapshotKeepsWhatWasThereAndShowsThroughTheHead() {
    it.write(5, 3, 1);
    it.write(600, 1, 1);
    assertThat(it.snapshot(1, "one", 2)).isEqualTo(IoError.OK);
    it.write(6, 1, 2);
    it.zero(7, 1);
    assertThat(it.snapshot(2, "two", 3)).isEqualTo(IoError.OK);
    it.write(8, 1, 3);
    for (int opening = 0; opening < 3; opening++) {
      assertThat(it.version(5)).isEqualTo(1);
      assertThat(it.version(6)).isEqualTo(2);
      assertThat(it.version(7)).isZero();
      assertThat(it.version(8)).isEqualTo(3);
      assertThat(it.version(600)).isEqualTo(1);
      assertThat(it.version(1, 6)).isEqualTo(1);
      assertThat(it.version(1, 7)).isEqualTo(1);
      assertThat(it.version(2, 6)).isEqualTo(2);
      assertThat(it.version(2, 5)).as("a layer alone does not show what is below").isZero();
      assertThat(it.store.layers().layers())
          .containsExactly(
              new LayerList.Layer(1, 0, 1, "one", 1001, true),
              new LayerList.Layer(2, 1, 2, "two", 1002, true),
              new LayerList.Layer(3, 2, 0, "", 0, false));
      if (opening == 0) {
        it.reopen();
      } else {
        it.killAndOpen();
      }
    }
  }

  @Test
  void aSnapshotIsDoneOnceHoweverOftenItIsAsked() {
    assertThat(it.snapshot(4, "one", 2)).isEqualTo(IoError.OK);
    assertThat(it.snapshot(4, "one", 2)).isEqualTo(IoError.OK);
    assertThat(it.store.layers().layers()).hasSize(2);
    assertThat(it.store.lastOperation()).isEqualTo(4);
    assertThat(it.snapshot(4, "other", 2)).isEqualTo(IoError.EXISTS);
    assertThat(it.snapshot(3, "older", 9)).isEqualTo(IoError.STALE);
    assertThat(it.snapshot(5, "one", 3)).as("name in use").isEqualTo(IoError.EXISTS);
    it.reopen();
    assertThat(it.snapshot(4, "one", 2)).isEqualTo(IoError.OK);
    assertThat(it.store.head()).isEqualTo(2);
  }

  @Test
  void thereAreAtMostTwoHundredAndFiftySnapshots() {
    for (int i = 1; i <= ReplicaStore.MAX_SNAPSHOTS; i++) {
      it.write(i, 1, i);
      assertThat(it.snapshot(i, "s" + i, i + 1)).isEqualTo(IoError.OK);
    }
    assertThat(it.snapshot(251, "s251", 252)).isEqualTo(IoError.LIMIT);
    it.reopen();
    for (int i = 1; i <= ReplicaStore.MAX_SNAPSHOTS; i++) {
      assertThat(it.version(i)).isEqualTo(i);
    }
  }

  @Test
  void aBlockBecomesAbsentAgain() {
    it.write(5, 1, 1);
    it.snapshot(1, "one", 2);
    it.write(5, 1, 2);
    assertThat(it.absent(0, 5, 1)).isEqualTo(IoError.OK);
    assertThat(it.version(5)).isEqualTo(1);
    assertThat(it.absent(1, 5, 1)).isEqualTo(IoError.OK);
    assertThat(it.version(5)).isZero();
    it.reopen();
    assertThat(it.version(5)).isZero();
  }

  @Test
  void aSealedLayerCanBeRepairedAndResynced() {
    it.write(5, 1, 1);
    it.snapshot(1, "one", 2);
    assertThat(it.version(6)).isZero();
    assertThat(it.write(1, 5, 2, 7)).isEqualTo(IoError.OK);
    assertThat(it.version(5)).isEqualTo(7);
    assertThat(it.version(6)).isEqualTo(7);
    it.flush();
    it.killAndOpen();
    assertThat(it.version(5)).isEqualTo(7);
    assertThat(it.version(6)).isEqualTo(7);
  }

  @Test
  void theMapTellsDataZeroAndAbsentApart() {
    it.write(2, 3, 1);
    it.zero(4, 2);
    assertThat(it.map(0, 2048))
        .containsExactly(new int[] {2, 0}, new int[] {2, 1}, new int[] {2, 2}, new int[] {506, 0});
    it.zeroAllocated(5, 1);
    assertThat(it.map(4, 2)).containsExactly(new int[] {1, 2}, new int[] {1, 1});
  }

  @Test
  void hashesAreOfStateAndContent() throws Exception {
    it.write(40, 2, 1);
    it.zero(42, 1);
    byte[] hashes = it.hashes(0, 0, 512);
    assertThat(hashes).hasSize(512 * 17);
    var sha = java.security.MessageDigest.getInstance("SHA-256");
    byte[] expected = sha.digest(it.read(0, 40));
    assertThat(hashes[40 * 17]).isEqualTo((byte) 1);
    for (int i = 0; i < 16; i++) {
      assertThat(hashes[40 * 17 + 1 + i]).isEqualTo(expected[i]);
    }
    byte[] zeros = sha.digest(new byte[4096]);
    assertThat(hashes[42 * 17]).isEqualTo((byte) 2);
    assertThat(hashes[42 * 17 + 1]).isEqualTo(zeros[0]);
    assertThat(hashes[43 * 17]).isEqualTo((byte) 0);
    assertThat(hashes[43 * 17 + 1]).isEqualTo(zeros[0]);
  }

  @Test
  void aBlockThatDecayedHashesLikeNoOther() {
    it.write(40, 2, 1);
    byte[] before = it.hashes(0, 40, 1);
    files.flipBit(StoreFixture.DIRECTORY, "L1.dat", 40 * 4096 + 17, 3);
    assertThat(it.hashes(0, 40, 1)).isNotEqualTo(before);
    assertThat(it.hashes(0, 40, 1)[0]).isEqualTo((byte) 1);
  }

  @Test
  void aPromiseIsKeptOnceToOneEngine() {
    assertThat(it.promise(3, 1)).isEqualTo(IoError.OK);
    assertThat(it.promise(3, 1)).isEqualTo(IoError.OK);
    assertThat(it.promise(3, 2)).isEqualTo(IoError.FENCED);
    assertThat(it.promise(2, 1)).isEqualTo(IoError.FENCED);
    assertThat(it.promise(0, 1)).isEqualTo(IoError.FENCED);
    it.killAndOpen();
    assertThat(it.store.promised()).isEqualTo(3);
    assertThat(it.promise(3, 2)).isEqualTo(IoError.FENCED);
    assertThat(it.promise(4, 2)).isEqualTo(IoError.OK);
  }

  @Test
  void onlyANewerRecordIsTaken() {
    assertThat(it.record(2, 5)).isEqualTo(IoError.OK);
    assertThat(it.record(2, 5)).isEqualTo(IoError.OK);
    assertThat(it.record(1, 9)).isEqualTo(IoError.STALE);
    assertThat(it.record(2, 4)).isEqualTo(IoError.STALE);
    it.killAndOpen();
    assertThat(it.store.record()).isEqualTo(StoreFixture.recordOf(2, 5));
  }

  @Test
  void aReleaseIsForgottenWhenALaterOwnerDoesNotRelease() {
    it.promise(3, 1);
    it.write(5, 1, 1);
    assertThat(it.release(2)).isEqualTo(IoError.FENCED);
    assertThat(it.release(3)).isEqualTo(IoError.OK);
    assertThat(it.store.releasedGeneration()).isEqualTo(3);
    it.killAndOpen();
    assertThat(it.store.counters().spansToRepair()).isZero();
    assertThat(it.store.releasedGeneration()).isEqualTo(3);
    it.promise(4, 2);
    assertThat(it.store.releasedGeneration()).as("the last owner did").isEqualTo(3);
    it.promise(5, 3);
    assertThat(it.store.releasedGeneration()).as("the last owner did not").isZero();
  }

  @Test
  void continuousMeansTheProcessThatWasEqual() {
    Request request = new Request();
    it.store.markEqual(request);
    assertThat(it.ended(request)).isEqualTo(IoError.OK);
    assertThat(it.store.isContinuous()).isTrue();
    it.reopen();
    assertThat(it.store.isContinuous()).isFalse();
  }

  @Test
  void validSinceIsDurable() {
    Request request = new Request();
    it.store.validSince(new RecordStamp(4, 9), request);
    assertThat(it.ended(request)).isEqualTo(IoError.OK);
    it.killAndOpen();
    assertThat(it.store.validSince()).isEqualTo(new RecordStamp(4, 9));
  }

  @Test
  void theIndexLogIsBoundedByCheckpoints() {
    StoreFixture big = new StoreFixture(new MemoryFiles(), 64L << 20).create().open();
    for (int round = 1; round <= 40; round++) {
      for (int block = round % 2; block < 64 * 256; block += 2) {
        if (block % 64 < 2) {
          big.zero(block, 1);
        }
      }
      for (int block = 0; block < 64 * 256; block += 64) {
        big.write(block, 1, round);
        big.flush();
      }
    }
    assertThat(big.store.counters().indexLogBytes())
        .isLessThan(IndexJournal.MAX_LOG_BYTES + (1 << 20));
    big.killAndOpen();
    assertThat(big.version(64)).isEqualTo(40);
  }

  @Test
  void requestsOutOfShapeAreInvalid() {
    for (long[] range :
        new long[][] {
          {0, 0},
          {-4096, 4096},
          {1, 4096},
          {0, 100},
          {SIZE, 4096},
          {SIZE - 4096, 8192},
          {0, 132 << 10},
          {4096, 128 << 10},
          {Long.MAX_VALUE - 4095, 4096}
        }) {
      Request request = it.ranged(0, 0, 1);
      request.range(0, range[0], (int) range[1]);
      it.store.read(request);
      assertThat(it.ended(request)).as("%d+%d", range[0], range[1]).isEqualTo(IoError.INVALID);
      request = it.ranged(0, 0, 1);
      request.range(0, range[0], (int) range[1]);
      it.store.write(request);
      assertThat(it.ended(request)).isEqualTo(IoError.INVALID);
    }
    Request request = it.ranged(9, 0, 1);
    it.store.read(request);
    assertThat(it.ended(request)).isEqualTo(IoError.NOT_FOUND);
    request = it.ranged(9, 0, 1);
    it.store.write(request);
    assertThat(it.ended(request)).isEqualTo(IoError.NOT_FOUND);
  }

  @Test
  void aReadThatCanBeDoneAtOnceIs() {
    it.write(5, 2, 1);
    Request request = it.ranged(0, 5, 2);
    assertThat(it.store.readNow(request)).as("span of the map not loaded yet").isFalse();
    assertThat(request.completions).isZero();
    it.version(5);
    assertThat(it.store.readNow(request)).isTrue();
    assertThat(it.ended(request)).isEqualTo(IoError.OK);
  }

  @Test
  void zerosOverASnapshotAreNotWrittenAtOnceSinceTheLogHasToKnow() {
    it.write(5, 1, 1);
    it.snapshot(1, "one", 2);
    it.write(5, 1, 2);
    Request other = it.ranged(0, 5, 1);
    assertThat(it.store.writeNow(other)).as("whatever the memory has, it is no zeros").isTrue();
    it.write(6, 1, 0);
    Request zeros = it.ranged(0, 7, 1);
    assertThat(it.store.writeNow(zeros)).isFalse();
    assertThat(zeros.completions).isZero();
  }

  /**
   * A cache of unlogged changes was once neither evicted nor given up: the writer span for ever.
   */
  @Test
  void aCacheFullOfChangesThatNobodyFlushedIsWrittenBackAndTheWriterGoesOn() {
    StoreFixture big = new StoreFixture(new MemoryFiles(), 1L << 30).create().open();
    for (int span = 0; span < 512; span++) {
      assertThat(big.write(span * 512L, 1, 1)).isEqualTo(IoError.OK);
    }
    assertThat(big.store.counters().pagesWritten()).isPositive();
    for (int span = 0; span < 512; span++) {
      assertThat(big.version(span * 512L)).isEqualTo(1);
    }
  }
}
