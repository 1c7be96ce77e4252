package io.longhorn.orchestration.store;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.orchestration.Seed;
import io.longhorn.orchestration.store.ClusterStore.Outcome;
import io.longhorn.orchestration.store.ClusterStore.Stored;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.random.RandomGenerator;
import org.h2.mvstore.MVStore;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The contract on disk, and what only a disk can do to it. */
final class DurableClusterStoreTest extends ClusterStoreContract {
  @TempDir private Path directory;

  private Path file() {
    return directory.resolve("cluster.mv");
  }

  @Override
  ClusterStore open() {
    return DurableClusterStore.openFile(directory.resolve("contract.mv"));
  }

  private static void requireError(IoError error, String says, Runnable what) {
    assertThatThrownBy(what::run)
        .isInstanceOfSatisfying(
            VolumeException.class,
            e -> {
              assertThat(e.error()).as(e.getMessage()).isEqualTo(error);
              assertThat(e.getMessage()).contains(says).doesNotContain("\n").hasSizeLessThan(400);
            });
  }

  private static void fill(ClusterStore store, int objects) {
    for (int i = 0; i < objects; i++) {
      store.put(setting("s" + i, "value " + i), ClusterStore.ABSENT);
    }
  }

  private static List<Stored> all(ClusterStore store) {
    List<Stored> all = new ArrayList<>();
    for (ObjectKind kind : ObjectKind.values()) {
      all.addAll(store.list(kind));
    }
    return all;
  }

  @Test
  void everythingIsThereWhenItIsOpenedAgain() {
    List<Stored> before;
    long revision;
    try (ClusterStore store = DurableClusterStore.openFile(file())) {
      fill(store, 100);
      store.delete(key("s7"), store.get(key("s7")).orElseThrow().version());
      before = all(store);
      revision = store.revision();
    }
    try (ClusterStore store = DurableClusterStore.openFile(file())) {
      assertThat(all(store)).isEqualTo(before);
      assertThat(store.revision()).isEqualTo(revision);
      assertThat(store.put(setting("s7", "again"), ClusterStore.ABSENT))
          .isEqualTo(new Outcome(true, revision + 1));
    }
  }

  /** Changes upon changes: what is of no use any more does not pile up. */
  @Test
  void theFileDoesNotGrowWithTheNumberOfChanges() throws IOException {
    long after = 0;
    try (ClusterStore store = DurableClusterStore.openFile(file(), "", 200_000)) {
      long version = ClusterStore.ABSENT;
      for (int i = 0; i < 3_000; i++) {
        version = store.put(setting("a", "x".repeat(500) + i), version).version();
      }
      after = Files.size(file());
    }
    assertThat(after).isLessThan(300_000);
    try (ClusterStore store = DurableClusterStore.openFile(file())) {
      assertThat(store.revision()).isEqualTo(3_000);
    }
  }

  @Test
  void aSecondOpenIsRefusedAndHarmless() {
    try (ClusterStore store = DurableClusterStore.openFile(file())) {
      fill(store, 3);
      requireError(IoError.BUSY, "has it open", () -> DurableClusterStore.openFile(file()));
      assertThat(store.put(setting("n", ""), ClusterStore.ABSENT).isDone()).isTrue();
    }
    DurableClusterStore.openFile(file()).close();
  }

  @Test
  void aFormatOfAnotherBuildIsRefused() {
    DurableClusterStore.openFile(file()).close();
    changeMap("meta", "format", "2");
    requireError(
        IoError.UNKNOWN_VERSION,
        "has format 2; this build knows 1",
        () -> DurableClusterStore.openFile(file()));
  }

  private void changeMap(String map, String key, String value) {
    try (MVStore raw = MVStore.open(file().toString())) {
      raw.<String, String>openMap(map).put(key, value);
      raw.commit();
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "7", "7 abc", "-1 0", "x"})
  void aRevisionThatMakesNoSenseIsDamage(String revision) {
    DurableClusterStore.openFile(file()).close();
    changeMap("meta", "revision", revision);
    requireError(IoError.CORRUPT, "is damaged: ", () -> DurableClusterStore.openFile(file()));
  }

  @ParameterizedTest
  @ValueSource(strings = {"1/a", "x/a", "1", "1/", "-1/a"})
  void anObjectThatMakesNoSenseIsDamage(String name) {
    DurableClusterStore.openFile(file()).close();
    try (MVStore raw = MVStore.open(file().toString())) {
      raw.<String, byte[]>openMap("objects").put(name, new byte[] {1, 2, 3});
      raw.commit();
    }
    if (name.equals("-1/a")) {
      // A kind of a newer build.
      DurableClusterStore.openFile(file()).close();
    } else {
      requireError(IoError.CORRUPT, "is damaged: ", () -> DurableClusterStore.openFile(file()));
    }
  }

  @Test
  void whatANewerBuildHasIsLeftAlone() {
    DurableClusterStore.openFile(file()).close();
    byte[] theirs = {1, 2, 3};
    try (MVStore raw = MVStore.open(file().toString())) {
      raw.<String, byte[]>openMap("objects").put("99/x", theirs);
      raw.commit();
    }
    try (ClusterStore store = DurableClusterStore.openFile(file())) {
      fill(store, 5);
    }
    try (MVStore raw = MVStore.open(file().toString())) {
      assertThat(raw.<String, byte[]>openMap("objects").get("99/x")).isEqualTo(theirs);
    }
  }

  @Test
  void aStoreOfSomethingElseIsRefusedAndNotTouched() {
    try (MVStore raw = MVStore.open(file().toString())) {
      raw.<String, String>openMap("accounts").put("a", "1");
      raw.commit();
    }
    requireError(
        IoError.CORRUPT, "store of something else", () -> DurableClusterStore.openFile(file()));
    try (MVStore raw = MVStore.open(file().toString())) {
      assertThat(raw.getMapNames()).containsExactly("accounts");
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 100, 4096, 5000, 8192, 9000, 100_000})
  void aFileThatIsNotOursIsRefusedAndNotTouched(int length) throws IOException {
    byte[] theirs = "Dear diary. ".repeat(10_000).substring(0, length).getBytes(US_ASCII);
    Files.write(file(), theirs);
    requireError(
        IoError.CORRUPT, "damaged or not ours", () -> DurableClusterStore.openFile(file()));
    assertThat(Files.readAllBytes(file())).isEqualTo(theirs);
  }

  @Test
  void aPlaceThatCannotHoldItIsSaid() {
    requireError(
        IoError.EIO,
        "cannot open the cluster's store",
        () -> DurableClusterStore.openFile(directory.resolve("no").resolve("such")));
    requireError(
        IoError.EIO,
        "cannot open the cluster's store",
        () -> DurableClusterStore.openFile(directory));
  }

  /** Every object has a checksum: what was not stored is not read. */
  @Test
  void aDamagedFileIsReadAsItWasOrRefused() throws IOException {
    List<Stored> before;
    try (ClusterStore store = DurableClusterStore.openFile(file())) {
      fill(store, 60);
      before = all(store);
    }
    byte[] good = Files.readAllBytes(file());
    RandomGenerator random = Seed.random("DurableClusterStoreTest");
    int refused = 0;
    for (int i = 0; i < 150; i++) {
      byte[] bad = good.clone();
      bad[random.nextInt(bad.length)] ^= (byte) (1 << random.nextInt(8));
      // One that is left open in the middle of a failure is not to be in the way.
      Path file = directory.resolve("flip-" + i);
      Files.write(file, bad);
      try (ClusterStore store = DurableClusterStore.openFile(file)) {
        assertThat(before).as("flip %d", i).containsAll(all(store));
        if (store.revision() == before.size()) {
          assertThat(all(store)).as("flip %d", i).isEqualTo(before);
        }
      } catch (VolumeException e) {
        assertThat(e.error()).as(e.getMessage()).isEqualTo(IoError.CORRUPT);
        assertThat(e.getMessage()).doesNotContain("\n");
        refused++;
      }
    }
    assertThat(refused).isBetween(1, 149);
  }

  @Test
  void aFullDiskIsSaidAndWhenThereIsRoomAgainItGoesOn() throws IOException {
    String scheme = TracedFile.begin();
    try (ClusterStore store = DurableClusterStore.openFile(file(), scheme, 1 << 20)) {
      fill(store, 10);
      TracedFile.room(Files.size(file()) + 20_000);
      int written = 10;
      VolumeException full = null;
      while (full == null) {
        try {
          store.put(setting("s" + written, "y".repeat(1_000)), ClusterStore.ABSENT);
          written++;
        } catch (VolumeException e) {
          full = e;
        }
      }
      assertThat(full.error()).isEqualTo(IoError.ENOSPC);
      assertThat(full.getMessage()).contains("make room").doesNotContain("\n");
      int there = written;
      for (int i = 0; i < 5; i++) {
        assertThat(all(store)).as("readers see what was there").hasSize(there);
        requireError(
            IoError.ENOSPC,
            "no space left",
            () -> store.put(setting("s" + there, "y".repeat(100_000 / 2)), ClusterStore.ABSENT));
      }
      TracedFile.room(Long.MAX_VALUE);
      assertThat(store.put(setting("s" + there, "fits"), ClusterStore.ABSENT).isDone()).isTrue();
      assertThat(store.revision()).isEqualTo(there + 1);
    }
    try (ClusterStore store = DurableClusterStore.openFile(file())) {
      assertThat(all(store)).hasSize((int) store.revision());
      assertThat(store.get(key("s0"))).isPresent();
    }
  }

  /** The change may be there or not: who asks again learns it, and watchers are told. */
  @Test
  void afterAFailedSyncTheNextChangeSeesWhatIsThere() {
    String scheme = TracedFile.begin();
    try (ClusterStore store = DurableClusterStore.openFile(file(), scheme, 1 << 20);
        Watch watch = store.watch()) {
      fill(store, 3);
      watch.await(Duration.ZERO);
      TracedFile.failSync(true);
      requireError(
          IoError.EIO,
          "Input/output error",
          () -> store.put(setting("s0", "changed"), store.get(key("s0")).orElseThrow().version()));
      assertThat(watch.await(Duration.ZERO)).as("not told before it is durable").isEmpty();
      assertThat(store.get(key("s0")).orElseThrow().object()).isEqualTo(setting("s0", "value 0"));
      TracedFile.failSync(false);
      // It did reach the file: what is expected is compared with that.
      assertThat(store.put(setting("s0", "mine"), 1)).isEqualTo(new Outcome(false, 4));
      assertThat(store.get(key("s0"))).hasValue(new Stored(setting("s0", "changed"), 4));
      assertThat(watch.await(Duration.ZERO)).containsExactly(key("s0"));
      assertThat(store.put(setting("s0", "mine"), 4)).isEqualTo(new Outcome(true, 5));
    }
  }

  /** An interrupt closes a file's channel under whoever uses it: the store opens it again. */
  @Test
  void anInterruptedChangeDoesNotEndTheStore() {
    try (ClusterStore store = DurableClusterStore.openFile(file())) {
      fill(store, 3);
      Thread.currentThread().interrupt();
      try {
        store.put(setting("i", "1"), ClusterStore.ABSENT);
      } catch (VolumeException e) {
        assertThat(e.error()).isEqualTo(IoError.EIO);
      } finally {
        assertThat(Thread.interrupted()).isTrue();
      }
      long version = store.get(key("i")).map(Stored::version).orElse(ClusterStore.ABSENT);
      Outcome next = store.put(setting("i", "2"), version);
      long now = next.isDone() ? next.version() : store.put(setting("i", "2"), 4).version();
      assertThat(store.get(key("i"))).hasValue(new Stored(setting("i", "2"), now));
      assertThat(all(store)).hasSize(4);
    }
  }

  @Test
  void theValuesBytesAreForEver() {
    try (ClusterStore store = DurableClusterStore.openFile(file())) {
      store.put(setting("a", "b"), ClusterStore.ABSENT);
    }
    try (MVStore raw = MVStore.open(file().toString())) {
      assertThat(raw.<String, String>openMap("meta"))
          .containsExactlyInAnyOrderEntriesOf(Map.of("format", "1", "revision", "1 99fb77ad"));
      assertThat(raw.<String, byte[]>openMap("objects").get("1/a"))
          .asHexString()
          .isEqualTo(
              "010008000000010000000000000002000E00000001000100000061020001000000620300"
                  + "080000009D8B800C00000000");
    }
  }
}
