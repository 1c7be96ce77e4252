package io.longhorn.replica.server;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.IoError;
import io.longhorn.api.memory.Crc32c;
import io.longhorn.api.wire.FrameType;
import io.longhorn.replica.server.WireClient.Answer;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class ReplicaServerTest {
  private static final int BLOCK = 4096;

  @Test
  void whatIsWrittenIsReadWithItsChecksums() {
    try (ServedReplica replica = ServedReplica.tcp();
        WireClient client = replica.own(1)) {
      byte[] data = bytes(1, 3 * BLOCK);
      client.write(0, 5 * BLOCK, data);
      assertThat(client.ask().status()).isEqualTo(IoError.OK);
      client.write(0, 5 * BLOCK, data);
      long flush = client.bare(FrameType.FLUSH, 0, 0, 0);
      client.bare(FrameType.READ, 0, 4 * BLOCK, 4 * BLOCK);
      assertThat(client.ask().status()).isEqualTo(IoError.OK);
      Answer a = client.next();
      Answer b = client.next();
      Answer read = a.sequence() == flush ? b : a;
      assertThat(read.status()).isEqualTo(IoError.OK);
      assertThat(read.crcs()).hasSize(4);
      assertThat(read.crcs()[0]).isEqualTo(Crc32c.ZERO_BLOCK);
      assertThat(Arrays.copyOfRange(read.payload(), BLOCK, 4 * BLOCK)).isEqualTo(data);
      assertThat(read.generation()).isEqualTo(1);
    }
  }

  @Test
  void aThousandFramesSentTogetherAreAllAnswered() {
    try (ServedReplica replica = ServedReplica.tcp();
        WireClient client = replica.own(1)) {
      client.bare(FrameType.READ, 0, 0, 128 << 10);
      client.ask();
      for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 100; i++) {
          client.bare(FrameType.READ, 0, (long) i * BLOCK, (i % 4 + 1) * BLOCK % (20 * BLOCK));
        }
        client.send();
        for (int i = 0; i < 100; i++) {
          assertThat(client.next().status()).isIn(IoError.OK, IoError.INVALID);
        }
      }
    }
  }

  static byte[] bytes(long seed, int length) {
    byte[] bytes = new byte[length];
    new Random(seed).nextBytes(bytes);
    return bytes;
  }
}
