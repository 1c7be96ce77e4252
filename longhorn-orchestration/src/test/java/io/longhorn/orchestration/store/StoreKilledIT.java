package io.longhorn.orchestration.store;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.api.cluster.Setting;
import io.longhorn.orchestration.Await;
import io.longhorn.orchestration.Seed;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.random.RandomGenerator;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.h2.mvstore.MVStore;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.slf4j.LoggerFactory;

/** A store whose process is killed, that another process has, and whose disk is full in earnest. */
final class StoreKilledIT {
  private static final int KILLS = 12;

  @TempDir private Path directory;

  /** Puts numbered objects for ever, and prints each number when its put has returned. */
  public static final class Writer {
    private Writer() {}

    /** The file, and where to begin. */
    public static void main(String[] words) {
      try (ClusterStore store = DurableClusterStore.openFile(Path.of(words[0]))) {
        for (int i = Integer.parseInt(words[1]); ; i++) {
          store.put(new Setting("s" + i, "x".repeat(i % 2_000)), ClusterStore.ABSENT);
          System.out.println(i);
        }
      }
    }
  }

  private static String placeOf(Class<?> type) {
    try {
      return Path.of(type.getProtectionDomain().getCodeSource().getLocation().toURI()).toString();
    } catch (URISyntaxException e) {
      throw new AssertionError(e);
    }
  }

  private static Process start(Path file, int from) throws IOException {
    String classes =
        Stream.of(
                Path.of("target", "test-classes").toAbsolutePath().toString(),
                placeOf(DurableClusterStore.class),
                placeOf(VolumeException.class),
                placeOf(MVStore.class),
                placeOf(LoggerFactory.class))
            .distinct()
            .collect(Collectors.joining(File.pathSeparator));
    return new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-Xmx64m",
            "-Dslf4j.internal.verbosity=ERROR",
            "-cp",
            classes,
            Writer.class.getName(),
            file.toString(),
            Integer.toString(from))
        .redirectError(ProcessBuilder.Redirect.INHERIT)
        .start();
  }

  @Test
  void everyChangeThatReturnedIsThereAfterAKill() throws Exception {
    RandomGenerator random = Seed.random("StoreKilledIT");
    Path file = directory.resolve("cluster.mv");
    int printed = 0;
    for (int kill = 0; kill < KILLS; kill++) {
      int begin = printed;
      Process process = start(file, begin + 1);
      try (BufferedReader lines = process.inputReader(UTF_8)) {
        int target = begin + 1 + random.nextInt(60);
        String line = lines.readLine();
        while (line != null) {
          printed = Integer.parseInt(line);
          if (printed == target) {
            process.toHandle().destroyForcibly();
          }
          line = lines.readLine();
        }
      } finally {
        process.toHandle().destroyForcibly();
      }
      assertThat(process.waitFor(Await.SECONDS, TimeUnit.SECONDS)).isTrue();
      assertThat(printed).as("it has worked").isGreaterThan(begin);
      try (ClusterStore store = DurableClusterStore.openFile(file)) {
        for (int i = begin + 1; i <= printed; i++) {
          assertThat(store.get(ClusterStoreContract.key("s" + i)))
              .as("s%d, printed before kill %d", i, kill)
              .isPresent();
        }
        assertThat(store.revision()).isBetween((long) printed, printed + 1L);
        // One more may be there than was printed.
        printed = Math.toIntExact(store.revision());
      }
    }
  }

  @Test
  void aFileThatAnotherProcessHasIsRefused() throws Exception {
    Path file = directory.resolve("cluster.mv");
    Process process = start(file, 1);
    try (BufferedReader lines = process.inputReader(UTF_8)) {
      assertThat(lines.readLine()).isEqualTo("1");
      assertThatThrownBy(() -> DurableClusterStore.openFile(file))
          .isInstanceOfSatisfying(
              VolumeException.class,
              e -> {
                assertThat(e.error()).isEqualTo(IoError.BUSY);
                assertThat(e.getMessage()).endsWith("another process has it");
              });
      assertThat(lines.readLine()).as("it goes on").isEqualTo("2");
    } finally {
      process.toHandle().destroyForcibly();
    }
    assertThat(process.waitFor(Await.SECONDS, TimeUnit.SECONDS)).isTrue();
    DurableClusterStore.openFile(file).close();
  }

  private static int run(String... words) throws Exception {
    Process process = new ProcessBuilder(List.of(words)).redirectErrorStream(true).start();
    process.getInputStream().readAllBytes();
    return process.waitFor();
  }

  @Test
  void aDiskThatIsFullIsSaidAndWithRoomAgainTheStoreGoesOn() throws Exception {
    Path disk = Files.createDirectory(directory.resolve("disk"));
    boolean isMounted =
        Files.isExecutable(Path.of("/bin/mount"))
            && run("/bin/mount", "-t", "tmpfs", "-o", "size=256k", "none", disk.toString()) == 0;
    Assumptions.assumeTrue(isMounted, "a small disk needs root and the right to mount");
    try {
      fill(disk);
    } finally {
      assertThat(run("/bin/umount", disk.toString())).isZero();
    }
  }

  private static void fill(Path disk) throws IOException {
    Path file = disk.resolve("cluster.mv");
    long there;
    try (ClusterStore store = DurableClusterStore.openFile(file)) {
      Path ballast = disk.resolve("ballast");
      Files.write(ballast, new byte[100 << 10]);
      VolumeException full = null;
      for (int i = 0; full == null; i++) {
        try {
          store.put(new Setting("s" + i, "x".repeat(2_000)), ClusterStore.ABSENT);
        } catch (VolumeException e) {
          full = e;
        }
      }
      assertThat(full.error()).isEqualTo(IoError.ENOSPC);
      assertThat(full.getMessage()).endsWith("make room and try again");
      there = store.revision();
      assertThat(store.get(ClusterStoreContract.key("s0"))).isPresent();
      Files.delete(ballast);
      assertThat(store.put(new Setting("t", ""), ClusterStore.ABSENT).isDone()).isTrue();
      assertThat(store.revision()).isGreaterThan(there);
      there = store.revision();
    }
    try (ClusterStore store = DurableClusterStore.openFile(file)) {
      assertThat(store.revision()).isEqualTo(there);
      assertThat(store.get(ClusterStoreContract.key("t"))).isPresent();
    }
  }
}
