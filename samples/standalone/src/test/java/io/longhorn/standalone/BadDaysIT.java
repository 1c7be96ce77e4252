package io.longhorn.standalone;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.standalone.Workbench.Outcome;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Disks that are full or broken, and clients that misbehave, with real processes: nothing
 * acknowledged is lost, nothing hangs, the next client is served. Two replicas, the second one on
 * the bad disk.
 */
@Timeout(180)
final class BadDaysIT {
  private static final long MIB = 1 << 20;
  private static final long SIZE = 192 * MIB;

  /** More than the server admits at a time. */
  private static final int CROWD = 264;

  @TempDir Path home;
  private Workbench bench;

  @BeforeEach
  void start() {
    bench = new Workbench(home);
  }

  @AfterEach
  void stop() {
    bench.close();
  }

  private Outcome tryIo(VolumeProcesses volume, String... commands) {
    List<String> words = new ArrayList<>(List.of("qemu-io", "-f", "raw", volume.uri()));
    for (String command : commands) {
      words.addAll(List.of("-c", command));
    }
    return bench.tryRun(words.toArray(String[]::new));
  }

  /** What qemu-io does without a word of complaint. */
  private void io(VolumeProcesses volume, String... commands) {
    Outcome outcome = tryIo(volume, commands);
    assertThat(outcome.exitCode()).as(() -> outcome.text() + "\n" + volume.words()).isZero();
    assertThat(outcome.text()).doesNotContain("failed");
  }

  private Path ballast(Path disk, int mebibytes) {
    Path file = disk.resolve("ballast");
    bench.run("fallocate", "-l", mebibytes + "M", file.toString());
    return file;
  }

  @Test
  void aReplicaWhoseDiskIsFullLeavesAndComesBackWhenThereIsSpace() throws Exception {
    Path disk = bench.disk("disk", 192);
    VolumeProcesses volume =
        VolumeProcesses.serve(bench, SIZE, home.resolve("good"), disk.resolve("replica"));
    Path ballast = ballast(disk, 130);
    int mark = volume.engine().mark();
    io(volume, "write -P 7 0 30M", "write -P 8 30M 30M", "write -P 9 60M 30M", "flush");
    volume.awaitLeft(1, mark);
    assertThat(volume.engine().lines()).anyMatch(line -> line.contains("ENOSPC"));
    io(volume, "read -P 7 0 30M", "read -P 8 30M 30M", "read -P 9 60M 30M");
    Files.delete(ballast);
    volume.awaitInSync(1, mark);
    volume.replica(0).kill();
    io(volume, "read -P 7 0 30M", "read -P 8 30M 30M", "read -P 9 60M 30M", "write -P 1 0 1M");
  }

  @Test
  void whenEveryDiskIsFullTheClientIsToldReadsGoOnAndWritesWhenThereIsSpace() throws Exception {
    Path one = bench.disk("one", 192);
    Path other = bench.disk("other", 192);
    VolumeProcesses volume =
        VolumeProcesses.serve(bench, SIZE, one.resolve("replica"), other.resolve("replica"));
    io(volume, "write -P 7 0 10M", "flush");
    List<Path> ballast = List.of(ballast(one, 130), ballast(other, 130));
    Outcome full = tryIo(volume, "write -P 8 20M 90M");
    assertThat(full.text()).as(volume::words).contains("No space left on device");
    io(volume, "read -P 7 0 10M");
    io(volume, "write -P 6 0 1M", "read -P 6 0 1M", "read -P 7 1M 9M");
    for (Path file : ballast) {
      Files.delete(file);
    }
    io(volume, "write -P 9 20M 90M", "flush", "read -P 9 20M 90M", "read -P 6 0 1M");
  }

  @Test
  void aReplicaWhoseDiskFailsWritesLeavesAndNobodyNotices() throws Exception {
    Path disk = bench.failingDisk("disk", 256);
    VolumeProcesses volume =
        VolumeProcesses.serve(bench, SIZE, home.resolve("good"), disk.resolve("replica"));
    io(volume, "write -P 7 0 10M", "flush");
    int mark = volume.engine().mark();
    Files.createFile(home.resolve("disk.write"));
    io(volume, "write -P 8 5M 20M", "flush", "read -P 7 0 5M", "read -P 8 5M 20M");
    volume.awaitLeft(1, mark);
    assertThat(volume.engine().lines()).anyMatch(line -> line.contains("EIO"));
  }

  @Test
  void aDiskThatFailsReadsIsReadAroundAndRepaired() throws Exception {
    Path disk = bench.failingDisk("disk", 256);
    VolumeProcesses volume =
        new VolumeProcesses(bench, SIZE, List.of(home.resolve("good"), disk.resolve("replica")));
    volume.startReplica(0);
    // Past the page cache: every read asks the disk.
    volume.startReplica(1, List.of(), List.of("--direct"));
    volume.startEngine();
    io(volume, "write -P 7 0 10M", "flush");
    Files.createFile(home.resolve("disk.read"));
    io(volume, "read -P 7 0 10M", "write -P 8 4M 1M", "flush", "read -P 8 4M 1M");
  }

  @Test
  void aReplicaWhoseWritesAreCutShortLeavesAndNobodyNotices() {
    VolumeProcesses volume =
        new VolumeProcesses(bench, SIZE, List.of(home.resolve("good"), home.resolve("cut")));
    volume.startReplica(0);
    volume.startReplica(1, List.of("prlimit", "--fsize=" + (20 * MIB + 5000)), List.of());
    volume.startEngine();
    int mark = volume.engine().mark();
    io(volume, "write -P 7 0 19M", "write -P 8 19M 5M", "flush", "write -P 9 60M 4M");
    volume.awaitLeft(1, mark);
    io(volume, "read -P 7 0 19M", "read -P 8 19M 5M", "read -P 9 60M 4M");
  }

  @Test
  void clientsThatGoAwayInMidPayloadAndCrowdsAreSurvived() throws Exception {
    VolumeProcesses volume =
        VolumeProcesses.serve(bench, SIZE, home.resolve("r0"), home.resolve("r1"));
    io(volume, "write -P 7 0 8M");
    for (int i = 0; i < 50; i++) {
      try (SocketChannel client = client(volume)) {
        writeHalf(client, 4 * MIB);
      }
    }
    io(volume, "read -P 7 0 4M", "read -P 7 5M 3M", "write -P 8 4M 1M", "read -P 8 4M 1M");

    List<SocketChannel> crowd = new ArrayList<>();
    int refused = 0;
    try (SocketChannel early = client(volume)) {
      for (int i = 0; i < CROWD; i++) {
        SocketChannel one = connect(volume.socket());
        crowd.add(one);
        // Admitted ones are greeted; the others see the end.
        if (one.read(ByteBuffer.allocate(18)) < 0) {
          refused++;
        }
      }
      assertThat(refused).isBetween(200, CROWD - 1);
      // Whoever was there before is still served.
      ByteBuffer read = request((short) 0, 4 * MIB, 512);
      write(early, read);
      ByteBuffer reply = ByteBuffer.allocate(16 + 512);
      readFully(early, reply);
      assertThat(reply.getInt(4)).as("error").isZero();
      assertThat(reply.get(16)).isEqualTo((byte) 8);
    } finally {
      for (SocketChannel one : crowd) {
        one.close();
      }
    }
    assertThat(volume.engine().lines()).anyMatch(line -> line.contains("at the limit"));
    Workbench.await("room for the next client", () -> tryIo(volume, "read 0 512").exitCode() == 0);
    io(volume, "read -P 8 4M 1M", "read -P 7 5M 3M", "flush");
  }

  private static SocketChannel connect(Path socket) throws IOException {
    SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX);
    channel.connect(UnixDomainSocketAddress.of(socket));
    return channel;
  }

  /** A client in transmission, by the oldest and shortest way, without structured replies. */
  private static SocketChannel client(VolumeProcesses volume) throws IOException {
    SocketChannel channel = connect(volume.socket());
    readFully(channel, ByteBuffer.allocate(18));
    ByteBuffer hello = ByteBuffer.allocate(4 + 16);
    hello.putInt(3); // fixed newstyle, no zeroes
    hello
        .putLong(0x49484156454F5054L)
        .putInt(1)
        .putInt(0); // IHAVEOPT, EXPORT_NAME, the default one
    write(channel, hello.flip());
    readFully(channel, ByteBuffer.allocate(10));
    return channel;
  }

  private static ByteBuffer request(short type, long offset, int length) {
    ByteBuffer request = ByteBuffer.allocate(28);
    request.putInt(0x25609513).putShort((short) 0).putShort(type).putLong(1);
    return request.putLong(offset).putInt(length).flip();
  }

  private static void writeHalf(SocketChannel channel, long offset) throws IOException {
    write(channel, request((short) 1, offset, (int) MIB));
    write(channel, ByteBuffer.allocate((int) MIB / 2 + 77));
  }

  private static void write(SocketChannel channel, ByteBuffer bytes) throws IOException {
    while (bytes.hasRemaining()) {
      channel.write(bytes);
    }
  }

  private static void readFully(SocketChannel channel, ByteBuffer bytes) throws IOException {
    while (bytes.hasRemaining()) {
      assertThat(channel.read(bytes)).as("the server closed").isNotNegative();
    }
  }
}
