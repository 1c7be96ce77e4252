package io.longhorn.replica.server;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import io.longhorn.api.IoError;
import io.longhorn.api.wire.FrameHeader;
import io.longhorn.api.wire.FrameType;
import io.longhorn.api.wire.Hello.Role;
import io.longhorn.replica.posix.Allocation;
import io.longhorn.replica.server.WireClient.Answer;
import io.longhorn.replica.store.BareStore;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadInfo;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Waiting disks, many frames, many connections, and memory. */
@Timeout(120)
class LinkLimitsTest {
  private static final int BLOCK = 4096;
  private static final int CHUNK = 128 << 10;
  private static final byte[] NONE = {};

  @TempDir Path directory;

  private ServedReplica serve(String kind) {
    return kind.equals("tcp")
        ? ServedReplica.tcp()
        : new ServedReplica(new ListenAddress.Unix(directory.resolve("r.sock")));
  }

  @ParameterizedTest
  @ValueSource(strings = {"tcp", "unix"})
  void framesOfAllSizesInOneStreamAreAllServed(String kind) {
    long seed = 20_261_120;
    Random random = new Random(seed);
    byte[] model = new byte[(int) BareStore.SIZE_BYTES];
    try (ServedReplica replica = serve(kind);
        WireClient client = replica.own(1)) {
      for (int round = 0; round < 200; round++) {
        replica.store.isCold = round % 4 == 3;
        int count = 1 + random.nextInt(5);
        Set<Long> sequences = new HashSet<>();
        Set<Integer> chunks = new HashSet<>();
        for (int i = 0; i < count; i++) {
          int chunk = random.nextInt(model.length / CHUNK);
          if (!chunks.add(chunk)) {
            continue;
          }
          int first = random.nextInt(32);
          int blocks = 1 + random.nextInt(32 - first);
          int offset = chunk * CHUNK + first * BLOCK;
          byte[] data = new byte[blocks * BLOCK];
          random.nextBytes(data);
          System.arraycopy(data, 0, model, offset, data.length);
          sequences.add(
              client.write(random.nextInt(4) == 0 ? FrameHeader.FLAG_FUA : 0, offset, data));
        }
        client.send();
        while (!sequences.isEmpty()) {
          Answer answer = client.next();
          assertThat(answer.status()).as("seed %d", seed).isEqualTo(IoError.OK);
          assertThat(sequences.remove(answer.sequence())).isTrue();
        }
        for (int chunk : chunks) {
          client.bare(FrameType.READ, 0, (long) chunk * CHUNK, CHUNK);
          Answer read = client.ask();
          assertThat(read.crcs()).hasSize(CHUNK / BLOCK);
          assertThat(read.payload())
              .isEqualTo(Arrays.copyOfRange(model, chunk * CHUNK, (chunk + 1) * CHUNK));
        }
      }
    }
  }

  @Test
  void pingIsAnsweredAtOnceWhileTheDiskIsBusy() {
    try (ServedReplica replica = ServedReplica.tcp();
        WireClient client = replica.own(1)) {
      replica.store.hold();
      replica.store.isCold = true;
      for (int i = 0; i < 200; i++) {
        client.bare(i % 2 == 0 ? FrameType.FLUSH : FrameType.READ, 0, 0, BLOCK);
      }
      client.control(FrameType.PING, NONE);
      assertThat(client.ask().type()).isEqualTo(FrameType.PING.code());
      replica.store.letGo();
      for (int i = 0; i < 200; i++) {
        assertThat(client.next().status()).isEqualTo(IoError.OK);
      }
    }
  }

  @Test
  void moreFramesThanCreditsEndTheConnectionAndTheNextClientIsServed() {
    try (ServedReplica replica = ServedReplica.tcp()) {
      boolean hasEnded = false;
      // The disk may be let go before the link has seen the last frame: then nothing was too many.
      for (int i = 0; i < 50 && !hasEnded; i++) {
        try (WireClient client = replica.own(1)) {
          hasEnded = endsWhenFlooded(replica, client);
        }
      }
      assertThat(hasEnded).isTrue();
      try (WireClient next = replica.own(2)) {
        next.bare(FrameType.READ, 0, 0, BLOCK);
        assertThat(next.ask().status()).isEqualTo(IoError.OK);
      }
    }
  }

  /** Sends one frame too many while the disk waits; whether the connection ended for it. */
  private static boolean endsWhenFlooded(ServedReplica replica, WireClient client) {
    int frames = ReplicaHost.CREDITS + 1;
    replica.store.hold();
    for (int i = 0; i < frames; i++) {
      client.bare(FrameType.FLUSH, 0, 0, 0);
    }
    client.send();
    Eventually.until("tasks wait", replica.store.permits::hasQueuedThreads);
    replica.store.letGo();
    boolean isRefused = false;
    for (int answered = 0; answered < frames; answered++) {
      Answer answer = client.next();
      if (answer == null) {
        return true;
      }
      assertThat(answer.status()).isIn(IoError.OK, IoError.PROTOCOL);
      isRefused |= answer.status() == IoError.PROTOCOL;
    }
    return isRefused && client.next() == null;
  }

  @Test
  void moreDataThanMayWaitIsTakenLaterAndNothingIsLost() {
    try (ServedReplica replica = ServedReplica.tcp();
        WireClient client = replica.own(1)) {
      replica.store.hold();
      // Into clean regions: each stays with its 128 KiB until the disk is let go.
      int frames = 300;
      Thread sender =
          Thread.ofPlatform()
              .start(() -> {
                byte[] data = new byte[CHUNK];
                for (int i = 0; i < frames; i++) {
                  Arrays.fill(data, (byte) i);
                  client.write(FrameHeader.FLAG_FUA, (long) (i % 128) * CHUNK, data);
                  client.send();
                }
              });
      Eventually.until("tasks wait", replica.store.permits::hasQueuedThreads);
      replica.store.letGo();
      for (int i = 0; i < frames; i++) {
        assertThat(client.next().status()).isEqualTo(IoError.OK);
      }
      Eventually.until("all sent", () -> !sender.isAlive());
    }
  }

  @Test
  void aConnectionThatOnlyLooksMakesRoomForTheNextAtTheLimit() {
    try (ServedReplica replica = ServedReplica.tcp();
        WireClient owner = replica.own(1)) {
      List<WireClient> observers = new ArrayList<>();
      for (int i = 1; i < ReplicaServer.MAX_CONNECTIONS; i++) {
        observers.add(replica.greet(Role.OBSERVER));
      }
      try (WireClient refused = replica.connect()) {
        assertThat(refused.next()).isNull();
      }
      assertThat(observers.getFirst().next()).as("the oldest that is idle").isNull();
      observers.forEach(WireClient::close);
      owner.bare(FrameType.READ, 0, 0, BLOCK);
      assertThat(owner.ask().status()).as("the owner stays").isEqualTo(IoError.OK);
    }
  }

  @Test
  void theLinksThreadAllocatesNothingPerReadAndWrite() {
    try (ServedReplica replica = ServedReplica.tcp();
        WireClient client = replica.own(1)) {
      assertLinkAllocatesNothing(client);
    }
  }

  /** Reads and writes of 4 KiB until the newest link's thread has stopped allocating. */
  static void assertLinkAllocatesNothing(WireClient client) {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long link =
        Arrays.stream(threads.getThreadInfo(threads.getAllThreadIds()))
            .filter(info -> info != null && info.getThreadName().startsWith("replica-link"))
            .mapToLong(ThreadInfo::getThreadId)
            .max()
            .orElseThrow();
    byte[] data = new byte[BLOCK];
    client.write(0, 0, data);
    client.ask();
    double lowest =
        Allocation.lowest(() -> {
          long before = threads.getThreadAllocatedBytes(link);
          for (int i = 0; i < 200; i++) {
            for (int k = 0; k < 8; k++) {
              client.write(0, (long) k * BLOCK, data);
              client.bare(FrameType.READ, 0, (long) k * BLOCK, BLOCK);
            }
            client.send();
            for (int k = 0; k < 16; k++) {
              client.skip();
            }
          }
          long after = threads.getThreadAllocatedBytes(link);
          return (after - before) / (200.0 * 16);
        });
    assertThat(lowest).as("bytes per frame").isLessThan(Allocation.NOTHING);
  }
}
