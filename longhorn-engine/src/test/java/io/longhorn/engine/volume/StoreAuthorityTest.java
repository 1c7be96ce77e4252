package io.longhorn.engine.volume;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.longhorn.api.Authority;
import io.longhorn.api.EngineId;
import io.longhorn.api.ReplicaMode;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.engine.request.IoKind;
import io.longhorn.engine.transport.Endpoint;
import io.longhorn.engine.transport.VolumeLoop;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** An engine over real replicas whose record is in a store. */
@Timeout(300)
final class StoreAuthorityTest {
  private static final String STORE = "store:test";
  private static final int SIZE = 4 << 20;
  private static final int BLOCK = 4096;

  @TempDir Path home;

  private RealReplicas replicas;
  private StoreServer store;
  private List<Endpoint> endpoints;

  @BeforeEach
  void begin() throws IOException {
    replicas = new RealReplicas(home, 3, SIZE, STORE);
    replicas.openAll();
    Path socket = home.resolve("store.sock");
    store =
        new StoreServer(
            socket,
            replicas.volume(),
            Optional.of(VolumeRecord.ofNewVolume(replicas.firstRecord())));
    store.up();
    // Nobody listens at the first: the next one is tried.
    endpoints = List.of(new Endpoint.Unix(home.resolve("nobody.sock")), new Endpoint.Unix(socket));
  }

  @AfterEach
  void end() throws IOException {
    store.close();
    replicas.close();
  }

  /** One engine and a device over it. */
  private final class Serving implements AutoCloseable {
    final VolumeLoop loop = new VolumeLoop("store-test");
    final VolumeEngine engine;

    Serving(String authority, List<Endpoint> places) {
      engine = new VolumeEngine(replicas.config(authority, places, 0), loop);
      engine.start();
    }

    Serving() {
      this(STORE, endpoints);
    }

    DeviceCalls device() {
      return engine
          .whenServing()
          .thenApply(DeviceCalls::new)
          .orTimeout(120, TimeUnit.SECONDS)
          .join();
    }

    void untilAllInSync() {
      RealReplicas.until("all are in sync", () -> engine.status().inSync() == 3);
    }

    ReplicaMode mode(int i) {
      return engine.status().replicas().get(i).mode();
    }

    @Override
    public void close() {
      engine.close().orTimeout(60, TimeUnit.SECONDS).join();
      loop.close();
    }
  }

  private static void write(DeviceCalls device, int block, int value) {
    MemorySegment bytes = MemorySegment.ofArray(new byte[BLOCK]);
    bytes.fill((byte) value);
    device.call(IoKind.WRITE, (long) block * BLOCK, BLOCK, bytes);
  }

  private static byte read(DeviceCalls device, int block) {
    MemorySegment bytes = MemorySegment.ofArray(new byte[BLOCK]);
    device.call(IoKind.READ, (long) block * BLOCK, BLOCK, bytes);
    return bytes.get(ValueLayout.JAVA_BYTE, 77);
  }

  @Test
  void theStoreDecidesWhoIsInSyncAndTheReplicasHaveItToo() {
    long first;
    try (Serving serving = new Serving()) {
      DeviceCalls device = serving.device();
      write(device, 1, 5);
      assertThat(read(device, 1)).isEqualTo((byte) 5);
      VolumeRecord record = store.record();
      first = record.reservedGeneration();
      assertThat(record.owner()).contains(serving.engine.config().engine());
      assertThat(record.membership().stamp().generation()).isEqualTo(first);
      serving.untilAllInSync();
      RealReplicas.until(
          "the replicas have it", () -> replicas.recordOf(0).equals(store.record().membership()));
    }
    try (Serving serving = new Serving()) {
      assertThat(read(serving.device(), 1)).isEqualTo((byte) 5);
      assertThat(store.record().reservedGeneration()).isGreaterThan(first);
    }
  }

  @Test
  void aStoreThatIsDownDisturbsNobodyUntilAReplicaDiesAndThenIoWaitsForIt() throws IOException {
    try (Serving serving = new Serving()) {
      DeviceCalls device = serving.device();
      write(device, 0, 1);
      serving.untilAllInSync();
      int before = store.calls();
      store.down();
      for (int i = 0; i < 50; i++) {
        write(device, i, i);
        assertThat(read(device, i)).isEqualTo((byte) i);
      }
      assertThat(store.calls()).isEqualTo(before);
      assertThat(serving.engine.status().heldReason()).isEmpty();

      replicas.kill(2);
      RealReplicas.until("it is gone", () -> serving.mode(2) == ReplicaMode.ERR);
      CompletableFuture<Void> write = CompletableFuture.runAsync(() -> write(device, 7, 77));
      RealReplicas.until(
          "the engine says what it waits for",
          () ->
              serving
                  .engine
                  .status()
                  .heldReason()
                  .filter(why -> why.contains("the store does not answer"))
                  .isPresent());
      assertThat(write).isNotDone();
      assertThat(store.record().membership().members()).hasSize(3);

      store.up();
      write.orTimeout(120, TimeUnit.SECONDS).join();
      assertThat(store.record().membership().members()).doesNotContain(replicas.id(2));
      assertThat(read(device, 7)).isEqualTo((byte) 77);
      RealReplicas.until("nothing is held", () -> serving.engine.status().heldReason().isEmpty());

      replicas.open(2);
      serving.untilAllInSync();
      assertThat(store.record().membership().members()).hasSize(3);
      assertThat(serving.engine.compare().orTimeout(120, TimeUnit.SECONDS).join().isIdentical())
          .isTrue();
    }
  }

  @Test
  void anAnswerThatIsLostIsFoundOutByReadingAgain() {
    try (Serving serving = new Serving()) {
      DeviceCalls device = serving.device();
      serving.untilAllInSync();
      long generation = store.record().reservedGeneration();
      store.swallow(1);
      replicas.kill(1);
      RealReplicas.until("the change was made and not answered", store::hasSwallowed);
      write(device, 3, 33);
      assertThat(store.record().membership().members()).doesNotContain(replicas.id(1));
      assertThat(store.record().reservedGeneration()).as("not opened again").isEqualTo(generation);
      assertThat(read(device, 3)).isEqualTo((byte) 33);
    }
  }

  @Test
  void anEndpointThatTakesCallsAndSaysNothingIsLeftForTheNext() throws IOException {
    Path socket = home.resolve("mute.sock");
    try (StoreServer mute = new StoreServer(socket, replicas.volume(), Optional.empty())) {
      mute.mute();
      mute.up();
      List<Endpoint> places = List.of(new Endpoint.Unix(socket), endpoints.get(1));
      try (Serving serving = new Serving(STORE, places)) {
        write(serving.device(), 1, 1);
        assertThat(mute.calls()).isPositive();
      }
    }
  }

  @Test
  void oneMemberIsEnough() {
    try (Serving serving = new Serving()) {
      DeviceCalls device = serving.device();
      replicas.kill(0);
      replicas.kill(1);
      write(device, 2, 22);
      assertThat(store.record().membership().members()).containsExactly(replicas.id(2));
    }
    try (Serving serving = new Serving()) {
      assertThat(read(serving.device(), 2)).isEqualTo((byte) 22);
      replicas.open(0);
      replicas.open(1);
      serving.untilAllInSync();
    }
  }

  @Test
  void anEngineThatFindsAnotherOwnerGivesWay() {
    try (Serving serving = new Serving()) {
      DeviceCalls device = serving.device();
      write(device, 0, 1);
      EngineId other = new EngineId(UUID.randomUUID());
      serving.untilAllInSync();
      store.put(store.record().reserved(9, other));
      replicas.kill(1);
      serving.engine.whenOver().orTimeout(120, TimeUnit.SECONDS).join();
      assertThat(serving.engine.status().state()).contains("generation 9");
      assertThat(store.record().membership().members()).hasSize(3);
    }
  }

  @Test
  void anAnswerThatShowsWhatFollowedIsNotTakenForOnesOwnChange() {
    try (Serving serving = new Serving()) {
      write(serving.device(), 0, 1);
      EngineId other = new EngineId(UUID.randomUUID());
      store.overtakeNext(record -> record.reserved(9, other));
      replicas.kill(1);
      serving.engine.whenOver().orTimeout(120, TimeUnit.SECONDS).join();
      assertThat(serving.engine.status().state()).contains("generation 9");
      assertThat(store.record().isOwnedBy(other, 9)).isTrue();
    }
  }

  @Test
  void aStoreThatIsOlderThanAReplicaIsRefusedAndTheStateSaysSo() throws IOException {
    VolumeRecord old = store.record();
    try (Serving serving = new Serving()) {
      write(serving.device(), 0, 1);
    }
    MembershipRecord kept = replicas.recordOf(0);
    VolumeRecord newest = store.record();
    store.put(old);
    try (Serving serving = new Serving()) {
      RealReplicas.until(
          "it says why",
          () -> serving.engine.status().state().contains("the store is older than the replicas"));
      assertThat(serving.engine.whenServing()).isNotDone();
      assertThat(store.record()).isEqualTo(old);
      assertThat(replicas.recordOf(0)).isEqualTo(kept);
      // The newer one is put back: it opens by itself.
      store.put(newest);
      serving.device();
    }
  }

  @Test
  void aStoreWithoutARecordOpensNothing() throws IOException {
    store.close();
    store = new StoreServer(home.resolve("store.sock"), replicas.volume(), Optional.empty());
    store.up();
    try (Serving serving = new Serving()) {
      RealReplicas.until(
          "it says why",
          () -> serving.engine.status().state().contains("has no record of this volume"));
      assertThat(serving.engine.whenServing()).isNotDone();
    }
  }

  @Test
  void aReplicaOfTheOtherAuthorityIsNotUsed() {
    try (Serving serving = new Serving(Authority.REPLICAS, List.of())) {
      RealReplicas.until(
          "it says why",
          () ->
              serving.engine.status().replicas().stream()
                  .anyMatch(each -> each.reason().contains("WRONG_AUTHORITY")));
      assertThat(serving.engine.whenServing()).isNotDone();
    }
  }

  @Test
  void anAuthorityAndAStoreGoTogether() {
    for (Runnable wrong :
        List.<Runnable>of(
            () -> replicas.config(STORE, List.of(), 0),
            () -> replicas.config(Authority.REPLICAS, endpoints, 0))) {
      assertThatThrownBy(wrong::run).isInstanceOf(IllegalArgumentException.class);
    }
  }
}
