package io.longhorn.orchestration.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.api.cluster.EngineImage;
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Setting;
import io.longhorn.orchestration.Await;
import io.longhorn.orchestration.store.ClusterStore.Outcome;
import io.longhorn.orchestration.store.ClusterStore.Stored;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What every store of a cluster's objects promises. */
abstract class ClusterStoreContract {
  private static final Duration LONG = Duration.ofSeconds(Await.SECONDS);
  private static final int THREADS = 6;

  private ClusterStore store;

  /** An empty one. */
  abstract ClusterStore open();

  @BeforeEach
  void openStore() {
    store = open();
  }

  @AfterEach
  void closeStore() {
    store.close();
  }

  static Setting setting(String name, String value) {
    return new Setting(name, value);
  }

  static ObjectKey key(String name) {
    return new ObjectKey(ObjectKind.SETTING, name);
  }

  private static void requireError(IoError error, Runnable what) {
    assertThatThrownBy(what::run)
        .isInstanceOfSatisfying(
            VolumeException.class,
            e -> {
              assertThat(e.error()).isEqualTo(error);
              assertThat(e.getMessage()).doesNotContain("\n");
            });
  }

  private static <T> CompletableFuture<T> inThread(java.util.concurrent.Callable<T> work) {
    CompletableFuture<T> result = new CompletableFuture<>();
    Thread.ofPlatform()
        .daemon()
        .start(() -> {
          try {
            result.complete(work.call());
          } catch (Throwable e) {
            result.completeExceptionally(e);
          }
        });
    return result;
  }

  private static <T> T get(CompletableFuture<T> future) {
    return future.orTimeout(Await.SECONDS, TimeUnit.SECONDS).join();
  }

  @Test
  void anEmptyStoreHasNothing() {
    assertThat(store.get(key("a"))).isEmpty();
    for (ObjectKind kind : ObjectKind.values()) {
      assertThat(store.list(kind)).isEmpty();
    }
    assertThat(store.revision()).isZero();
  }

  @Test
  void whatIsPutIsThereUnderItsKindAndName() {
    Outcome put = store.put(setting("a", "1"), ClusterStore.ABSENT);
    assertThat(put).isEqualTo(new Outcome(true, 1));
    assertThat(store.get(key("a"))).hasValue(new Stored(setting("a", "1"), 1));
    assertThat(store.get(new ObjectKey(ObjectKind.ENGINE_IMAGE, "a"))).isEmpty();
    EngineImage image =
        EngineImage.of("a", "/bin/x", "1", EngineImage.Versions.first("c"), new TreeSet<>());
    assertThat(store.put(image, ClusterStore.ABSENT).version()).isEqualTo(2);
    assertThat(store.list(ObjectKind.ENGINE_IMAGE)).containsExactly(new Stored(image, 2));
    assertThat(store.revision()).isEqualTo(2);
  }

  @Test
  void aListIsInTheOrderOfNames() {
    for (String name : List.of("b", "a-10", "a-9", "B", "ä", "a", "\ud83d\udc02")) {
      store.put(setting(name, ""), ClusterStore.ABSENT);
    }
    assertThat(store.list(ObjectKind.SETTING))
        .extracting(stored -> stored.object().name())
        .containsExactly("B", "a", "a-10", "a-9", "b", "ä", "\ud83d\udc02");
  }

  @Test
  void onlyWhoHasSeenItChangesIt() {
    store.put(setting("a", "1"), ClusterStore.ABSENT);
    assertThat(store.put(setting("a", "2"), ClusterStore.ABSENT)).isEqualTo(new Outcome(false, 1));
    assertThat(store.put(setting("a", "2"), 7)).isEqualTo(new Outcome(false, 1));
    assertThat(store.put(setting("b", "2"), 7)).isEqualTo(new Outcome(false, 0));
    assertThat(store.get(key("a"))).hasValue(new Stored(setting("a", "1"), 1));
    assertThat(store.get(key("b"))).isEmpty();
    assertThat(store.put(setting("a", "2"), 1)).isEqualTo(new Outcome(true, 2));
    assertThat(store.put(setting("a", "3"), 1)).isEqualTo(new Outcome(false, 2));
  }

  @Test
  void anEqualPutKeepsTheVersionAndTellsNobody() {
    store.put(setting("a", "1"), ClusterStore.ABSENT);
    try (Watch watch = store.watch()) {
      assertThat(store.put(setting("a", "1"), 1)).isEqualTo(new Outcome(true, 1));
      assertThat(store.put(setting("a", "1"), 2)).isEqualTo(new Outcome(false, 1));
      assertThat(store.revision()).isEqualTo(1);
      assertThat(watch.await(Duration.ZERO)).isEmpty();
    }
  }

  @Test
  void aDeleteIsAChangeAndANewObjectNeverHasAnOldVersion() {
    store.put(setting("a", "1"), ClusterStore.ABSENT);
    assertThat(store.delete(key("a"), 9)).isEqualTo(new Outcome(false, 1));
    assertThat(store.delete(key("a"), 1)).isEqualTo(new Outcome(true, ClusterStore.ABSENT));
    assertThat(store.get(key("a"))).isEmpty();
    assertThat(store.revision()).isEqualTo(2);
    assertThat(store.put(setting("a", "1"), ClusterStore.ABSENT)).isEqualTo(new Outcome(true, 3));
    assertThat(store.put(setting("a", "2"), 1).isDone()).isFalse();
  }

  @Test
  void whatDoesNotExistIsDeletedAlready() {
    assertThat(store.delete(key("a"), ClusterStore.ABSENT)).isEqualTo(new Outcome(true, 0));
    assertThat(store.delete(key("a"), 4)).isEqualTo(new Outcome(false, 0));
    assertThat(store.revision()).isZero();
  }

  @Test
  void anObjectThatIsTooLargeIsRefusedAndNothingChanged() {
    int overhead = setting("a", "").write().toBytes().length;
    String longest = "x".repeat(ClusterStore.MAX_OBJECT_BYTES - overhead);
    requireError(IoError.LIMIT, () -> store.put(setting("a", longest + "x"), 0));
    assertThat(store.revision()).isZero();
    assertThat(store.put(setting("a", longest), ClusterStore.ABSENT).isDone()).isTrue();
  }

  @Test
  void ofManyWhoTryOneWinsAndRevisionsRise() throws Exception {
    store.put(setting("n", "0"), ClusterStore.ABSENT);
    int rounds = 40;
    CyclicBarrier together = new CyclicBarrier(THREADS);
    List<CompletableFuture<List<Long>>> all = new ArrayList<>();
    for (int i = 0; i < THREADS; i++) {
      int id = i;
      all.add(
          inThread(() -> {
            List<Long> won = new ArrayList<>();
            for (int round = 0; round < rounds; round++) {
              long seen = store.get(key("n")).orElseThrow().version();
              together.await(Await.SECONDS, TimeUnit.SECONDS);
              Outcome outcome = store.put(setting("n", round + " of " + id), seen);
              if (outcome.isDone()) {
                won.add(outcome.version());
              } else {
                assertThat(outcome.version()).isGreaterThan(seen);
              }
              together.await(Await.SECONDS, TimeUnit.SECONDS);
            }
            return won;
          }));
    }
    TreeSet<Long> versions = new TreeSet<>();
    int wins = 0;
    for (CompletableFuture<List<Long>> one : all) {
      List<Long> won = get(one);
      assertThat(won).isSorted();
      versions.addAll(won);
      wins += won.size();
    }
    assertThat(wins).as("one winner a round").isEqualTo(rounds);
    assertThat(versions).hasSize(rounds);
    assertThat(store.revision()).isEqualTo(versions.last());
  }

  @Test
  void noIncrementIsLost() {
    store.put(setting("n", "0"), ClusterStore.ABSENT);
    List<CompletableFuture<Boolean>> all = new ArrayList<>();
    for (int i = 0; i < THREADS; i++) {
      all.add(
          inThread(() -> {
            for (int n = 0; n < 25; n++) {
              Stored now;
              do {
                now = store.get(key("n")).orElseThrow();
              } while (!store
                  .put(
                      setting("n", "" + (1 + Integer.parseInt(((Setting) now.object()).value()))),
                      now.version())
                  .isDone());
            }
            return true;
          }));
    }
    all.forEach(ClusterStoreContract::get);
    assertThat(((Setting) store.get(key("n")).orElseThrow().object()).value())
        .isEqualTo("" + THREADS * 25);
    assertThat(store.revision()).isEqualTo(1 + THREADS * 25);
  }

  @Test
  void aWatchTellsEachKeyOnceFromNowOn() {
    store.put(setting("old", "1"), ClusterStore.ABSENT);
    try (Watch watch = store.watch()) {
      assertThat(watch.await(Duration.ZERO)).isEmpty();
      long version = store.put(setting("a", "1"), ClusterStore.ABSENT).version();
      store.put(setting("a", "2"), version);
      store.put(setting("b", "1"), ClusterStore.ABSENT);
      store.delete(key("old"), 1);
      assertThat(watch.await(LONG)).containsExactly(key("a"), key("b"), key("old"));
      assertThat(watch.await(Duration.ZERO)).as("told once").isEmpty();
    }
  }

  @Test
  void whatAWatchTellsIsThereToBeRead() {
    try (Watch watch = store.watch()) {
      CompletableFuture<Boolean> writer =
          inThread(() -> {
            for (int i = 1; i <= 100; i++) {
              store.put(setting("n", "" + i), store.get(key("n")).map(Stored::version).orElse(0L));
            }
            return true;
          });
      long last = 0;
      while (last < 100) {
        SortedSet<ObjectKey> keys = watch.await(LONG);
        assertThat(keys).as("no wake-up is lost after version %d", last).isNotEmpty();
        long now = store.get(key("n")).orElseThrow().version();
        assertThat(now).isGreaterThanOrEqualTo(last);
        last = now;
      }
      get(writer);
    }
  }

  @Test
  void everyWatchIsToldAndOneThatIsClosedIsNot() {
    Watch closed = store.watch();
    try (Watch one = store.watch();
        Watch other = store.watch()) {
      closed.close();
      store.put(setting("a", "1"), ClusterStore.ABSENT);
      assertThat(one.await(LONG)).containsExactly(key("a"));
      assertThat(other.await(LONG)).containsExactly(key("a"));
      assertThat(closed.await(LONG)).as("returns at once").isEmpty();
    }
  }

  @Test
  void closingAWatchOrTheStoreWakesWhoWaits() {
    Watch first = store.watch();
    Watch second = store.watch();
    CompletableFuture<SortedSet<ObjectKey>> one = inThread(() -> first.await(LONG));
    CompletableFuture<SortedSet<ObjectKey>> two = inThread(() -> second.await(LONG));
    first.close();
    assertThat(get(one)).isEmpty();
    store.close();
    assertThat(get(two)).isEmpty();
  }

  @Test
  void anInterruptedWaitReturnsAndKeepsTheInterrupt() {
    try (Watch watch = store.watch()) {
      AtomicInteger interrupted = new AtomicInteger();
      get(
          inThread(() -> {
            Thread.currentThread().interrupt();
            assertThat(watch.await(LONG)).isEmpty();
            interrupted.set(Thread.currentThread().isInterrupted() ? 1 : 2);
            return true;
          }));
      assertThat(interrupted).hasValue(1);
    }
  }

  @Test
  void aClosedStoreSaysSo() {
    store.put(setting("a", "1"), ClusterStore.ABSENT);
    store.close();
    store.close();
    requireError(IoError.DISCONNECTED, () -> store.get(key("a")));
    requireError(IoError.DISCONNECTED, () -> store.list(ObjectKind.SETTING));
    requireError(IoError.DISCONNECTED, () -> store.put(setting("a", "2"), 1));
    requireError(IoError.DISCONNECTED, () -> store.delete(key("a"), 1));
    requireError(IoError.DISCONNECTED, () -> store.watch());
  }

  @Test
  void listsAreOfTheirOwn() {
    store.put(setting("a", "1"), ClusterStore.ABSENT);
    List<Stored> before = store.list(ObjectKind.SETTING);
    store.put(setting("b", "1"), ClusterStore.ABSENT);
    assertThat(before).hasSize(1);
    assertThat(Collections.unmodifiableList(store.list(ObjectKind.SETTING))).hasSize(2);
  }
}
