package io.longhorn.engine;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.VolumeException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A volume against a plain array under random operations, 512 bytes and unaligned too, with
 * replicas failing and returning and the whole volume killed and opened again. What was flushed is
 * there; of what was not, each sector has its old content or one written since, and two successive
 * reads agree. Afterwards each replica alone shows the same bytes.
 */
class EmbeddedVolumeOracleTest {
  private static final int SIZE = 8 << 20;
  private static final int SECTOR = 512;
  private static final int OPERATIONS = 2_000;

  @ParameterizedTest
  @ValueSource(longs = {101, 104})
  void theVolumeIsWhatWasWrittenWhateverFails(long seed, @TempDir Path home) {
    try (World world = new World(seed, home)) {
      world.run();
    }
  }

  private static final class World implements AutoCloseable {
    private final long seed;
    private final RandomGenerator random;
    private final List<Path> directories;
    private final byte[] model = new byte[SIZE];

    /** Per sector, contents since the last flush, the flushed one first. */
    private final List<List<byte[]>> since = new ArrayList<>();

    /** For messages: everything a sector ever was, and what happened. */
    private final List<List<byte[]>> ever = new ArrayList<>();

    private final List<String> notes = new ArrayList<>();

    private EmbeddedVolume volume;
    private Optional<ReplicaId> out = Optional.empty();
    private int snapshots;

    World(long seed, Path home) {
      this.seed = seed;
      random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
      directories = List.of(home.resolve("a"), home.resolve("b"), home.resolve("c"));
      EmbeddedVolume.create("oracle", SIZE, directories);
      volume = EmbeddedVolume.open("oracle", directories);
      for (int i = 0; i < SIZE / SECTOR; i++) {
        since.add(new ArrayList<>(List.of(new byte[SECTOR])));
        ever.add(new ArrayList<>(List.of(new byte[SECTOR])));
      }
    }

    void run() {
      for (int i = 0; i < OPERATIONS; i++) {
        int dice = random.nextInt(1000);
        if (dice < 500) {
          write();
        } else if (dice < 850) {
          read();
        } else if (dice < 900) {
          zeroOrTrim();
        } else if (dice < 960) {
          flush();
        } else if (dice < 966 && snapshots < 20) {
          notes.add("snapshot");
          volume.snapshot("s" + snapshots++);
        } else if (dice < 980) {
          takeOut();
        } else if (dice < 994) {
          takeBack();
        } else if (dice < 997) {
          killEverything();
        }
      }
      if (out.isPresent()) {
        takeBack();
      }
      flush();
      volume.close();
      for (Path directory : directories) {
        compareAlone(directory);
      }
    }

    private void write() {
      int from = random.nextInt(SIZE / SECTOR) * SECTOR;
      int length =
          Math.min(SIZE - from, SECTOR * (1 + random.nextInt(random.nextInt(5) == 0 ? 1000 : 16)));
      byte[] bytes = new byte[length];
      random.nextBytes(bytes);
      volume.write(from, MemorySegment.ofArray(bytes));
      apply(from, bytes);
    }

    private void zeroOrTrim() {
      int from = random.nextInt(SIZE / SECTOR) * SECTOR;
      int length = Math.min(SIZE - from, SECTOR * (1 + random.nextInt(2000)));
      if (random.nextBoolean()) {
        volume.zero(from, length);
        apply(from, new byte[length]);
      } else {
        volume.trim(from, length);
        int first = (from + 4095) & -4096;
        int end = (from + length) & -4096;
        if (first < end) {
          apply(first, new byte[end - first]);
        }
      }
    }

    private void apply(int from, byte[] bytes) {
      System.arraycopy(bytes, 0, model, from, bytes.length);
      for (int at = 0; at < bytes.length; at += SECTOR) {
        byte[] sector = Arrays.copyOfRange(bytes, at, at + SECTOR);
        since.get((from + at) / SECTOR).add(sector);
        ever.get((from + at) / SECTOR).add(sector);
      }
    }

    private void flush() {
      notes.add("flush");
      volume.flush();
      for (int i = 0; i < since.size(); i++) {
        List<byte[]> contents = since.get(i);
        if (contents.size() > 1) {
          byte[] last = contents.getLast();
          contents.clear();
          contents.add(last);
        }
      }
    }

    private void read() {
      int from = random.nextInt(SIZE);
      int length =
          Math.min(SIZE - from, 1 + random.nextInt(random.nextInt(5) == 0 ? 500_000 : 8_000));
      assertThat(
              Arrays.equals(
                  bytesOf(volume, from, length), Arrays.copyOfRange(model, from, from + length)))
          .as("seed %d: %d bytes at %d", seed, length, from)
          .isTrue();
    }

    private static byte[] bytesOf(EmbeddedVolume volume, int from, int length) {
      byte[] bytes = new byte[length];
      volume.read(from, MemorySegment.ofArray(bytes));
      return bytes;
    }

    private void takeOut() {
      notes.add("takeOut");
      if (out.isEmpty() && volume.status().inSync() == 3) {
        ReplicaId id = volume.status().replicas().get(random.nextInt(3)).id();
        volume.takeOut(id);
        out = Optional.of(id);
      }
    }

    private void takeBack() {
      notes.add("takeBack");
      if (out.isEmpty()) {
        return;
      }
      for (Path directory : directories) {
        try {
          volume.takeBack(directory);
        } catch (VolumeException _) {
          // Not the one that is out.
        }
      }
      until("replica " + out.get() + " is in sync again", () -> volume.status().inSync() == 3);
      out = Optional.empty();
      compareTogether("a return");
    }

    /** As if every process had been killed: nothing is flushed, nothing released. */
    private void killEverything() {
      notes.add("kill");
      for (VolumeStatus.Replica replica : volume.status().replicas()) {
        volume.takeOut(replica.id());
      }
      volume.close();
      volume = EmbeddedVolume.open("oracle", directories);
      out = Optional.empty();
      byte[] now = bytesOf(volume, 0, SIZE);
      assertThat(Arrays.equals(bytesOf(volume, 0, SIZE), now))
          .as("seed %d: two reads disagree", seed)
          .isTrue();
      for (int i = 0; i < since.size(); i++) {
        byte[] sector = Arrays.copyOfRange(now, i * SECTOR, (i + 1) * SECTOR);
        int number = i;
        assertThat(since.get(i).stream().anyMatch(content -> Arrays.equals(content, sector)))
            .as(() ->
                "seed " + seed + ": sector " + number + " after a kill is " + what(number, sector))
            .isTrue();
      }
      System.arraycopy(now, 0, model, 0, SIZE);
      until("all replicas are in sync after a kill", () -> volume.status().inSync() == 3);
      flushModel();
      compareTogether("a kill");
    }

    private void compareTogether(String after) {
      assertThat(volume.compare())
          .as("seed %d: the replicas after %s, %s", seed, after, last())
          .matches(VolumeComparison::isIdentical);
      assertThat(Arrays.mismatch(bytesOf(volume, 0, SIZE), model))
          .as("seed %d: first difference after %s, %s", seed, after, last())
          .isEqualTo(-1);
    }

    /** For the message only: which of its contents a sector has, of all it ever had. */
    private String what(int number, byte[] sector) {
      List<byte[]> all = ever.get(number);
      for (int i = 0; i < all.size(); i++) {
        if (Arrays.equals(all.get(i), sector)) {
          return "content "
              + i
              + (Arrays.equals(all.getLast(), new byte[SECTOR]) ? " (the last is zero)" : "")
              + " of "
              + all.size()
              + ", of which the last "
              + since.get(number).size()
              + " are allowed; "
              + last();
        }
      }
      return (Arrays.equals(sector, new byte[SECTOR]) ? "zero" : "nothing it ever was")
          + "; "
          + last();
    }

    private List<String> last() {
      return notes.subList(Math.max(0, notes.size() - 12), notes.size());
    }

    private void flushModel() {
      volume.flush();
      for (int i = 0; i < since.size(); i++) {
        since.set(
            i, new ArrayList<>(List.of(Arrays.copyOfRange(model, i * SECTOR, (i + 1) * SECTOR))));
      }
    }

    private void compareAlone(Path directory) {
      byte[] alone = SingleReplica.contentOf(directory, SIZE);
      assertThat(Arrays.mismatch(alone, model))
          .as("seed %d: first difference of %s alone", seed, directory.getFileName())
          .isEqualTo(-1);
    }

    private void until(String what, BooleanSupplier condition) {
      long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
      while (!condition.getAsBoolean()) {
        assertThat(System.nanoTime() - deadline)
            .as("seed %d: waited for: %s; %s", seed, what, volume.status())
            .isNegative();
        LockSupport.parkNanos(2_000_000);
      }
    }

    @Override
    public void close() {
      volume.close();
    }
  }
}
