package io.longhorn.standalone;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * The clients that people use, against the whole system: three replica processes and an engine, one
 * volume for all tests. What the protocol's corners do is tested with the NBD server alone.
 */
@Timeout(300)
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
final class RealClientsOverProcessesIT {
  private static final long MIB = 1 << 20;
  private static final long SIZE = 128 * MIB;
  private static final Path REAL = Path.of("src", "test", "real").toAbsolutePath();
  private static final int LAST = Integer.MAX_VALUE;

  @TempDir static Path home;
  private static Workbench bench;
  private static VolumeProcesses volume;

  @BeforeAll
  static void start() {
    bench = new Workbench(home);
    volume =
        VolumeProcesses.serve(
            bench, SIZE, home.resolve("r0"), home.resolve("r1"), home.resolve("r2"));
  }

  @AfterAll
  static void stop() {
    bench.close();
  }

  @Test
  @Order(1)
  void nbdinfoSeesAWritableDiskThatCanDoEverything() {
    String json = bench.run("nbdinfo", "--json", volume.uri());
    for (String can :
        List.of("cache", "df", "fast_zero", "flush", "fua", "multi_conn", "trim", "zero")) {
      assertThat(json).contains("\"can_" + can + "\": true");
    }
    assertThat(json)
        .contains("\"is_read_only\": false")
        .contains("\"is_rotational\": false")
        .contains("\"base:allocation\"")
        .contains("\"export-name\": \"" + VolumeProcesses.NAME + "\"")
        .contains("\"export-size\": " + SIZE);
  }

  /** The lines of nbdinfo --map: offset, length, and its word for the type. */
  private static List<String> map() {
    return bench
        .run("nbdinfo", "--map", volume.uri())
        .lines()
        .map(line -> line.trim().replaceAll("\\s+", " "))
        .toList();
  }

  @Test
  @Order(2)
  void theMapSaysWhatWasWrittenTrimmedAndZeroed() {
    assertThat(map()).containsExactly("0 " + SIZE + " 3 hole,zero");
    bench.run(
        "qemu-io",
        "-f",
        "raw",
        volume.uri(),
        "-c",
        "write -P 1 1M 4M",
        "-c",
        "write -P 2 100M 1M",
        "-c",
        "discard 2M 1M",
        "-c",
        "flush");
    assertThat(map())
        .containsExactly(
            "0 " + MIB + " 3 hole,zero",
            MIB + " " + MIB + " 0 data",
            2 * MIB + " " + MIB + " 3 hole,zero",
            3 * MIB + " " + 2 * MIB + " 0 data",
            5 * MIB + " " + 95 * MIB + " 3 hole,zero",
            100 * MIB + " " + MIB + " 0 data",
            101 * MIB + " " + (SIZE - 101 * MIB) + " 3 hole,zero");
    bench.run("qemu-io", "-f", "raw", volume.uri(), "-c", "discard 0 " + SIZE);
    assertThat(map()).containsExactly("0 " + SIZE + " 3 hole,zero");
  }

  @Test
  void anImageOfATreeGoesInAndComesOutEqual() throws Exception {
    Path image = home.resolve("tree.img");
    Path back = home.resolve("back.img");
    bench.run("truncate", "-s", String.valueOf(SIZE), image.toString());
    bench.run("mkfs.ext4", "-q", "-F", "-d", "/usr/sbin", image.toString());
    String uri = volume.uri();
    bench.run("qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", image.toString(), uri);
    bench.run("qemu-img", "compare", "-f", "raw", "-F", "raw", image.toString(), uri);
    bench.run("qemu-img", "convert", "-f", "raw", "-O", "raw", uri, back.toString());
    assertThat(Files.mismatch(image, back)).isEqualTo(-1);
    bench.run("e2fsck", "-f", "-n", back.toString());
    Files.delete(image);
    Files.delete(back);
  }

  private static Path randomFile() throws IOException {
    byte[] bytes = new byte[(int) SIZE];
    new Random(7).nextBytes(bytes);
    Arrays.fill(bytes, bytes.length / 4, bytes.length / 2, (byte) 0);
    return Files.write(home.resolve("source"), bytes);
  }

  @Test
  void nbdcopyCopiesInAndOutOverFourConnections() throws Exception {
    Path source = randomFile();
    Path target = home.resolve("target");
    bench.run("nbdcopy", "--connections=4", "--flush", source.toString(), volume.uri());
    bench.run("nbdcopy", "--connections=4", volume.uri(), target.toString());
    assertThat(Files.mismatch(source, target)).isEqualTo(-1);
    Files.delete(source);
    Files.delete(target);
  }

  @Test
  void fioVerifiesWhatItWroteAtDepth32() {
    for (String size : List.of("4k", "64k", "1m")) {
      // Thousands of blocks, or as many bytes as keep the depth filled.
      String bytes = size.equals("4k") ? "16m" : "48m";
      bench.run(
          "fio",
          "--name=verify-" + size,
          "--ioengine=nbd",
          "--uri=" + volume.uri(),
          "--rw=randwrite",
          "--bs=" + size,
          "--iodepth=32",
          "--size=" + bytes,
          "--verify=crc32c",
          "--verify_fatal=1",
          "--fsync=128",
          "--randrepeat=1");
    }
  }

  @Test
  void fioVerifiesWhatItWroteBetweenTrims() {
    for (String size : List.of("--bs=4k", "--bsrange=4k-1m")) {
      bench.run(
          "fio",
          "--name=trims",
          "--ioengine=nbd",
          "--uri=" + volume.uri(),
          "--rw=randtrimwrite",
          size,
          "--iodepth=32",
          "--size=16m",
          "--serialize_overlap=1", // it trims a block and writes it: not both at once
          "--verify=crc32c",
          "--verify_fatal=1",
          "--randrepeat=1");
    }
  }

  @Test
  void aLibnbdWriterAndAPlainFileAgree() {
    String seed = String.valueOf(System.nanoTime() & 0xff_ffff);
    String words =
        bench.run(
            Workbench.PYTHON,
            REAL.resolve("oracle.py").toString(),
            volume.uri(),
            home.resolve("oracle").toString(),
            seed,
            "1500");
    System.out.print("a libnbd writer and a plain file: " + words);
    assertThat(words).contains("equal after");
  }

  @Test
  @Order(LAST)
  void afterACleanEndAllCopiesHoldTheSameBytes() {
    // A machine with too much to do makes replicas look failed; they come back.
    volume.awaitAllInSync();
    assertThat(volume.engine().terminate()).isZero();
    for (int i = 0; i < 3; i++) {
      assertThat(volume.replica(i).terminate()).isZero();
    }
    assertThat(volume.hasEqualData(0, 1)).isTrue();
    assertThat(volume.hasEqualData(0, 2)).isTrue();
  }
}
