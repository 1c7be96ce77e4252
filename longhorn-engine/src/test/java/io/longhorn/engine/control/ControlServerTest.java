package io.longhorn.engine.control;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.Authority;
import io.longhorn.api.IoError;
import io.longhorn.api.ReplicaMode;
import io.longhorn.api.wire.EngineStatus;
import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FieldWriter;
import io.longhorn.api.wire.FrameHeader;
import io.longhorn.api.wire.FrameType;
import io.longhorn.api.wire.LayerList;
import io.longhorn.engine.transport.Endpoint;
import io.longhorn.engine.transport.VolumeLoop;
import io.longhorn.engine.volume.RealReplicas;
import io.longhorn.engine.volume.VolumeEngine;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(180)
final class ControlServerTest {
  private static final long SIZE = 16 << 20;
  private static final byte[] NOTHING = {};

  @TempDir Path home;

  private RealReplicas replicas;
  private VolumeLoop loop;
  private VolumeEngine engine;
  private ControlServer server;
  private Path socket;

  @BeforeEach
  void begin() {
    socket = home.resolve("control.sock");
    replicas = new RealReplicas(home, 2, SIZE, Authority.REPLICAS);
    loop = new VolumeLoop("control-test");
    engine = new VolumeEngine(replicas.config(), loop);
    server = ControlServer.open(loop, new Endpoint.Unix(socket), engine);
    engine.start();
  }

  @AfterEach
  void end() {
    engine.close().orTimeout(60, TimeUnit.SECONDS).join();
    server.closed().orTimeout(60, TimeUnit.SECONDS).join();
    loop.close();
    replicas.close();
  }

  private ControlClient client() throws IOException {
    return new ControlClient(socket);
  }

  private void serve() {
    replicas.openAll();
    engine.whenServing().orTimeout(60, TimeUnit.SECONDS).join();
  }

  private static byte[] name(String name) {
    return new FieldWriter().text(1, name).toBytes();
  }

  @Test
  void theSocketIsThereBeforeTheReplicasAndEachChangeIsToldToWhoWaits() throws IOException {
    try (ControlClient client = client()) {
      EngineStatus status = client.status(0, 0);
      assertThat(status.isServing()).isFalse();
      assertThat(status.sizeBytes()).isZero();
      assertThat(status.engine()).isEqualTo(engine.config().engine());
      assertThat(status.pid()).isEqualTo(ProcessHandle.current().pid());
      assertThat(status.uris()).isEmpty();
      replicas.openAll();
      while (!status.isServing()) {
        status = client.status(status.revision(), EngineStatus.MAX_WAIT_MILLIS);
      }
      server.serving(List.of("nbd://127.0.0.1:1/real"));
      while (status.uris().isEmpty()
          || status.replicas().stream().anyMatch(each -> each.mode() != ReplicaMode.RW)) {
        status = client.status(status.revision(), EngineStatus.MAX_WAIT_MILLIS);
      }
      assertThat(status.uris()).containsExactly("nbd://127.0.0.1:1/real");
      assertThat(status.volume().value()).isEqualTo("real");
      assertThat(status.sizeBytes()).isEqualTo(SIZE);
      assertThat(status.generation()).isPositive();
      assertThat(status.heldReason()).isEmpty();
      assertThat(status.replicas()).hasSize(2);
    }
  }

  @Test
  void whoHasSeenTheStatusIsAnsweredWithItWhenTheWaitIsOver() throws IOException {
    serve();
    try (ControlClient client = client()) {
      EngineStatus status = client.status(0, 0);
      EngineStatus again = status;
      // Something may still change just after the opening; after that nothing does.
      do {
        status = again;
        again = client.status(status.revision(), 300);
      } while (again.revision() != status.revision());
      assertThat(again).isEqualTo(status);
    }
  }

  @Test
  void aReplicaThatDiesIsSeenByWhoWaits() throws IOException {
    serve();
    try (ControlClient client = client()) {
      EngineStatus status = client.status(0, 0);
      replicas.kill(1);
      while (status.replicas().get(1).mode() != ReplicaMode.ERR) {
        status = client.status(status.revision(), EngineStatus.MAX_WAIT_MILLIS);
      }
      assertThat(status.replicas().get(0).mode()).isEqualTo(ReplicaMode.RW);
      assertThat(status.replicas().get(1).reason()).isNotEmpty();
    }
  }

  @Test
  void aSnapshotIsTakenAndListed() throws IOException {
    serve();
    try (ControlClient client = client()) {
      assertThat(client.call(FrameType.ENGINE_SNAPSHOT, name("before")).status())
          .isEqualTo(IoError.OK);
      ControlClient.Reply bad = client.call(FrameType.ENGINE_SNAPSHOT, name("a\nb"));
      assertThat(bad.status()).isEqualTo(IoError.INVALID);
      ControlClient.Reply twice = client.call(FrameType.ENGINE_SNAPSHOT, name("before"));
      assertThat(twice.status()).isEqualTo(IoError.EXISTS);
      assertThat(twice.words()).contains("before");
      LayerList layers =
          LayerList.read(
              new FieldReader(client.call(FrameType.ENGINE_SNAPSHOTS, NOTHING).payload()));
      assertThat(layers.layers())
          .extracting(LayerList.Layer::snapshot)
          .containsExactly("before", "");
      assertThat(layers.layers().getFirst().isUserCreated()).isTrue();
    }
  }

  @Test
  void aVolumeThatIsNotOpenTakesNoCommand() throws IOException {
    try (ControlClient client = client()) {
      assertThat(client.call(FrameType.ENGINE_SNAPSHOT, name("early")).status())
          .isEqualTo(IoError.DISCONNECTED);
      assertThat(client.call(FrameType.ENGINE_SNAPSHOTS, NOTHING).status())
          .isEqualTo(IoError.DISCONNECTED);
      ControlClient.Reply check = client.call(FrameType.ENGINE_CHECK, NOTHING);
      assertThat(check.status()).isEqualTo(IoError.DISCONNECTED);
      assertThat(check.words()).contains("not open");
    }
  }

  @Test
  void oneCheckAtATime() throws IOException {
    serve();
    try (ControlClient client = client()) {
      byte[] first = client.request(FrameType.ENGINE_CHECK.code(), NOTHING);
      byte[] second = client.request(FrameType.ENGINE_CHECK.code(), NOTHING);
      byte[] both = new byte[first.length + second.length];
      System.arraycopy(first, 0, both, 0, first.length);
      System.arraycopy(second, 0, both, first.length, second.length);
      client.send(both);
      ControlClient.Reply busy = client.receive();
      assertThat(busy.sequence()).isEqualTo(2);
      assertThat(busy.status()).isEqualTo(IoError.BUSY);
      ControlClient.Reply done = client.receive();
      assertThat(done.status()).isEqualTo(IoError.OK);
      EngineStatus.Check check = EngineStatus.Check.read(new FieldReader(done.payload()));
      assertThat(check.isIdentical()).isTrue();
      assertThat(check.copies()).isEqualTo(2);
      assertThat(check.comparedBytes()).isEqualTo(SIZE);
      assertThat(client.call(FrameType.ENGINE_CHECK, NOTHING).status()).isEqualTo(IoError.OK);
    }
  }

  @Test
  void whatAnEngineDoesNotKnowIsRefusedAndTheConnectionGoesOn() throws IOException {
    try (ControlClient client = client()) {
      for (int code : new int[] {FrameType.WRITE.code(), FrameType.HELLO.code(), 200}) {
        client.send(client.request(code, NOTHING));
        assertThat(client.receive().status()).isEqualTo(IoError.UNSUPPORTED);
      }
      assertThat(client.call(FrameType.PING, NOTHING).status()).isEqualTo(IoError.OK);
    }
  }

  @Test
  void aRequestThatIsTooLongOrCannotBeReadEndsTheConnectionWithAWord() throws IOException {
    List<byte[]> bad = new ArrayList<>();
    try (ControlClient maker = client()) {
      bad.add(maker.request(FrameType.ENGINE_SNAPSHOT.code(), name("x".repeat(5000))));
      bad.add(maker.request(FrameType.ENGINE_SNAPSHOT.code(), NOTHING));
      bad.add(maker.request(FrameType.ENGINE_STATUS.code(), new byte[] {1, 0, 9}));
      byte[] damaged = maker.request(FrameType.ENGINE_SNAPSHOT.code(), name("fine"));
      damaged[damaged.length - 1] ^= 1;
      bad.add(damaged);
    }
    for (byte[] bytes : bad) {
      try (ControlClient client = client()) {
        client.send(bytes);
        ControlClient.Reply reply = client.receive();
        assertThat(reply.status()).isEqualTo(IoError.PROTOCOL);
        assertThat(reply.words()).isNotEmpty();
        client.drain();
      }
    }
  }

  @Test
  void whoAsksForTooMuchAtOnceIsToldSo() throws IOException {
    try (ControlClient client = client()) {
      EngineStatus now = client.status(0, 0);
      byte[] query = new EngineStatus.Query(now.revision(), 500).write().toBytes();
      int asked = 30;
      ByteArrayOutputStream together = new ByteArrayOutputStream();
      for (int i = 0; i < asked; i++) {
        together.writeBytes(client.request(FrameType.ENGINE_STATUS.code(), query));
      }
      client.send(together.toByteArray());
      int busy = 0;
      for (int i = 0; i < asked; i++) {
        busy += client.receive().status() == IoError.BUSY ? 1 : 0;
      }
      assertThat(busy).isPositive();
    }
  }

  @Test
  void oneConnectionTooManyIsClosed() throws IOException {
    List<ControlClient> clients = new ArrayList<>();
    try {
      for (int i = 0; i < ControlServer.MAX_CONNECTIONS; i++) {
        clients.add(client());
        assertThat(clients.getLast().call(FrameType.PING, NOTHING).status()).isEqualTo(IoError.OK);
      }
      try (ControlClient more = client()) {
        more.drain();
      }
      clients.removeLast().close();
      RealReplicas.until(
          "there is room again",
          () -> {
            try (ControlClient next = client()) {
              return next.call(FrameType.PING, NOTHING).status() == IoError.OK;
            } catch (IOException _) {
              return false;
            }
          });
    } finally {
      for (ControlClient each : clients) {
        each.close();
      }
    }
  }

  @Test
  void anyBytesGiveAnAnswerOrTheEndOfTheConnection() throws IOException {
    serve();
    long seed = Long.getLong("longhorn.seed", System.nanoTime());
    System.out.println("control socket, random bytes: seed " + seed);
    Random random = new Random(seed);
    for (int i = 0; i < 300; i++) {
      try (ControlClient client = client()) {
        byte[] bytes =
            client.request(
                random.nextBoolean() ? 40 + random.nextInt(2) * 2 : random.nextInt(256),
                randomBytes(random, random.nextInt(200)));
        switch (random.nextInt(3)) {
          case 0 -> bytes = randomBytes(random, random.nextInt(20_000));
          case 1 -> bytes[random.nextInt(FrameHeader.BYTES)] ^= (byte) (1 << random.nextInt(8));
          default -> {}
        }
        try {
          client.send(bytes);
          client.endOfRequests();
        } catch (IOException _) {
          // It was closed while this was being sent.
        }
        client.drain();
      }
    }
    try (ControlClient client = client()) {
      assertThat(client.status(0, 0).isServing()).as("seed %d", seed).isTrue();
      assertThat(client.call(FrameType.PING, NOTHING).status()).isEqualTo(IoError.OK);
    } catch (EOFException e) {
      throw new AssertionError("seed " + seed, e);
    }
  }

  private static byte[] randomBytes(Random random, int length) {
    byte[] bytes = new byte[length];
    random.nextBytes(bytes);
    return bytes;
  }
}
