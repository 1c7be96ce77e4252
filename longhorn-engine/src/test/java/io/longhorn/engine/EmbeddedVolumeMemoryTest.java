package io.longhorn.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.api.replica.FrameExchange;
import io.longhorn.api.replica.LocalReplica;
import io.longhorn.api.replica.ReplicaOpener;
import io.longhorn.api.replica.ReplicaSpec;
import io.longhorn.api.wire.FrameHeader;
import io.longhorn.api.wire.FrameType;
import io.longhorn.engine.volume.PassingReplica;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.ServiceLoader;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * The off-heap memory of an open volume, seen where the replicas are handed it. Whoever embeds the
 * library opens and closes volumes for years.
 */
@Timeout(60)
final class EmbeddedVolumeMemoryTest {
  private static final int BLOCK = 4096;

  @TempDir Path home;

  private List<Path> directories;
  private final WatchingOpener opener = new WatchingOpener();

  @BeforeEach
  void create() {
    directories = List.of(home.resolve("a"), home.resolve("b"));
    EmbeddedVolume.create("memory", 4 << 20, directories);
  }

  private EmbeddedVolume open() {
    return EmbeddedVolume.open("memory", directories, opener);
  }

  /** Each opening had a slab of 512 KiB for good. */
  @Test
  void whatAVolumeHadForItsRequestsIsFreedWhenItIsClosed() {
    for (int i = 0; i < 3; i++) {
      EmbeddedVolume volume = open();
      volume.write(0, ByteBuffer.allocate(64 * BLOCK));
      volume.read(BLOCK, ByteBuffer.allocate(BLOCK));
      assertThat(opener.lent).isNotEmpty().allMatch(memory -> memory.scope().isAlive());

      volume.close();

      assertThat(opener.lent).allMatch(memory -> !memory.scope().isAlive());
      opener.lent.clear();
    }
  }

  /** Memory that a replica has must neither be freed under it nor stay for good. */
  @Test
  void whatAReplicaStillHasWhenTheVolumeIsKilledIsFreedOnceThatReplicaIsGone()
      throws InterruptedException {
    EmbeddedVolume volume = open();
    opener.isDeaf = true;
    CompletableFuture<Void> write =
        CompletableFuture.runAsync(() -> volume.write(0, ByteBuffer.allocate(BLOCK)));
    opener.ignored.await();

    volume.kill();

    assertThatThrownBy(() -> write.get(60, TimeUnit.SECONDS))
        .isInstanceOf(ExecutionException.class)
        .cause()
        .isInstanceOfSatisfying(
            VolumeException.class,
            failure -> assertThat(failure.error()).isEqualTo(IoError.DISCONNECTED));
    assertThat(opener.wasAliveWhenKilled).containsExactly(true, true);
    assertThat(opener.lent).isNotEmpty().allMatch(memory -> !memory.scope().isAlive());
  }

  /** The others stayed open, with their locks, for the life of the process. */
  @Test
  void aReplicaThatDoesNotCloseCleanlyDoesNotKeepTheOthersOpen() {
    EmbeddedVolume volume = open();
    volume.write(0, ByteBuffer.allocate(BLOCK));
    opener.isFailing = true;

    assertThatThrownBy(volume::close)
        .isInstanceOfSatisfying(
            VolumeException.class, failure -> assertThat(failure.error()).isEqualTo(IoError.EIO));

    assertThat(opener.lent).isNotEmpty().allMatch(memory -> !memory.scope().isAlive());
    EmbeddedVolume.open("memory", directories).close();
  }

  /** Real replicas, whose frames are looked at on their way. */
  private static final class WatchingOpener implements ReplicaOpener {
    private final ReplicaOpener real =
        ServiceLoader.load(ReplicaOpener.class).findFirst().orElseThrow();

    /** What was in frames. */
    final List<MemorySegment> lent = new CopyOnWriteArrayList<>();

    final List<Boolean> wasAliveWhenKilled = new CopyOnWriteArrayList<>();

    /** Whether replicas leave writes lying. */
    volatile boolean isDeaf;

    /** Whether replicas say that they could not write back. */
    volatile boolean isFailing;

    final CountDownLatch ignored = new CountDownLatch(2);

    @Override
    public void create(Path directory, ReplicaSpec spec) {
      real.create(directory, spec);
    }

    @Override
    public LocalReplica open(Path directory, IoMode mode) {
      return new WatchedReplica(this, real.open(directory, mode));
    }
  }

  private static final class WatchedReplica extends PassingReplica {
    private final WatchingOpener opener;

    WatchedReplica(WatchingOpener opener, LocalReplica real) {
      super(real);
      this.opener = opener;
    }

    @Override
    public LocalConnection connect(Listener listener) {
      return new WatchedConnection(opener, super.connect(listener));
    }

    @Override
    public void kill() {
      opener.wasAliveWhenKilled.add(
          opener.lent.stream().allMatch(memory -> memory.scope().isAlive()));
      super.kill();
    }

    @Override
    public void close() {
      super.close();
      if (opener.isFailing) {
        throw new VolumeException(IoError.EIO, "could not be written back");
      }
    }
  }

  private record WatchedConnection(WatchingOpener opener, LocalReplica.LocalConnection real)
      implements LocalReplica.LocalConnection {
    @Override
    public boolean send(FrameExchange exchange) {
      if (exchange.hasPayload()) {
        opener.lent.add(exchange.payload());
      }
      if (opener.isDeaf && FrameHeader.typeCode(exchange.head(), 0) == FrameType.WRITE.code()) {
        opener.ignored.countDown();
        return true;
      }
      return real.send(exchange);
    }

    @Override
    public void close() {
      real.close();
    }
  }
}
