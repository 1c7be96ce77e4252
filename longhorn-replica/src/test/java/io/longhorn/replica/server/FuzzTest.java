package io.longhorn.replica.server;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.IoError;
import io.longhorn.api.wire.FieldWriter;
import io.longhorn.api.wire.FrameType;
import io.longhorn.api.wire.Hello.Role;
import io.longhorn.api.wire.Promise;
import io.longhorn.replica.store.BareStore;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Any bytes from a peer: a typed error or a closed connection, never a hang, and the next client is
 * served. Another seed: {@code -Dlonghorn.seed=N}.
 */
@Timeout(180)
class FuzzTest {
  private static final int STREAMS = 10_000;
  private static final int BLOCK = 4096;

  @TempDir Path directory;

  private final long seed = Long.getLong("longhorn.seed", 20_261_120);
  private final Random random = new Random(seed);
  private long generation;

  @Test
  void tenThousandStreamsLeaveAReplicaThatServes() {
    System.out.println("FuzzTest: -Dlonghorn.seed=" + seed);
    try (ServedReplica replica =
        new ServedReplica(new ListenAddress.Unix(directory.resolve("fuzz.sock")))) {
      for (int i = 0; i < STREAMS; i++) {
        try (WireClient client = replica.connect()) {
          switch (i % 4) {
            case 0 -> garbage(client);
            case 1 -> frames(replica, client, false);
            case 2 -> frames(replica, client, true);
            default -> damaged(replica, client);
          }
          client.send();
          client.shutdownOutput();
          // Every answer is a frame that is right in itself; the end always comes.
          int answers = 0;
          while (client.next() != null) {
            answers++;
          }
          assertThat(answers).as("stream %d", i).isLessThan(200);
        }
        if (i % 500 == 499) {
          assertServes(replica, i);
        }
      }
    }
  }

  private void assertServes(ServedReplica replica, int stream) {
    try (WireClient client = replica.own(++generation)) {
      byte[] data = new byte[BLOCK];
      random.nextBytes(data);
      client.write(0, 0, data);
      assertThat(client.ask().status()).as("after stream %d", stream).isEqualTo(IoError.OK);
      client.bare(FrameType.READ, 0, 0, BLOCK);
      assertThat(client.ask().payload()).as("after stream %d", stream).isEqualTo(data);
    }
  }

  /** Bytes that were never a frame. */
  private void garbage(WireClient client) {
    byte[] bytes = new byte[random.nextInt(3_000)];
    random.nextBytes(bytes);
    if (bytes.length > 4 && random.nextBoolean()) {
      bytes[0] = 0x48;
      bytes[1] = 0x4C;
      bytes[2] = 1;
    }
    client.raw(bytes);
  }

  /** Frames whose headers are right and whose fields are anything. */
  private void frames(ServedReplica replica, WireClient client, boolean isOwner) {
    greet(replica, client, isOwner);
    int count = 1 + random.nextInt(12);
    for (int i = 0; i < count; i++) {
      client.generation = random.nextInt(8) == 0 ? random.nextLong() : generation;
      int type = random.nextInt(10) == 0 ? random.nextInt(256) : 1 + random.nextInt(23);
      if (type == FrameType.PROMISE.code()) {
        // Promises that succeed would fence everybody who comes later.
        type = FrameType.PING.code();
      }
      int flags = random.nextInt(6) == 0 ? random.nextInt(65_536) : 2 * random.nextInt(4);
      client.frame(
          type, flags, offset(), length(), random.nextInt(4), payload(), random.nextInt(5) == 0);
    }
  }

  private void greet(ServedReplica replica, WireClient client, boolean isOwner) {
    client.control(
        FrameType.HELLO,
        WireClient.hello(
                isOwner ? Role.OWNER : Role.OBSERVER,
                replica.store.volume,
                replica.store.replica,
                ServedReplica.ENGINE)
            .write()
            .toBytes());
    if (isOwner) {
      generation++;
      client.control(
          FrameType.PROMISE, new Promise(generation, ServedReplica.ENGINE).write().toBytes());
    }
  }

  private long offset() {
    return switch (random.nextInt(5)) {
      case 0 -> random.nextLong();
      case 1 -> BareStore.SIZE_BYTES - (long) BLOCK * random.nextInt(3);
      case 2 -> random.nextInt(1 << 20);
      default -> (long) BLOCK * random.nextInt((int) (BareStore.SIZE_BYTES / BLOCK));
    };
  }

  private int length() {
    return switch (random.nextInt(4)) {
      case 0 -> random.nextInt();
      case 1 -> random.nextInt(1 << 18);
      default -> BLOCK * random.nextInt(34);
    };
  }

  private byte[] payload() {
    byte[] bytes =
        new byte
            [switch (random.nextInt(6)) {
              case 0 -> random.nextInt(1_000);
              case 1 -> BLOCK * random.nextInt(9);
              default -> 0;
            }];
    random.nextBytes(bytes);
    return random.nextInt(3) == 0
        ? new FieldWriter()
            .number(1, random.nextLong())
            .number(2, random.nextInt(5))
            .bytes(3, new byte[random.nextInt(20)])
            .toBytes()
        : bytes;
  }

  /** A good conversation, then a few of its bytes changed, cut or repeated. */
  private void damaged(ServedReplica replica, WireClient client) {
    greet(replica, client, true);
    client.generation = generation;
    client.write(0, offset() & -BLOCK, new byte[BLOCK * (1 + random.nextInt(4))]);
    client.bare(FrameType.READ, 0, 0, 2 * BLOCK);
    client.bare(FrameType.FLUSH, 0, 0, 0);
    client.control(FrameType.STATUS, new byte[0]);
    byte[] good = client.taken();
    for (int i = 1 + random.nextInt(4); i > 0; i--) {
      int at = random.nextInt(Math.min(good.length, 2_000));
      good[at] ^= (byte) (1 << random.nextInt(8));
    }
    int length = random.nextInt(3) == 0 ? random.nextInt(good.length + 1) : good.length;
    client.raw(Arrays.copyOf(good, length));
    if (random.nextInt(4) == 0) {
      client.raw(good);
    }
  }
}
