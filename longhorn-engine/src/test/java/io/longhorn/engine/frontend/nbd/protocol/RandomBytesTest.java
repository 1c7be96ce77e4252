package io.longhorn.engine.frontend.nbd.protocol;

import static io.longhorn.engine.frontend.nbd.protocol.SessionRig.clientFlags;
import static io.longhorn.engine.frontend.nbd.protocol.SessionRig.concat;
import static io.longhorn.engine.frontend.nbd.protocol.SessionRig.go;
import static io.longhorn.engine.frontend.nbd.protocol.SessionRig.meta;
import static io.longhorn.engine.frontend.nbd.protocol.SessionRig.option;
import static io.longhorn.engine.frontend.nbd.protocol.SessionRig.request;
import static io.longhorn.engine.frontend.nbd.protocol.SessionRig.write;
import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.engine.request.MemoryVolumePort;
import java.util.Arrays;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;

/**
 * Any bytes from a client: the session does not throw, does not spin, gives back what it took, and
 * the next client is served.
 */
class RandomBytesTest {
  private static final int STREAMS = 10_000;
  private static final int SIZE = 1 << 20;
  private static final int MAX_TURNS = 100_000;

  private final long seed = Long.getLong("longhorn.seed", 20_261_120L);
  private final MemoryVolumePort.Disk disk = new MemoryVolumePort.Disk(SIZE);

  @Test
  void tenThousandRandomStreamsLeaveTheServerServing() {
    System.out.println("RandomBytesTest: -Dlonghorn.seed=" + seed);
    int reached = 0;
    int answered = 0;
    for (int i = 0; i < STREAMS; i++) {
      RandomGenerator random = SessionRig.random(seed + i);
      byte[] bytes =
          switch (i % 4) {
            case 0 -> noise(random);
            case 1 -> concat(clientFlags(random.nextInt(4)), noise(random));
            case 2 -> mutated(haggling(random), random);
            default -> concat(valid(random), mutated(requests(random), random));
          };
      try {
        int outcome = run(bytes, random, i);
        reached += outcome & 1;
        answered += outcome >> 1;
      } catch (RuntimeException | AssertionError e) {
        throw new AssertionError("stream " + i + " of -Dlonghorn.seed=" + seed, e);
      }
      if (i % 100 == 0) {
        nextClientIsServed();
      }
    }
    nextClientIsServed();
    // The streams are worth something only if many get far.
    assertThat(reached).isGreaterThan(STREAMS / 4);
    assertThat(answered).isGreaterThan(STREAMS);
  }

  /** Returns twice the bytes sent in answer, over 16, plus 1 if it came to transmission. */
  private int run(byte[] bytes, RandomGenerator random, int index) {
    int credits = NbdSession.MIN_CREDITS + random.nextInt(20);
    MemoryVolumePort port = new MemoryVolumePort(disk, credits, random).quiet();
    SessionRig rig = new SessionRig(disk, port, NbdSession.MIN_RECEIVE_BYTES);
    rig.out.congestedAbove(1 + random.nextInt(100_000));
    int at = 0;
    int sent = 0;
    int turns = 0;
    while (at < bytes.length) {
      int room = NbdSession.MIN_RECEIVE_BYTES - rig.leftOver();
      int count = Math.min(Math.min(bytes.length - at, room), 1 + random.nextInt(5000));
      rig.push(Arrays.copyOfRange(bytes, at, at + count));
      at += count;
      boolean moved = rig.turn() || count > 0;
      sent += rig.out.takeSent().length;
      assertThat(moved).as("progress").isTrue();
      assertThat(++turns).isLessThan(MAX_TURNS);
      if (rig.out.closeReason() != null) {
        break;
      }
    }
    boolean isQuietFirst = random.nextBoolean();
    while (isQuietFirst && rig.turn()) {
      assertThat(++turns).isLessThan(MAX_TURNS);
    }
    sent += rig.out.takeSent().length;
    rig.out.drop();
    rig.session.disconnected();
    port.drain();
    assertThat(rig.session.isFinished()).isTrue();
    assertThat(port.lentLoans()).isZero();
    assertThat(index).isNotNegative();
    port.freeMemory();
    return 2 * (sent / 16) + (rig.session.isTransmitting() ? 1 : 0);
  }

  private void nextClientIsServed() {
    SessionRig rig = new SessionRig(disk, 8, 1).simple();
    byte[] data = {1, 2, 3};
    rig.give(concat(write(0, 1, 77, data), request(Nbd.CMD_READ, 0, 2, 77, 3)));
    assertThat(SessionRig.replies(rig.received(), c -> c == 2 ? 3 : 0)).hasSize(2);
    assertThat(Arrays.copyOfRange(disk.bytes, 77, 80)).isEqualTo(data);
    rig.session.disconnected();
    rig.port.freeMemory();
  }

  private static byte[] noise(RandomGenerator random) {
    byte[] bytes = new byte[random.nextInt(2000)];
    random.nextBytes(bytes);
    return bytes;
  }

  private static byte[] haggling(RandomGenerator random) {
    byte[] all = clientFlags(3);
    int count = 1 + random.nextInt(10);
    for (int i = 0; i < count; i++) {
      int option = random.nextInt(13);
      byte[] next =
          switch (option) {
            case Nbd.OPT_INFO, Nbd.OPT_GO ->
                go(option, random.nextBoolean() ? "" : "vol-1", 0, 1, 2, 3, 4);
            case Nbd.OPT_LIST_META_CONTEXT, Nbd.OPT_SET_META_CONTEXT ->
                meta(option, "vol-1", "base:", "base:allocation", "x-y:z");
            case Nbd.OPT_STRUCTURED_REPLY, Nbd.OPT_LIST -> option(option, new byte[0]);
            default -> option(option, new byte[random.nextInt(random.nextInt(2) == 0 ? 4 : 9999)]);
          };
      all = concat(all, next);
    }
    return all;
  }

  private static byte[] valid(RandomGenerator random) {
    byte[] all = clientFlags(3);
    if (random.nextBoolean()) {
      all =
          concat(
              all,
              option(Nbd.OPT_STRUCTURED_REPLY, new byte[0]),
              meta(Nbd.OPT_SET_META_CONTEXT, "vol-1", "base:allocation"));
    }
    return concat(all, go(Nbd.OPT_GO, "vol-1"));
  }

  private static byte[] requests(RandomGenerator random) {
    byte[] all = new byte[0];
    int count = 1 + random.nextInt(30);
    for (int i = 0; i < count; i++) {
      int type = random.nextInt(10);
      int flags = random.nextInt(3) == 0 ? 1 << random.nextInt(7) : 0;
      long offset = random.nextInt(SIZE + 5000);
      int length = random.nextInt(random.nextInt(10) == 0 ? SIZE : 9000);
      byte[] next =
          switch (type) {
            case Nbd.CMD_WRITE -> write(flags, i, offset, new byte[length % 20_000]);
            case Nbd.CMD_DISC -> new byte[0];
            case Nbd.CMD_FLUSH -> request(type, flags, i, 0, 0);
            default -> request(type, flags, i, offset, length);
          };
      all = concat(all, next);
    }
    return all;
  }

  private static byte[] mutated(byte[] bytes, RandomGenerator random) {
    int changes = random.nextInt(4);
    byte[] changed = bytes.clone();
    for (int i = 0; i < changes && changed.length > 0; i++) {
      int at = random.nextInt(changed.length);
      switch (random.nextInt(4)) {
        case 0 -> changed[at] = (byte) random.nextInt();
        case 1 -> changed[at] ^= (byte) (1 << random.nextInt(8));
        case 2 -> changed = Arrays.copyOf(changed, at);
        default ->
            changed =
                concat(
                    Arrays.copyOf(changed, at),
                    Arrays.copyOfRange(
                        changed,
                        Math.min(changed.length, at + 1 + random.nextInt(8)),
                        changed.length));
      }
    }
    return changed;
  }
}
