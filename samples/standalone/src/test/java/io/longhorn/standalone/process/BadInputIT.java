package io.longhorn.standalone.process;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.engine.client.NbdClient;
import io.longhorn.standalone.process.Cluster.Links;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.UUID;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What a person gets to read: one line that says what is wrong, and nothing that hangs. */
@Timeout(120)
class BadInputIT {
  private static final long SIZE = 16L << 20;

  @TempDir private Path home;

  private Cluster cluster;

  @BeforeEach
  void make() {
    cluster = new Cluster(home, Links.UNIX, SIZE);
  }

  @AfterEach
  void stop() {
    cluster.close();
  }

  private static void assertRefused(LonghornProcess process, String pattern) {
    assertThat(process.awaitExit()).as(process.output()).isEqualTo(1);
    // On a busy machine an engine may say first whom it waits for.
    assertThat(
            process
                .output()
                .lines()
                .filter(line -> line.startsWith("longhorn ") && !line.contains(": waiting: ")))
        .singleElement()
        .asString()
        .containsPattern(pattern);
    assertThat(process.output()).doesNotContain("\tat ");
  }

  @Test
  void anEngineThatFindsNobodySaysWhomItMisses() {
    LonghornProcess engine = cluster.startEngine();
    String line = engine.awaitLine("^longhorn engine: waiting: .*");
    for (int i = 0; i < Cluster.REPLICAS; i++) {
      assertThat(line).contains(cluster.id(i) + ": not connected");
    }
    assertThat(engine.terminate()).isZero();
  }

  @Test
  void replicasOfAnotherVolumeAreNotUsed() {
    cluster.startReplicas();
    LonghornProcess engine = cluster.startEngine("--volume-id", new UUID(1, 2).toString());
    String line =
        engine.awaitLine("^longhorn engine: waiting: .*it refused HELLO: WRONG_IDENTITY.*");
    assertThat(line).contains(cluster.id(0));
    assertThat(engine.output()).doesNotContain("serving nbd");
  }

  @Test
  void aReplicaOfAnotherSizeIsNamedAndNeverServesABlock() throws IOException {
    String volume = cluster.volumeId();
    cluster.startReplicas();
    cluster.replica(2).terminate();
    Path other = home.resolve("other");
    LonghornProcess create =
        LonghornProcess.replica(
            "create",
            "--dir",
            other.toString(),
            "--volume",
            Cluster.NAME,
            "--volume-id",
            volume,
            "--replica-id",
            cluster.id(2),
            "--size",
            Long.toString(2 * SIZE),
            "--members",
            cluster.id(0) + "," + cluster.id(1) + "," + cluster.id(2));
    assertThat(create.awaitExit()).as(create.output()).isZero();
    LonghornProcess engine = cluster.startEngine();
    NbdClient client = cluster.connect(engine);
    cluster.replaceDirectory(2, other);
    cluster.startReplica(2);
    engine.awaitLine(
        cluster.id(2) + " stays out: its size is 33554432 bytes, the volume's 16777216");
    assertThat(client.sizeBytes()).isEqualTo(SIZE);
  }

  @Test
  void aSocketThatSomebodyListensOnIsRefusedByTheEngine() throws IOException {
    cluster.startReplicas();
    // Not another engine of the volume: the second one takes that over, and its socket goes.
    Path socket = home.resolve("taken.sock");
    try (ServerSocketChannel taken = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
      taken.bind(UnixDomainSocketAddress.of(socket));
      LonghornProcess engine = cluster.startEngine("--nbd", "unix:" + socket);
      assertRefused(engine, "socket .* in use|listens");
    }
  }

  @Test
  void aPortThatSomebodyListensOnIsRefusedByTheReplica() throws IOException {
    try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      LonghornProcess replica = serve("tcp:127.0.0.1:" + taken.getLocalPort());
      assertRefused(replica, "cannot listen .*" + taken.getLocalPort());
    }
  }

  @Test
  void aFormatOfALaterVersionIsRefused() throws IOException {
    for (String slot : new String[] {"super.a", "super.b"}) {
      Path file = cluster.directories().getFirst().resolve(slot);
      ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
      bytes.putInt(8, 99);
      CRC32C crc = new CRC32C();
      crc.update(bytes.slice(0, 4092));
      bytes.putInt(4092, (int) crc.getValue());
      Files.write(file, bytes.array());
    }
    assertRefused(serve("tcp:127.0.0.1:0"), "version 99");
  }

  private LonghornProcess serve(String listen) {
    LonghornProcess replica =
        LonghornProcess.replica(
            "serve", "--dir", cluster.directories().getFirst().toString(), "--listen", listen);
    cluster.alsoClose(replica);
    return replica;
  }
}
