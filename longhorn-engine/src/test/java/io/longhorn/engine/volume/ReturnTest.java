package io.longhorn.engine.volume;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.Authority;
import io.longhorn.api.ReplicaMode;
import io.longhorn.api.wire.FrameType;
import io.longhorn.engine.request.IoKind;
import io.longhorn.engine.transport.VolumeLoop;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A replica returns while another one, or itself, stops to answer. */
@Timeout(300)
final class ReturnTest {
  private static final int SIZE = 4 << 20;
  private static final int BLOCK = 4096;

  @TempDir Path home;

  private RealReplicas replicas;
  private VolumeLoop loop;
  private VolumeEngine engine;
  private DeviceCalls device;

  @BeforeEach
  void begin() {
    replicas = new RealReplicas(home, 3, SIZE, Authority.REPLICAS);
    replicas.openAll();
    loop = new VolumeLoop("return-test");
    engine = new VolumeEngine(replicas.config(), loop);
    engine.start();
    device =
        engine.whenServing().thenApply(DeviceCalls::new).orTimeout(120, TimeUnit.SECONDS).join();
    RealReplicas.until("all are in sync", () -> engine.status().inSync() == 3);
    replicas.kill(2);
    RealReplicas.until("it is gone", () -> mode(2) == ReplicaMode.ERR);
    write(1, 11);
  }

  @AfterEach
  void end() {
    replicas.goOn();
    engine.close().orTimeout(60, TimeUnit.SECONDS).join();
    loop.close();
    replicas.close();
  }

  private ReplicaMode mode(int i) {
    return engine.status().replicas().get(i).mode();
  }

  private void write(int block, int value) {
    MemorySegment bytes = MemorySegment.ofArray(new byte[BLOCK]);
    bytes.fill((byte) value);
    device.call(IoKind.WRITE, (long) block * BLOCK, BLOCK, bytes);
  }

  /** It stayed out for ever: its attempt waited for the chain of a member that was gone. */
  @Test
  void aReplicaReturnsAlthoughTheMemberItBeganWithIsLost() {
    replicas.stopAt(0, FrameType.LAYERS);
    replicas.open(2);
    RealReplicas.until("the first member is asked", () -> replicas.isStopped(0));
    RealReplicas.until("it is back", () -> mode(2) == ReplicaMode.RW);
    assertThat(replicas.isStopped(0)).isTrue();
    replicas.goOn();
    RealReplicas.until("all are in sync", () -> engine.status().inSync() == 3);
    assertThat(engine.compare().orTimeout(120, TimeUnit.SECONDS).join().isIdentical()).isTrue();
  }

  /** Writes waited for as long as it was stopped: only members were suspected. */
  @ParameterizedTest
  @EnumSource(
      value = FrameType.class,
      names = {"LAYERS", "WRITE", "MARK_EQUAL"})
  void aReplicaThatStopsWhileItReturnsHoldsNobodyUp(FrameType when) {
    replicas.openToStopAt(2, when);
    RealReplicas.until("it is stopped", () -> replicas.isStopped(2));
    for (int i = 0; i < 8; i++) {
      int block = i;
      CompletableFuture.runAsync(() -> write(block, 20 + block))
          .orTimeout(120, TimeUnit.SECONDS)
          .join();
    }
    assertThat(replicas.isStopped(2)).isTrue();
    replicas.goOn();
    RealReplicas.until("all are in sync", () -> engine.status().inSync() == 3);
    assertThat(engine.compare().orTimeout(120, TimeUnit.SECONDS).join().isIdentical()).isTrue();
  }
}
