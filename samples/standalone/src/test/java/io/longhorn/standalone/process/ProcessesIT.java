package io.longhorn.standalone.process;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.longhorn.api.VolumeException;
import io.longhorn.engine.EmbeddedVolume;
import io.longhorn.engine.client.LoadReport;
import io.longhorn.engine.client.LoadTarget;
import io.longhorn.engine.client.NbdClient;
import io.longhorn.engine.client.VerifyingLoad;
import io.longhorn.standalone.process.Cluster.Links;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Engine and replicas as processes that are killed, stopped and started again. */
@Timeout(120)
class ProcessesIT {
  private static final long SIZE = 32L << 20;
  private static final int BLOCK = 4096;
  private static final int DEPTH = 4;
  private static final long AWAIT_SECONDS = 40;

  @TempDir private Path home;

  /** A load in the background. */
  private record Running(VerifyingLoad load, CompletableFuture<LoadReport> report) {
    static Running start(VerifyingLoad load, NbdClient... clients) {
      List<LoadTarget> targets = Arrays.stream(clients).map(LoadTarget::of).toList();
      return new Running(
          load, CompletableFuture.supplyAsync(() -> load.run(targets, DEPTH, Long.MAX_VALUE)));
    }

    LoadReport stop() {
      load.stop();
      return ended();
    }

    LoadReport ended() {
      return report.orTimeout(AWAIT_SECONDS, TimeUnit.SECONDS).join();
    }
  }

  private static void assertKept(LoadReport report) {
    assertThat(report.firstMismatch()).isEmpty();
    assertThat(report.firstError()).isEmpty();
  }

  @ParameterizedTest
  @EnumSource
  void aKilledReplicaComesBackAndAfterAllAreKilledEveryWriteIsThere(Links links) {
    VerifyingLoad load = new VerifyingLoad(links == Links.UNIX ? 1 : 2, SIZE);
    try (Cluster cluster = new Cluster(home, links, SIZE)) {
      cluster.startReplicas();
      LonghornProcess engine = cluster.startEngine();
      Running running = Running.start(load, cluster.connect(engine), cluster.connect(engine));
      cluster.replica(1).kill();
      engine.awaitLine(cluster.id(1) + " has left the in-sync set");
      cluster.startReplica(1);
      engine.awaitLine(cluster.id(1) + " is in sync again");
      LoadReport report = running.stop();
      assertKept(report);
      assertThat(report.operations()).isGreaterThan(DEPTH);

      running = Running.start(load, cluster.connect(engine), cluster.connect(engine));
      cluster.killEverything();
      assertThat(running.ended().firstMismatch()).isEmpty();
      load.crashed(false);

      cluster.startReplicas();
      LonghornProcess second = cluster.startEngine();
      NbdClient client = cluster.connect(second);
      assertKept(load.verifyAll(LoadTarget.of(client)));
      assertKept(load.run(List.of(LoadTarget.of(client)), DEPTH, 100));
      assertKept(load.verifyAll(LoadTarget.of(client)));
      second.awaitLine("all members are equal");
      assertThat(second.terminate()).as(second.output()).isZero();
      for (int i = 0; i < Cluster.REPLICAS; i++) {
        assertThat(cluster.replica(i).terminate()).as(cluster.replica(i).output()).isZero();
      }
      try (EmbeddedVolume volume = cluster.openHere()) {
        assertKept(load.verifyAll(LoadTarget.of(volume)));
        assertThat(volume.compare()).matches(found -> found.isIdentical() && found.copies() == 3);
      }
    }
  }

  private static void write(NbdClient client, int block, int version) {
    byte[] bytes = new byte[BLOCK];
    Arrays.fill(bytes, (byte) version);
    client.write((long) block * BLOCK, MemorySegment.ofArray(bytes));
  }

  /** The version of a block that holds one and nothing else. */
  private static int read(NbdClient client, int block) {
    byte[] bytes = new byte[BLOCK];
    client.read((long) block * BLOCK, MemorySegment.ofArray(bytes));
    for (byte each : bytes) {
      assertThat(each).isEqualTo(bytes[0]);
    }
    return bytes[0];
  }

  private static int read(EmbeddedVolume volume, int block) {
    byte[] bytes = new byte[BLOCK];
    volume.read((long) block * BLOCK, MemorySegment.ofArray(bytes));
    return MemorySegment.ofArray(bytes).get(ValueLayout.JAVA_BYTE, 0);
  }

  @Test
  void aSecondEngineDeposesTheFirst() {
    try (Cluster cluster = new Cluster(home, Links.UNIX, SIZE)) {
      cluster.startReplicas();
      LonghornProcess first = cluster.startEngine();
      NbdClient old = cluster.connect(first);
      write(old, 1, 1);
      old.flush();
      write(old, 2, 2);
      LonghornProcess second = cluster.startEngine();
      NbdClient client = cluster.connect(second);
      assertThat(read(client, 1)).isEqualTo(1);
      assertThat(read(client, 2)).isEqualTo(2);
      assertThat(first.awaitExit()).isEqualTo(1);
      assertThat(first.output())
          .containsPattern("longhorn engine: volume vol: .*another engine.*generation 2");
      assertThatThrownBy(() -> write(old, 1, 9)).isInstanceOf(VolumeException.class);
      assertThatThrownBy(() -> read(old, 1)).isInstanceOf(VolumeException.class);
      write(client, 1, 3);
      assertThat(read(client, 1)).isEqualTo(3);
    }
  }

  @Test
  void nothingThatAnOldEngineSendsOrAnswersAfterItsStopIsAccepted() {
    try (Cluster cluster = new Cluster(home, Links.TCP, SIZE)) {
      cluster.startReplicas();
      LonghornProcess first = cluster.startEngine();
      NbdClient old = cluster.connect(first);
      NbdClient oldReader = cluster.connect(first);
      for (int block = 0; block < 8; block++) {
        write(old, block, 1);
      }
      old.flush();
      assertThat(read(oldReader, 0)).isEqualTo(1);

      first.freeze();
      // They wait in its sockets, and are the first that it sees when it goes on.
      List<CompletableFuture<Integer>> reads =
          List.of(
              CompletableFuture.supplyAsync(() -> read(oldReader, 0)),
              CompletableFuture.supplyAsync(() -> read(oldReader, 1)));
      List<CompletableFuture<Void>> writes =
          List.of(
              CompletableFuture.runAsync(() -> write(old, 2, 9)),
              CompletableFuture.runAsync(() -> write(old, 0, 9)));
      LonghornProcess second = cluster.startEngine();
      NbdClient client = cluster.connect(second);
      for (int block = 0; block < 8; block++) {
        assertThat(read(client, block)).isEqualTo(1);
        write(client, block, 2);
      }
      client.flush();

      first.thaw();
      for (CompletableFuture<?> each : reads) {
        assertThatThrownBy(() -> each.get(AWAIT_SECONDS, TimeUnit.SECONDS))
            .as("a read of an old engine")
            .hasCauseInstanceOf(VolumeException.class);
      }
      for (CompletableFuture<?> each : writes) {
        assertThatThrownBy(() -> each.get(AWAIT_SECONDS, TimeUnit.SECONDS))
            .as("a write of an old engine")
            .hasCauseInstanceOf(VolumeException.class);
      }
      assertThat(first.awaitExit()).isEqualTo(1);
      for (int block = 0; block < 8; block++) {
        assertThat(read(client, block)).isEqualTo(2);
      }
      assertThat(second.terminate()).isZero();
      for (int i = 0; i < Cluster.REPLICAS; i++) {
        cluster.replica(i).terminate();
      }
      try (EmbeddedVolume volume = cluster.openHere()) {
        for (int block = 0; block < 8; block++) {
          assertThat(read(volume, block)).isEqualTo(2);
        }
        assertThat(volume.compare().isIdentical()).isTrue();
      }
    }
  }

  @Test
  void replicasThatAreBehindNeverOpenTheVolumeAndNeverServeARead() {
    try (Cluster cluster = new Cluster(home, Links.UNIX, SIZE)) {
      cluster.startReplicas();
      LonghornProcess first = cluster.startEngine();
      NbdClient client = cluster.connect(first);
      write(client, 0, 1);
      // First 0 falls behind, then 1: 2 alone has the last write.
      for (int i = 0; i < 2; i++) {
        cluster.replica(i).kill();
        first.awaitLine(cluster.id(i) + " has left the in-sync set");
        write(client, 0, 2 + i);
        client.flush();
      }
      cluster.killEverything();

      cluster.startReplica(0);
      cluster.startReplica(1);
      LonghornProcess second = cluster.startEngine();
      second.awaitLine("longhorn engine: waiting.*" + cluster.id(2));
      assertThat(second.output()).doesNotContain("serving");
      cluster.startReplica(2);
      NbdClient after = cluster.connect(second);
      for (int i = 0; i < 20; i++) {
        assertThat(read(after, 0)).isEqualTo(3);
      }
      second.awaitLine(cluster.id(0) + " is in sync again");
      second.awaitLine(cluster.id(1) + " is in sync again");
      for (int i = 0; i < 20; i++) {
        assertThat(read(after, 0)).as("whichever replica is read").isEqualTo(3);
      }
    }
  }
}
