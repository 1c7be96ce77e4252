package io.longhorn.orchestration.store;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Setting;
import io.longhorn.orchestration.Seed;
import io.longhorn.orchestration.store.ClusterStore.Stored;
import io.longhorn.orchestration.store.TracedFile.Step;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * The power goes at every step that reached the file, with what was not synced written in order up
 * to there and torn, or in any part: what is opened then is the state after some change, none older
 * than the last that returned.
 */
final class CrashPointsTest {
  private static final int SECTOR_BYTES = 512;

  @TempDir private Path directory;

  /** The file as a disk has it. */
  private static final class Image {
    private byte[] bytes = new byte[0];

    Image copy() {
      Image copy = new Image();
      copy.bytes = bytes.clone();
      return copy;
    }

    void apply(Step step) {
      switch (step) {
        case Step.Write(long at, byte[] written) -> apply(at, written, written.length);
        case Step.Length(long length) -> bytes = Arrays.copyOf(bytes, (int) length);
        case Step.Opened(byte[] there) -> bytes = there.clone();
        case Step.Sync _, Step.Note _ -> {}
      }
    }

    void apply(long at, byte[] written, int length) {
      if (bytes.length < at + length) {
        bytes = Arrays.copyOf(bytes, (int) at + length);
      }
      System.arraycopy(written, 0, bytes, (int) at, length);
    }
  }

  @ParameterizedTest
  @CsvSource({
    // changes, length from which it is written anew, opened anew every so many changes
    "70, 16777216, 1000",
    "70, 16777216, 20",
    "300, 300000, 1000",
  })
  void whateverOfTheLastCommitIsThere(int changes, long rewriteBytes, int session)
      throws IOException {
    RandomGenerator random = Seed.random("CrashPointsTest");
    List<SortedMap<ObjectKey, Stored>> states = new ArrayList<>();
    states.add(new TreeMap<>());
    Path file = directory.resolve("traced.mv");
    write(file, changes, rewriteBytes, session, random, states);
    Image now = new Image();
    Image synced = new Image();
    List<Step> steps = List.copyOf(TracedFile.steps());
    List<Step> pending = new ArrayList<>();
    long returned = 0;
    int everyNth = Math.max(1, steps.size() / 50);
    for (int i = 0; i < steps.size(); i++) {
      Step step = steps.get(i);
      boolean isLooked = i % everyNth == 0 || i > steps.size() - 12;
      if (isLooked && i > 0 && !(step instanceof Step.Opened)) {
        require(now.copy(), states, returned, "at step " + i);
        requireTorn(now, step, random, states, returned, i);
        requireParts(synced, pending, step, random, states, returned, i);
      }
      now.apply(step);
      switch (step) {
        case Step.Sync _, Step.Opened _ -> {
          pending.clear();
          synced = now.copy();
        }
        case Step.Note(long revision) -> returned = revision;
        case Step.Write _, Step.Length _ -> pending.add(step);
      }
    }
    require(now, states, changes, "at the end");
  }

  private static void write(
      Path file,
      int changes,
      long rewriteBytes,
      int session,
      RandomGenerator random,
      List<SortedMap<ObjectKey, Stored>> states) {
    String scheme = TracedFile.begin();
    int done = 0;
    while (done < changes) {
      try (ClusterStore store = DurableClusterStore.openFile(file, scheme, rewriteBytes)) {
        for (int i = 0; i < session && done < changes; i++) {
          change(store, random);
          done++;
          TreeMap<ObjectKey, Stored> state = new TreeMap<>();
          store.list(ObjectKind.SETTING).forEach(found -> state.put(found.object().key(), found));
          states.add(state);
          assertThat(store.revision()).isEqualTo(done);
          TracedFile.note(done);
        }
      }
    }
  }

  private static void change(ClusterStore store, RandomGenerator random) {
    String name = "s" + random.nextInt(20);
    Stored there = store.get(ClusterStoreContract.key(name)).orElse(null);
    long version = there == null ? ClusterStore.ABSENT : there.version();
    if (there != null && random.nextInt(5) == 0) {
      store.delete(there.object().key(), version);
    } else {
      String value = "v" + random.nextLong() + "x".repeat(random.nextInt(3_000));
      store.put(new Setting(name, value), version);
    }
  }

  /** A write that was cut off: at a sector, or anywhere. */
  private void requireTorn(
      Image now,
      Step step,
      RandomGenerator random,
      List<SortedMap<ObjectKey, Stored>> states,
      long returned,
      int number)
      throws IOException {
    if (step instanceof Step.Write(long at, byte[] bytes) && bytes.length > 1) {
      int sector = random.nextInt(bytes.length) / SECTOR_BYTES * SECTOR_BYTES;
      for (int length : new int[] {1, bytes.length - 1, random.nextInt(bytes.length), sector}) {
        Image torn = now.copy();
        torn.apply(at, bytes, length);
        require(torn, states, returned, "torn after " + length + " bytes of step " + number);
      }
    }
  }

  /** What was not synced reaches the disk in any order: some of it is there, some is not. */
  private void requireParts(
      Image synced,
      List<Step> pending,
      Step step,
      RandomGenerator random,
      List<SortedMap<ObjectKey, Stored>> states,
      long returned,
      int number)
      throws IOException {
    if (pending.isEmpty() && step instanceof Step.Sync) {
      return;
    }
    for (int round = 0; round < 2; round++) {
      Image part = synced.copy();
      for (Step one : pending) {
        if (random.nextBoolean()) {
          part.apply(one);
        }
      }
      if (random.nextBoolean()) {
        part.apply(step);
      }
      require(part, states, returned, "with a part of what was not synced at step " + number);
    }
  }

  private void require(
      Image image, List<SortedMap<ObjectKey, Stored>> states, long returned, String when)
      throws IOException {
    Path file = directory.resolve("crashed.mv");
    Files.write(file, image.bytes);
    try (ClusterStore store = DurableClusterStore.openFile(file)) {
      int revision = Math.toIntExact(store.revision());
      assertThat(revision).as(when).isBetween((int) returned, states.size() - 1);
      TreeMap<ObjectKey, Stored> found = new TreeMap<>();
      store.list(ObjectKind.SETTING).forEach(one -> found.put(one.object().key(), one));
      assertThat(found.equals(states.get(revision))).as("%s: state %d", when, revision).isTrue();
    } catch (RuntimeException e) {
      throw new AssertionError(when + ", after change " + returned, e);
    }
  }
}
