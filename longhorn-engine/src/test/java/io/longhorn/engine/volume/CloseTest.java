package io.longhorn.engine.volume;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.Authority;
import io.longhorn.api.ReplicaMode;
import io.longhorn.api.wire.FrameType;
import io.longhorn.engine.transport.VolumeLoop;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A volume is closed while something of it is under way: its members are released all the same. */
@Timeout(120)
final class CloseTest {
  private static final int SIZE = 4 << 20;

  @TempDir Path home;

  private RealReplicas replicas;
  private VolumeLoop loop;
  private VolumeEngine engine;

  @BeforeEach
  void begin() {
    replicas = new RealReplicas(home, 3, SIZE, Authority.REPLICAS);
    replicas.openAll();
    loop = new VolumeLoop("close-test");
    engine = new VolumeEngine(replicas.config(), loop);
    engine.start();
    engine.whenServing().orTimeout(60, TimeUnit.SECONDS).join();
    RealReplicas.until("all are in sync", () -> engine.status().inSync() == 3);
  }

  @AfterEach
  void end() {
    replicas.goOn();
    loop.close();
    replicas.close();
  }

  private void close() {
    engine.close().orTimeout(60, TimeUnit.SECONDS).join();
  }

  /** Its FLUSH and what else it was sent came after the RELEASE of everybody. */
  @Test
  void aReplicaThatReturnsDoesNotKeepTheOthersFromTheirRelease() {
    replicas.kill(2);
    RealReplicas.until(
        "it is gone", () -> engine.status().replicas().get(2).mode() == ReplicaMode.ERR);
    replicas.openToStopAt(2, FrameType.INTENT_READ);
    RealReplicas.until("it receives", () -> replicas.isStopped(2));
    close();
    assertThat(engine.status().state()).isEqualTo("closed");
    assertThat(replicas.releasedGeneration(0)).isEqualTo(1);
    assertThat(replicas.releasedGeneration(1)).isEqualTo(1);
  }

  /** The one took away from the other that it waited for requests to end. */
  @Test
  void aSnapshotThatIsBeingTakenIsThereWhenTheVolumeIsClosed() {
    // Waits until the members have been made equal, which flushes them too.
    engine.snapshot("first", true).orTimeout(60, TimeUnit.SECONDS).join();
    replicas.stopAt(0, FrameType.FLUSH);
    CompletableFuture<Void> snapshot = engine.snapshot("last", true);
    RealReplicas.until("it is being taken", () -> replicas.isStopped(0));
    CompletableFuture<Void> closed = engine.close();
    CompletableFuture<Void> late = engine.snapshot("too late", true);
    assertThat(late).failsWithin(60, TimeUnit.SECONDS);
    replicas.goOn();
    snapshot.orTimeout(60, TimeUnit.SECONDS).join();
    closed.orTimeout(60, TimeUnit.SECONDS).join();
    assertThat(engine.status().state()).isEqualTo("closed");
    for (int i = 0; i < 3; i++) {
      assertThat(replicas.releasedGeneration(i)).isEqualTo(1);
    }
  }
}
