package io.longhorn.engine.replication;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.IoError;
import io.longhorn.api.memory.LoanPool;
import io.longhorn.engine.request.Chunks;
import io.longhorn.engine.request.IoKind;
import io.longhorn.engine.request.IoRequest;
import io.longhorn.engine.request.VolumePort;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Random requests of every size against members that answer in any order, fail, and return: each
 * read returns what the writes answered before it left there, or one that was under way; the
 * members that stay are byte-identical when it is quiet.
 */
class ReplicationCoreRandomTest {
  private static final int SIZE = 1 << 20;
  private static final int SECTOR = 512;
  private static final int REQUESTS = 4_000;

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
  void readsReturnWhatWasWrittenAndMembersStayEqual(long seed) {
    new World(seed, 3, false).run();
  }

  @ParameterizedTest
  @ValueSource(longs = {11, 12, 13, 14, 15, 16})
  void membersThatDifferAfterACrashAreMadeEqualBeforeTheyAreRead(long seed) {
    new World(seed, 3, true).run();
  }

  /** One volume of three members, its clients and the model of its content. */
  private static final class World implements Members, Regions, IoRequest.Completion {
    private final RandomGenerator random;
    private final long seed;
    private final MemoryMember[] members;
    private final ReplicationCore core;
    private final VolumePort[] ports;
    private final boolean[] unreconciled = new boolean[SIZE >> 16];

    private final byte[] model = new byte[SIZE];

    /**
     * Per sector the content of each write, in the order of submission, after what was there at
     * first.
     */
    private final List<List<Byte>> history = new ArrayList<>();

    private final List<IoRequest> underWay = new ArrayList<>();
    private final List<Integer> failing = new ArrayList<>();
    private int required = 7;
    private boolean isWindowOpen = true;

    World(long seed, int count, boolean isAfterCrash) {
      this.seed = seed;
      random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
      core = new ReplicationCore(SIZE, this, this, 0, new LoanPool(Long.MAX_VALUE));
      members = new MemoryMember[count];
      for (int i = 0; i < count; i++) {
        members[i] = new MemoryMember(i, SIZE);
        core.linked(i, members[i]);
      }
      if (isAfterCrash) {
        Arrays.fill(unreconciled, true);
        for (int block = 0; block < SIZE; block += 4096) {
          // One member differs; the preferred source is slot 1, whose content the model has.
          byte content = (byte) random.nextInt(256);
          int other = random.nextInt(3);
          for (int i = 0; i < count; i++) {
            Arrays.fill(
                members[i].volume,
                block,
                block + 4096,
                i == other && i != 1 ? (byte) random.nextInt(256) : content);
          }
          Arrays.fill(model, block, block + 4096, content);
        }
        core.preferSources(1 << 1);
      }
      for (int at = 0; at < SIZE; at += SECTOR) {
        history.add(new ArrayList<>(List.of(model[at])));
      }
      ports = new VolumePort[] {core.openPort(), core.openPort()};
      core.sets(7, 7, 0);
      core.open();
    }

    void run() {
      for (int i = 0; i < REQUESTS; ) {
        int dice = random.nextInt(100);
        if (dice < 40) {
          i += submitOne() ? 1 : 0;
        } else if (dice < 98) {
          carryOutOne();
        } else if (dice == 98) {
          isWindowOpen = !isWindowOpen;
          core.tick();
        } else {
          damageOne();
        }
        if (i == REQUESTS / 2) {
          loseMember(2);
        }
        settleFailures();
      }
      isWindowOpen = true;
      core.tick();
      while (anyWaiting()) {
        carryOutOne();
        settleFailures();
      }
      assertThat(underWay).as("seed %d: requests never answered", seed).isEmpty();
      assertThat(core.underWay()).isZero();
      assertThat(core.lent()).as("seed %d: loans", seed).isZero();
      readEverything();
      assertThat(members[0].volume).as("seed %d", seed).isEqualTo(model);
      assertThat(members[1].volume).as("seed %d", seed).isEqualTo(model);
    }

    private void readEverything() {
      for (int at = 0; at < SIZE; at += IoRequest.CHUNK_BYTES) {
        submit(IoKind.READ, at, IoRequest.CHUNK_BYTES);
        while (anyWaiting()) {
          carryOutOne();
        }
      }
      assertThat(underWay).isEmpty();
    }

    private boolean submitOne() {
      int dice = random.nextInt(100);
      if (dice < 5) {
        return submit(IoKind.FLUSH, 0, 0);
      }
      int from = random.nextInt(SIZE / 512) * 512;
      int length =
          random.nextInt(4) == 0 ? 512 * (1 + random.nextInt(300)) : 512 * (1 + random.nextInt(16));
      if (dice < 15) {
        from = (int) Chunks.blockDown(from);
        length = (int) Chunks.blockUp(length);
        length = Chunks.firstSpan(from, Math.min(length, SIZE - from));
        return submit(dice < 10 ? IoKind.ZERO : IoKind.TRIM, from, length);
      }
      length = Chunks.firstData(from, Math.min(length, SIZE - from));
      return submit(dice < 55 ? IoKind.WRITE : IoKind.READ, from, length);
    }

    private boolean submit(IoKind kind, int from, int length) {
      VolumePort port = ports[random.nextInt(2)];
      IoRequest request = port.take(kind, from, length);
      if (request == null) {
        return false;
      }
      byte content = kind == IoKind.WRITE ? (byte) random.nextInt(256) : 0;
      if (kind == IoKind.WRITE) {
        for (int i = 0; i < length; i++) {
          request.loan().buffer().put(request.dataAt() + i, content);
        }
      }
      request.flags(random.nextInt(10) == 0, false);
      int[] seen = kind == IoKind.READ ? historyLengths(from, length) : new int[0];
      request.onCompletion(this, new Ticket(port, seen), from);
      underWay.add(request);
      if (kind == IoKind.WRITE || kind == IoKind.ZERO || kind == IoKind.TRIM) {
        // From its submission on the content is this write's: the locks order everything that comes
        // after behind it.
        Arrays.fill(model, from, from + length, content);
        for (int sector = from / SECTOR; sector < (from + length) / SECTOR; sector++) {
          history.get(sector).add(content);
        }
      }
      port.submit(request);
      return true;
    }

    private record Ticket(VolumePort port, int[] seen) {}

    /** How many writes each sector of the range had when a read was submitted. */
    private int[] historyLengths(int from, int length) {
      int[] lengths = new int[length / SECTOR];
      for (int i = 0; i < lengths.length; i++) {
        lengths[i] = history.get(from / SECTOR + i).size();
      }
      return lengths;
    }

    @Override
    public void completed(IoRequest request) {
      underWay.removeIf(
          other -> System.identityHashCode(other) == System.identityHashCode(request));
      assertThat(request.error()).as("seed %d: %s", seed, request.kind()).isEqualTo(IoError.OK);
      if (request.attachment() instanceof Ticket ticket) {
        for (int i = 0; i < ticket.seen.length; i++) {
          byte got = request.loan().buffer().get(request.dataAt() + i * SECTOR);
          List<Byte> writes = history.get((int) request.offset() / SECTOR + i);
          // The write before it, or one that came while it was under way.
          assertThat(writes.subList(ticket.seen[i] - 1, writes.size()))
              .as("seed %d: sector %d of a read at %d", seed, i, request.offset())
              .contains(got);
        }
        ticket.port.release(request);
      }
    }

    private boolean anyWaiting() {
      int waiting = 0;
      for (int i = 0; i < members.length; i++) {
        waiting += (required & (1 << i)) != 0 ? members[i].waiting() : 0;
      }
      return waiting > 0;
    }

    private void carryOutOne() {
      int slot = random.nextInt(members.length);
      if ((required & (1 << slot)) != 0 && members[slot].waiting() > 0) {
        members[slot].carryOutOne(core, random);
      }
    }

    private void damageOne() {
      int slot = random.nextInt(2);
      int block = random.nextInt(SIZE / 4096);
      if (!unreconciled[block >> 4]) {
        members[slot].damaged[block] = !members[1 - slot].damaged[block];
      }
    }

    private void loseMember(int slot) {
      if ((required & (1 << slot)) != 0) {
        members[slot].loseAll();
        core.linkLost(slot);
        required &= ~(1 << slot);
        core.sets(required, required, 0);
      }
    }

    private void settleFailures() {
      while (!failing.isEmpty()) {
        loseMember(failing.removeFirst());
      }
    }

    @Override
    public boolean mayServeReads() {
      return isWindowOpen;
    }

    @Override
    public void memberFailed(int slot, IoError error, String what) {
      failing.add(slot);
    }

    @Override
    public void fenced(int slot) {
      throw new AssertionError("nobody fences here");
    }

    @Override
    public boolean isUnreconciled(long offset, int length) {
      for (long region = offset >> 16; region <= (offset + length - 1) >> 16; region++) {
        if (unreconciled[(int) region]) {
          return true;
        }
      }
      return false;
    }

    @Override
    public void unreconciled(long offset, int length) {
      throw new AssertionError("no write fails on all members here");
    }

    @Override
    public void writeSent(long offset, int length) {}

    @Override
    public void writeEnded(long offset, int length) {}

    @Override
    public boolean mayFlush() {
      return true;
    }

    @Override
    public long flushSent() {
      return 0;
    }

    @Override
    public void flushEnded(long number, boolean isDurable) {}
  }
}
