package io.longhorn.replica.server;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.IoError;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.VolumeId;
import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FrameHeader;
import io.longhorn.api.wire.FrameType;
import io.longhorn.api.wire.Hello.Role;
import io.longhorn.api.wire.ReplicaInfo;
import io.longhorn.replica.server.WireClient.Answer;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Replicas as processes of their own, with the flags of the launcher. */
@Timeout(120)
class ReplicaProcessTest {
  private static final int BLOCK = 4096;
  private static final long SIZE = 64 << 20;
  private static final UUID VOLUME = new UUID(5, 1);
  private static final UUID REPLICA = new UUID(5, 2);

  /**
   * Shows a leak, or data on the heap; how much it is exactly, machines differ in that, is for the
   * benchmark.
   */
  private static final long MOST_RESIDENT_KIB = 160 << 10;

  @TempDir Path directory;

  private final List<Process> started = new ArrayList<>();

  @AfterEach
  void killAll() {
    started.forEach(Process::destroyForcibly);
  }

  private Process start(String... words) throws IOException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    Path options = Path.of("..", "samples", "standalone", "src", "main", "launcher");
    // Read by java itself: it knows what is quoted.
    command.add("@" + options.resolve("replica.options"));
    command.add("--module-path");
    command.add(System.getProperty("jdk.module.path"));
    command.add("--module");
    command.add("io.longhorn.replica/io.longhorn.replica.main.ReplicaMain");
    command.addAll(List.of(words));
    Process process = new ProcessBuilder(command).start();
    started.add(process);
    return process;
  }

  private Path replica() {
    return directory.resolve("r");
  }

  private void create(Path at) throws Exception {
    Process create = creation(at);
    assertThat(exit(create)).as(errors(create)).isZero();
  }

  private Process creation(Path at) throws IOException {
    return start(
        "create",
        "--dir",
        at.toString(),
        "--volume",
        "v",
        "--volume-id",
        VOLUME.toString(),
        "--replica-id",
        REPLICA.toString(),
        "--size",
        Long.toString(SIZE),
        "--members",
        REPLICA.toString());
  }

  /** Started, with the address it listens on. */
  private record Serving(Process process, ListenAddress address) {
    WireClient own(long generation) {
      WireClient client = new WireClient(address);
      Answer answer =
          client.own(
              new VolumeId(VOLUME), new ReplicaId(REPLICA), ServedReplica.ENGINE, generation);
      assertThat(answer.status()).isEqualTo(IoError.OK);
      return client;
    }
  }

  private Serving serve(Path at, String listen) throws Exception {
    Process process = start("serve", "--dir", at.toString(), "--listen", listen);
    BufferedReader out = process.inputReader();
    String line = out.readLine();
    assertThat(line).as("%s", line == null ? errors(process) : "").startsWith("listening ");
    return new Serving(process, ListenAddress.parse(line.substring("listening ".length())));
  }

  private static int exit(Process process) throws InterruptedException {
    assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
    return process.exitValue();
  }

  private static String errors(Process process) throws IOException {
    return String.join("\n", process.errorReader().lines().toList());
  }

  private static byte[] write(WireClient client, int flags, long offset, int seed) {
    byte[] data = ReplicaServerTest.bytes(seed, 2 * BLOCK);
    client.write(flags, offset, data);
    assertThat(client.ask().status()).isEqualTo(IoError.OK);
    return data;
  }

  private static byte[] read(WireClient client, long offset) {
    client.bare(FrameType.READ, 0, offset, 2 * BLOCK);
    Answer answer = client.ask();
    assertThat(answer.status()).isEqualTo(IoError.OK);
    return answer.payload();
  }

  @Test
  void aReplicaIsMadeServedStoppedAndServedAgain() throws Exception {
    create(replica());
    // By somebody who did not see that it was.
    create(replica());
    Serving first = serve(replica(), "tcp:127.0.0.1:0");
    byte[] data;
    try (WireClient client = first.own(1)) {
      data = write(client, 0, 8 * BLOCK, 1);
      assertThat(read(client, 8 * BLOCK)).isEqualTo(data);
      // Process.destroy would close its standard error, too.
      first.process().toHandle().destroy();
      assertThat(exit(first.process())).as("SIGTERM").isZero();
      assertThat(errors(first.process())).isEmpty();
      assertThat(client.next()).isNull();
    }
    Process late = creation(replica());
    assertThat(exit(late)).isEqualTo(1);
    assertThat(errors(late).lines()).singleElement().asString().contains("is a replica already");
    Serving second = serve(replica(), "tcp:127.0.0.1:0");
    try (WireClient client = second.own(2)) {
      assertThat(read(client, 8 * BLOCK)).isEqualTo(data);
    }
  }

  @Test
  void aSecondProcessOnADirectoryIsRefusedWithOneLine() throws Exception {
    create(replica());
    Serving first = serve(replica(), "tcp:127.0.0.1:0");
    Process second = start("serve", "--dir", replica().toString(), "--listen", "tcp:127.0.0.1:0");
    assertThat(exit(second)).isEqualTo(1);
    assertThat(errors(second).lines())
        .singleElement()
        .asString()
        .startsWith("longhorn replica: ")
        .contains("in use");
    try (WireClient client = first.own(1)) {
      write(client, 0, 0, 2);
    }
  }

  @Test
  void afterSigkillWhatWasAnsweredIsThereAndTheOldPromiseHolds() throws Exception {
    create(replica());
    String listen = "unix:" + directory.resolve("s");
    Serving first = serve(replica(), listen);
    byte[] flushed;
    byte[] answered;
    try (WireClient client = first.own(7)) {
      flushed = write(client, FrameHeader.FLAG_FUA, 0, 3);
      answered = write(client, 0, 1 << 20, 4);
      first.process().destroyForcibly();
      exit(first.process());
    }
    assertThat(directory.resolve("s")).as("left behind").exists();
    Serving second = serve(replica(), listen);
    try (WireClient late = new WireClient(second.address())) {
      Answer hello =
          late.hello(
              WireClient.hello(
                  Role.OWNER, new VolumeId(VOLUME), new ReplicaId(REPLICA), ServedReplica.ENGINE));
      ReplicaInfo info = ReplicaInfo.read(new FieldReader(hello.payload()));
      assertThat(info.promised()).isEqualTo(7);
      assertThat(info.releasedGeneration()).isZero();
      assertThat(late.promise(ServedReplica.ENGINE, 6).status()).isEqualTo(IoError.FENCED);
    }
    try (WireClient client = second.own(8)) {
      assertThat(read(client, 0)).isEqualTo(flushed);
      assertThat(read(client, 1 << 20)).as("the kernel was not killed").isEqualTo(answered);
    }
  }

  @Test
  void aUnixSocketThatSomebodyListensOnIsRefused() throws Exception {
    create(replica());
    create(directory.resolve("other"));
    String listen = "unix:" + directory.resolve("s");
    Serving first = serve(replica(), listen);
    Process second =
        start("serve", "--dir", directory.resolve("other").toString(), "--listen", listen);
    assertThat(exit(second)).isEqualTo(1);
    assertThat(errors(second).lines()).singleElement().asString().contains("cannot listen");
    try (WireClient client = first.own(1)) {
      write(client, 0, 0, 2);
    }
    Files.writeString(directory.resolve("file"), "no socket");
    Process third =
        start(
            "serve",
            "--dir",
            directory.resolve("other").toString(),
            "--listen",
            "unix:" + directory.resolve("file"));
    assertThat(exit(third)).isEqualTo(1);
    assertThat(directory.resolve("file")).hasContent("no socket");
  }

  @Test
  void aReplicaThatServesStaysSmallAndKnowsNoNetty() throws Exception {
    create(replica());
    Serving serving = serve(replica(), "tcp:127.0.0.1:0");
    try (WireClient client = serving.own(1)) {
      byte[] data = new byte[32 * BLOCK];
      for (int round = 0; round < 50; round++) {
        for (long offset = 0; offset < SIZE; offset += 4L * data.length) {
          client.write(0, offset, data);
          client.bare(FrameType.READ, 0, offset, BLOCK);
          client.send();
          assertThat(client.skip()).isEqualTo(IoError.OK);
          assertThat(client.skip()).isEqualTo(IoError.OK);
        }
      }
    }
    Path process = Path.of("/proc", Long.toString(serving.process().pid()));
    long residentKib =
        Files.readAllLines(process.resolve("status")).stream()
            .filter(line -> line.startsWith("VmRSS:"))
            .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")))
            .findFirst()
            .orElseThrow();
    System.out.println("ReplicaProcessTest: resident " + residentKib / 1024 + " MiB");
    assertThat(residentKib).isLessThan(MOST_RESIDENT_KIB);
    assertThat(Files.readString(process.resolve("maps"))).doesNotContain("netty");
  }
}
