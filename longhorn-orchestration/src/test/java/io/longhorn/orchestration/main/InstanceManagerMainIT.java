package io.longhorn.orchestration.main;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.process.ParentWatch;
import io.longhorn.orchestration.Await;
import io.longhorn.orchestration.call.CallAddress;
import io.longhorn.orchestration.instance.InstanceListing;
import io.longhorn.orchestration.instance.InstanceSpec;
import io.longhorn.orchestration.instance.InstanceState;
import io.longhorn.orchestration.instance.InstanceStatus;
import io.longhorn.orchestration.instance.InstanceType;
import io.longhorn.orchestration.supervisor.InstanceManagerClient;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The instance manager as a process, and what becomes of its children when it ends. */
final class InstanceManagerMainIT {
  private static final Duration PATIENCE = Duration.ofSeconds(Await.SECONDS);

  @TempDir private Path directory;
  private final List<AutoCloseable> open = new ArrayList<>();

  @AfterEach
  void closeAll() throws Exception {
    for (AutoCloseable each : open.reversed()) {
      each.close();
    }
  }

  private Path socket() {
    return directory.resolve("im");
  }

  private JavaProcess start() throws IOException {
    JavaProcess process =
        JavaProcess.instanceManager(
            directory.resolve("output-" + open.size()),
            "run",
            "--node",
            "n1",
            "--listen",
            "unix:" + socket(),
            "--logs",
            directory.resolve("logs").toString());
    open.add(process);
    return process;
  }

  private InstanceManagerClient connect() {
    InstanceManagerClient client =
        InstanceManagerClient.connect(new CallAddress.Unix(socket()), PATIENCE);
    open.add(client);
    return client;
  }

  private static InstanceSpec replica(String name, List<String> command) {
    return new InstanceSpec(name, InstanceType.REPLICA, command, List.of());
  }

  private static InstanceSpec shell(String name, String script) {
    return replica(name, List.of("/bin/sh", "-c", script));
  }

  private static InstanceStatus awaitRunning(InstanceManagerClient client, String name) {
    long deadline = System.nanoTime() + PATIENCE.toNanos();
    InstanceListing listing = client.list(0, Duration.ZERO);
    while (true) {
      for (InstanceStatus status : listing.instances()) {
        if (status.name().equals(name) && status.state() == InstanceState.RUNNING) {
          return status;
        }
      }
      assertThat(System.nanoTime() - deadline).as("%s", listing).isNegative();
      listing = client.list(listing.revision(), Duration.ofSeconds(5));
    }
  }

  @Test
  void killedItTakesItsChildrenWithItAndTheNextOneTakesItsPlace() throws Exception {
    JavaProcess first = start().awaitServing();
    InstanceManagerClient client = connect();
    client.start(replica("watching", JavaProcess.command(WatchedChild.class, ParentWatch.OPTION)));
    client.start(shell("reading", "echo listening x; exec cat"));
    long watching = awaitRunning(client, "watching").pid();
    long reading = awaitRunning(client, "reading").pid();
    first.kill().exitCode();
    Await.gone(watching);
    Await.gone(reading);
    assertThat(socket()).as("is left behind").exists();
    start().awaitServing();
    InstanceListing listing = connect().list(0, Duration.ZERO);
    assertThat(listing.instances()).isEmpty();
  }

  /** Their standard input stays open: only the kernel tells them that their parent is gone. */
  @Test
  void theKernelEndsAChildWhoseStandardInputStaysOpen() throws Exception {
    JavaProcess manager = start().awaitServing();
    InstanceManagerClient client = connect();
    Path pipe = directory.resolve("pipe");
    assertThat(new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor()).isZero();
    String java =
        JavaProcess.command(WatchedChild.class, ParentWatch.OPTION).stream()
            .map(word -> "'" + word + "'")
            .collect(Collectors.joining(" "));
    // Open for reading and writing, a pipe has no end.
    client.start(shell("deaf", "exec " + java + " <>" + pipe));
    long deaf = awaitRunning(client, "deaf").pid();
    open.add(() -> ProcessHandle.of(deaf).ifPresent(ProcessHandle::destroyForcibly));
    manager.kill().exitCode();
    Await.gone(deaf);
  }

  @Test
  void terminatedItEndsItsChildrenCleanlyAndItself() throws Exception {
    JavaProcess manager = start().awaitServing();
    InstanceManagerClient client = connect();
    Path ended = directory.resolve("ended");
    client.start(
        shell(
            "r",
            "trap 'echo cleanly > "
                + ended
                + "; exit 0' TERM; echo listening x; read -r line; exit 9"));
    long pid = awaitRunning(client, "r").pid();
    assertThat(manager.terminate().exitCode()).isZero();
    Await.gone(pid);
    assertThat(ended).hasContent("cleanly");
    assertThat(socket()).doesNotExist();
  }

  @Test
  void itLeadsASessionOfItsOwn() throws Exception {
    JavaProcess manager = start().awaitServing();
    String stat = Files.readString(Path.of("/proc", Long.toString(manager.pid()), "stat"));
    String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ");
    assertThat(fields[3]).as("session").isEqualTo(Long.toString(manager.pid()));
  }

  @Test
  void aSecondOneAtTheSamePlaceEndsWithOneLine() throws Exception {
    JavaProcess first = start().awaitServing();
    JavaProcess second = start();
    assertThat(second.exitCode()).isEqualTo(1);
    assertThat(second.output().lines())
        .singleElement()
        .asString()
        .startsWith("longhorn instance-manager: cannot listen on unix:")
        .contains("already listening");
    assertThat(first.isAlive()).isTrue();
    assertThat(connect().list(0, Duration.ZERO).instances()).isEmpty();
  }

  @ParameterizedTest
  @CsvSource({
    "'', say what to do",
    "walk, unknown word 'walk'",
    "run, --node is missing",
    "run --node, --node needs a value",
    "run --nod n1, unknown option '--nod'",
    "run --node n1 --node n1, --node is there twice",
    "run --node ../x --listen unix:s --logs l, name '../x'",
    "run --node n1 --logs l, --listen is missing",
    "run --node n1 --listen nowhere --logs l, use unix:PATH",
    "run --node n1 --listen tcp:localhost:0 --logs l, unix:PATH only",
    "run --node n1 --listen unix:s, --logs is missing",
  })
  void wrongWordsAreOneLineAndTheUsage(String words, String message) {
    ByteArrayOutputStream err = new ByteArrayOutputStream();
    int code =
        InstanceManagerMain.run(
            Arrays.stream(words.split(" ")).filter(word -> !word.isEmpty()).toList(),
            new PrintStream(new ByteArrayOutputStream(), true, StandardCharsets.UTF_8),
            new PrintStream(err, true, StandardCharsets.UTF_8));
    assertThat(code).isEqualTo(2);
    assertThat(err.toString(StandardCharsets.UTF_8).lines().toList())
        .first()
        .asString()
        .startsWith("longhorn instance-manager: ")
        .contains(message);
  }
}
