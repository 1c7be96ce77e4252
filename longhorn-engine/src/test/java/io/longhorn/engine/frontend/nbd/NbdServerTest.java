package io.longhorn.engine.frontend.nbd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.engine.client.Extent;
import io.longhorn.engine.client.LoadReport;
import io.longhorn.engine.client.LoadTarget;
import io.longhorn.engine.client.NbdClient;
import io.longhorn.engine.client.NbdUri;
import io.longhorn.engine.client.VerifyingLoad;
import io.longhorn.engine.request.IoKind;
import io.longhorn.engine.transport.Endpoint;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class NbdServerTest {
  private static final int MIB = 1 << 20;
  private static final int SIZE = 64 * MIB;

  @TempDir Path directory;

  private Endpoint unix() {
    return new Endpoint.Unix(directory.resolve("nbd.sock"));
  }

  private static byte[] pattern(int length, long seed) {
    byte[] bytes = new byte[length];
    new Random(seed).nextBytes(bytes);
    return bytes;
  }

  @Test
  void bothKindsOfSocketAndBothKindsOfRepliesCarryData() {
    for (Endpoint endpoint : List.of(unix(), new Endpoint.Tcp("127.0.0.1", 0))) {
      try (MemoryServer server = new MemoryServer(endpoint, SIZE)) {
        for (boolean structured : new boolean[] {true, false}) {
          NbdUri uri = NbdUri.parse(server.server.uri());
          try (NbdClient client = NbdClient.connect(uri, structured)) {
            assertThat(client.sizeBytes()).isEqualTo(SIZE);
            byte[] data = pattern(40 * MIB + 77, 3);
            client.write(12345, MemorySegment.ofArray(data));
            byte[] back = new byte[data.length];
            client.read(12345, MemorySegment.ofArray(back));
            assertThat(back).isEqualTo(data);
            client.flush();
            client.zero(12345, 5000);
            client.read(12345, MemorySegment.ofArray(new byte[5000]));
          }
        }
      }
    }
  }

  @Test
  void extentsFollowWhatWasWrittenAndZeroed() {
    try (MemoryServer server = new MemoryServer(unix(), SIZE);
        NbdClient client = server.client()) {
      client.write(MIB, MemorySegment.ofArray(pattern(8192, 1)));
      client.zero(MIB + 4096, 4096);
      assertThat(client.extents(0, SIZE))
          .containsExactly(
              new Extent(0, MIB, true, true),
              new Extent(MIB, 4096, false, false),
              new Extent(MIB + 4096, SIZE - MIB - 4096, true, true));
    }
  }

  @Test
  void manyClientsWithManyThreadsEachSeeTheirOwnData() throws InterruptedException {
    try (MemoryServer server = new MemoryServer(unix(), SIZE)) {
      List<Thread> threads = new ArrayList<>();
      AtomicInteger good = new AtomicInteger();
      for (int i = 0; i < 16; i++) {
        NbdClient client = server.client();
        for (int j = 0; j < 4; j++) {
          int lane = 4 * i + j;
          threads.add(Thread.ofPlatform().start(() -> good.addAndGet(writeAndRead(client, lane))));
        }
      }
      for (Thread thread : threads) {
        thread.join();
      }
      assertThat(good.get()).isEqualTo(64 * 20);
    }
  }

  private static int writeAndRead(NbdClient client, int lane) {
    Random random = new Random(lane);
    int good = 0;
    for (int round = 0; round < 20; round++) {
      int length = 1 + random.nextInt(MIB / 2);
      long offset = (long) lane * MIB + random.nextInt(MIB / 2);
      byte[] data = pattern(length, 100L * lane + round);
      client.write(offset, MemorySegment.ofArray(data));
      byte[] back = new byte[length];
      client.read(offset, MemorySegment.ofArray(back));
      good += java.util.Arrays.equals(data, back) ? 1 : 0;
    }
    return good;
  }

  @Test
  void anErrorOfTheVolumeReachesTheCaller() {
    try (MemoryServer server = new MemoryServer(unix(), SIZE);
        NbdClient client = server.client()) {
      server.failing(a -> a.kind() == IoKind.WRITE ? IoError.ENOSPC : IoError.OK);
      assertThatThrownBy(() -> client.write(0, MemorySegment.ofArray(new byte[4096])))
          .isInstanceOfSatisfying(
              VolumeException.class, e -> assertThat(e.error()).isEqualTo(IoError.ENOSPC));
      client.read(0, MemorySegment.ofArray(new byte[4096]));
    }
  }

  @Test
  void anUnknownExportIsNotFoundAndTheNextClientIsServed() {
    try (MemoryServer server = new MemoryServer(unix(), SIZE)) {
      NbdUri.Unix right = (NbdUri.Unix) NbdUri.parse(server.server.uri());
      NbdUri wrong = new NbdUri.Unix(right.socket(), "nothing");
      assertThatThrownBy(() -> NbdClient.connect(wrong))
          .isInstanceOfSatisfying(
              VolumeException.class, e -> assertThat(e.error()).isEqualTo(IoError.NOT_FOUND));
      NbdClient.connect(new NbdUri.Unix(right.socket(), "")).close();
      server.client().close();
    }
  }

  @Test
  void aStaleSocketFileIsReplacedAndALiveOneIsRefused() throws IOException {
    Path path = directory.resolve("nbd.sock");
    try (var dead = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
      dead.bind(UnixDomainSocketAddress.of(path));
    }
    assertThat(path).exists();
    try (MemoryServer server = new MemoryServer(new Endpoint.Unix(path), SIZE)) {
      server.client().close();
      assertThatThrownBy(() -> NbdServer.open(server.loop, new Endpoint.Unix(path), null, null))
          .isInstanceOfSatisfying(
              VolumeException.class, e -> assertThat(e.error()).isEqualTo(IoError.BUSY));
      server.client().close();
    }
    assertThat(Files.exists(path)).isFalse();
  }

  @Test
  void oneClientTooManyIsTurnedAway() {
    try (MemoryServer server = new MemoryServer(unix(), SIZE)) {
      List<NbdClient> clients = new ArrayList<>();
      for (int i = 0; i < NbdServer.MAX_CONNECTIONS; i++) {
        clients.add(server.client());
      }
      assertThatThrownBy(server::client).isInstanceOf(VolumeException.class);
      clients.getFirst().close();
      MemoryServer.await(
          "room for another", () -> server.connections() < NbdServer.MAX_CONNECTIONS);
      server.client().read(0, MemorySegment.ofArray(new byte[512]));
    }
  }

  @Test
  void aClientThatLeavesInMidPayloadTakesNothingWithIt() throws IOException {
    try (MemoryServer server = new MemoryServer(unix(), SIZE)) {
      Path path = directory.resolve("nbd.sock");
      for (int i = 0; i < 50; i++) {
        try (SocketChannel channel = SocketChannel.open(UnixDomainSocketAddress.of(path))) {
          channel.write(ByteBuffer.wrap(new byte[] {0, 0, 0, 3}));
          channel.write(
              ByteBuffer.allocate(22)
                  .put("IHAVEOPT".getBytes(StandardCharsets.US_ASCII))
                  .putInt(7)
                  .putInt(6)
                  .flip());
          channel.write(
              ByteBuffer.allocate(28 + 1000 * i)
                  .putInt(0x25609513)
                  .putInt(1)
                  .putLong(1)
                  .putLong(0)
                  .putInt(MIB)
                  .clear());
        }
      }
      MemoryServer.await("all are gone", () -> server.connections() == 0);
      MemoryServer.await("all loans are back", () -> server.lentLoans() == 0);
      server.client().flush();
    }
  }

  @Test
  void aClientThatDoesNotReadItsAnswersStopsOnlyItself() throws IOException {
    try (MemoryServer server = new MemoryServer(unix(), SIZE)) {
      Path path = directory.resolve("nbd.sock");
      try (SocketChannel deaf = SocketChannel.open(UnixDomainSocketAddress.of(path))) {
        deaf.write(ByteBuffer.wrap(new byte[] {0, 0, 0, 3}));
        deaf.write(
            ByteBuffer.allocate(22)
                .put("IHAVEOPT".getBytes(StandardCharsets.US_ASCII))
                .putInt(7)
                .putInt(6)
                .clear());
        ByteBuffer reads = ByteBuffer.allocate(28 * 2000);
        for (int i = 0; i < 2000; i++) {
          reads.putInt(0x25609513).putInt(0).putLong(i).putLong(0).putInt(MIB);
        }
        deaf.configureBlocking(false);
        deaf.write(reads.flip());
        try (NbdClient other = server.client()) {
          for (int i = 0; i < 100; i++) {
            other.read(0, MemorySegment.ofArray(new byte[MIB]));
          }
        }
        assertThat(server.lentLoans()).isLessThan(100);
        // It begins to listen after all, and everything comes.
        deaf.configureBlocking(true);
        long wanted = 18 + 32 + 20 + 2000L * (16 + MIB);
        ByteBuffer sink = ByteBuffer.allocateDirect(MIB);
        while (wanted > 0) {
          sink.clear();
          if (reads.hasRemaining()) {
            deaf.configureBlocking(false);
            deaf.write(reads);
            deaf.configureBlocking(true);
          }
          int got = deaf.read(sink.limit((int) Math.min(wanted, MIB)));
          assertThat(got).isPositive();
          wanted -= got;
        }
      }
    }
  }

  @Test
  void aVerifyingLoadOverSeveralConnectionsFindsNothingWrong() {
    long seed = Long.getLong("longhorn.seed", 20_261_120L);
    System.out.println("NbdServerTest: -Dlonghorn.seed=" + seed);
    try (MemoryServer server = new MemoryServer(unix(), SIZE)) {
      List<NbdClient> clients = new ArrayList<>();
      NbdUri uri = NbdUri.parse(server.server.uri());
      for (int i = 0; i < 4; i++) {
        clients.add(NbdClient.connect(uri, i % 2 == 0));
      }
      List<LoadTarget> targets = clients.stream().map(LoadTarget::of).toList();
      VerifyingLoad load = new VerifyingLoad(seed, SIZE / 4);
      server.failing(a -> a.offset() % 77 == 5 ? IoError.EIO : IoError.OK);
      LoadReport report = load.run(targets, 8, 3000);
      assertThat(report.firstMismatch()).isEmpty();
      server.failing(_ -> IoError.OK);
      assertThat(load.verifyAll(targets.getFirst()).firstMismatch()).isEmpty();
      assertThat(load.verifyAll(targets.getLast()).firstMismatch()).isEmpty();
      clients.forEach(NbdClient::close);
    }
  }

  /** The stream took itself out of the epoll set for good, and its next interest ended the loop. */
  @Test
  void aClientThatUsesUpItsCreditsIsReadAgainWhenTheyComeBack() throws InterruptedException {
    try (MemoryServer server = new MemoryServer(unix(), SIZE);
        NbdClient client = server.client()) {
      server.hold();
      List<Thread> writers = new ArrayList<>();
      AtomicInteger good = new AtomicInteger();
      for (int i = 0; i < 64; i++) {
        int lane = i;
        writers.add(
            Thread.ofPlatform()
                .start(() -> {
                  client.write((long) lane * MIB, MemorySegment.ofArray(new byte[MIB / 2]));
                  good.incrementAndGet();
                }));
      }
      MemoryServer.await("the credits are used up", () -> server.lentLoans() == 32);
      // The socket is looked at once more, and then no longer.
      MemoryServer.await("turns", () -> server.onLoop(() -> true));
      server.letGo();
      for (Thread writer : writers) {
        writer.join();
      }
      assertThat(good.get()).isEqualTo(64);
    }
  }

  @Test
  void stoppingLetsWhatIsUnderWayFinish() throws InterruptedException {
    AtomicInteger finished = new AtomicInteger();
    Thread writer;
    try (MemoryServer server = new MemoryServer(unix(), SIZE)) {
      NbdClient client = server.client();
      server.hold();
      writer =
          Thread.ofPlatform()
              .start(() -> {
                client.write(0, MemorySegment.ofArray(new byte[4096]));
                finished.incrementAndGet();
              });
      MemoryServer.await("the write is with the volume", () -> server.lentLoans() > 0);
      var stopped = server.server.stop();
      assertThat(stopped.isDone()).isFalse();
      server.letGo();
    }
    writer.join();
    assertThat(finished.get()).isEqualTo(1);
  }
}
