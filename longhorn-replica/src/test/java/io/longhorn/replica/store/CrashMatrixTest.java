package io.longhorn.replica.store;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.api.replica.ReplicaOpener.IoMode;
import io.longhorn.replica.file.FaultPlan;
import io.longhorn.replica.file.FaultyFiles;
import io.longhorn.replica.file.MemoryFiles;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.LongStream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/**
 * Every scenario is stopped at each of its calls that change anything; then the process is gone, or
 * the power, which loses or tears what was not synced; then the directory is opened again and
 * compared with what it promised.
 */
class CrashMatrixTest {
  private static final long SIZE = 4L << 20;

  /** What the scenarios touch, and what is around it. */
  private static final long[] LOOKED_AT =
      LongStream.of(
              0, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16, 17, 20, 21, 26, 27, 39, 40, 41, 42, 43,
              99, 100, 103, 104, 599, 600, 601, 699, 700, 701, 702, 1023)
          .toArray();

  private static final int BLOCKS_PER_REGION = 16;
  private static final int SECTOR = 512;
  private static final int SEEDS = 6;

  /** What happens, and what may be found afterwards. */
  private static final class Run {
    final MemoryFiles memory = new MemoryFiles();
    final FaultyFiles files = new FaultyFiles(memory, FaultPlan.none());
    final StoreFixture it = new StoreFixture(files, SIZE);

    /** What each block showed at the last flush; 0 = zeros. */
    final TreeMap<Long, Long> flushed = new TreeMap<>();

    /** What each block shows by what was answered. */
    final TreeMap<Long, Long> answered = new TreeMap<>();

    /** What was written since the flush, answered or not. */
    final TreeMap<Long, Set<Long>> unflushed = new TreeMap<>();

    /** Blocks whose data the head had at the last flush: overwriting them may tear. */
    final Set<Long> inHead = new HashSet<>();

    final Set<Long> inHeadAnswered = new HashSet<>();
    final Set<Integer> dirty = new TreeSet<>();
    final TreeMap<String, TreeMap<Long, Long>> snapshots = new TreeMap<>();
    String snapshotTried = "";
    boolean isClearTried;
    long operation;
    long promisedAnswered;
    long promisedTried;
    long recordAnswered = 1;
    long recordTried = 1;

    boolean write(long block, int blocks, long version) {
      for (long b = block; b < block + blocks; b++) {
        unflushed.computeIfAbsent(b, _ -> new HashSet<>()).add(version);
      }
      if (!it.write(block, blocks, version).isOk()) {
        return false;
      }
      wrote(block, blocks, version, true);
      return true;
    }

    private void wrote(long block, int blocks, long version, boolean hasData) {
      for (long b = block; b < block + blocks; b++) {
        answered.put(b, version);
        dirty.add((int) (b / BLOCKS_PER_REGION));
        if (hasData) {
          inHeadAnswered.add(b);
        } else {
          inHeadAnswered.remove(b);
        }
      }
    }

    boolean zero(long block, int blocks, boolean isAllocated) {
      for (long b = block; b < block + blocks; b++) {
        unflushed.computeIfAbsent(b, _ -> new HashSet<>()).add(0L);
      }
      IoError outcome = isAllocated ? it.zeroAllocated(block, blocks) : it.zero(block, blocks);
      if (outcome.isOk()) {
        wrote(block, blocks, 0, isAllocated);
      }
      return outcome.isOk();
    }

    boolean flush() {
      if (!it.flush().isOk()) {
        return false;
      }
      flushedAll();
      return true;
    }

    private void flushedAll() {
      flushed.putAll(answered);
      inHead.clear();
      inHead.addAll(inHeadAnswered);
      unflushed.clear();
    }

    boolean clear() {
      isClearTried = true;
      if (!it.clearAll().isOk()) {
        return false;
      }
      isClearTried = false;
      flushedAll();
      dirty.clear();
      return true;
    }

    boolean snapshot(String name) {
      snapshotTried = name;
      operation++;
      if (!it.snapshot(operation, name, (int) operation + 1).isOk()) {
        return false;
      }
      snapshotTried = "";
      flushedAll();
      inHead.clear();
      inHeadAnswered.clear();
      snapshots.put(name, new TreeMap<>(answered));
      return true;
    }

    boolean promise(long generation) {
      promisedTried = generation;
      if (!it.promise(generation, 1).isOk()) {
        return false;
      }
      promisedAnswered = generation;
      return true;
    }

    boolean record(long number) {
      recordTried = number;
      if (!it.record(1, number).isOk()) {
        return false;
      }
      recordAnswered = number;
      return true;
    }

    boolean release() {
      if (!it.release(promisedAnswered).isOk()) {
        return false;
      }
      flushedAll();
      return true;
    }

    /** Closes cleanly and opens again. */
    boolean reopen() {
      try {
        it.reopen();
      } catch (VolumeException _) {
        return false;
      }
      flushedAll();
      return true;
    }

    /** The process dies and another one opens. */
    boolean killAndOpen() {
      it.store.kill();
      try {
        it.open();
        return true;
      } catch (VolumeException _) {
        return false;
      }
    }
  }

  /** Steps; false ends it: the call was stopped. */
  private interface Scenario {
    boolean run(Run run);
  }

  private record Named(String name, Scenario scenario) {}

  private static List<Named> scenarios() {
    return List.of(
        new Named("first write into a clean region", run -> run.write(5, 3, 1)),
        new Named(
            "overwrite",
            run -> run.write(5, 3, 1) && run.flush() && run.write(4, 3, 2) && run.write(6, 1, 3)),
        new Named(
            "flush",
            run ->
                run.write(5, 3, 1)
                    && run.flush()
                    && run.write(7, 20, 2)
                    && run.write(600, 1, 2)
                    && run.flush()
                    && run.write(7, 1, 3)
                    && run.flush()),
        new Named(
            "trim",
            run ->
                run.write(5, 8, 1)
                    && run.flush()
                    && run.zero(6, 2, false)
                    && run.write(7, 1, 2)
                    && run.zero(100, 4, true)
                    && run.flush()
                    && run.zero(5, 1, false)
                    && run.write(5, 1, 3)
                    && run.zero(5, 1, false)),
        new Named(
            "snapshot",
            run ->
                run.write(5, 8, 1)
                    && run.flush()
                    && run.write(6, 1, 2)
                    && run.snapshot("one")
                    && run.write(5, 2, 3)
                    && run.zero(8, 1, false)
                    && run.zero(9, 1, true)
                    && run.write(10, 1, 0)
                    && run.flush()
                    && run.zero(11, 1, true)
                    && run.write(12, 1, 0)
                    && run.snapshot("two")
                    && run.write(5, 1, 4)),
        new Named(
            "bitmap clear",
            run ->
                run.write(5, 3, 1)
                    && run.write(40, 3, 1)
                    && run.flush()
                    && run.clear()
                    && run.write(5, 3, 2)
                    && run.flush()
                    && run.write(700, 2, 2)
                    && run.clear()
                    && run.write(40, 1, 3)
                    && run.write(41, 1, 3)),
        new Named(
            "record and generation",
            run ->
                run.promise(3)
                    && run.record(5)
                    && run.promise(4)
                    && run.write(5, 1, 1)
                    && run.record(6)
                    && run.promise(9)
                    && run.record(7)),
        new Named(
            "release and close",
            run ->
                run.promise(3)
                    && run.write(5, 3, 1)
                    && run.release()
                    && run.promise(4)
                    && run.write(5, 3, 2)
                    && run.reopen()
                    && run.write(6, 1, 3)
                    && run.flush()
                    && run.reopen()),
        new Named(
            "death and opening",
            run ->
                run.write(5, 3, 1)
                    && run.snapshot("one")
                    && run.write(6, 2, 2)
                    && run.flush()
                    && run.write(7, 3, 3)
                    && run.killAndOpen()
                    && run.write(20, 1, 4)
                    && run.zero(6, 1, false)
                    && run.flush()
                    && run.write(21, 1, 4)
                    && run.killAndOpen()
                    && run.clear()));
  }

  @TestFactory
  List<DynamicTest> everyScenarioIsSurvivedWhereverItStops() {
    List<DynamicTest> tests = new ArrayList<>();
    for (Named named : scenarios()) {
      for (IoMode mode : IoMode.values()) {
        tests.add(
            DynamicTest.dynamicTest(
                named.name + ", " + mode, () -> stopEverywhere(named.scenario, mode)));
      }
    }
    return tests;
  }

  private static void stopEverywhere(Scenario scenario, IoMode mode) {
    boolean isOver = false;
    int cases = 0;
    for (long stop = 0; !isOver; stop++) {
      for (int seed = 0; seed < SEEDS; seed++) {
        // Seed 0: only the process dies.
        boolean isPowerCut = seed > 0;
        String label = "mode " + mode + ", stopped at call " + stop + ", seed " + seed;
        Run run = new Run();
        run.it.mode = mode;
        run.it.create().open();
        run.files.plan(FaultPlan.stopAt(stop));
        boolean isDone = scenario.run(run);
        assertThat(isDone).as(label).isEqualTo(!run.files.isStopped());
        isOver = isDone;
        run.it.store.kill();
        if (isPowerCut) {
          run.memory.cutPower(new Random(seed * 7919L + stop));
        }
        run.files.plan(FaultPlan.none());
        try {
          run.it.open();
          check(run, isPowerCut, label);
          afterwards(run, label);
        } catch (AssertionError | RuntimeException e) {
          throw new AssertionError(label + ": " + e.getMessage(), e);
        }
        cases++;
      }
    }
    assertThat(cases).as("cases").isGreaterThan(2 * SEEDS);
  }

  private static void check(Run run, boolean isPowerCut, String label) {
    assertThat(run.it.store.promised())
        .as(label)
        .isBetween(run.promisedAnswered, Math.max(run.promisedAnswered, run.promisedTried));
    assertThat(run.it.store.record().stamp().number())
        .as(label)
        .isBetween(run.recordAnswered, run.recordTried);
    Set<Integer> bits = new TreeSet<>(run.it.dirtyRegions());
    if (!run.isClearTried) {
      assertThat(bits).as(label + ": bits of answered writes").containsAll(run.dirty);
    }
    for (long block : LOOKED_AT) {
      boolean isDirty = bits.contains((int) (block / BLOCKS_PER_REGION));
      checkBlock(run, block, isPowerCut, isDirty, label + ", block " + block);
    }
    checkSnapshots(run, label);
    // What was read once stays, and its checksums are right.
    for (long block : LOOKED_AT) {
      run.it.read(0, block);
    }
  }

  private static void checkBlock(
      Run run, long block, boolean isPowerCut, boolean isDirty, String label) {
    long flushed = run.flushed.getOrDefault(block, 0L);
    long answered = run.answered.getOrDefault(block, 0L);
    Set<Long> allowed = new TreeSet<>(run.unflushed.getOrDefault(block, Set.of()));
    Set<Long> tried = new TreeSet<>(allowed);
    if (isPowerCut) {
      allowed.add(flushed);
    } else {
      // Of those that were not answered only the last one can be under way.
      allowed.removeIf(version -> version < answered && version != 0);
      allowed.add(answered);
    }
    byte[] found = run.it.read(0, block);
    long version = run.it.version(block);
    if (run.isClearTried && !isDirty) {
      assertThat(version)
          .as(label + ": without its bit everything is on the disk")
          .isEqualTo(answered);
      return;
    }
    if (allowed.contains(version)) {
      if (version != flushed) {
        assertThat(isDirty).as(label + ": version " + version + " needs its bit").isTrue();
      }
      return;
    }
    assertThat(isPowerCut && isDirty && run.inHead.contains(block))
        .as(label + ": " + version + " of " + allowed + " is a mixture, and may not be")
        .isTrue();
    tried.add(flushed);
    MemorySegment bytes = MemorySegment.ofArray(found);
    for (int at = 0; at < 4096; at += SECTOR) {
      long sector = bytes.get(ValueLayout.JAVA_LONG_UNALIGNED, at + 8);
      assertThat(tried).as(label + ", sector at " + at).contains(sector);
    }
  }

  private static void checkSnapshots(Run run, String label) {
    List<String> names = new ArrayList<>();
    for (var layer : run.it.store.layers().layers()) {
      if (layer.sealedBy() != 0) {
        names.add(layer.snapshot());
      }
    }
    if (names.size() > run.snapshots.size()) {
      assertThat(names.removeLast()).as(label).isEqualTo(run.snapshotTried);
    }
    assertThat(names).as(label).containsExactlyElementsOf(run.snapshots.keySet());
    TreeMap<Long, Long> first = run.snapshots.get("one");
    if (first != null) {
      for (long block = 0; block < 24; block++) {
        assertThat(run.it.version(1, block))
            .as(label + ": snapshot one, block " + block)
            .isEqualTo(first.getOrDefault(block, 0L));
      }
    }
  }

  /** It goes on working: written, flushed, snapshot, and again the power. */
  private static void afterwards(Run run, String label) {
    StoreFixture it = run.it;
    List<Long> before = new ArrayList<>();
    for (long block = 0; block < 48; block++) {
      before.add(it.version(block));
    }
    long operation = it.store.lastOperation() + 1;
    assertThat(it.write(30, 1, 77)).as(label).isEqualTo(IoError.OK);
    assertThat(it.snapshot(operation, "later", (int) operation + 100)).isEqualTo(IoError.OK);
    assertThat(it.write(31, 1, 78)).isEqualTo(IoError.OK);
    assertThat(it.flush()).isEqualTo(IoError.OK);
    it.store.kill();
    run.memory.cutPower(new Random(operation));
    it.open();
    before.set(30, 77L);
    before.set(31, 78L);
    for (long block = 0; block < 48; block++) {
      if (before.get((int) block) >= 0) {
        assertThat(it.version(block))
            .as(label + ", later, block " + block)
            .isEqualTo(before.get((int) block));
      }
    }
    it.store.close();
  }

  @Test
  void creationThatWasInterruptedIsNotAReplicaAndCanBeRepeated() {
    boolean isOver = false;
    for (long stop = 0; !isOver; stop++) {
      for (int seed = 0; seed < SEEDS; seed++) {
        MemoryFiles memory = new MemoryFiles();
        FaultyFiles files = new FaultyFiles(memory, FaultPlan.stopAt(stop));
        StoreFixture it = new StoreFixture(files, SIZE);
        String label = "stopped at call " + stop + ", seed " + seed;
        boolean isCreated;
        try {
          it.create();
          isCreated = true;
        } catch (VolumeException _) {
          isCreated = false;
        }
        isOver = isCreated;
        if (seed > 0) {
          memory.cutPower(new Random(seed * 31L + stop));
        }
        files.plan(FaultPlan.none());
        if (!isCreated) {
          assertNoReplicaOrAWholeOne(it, label);
        }
        it.open();
        assertThat(it.version(5)).as(label).isZero();
        it.store.close();
      }
    }
  }

  private static void assertNoReplicaOrAWholeOne(StoreFixture it, String label) {
    try {
      it.open().store.close();
    } catch (VolumeException e) {
      assertThat(e.error()).as(label + ": " + e.getMessage()).isEqualTo(IoError.NOT_FOUND);
    }
    it.create();
  }

  /** Nobody looks in between: what one that finds it made answers is as durable. */
  @Test
  void creationEndsWellHoweverOftenItWasInterrupted() {
    boolean isOver = false;
    for (long first = 0; !isOver; first++) {
      isOver = true;
      for (boolean isPowerCut : new boolean[] {false, true}) {
        boolean isSecondOver = false;
        for (long second = 0; !isSecondOver; second++) {
          MemoryFiles memory = new MemoryFiles();
          FaultyFiles files = new FaultyFiles(memory, FaultPlan.none());
          StoreFixture it = new StoreFixture(files, SIZE);
          Random random = new Random(first * 1009 + second);
          String label =
              "stopped at calls " + first + " and " + second + ", power cut " + isPowerCut;
          isOver &= isCreatedBefore(first, it, files);
          if (isPowerCut) {
            memory.cutPower(random);
          }
          isSecondOver = isCreatedBefore(second, it, files);
          if (isPowerCut && !isSecondOver) {
            memory.cutPower(random);
          }
          files.plan(FaultPlan.none());
          it.create();
          memory.cutPower(random);
          it.open();
          assertThat(it.version(5)).as(label).isZero();
          it.store.close();
        }
      }
    }
  }

  private static boolean isCreatedBefore(long stop, StoreFixture it, FaultyFiles files) {
    files.plan(FaultPlan.stopAt(stop));
    try {
      it.create();
      return true;
    } catch (VolumeException _) {
      return false;
    }
  }
}
