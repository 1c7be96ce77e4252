package io.longhorn.orchestration.supervisor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.api.wire.FieldWriter;
import io.longhorn.api.wire.FrameType;
import io.longhorn.orchestration.Await;
import io.longhorn.orchestration.call.CallAddress;
import io.longhorn.orchestration.call.CallClient;
import io.longhorn.orchestration.instance.InstanceListing;
import io.longhorn.orchestration.instance.InstanceSpec;
import io.longhorn.orchestration.instance.InstanceState;
import io.longhorn.orchestration.instance.InstanceStatus;
import io.longhorn.orchestration.instance.InstanceType;
import io.longhorn.orchestration.instance.LogChunk;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Real processes, as small as they can be: what a shell prints and how it ends. */
final class InstanceManagerServerIT {
  private static final Duration PATIENCE = Duration.ofSeconds(Await.SECONDS);
  private static final Optional<UUID> ANY_RUN = Optional.empty();

  /** Serves until its standard input ends; SIGTERM ends it as a signal does. */
  private static final String SERVE = "echo listening tcp:h:1; exec cat";

  /** Ends with exit code 0 on SIGTERM. */
  private static final String SERVE_AND_END_WELL =
      "trap 'exit 0' TERM; echo listening tcp:h:1; read -r line; exit 9";

  /** An ignored signal stays ignored in what a shell becomes. */
  private static final String IGNORE_TERM = "trap '' TERM; echo listening tcp:h:1; exec cat";

  @TempDir private Path directory;
  private final List<AutoCloseable> open = new ArrayList<>();

  @AfterEach
  void closeAll() throws Exception {
    for (AutoCloseable each : open.reversed()) {
      each.close();
    }
  }

  private CallAddress address() {
    return new CallAddress.Unix(directory.resolve("im"));
  }

  private InstanceManagerServer serve(long stopMillis, long lastLinesMillis) {
    InstanceManagerServer server =
        InstanceManagerServer.open(
            new InstanceManagerConfig(
                "n1",
                address(),
                directory.resolve("logs"),
                "0.0.1",
                stopMillis,
                lastLinesMillis,
                1 << 20));
    open.add(server);
    return server;
  }

  private InstanceManagerServer serve() {
    return serve(PATIENCE.toMillis(), PATIENCE.toMillis());
  }

  private InstanceManagerClient connect() {
    InstanceManagerClient client = InstanceManagerClient.connect(address(), PATIENCE);
    open.add(client);
    return client;
  }

  private static InstanceSpec replica(String name, String script) {
    return new InstanceSpec(
        name, InstanceType.REPLICA, List.of("/bin/sh", "-c", script), List.of("tcp:h:1"));
  }

  private static InstanceSpec engine(String name, String script) {
    return new InstanceSpec(name, InstanceType.ENGINE, List.of("/bin/sh", "-c", script), List.of());
  }

  /** Waits, by long polls, until an instance is as wanted. */
  private static InstanceStatus await(
      InstanceManagerClient client, String name, Predicate<InstanceStatus> isSo) {
    long deadline = System.nanoTime() + PATIENCE.toNanos();
    InstanceListing listing = client.list(0, Duration.ZERO);
    while (true) {
      Optional<InstanceStatus> found =
          listing.instances().stream().filter(one -> one.name().equals(name)).findFirst();
      if (found.filter(isSo).isPresent()) {
        return found.get();
      }
      assertThat(System.nanoTime() - deadline).as("%s is %s", name, found).isNegative();
      listing = client.list(listing.revision(), Duration.ofSeconds(5));
    }
  }

  private static InstanceStatus await(
      InstanceManagerClient client, String name, InstanceState state) {
    return await(client, name, status -> status.state() == state);
  }

  private static void kill(long pid) {
    assertThat(ProcessHandle.of(pid).orElseThrow().destroyForcibly()).isTrue();
  }

  private static void assertError(IoError error, String message, ThrowingCallable call) {
    assertThatThrownBy(call)
        .isInstanceOfSatisfying(
            VolumeException.class,
            e -> {
              assertThat(e.error()).as(e.getMessage()).isEqualTo(error);
              assertThat(e.getMessage()).contains(message);
            });
  }

  @Test
  void anInstanceIsStartingUntilItSaysWhereItServes() {
    serve();
    InstanceManagerClient client = connect();
    InstanceStatus starting = client.start(replica("r-1", SERVE));
    assertThat(starting.state()).isEqualTo(InstanceState.STARTING);
    assertThat(starting.startedMillis()).isPositive();
    InstanceStatus running = await(client, "r-1", InstanceState.RUNNING);
    assertThat(running.uuid()).isEqualTo(starting.uuid());
    assertThat(running.addresses()).containsExactly("tcp:h:1");
    assertThat(running.spec()).isEqualTo(replica("r-1", SERVE));
    assertThat(ProcessHandle.of(running.pid())).isPresent();
  }

  @Test
  void onlyTheWordOfItsTypeMakesItReady() {
    serve();
    InstanceManagerClient client = connect();
    client.start(engine("e", "echo listening here; echo serving a; echo serving b; exec cat"));
    InstanceStatus running = await(client, "e", status -> status.addresses().size() == 2);
    assertThat(running.addresses()).containsExactly("a", "b");
    client.start(engine("wordless", "echo listening here; echo more >&2; exec cat"));
    Await.until("it has printed", () -> log(client, "wordless").contains("listening here\nmore\n"));
    assertThat(await(client, "wordless", _ -> true).state()).isEqualTo(InstanceState.STARTING);
  }

  @ParameterizedTest
  @CsvSource({
    "exit 0, STOPPED, 0, ''",
    "echo cannot open the disk >&2; exit 3, ERROR, 3,"
        + " ended with exit code 3; it printed last: cannot open the disk",
    "kill -9 $$, ERROR, 137, ended by signal 9",
  })
  void anEndBeforeItWasReadyIsReported(
      String script, InstanceState state, int code, String message) {
    serve();
    InstanceManagerClient client = connect();
    client.start(replica("r-1", script));
    InstanceStatus over = await(client, "r-1", status -> status.state().isOver());
    assertThat(over.state()).isEqualTo(state);
    assertThat(over.exitCode()).hasValue(code);
    assertThat(over.errorMessage()).isEqualTo(message);
  }

  @Test
  void anExecutableThatIsNotThereIsAnError() {
    serve();
    InstanceManagerClient client = connect();
    client.start(
        new InstanceSpec("r-1", InstanceType.REPLICA, List.of("/no/such/file"), List.of()));
    InstanceStatus status = await(client, "r-1", InstanceState.ERROR);
    assertThat(status.errorMessage()).contains("could not be started", "/no/such/file");
    assertThat(status.pid()).isZero();
    assertThat(status.exitCode()).isEmpty();
    assertThat(log(client, "r-1")).contains("could not be started");
  }

  @Test
  void aCrashWakesEveryoneWhoWaits() throws Exception {
    serve();
    InstanceManagerClient client = connect();
    client.start(replica("r-1", SERVE));
    long pid = await(client, "r-1", InstanceState.RUNNING).pid();
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<InstanceStatus>> waiting = new ArrayList<>();
      for (int i = 0; i < 30; i++) {
        InstanceManagerClient own = connect();
        waiting.add(threads.submit(() -> await(own, "r-1", InstanceState.ERROR)));
      }
      kill(pid);
      for (Future<InstanceStatus> each : waiting) {
        InstanceStatus status = each.get(Await.SECONDS, TimeUnit.SECONDS);
        assertThat(status.errorMessage()).isEqualTo("ended by signal 9");
        assertThat(status.exitCode()).hasValue(137);
      }
    }
  }

  @Test
  void aGrandchildThatHoldsTheOutputDoesNotHideTheEnd() {
    serve(PATIENCE.toMillis(), InstanceManagerConfig.LAST_LINES_MILLIS);
    InstanceManagerClient client = connect();
    client.start(replica("r-1", "sleep 120 & echo helper $!; echo listening x; exit 5"));
    InstanceStatus over = await(client, "r-1", InstanceState.ERROR);
    assertThat(over.exitCode()).hasValue(5);
    Await.until("it has printed", () -> log(client, "r-1").contains("listening x\n"));
    String helper = log(client, "r-1").replaceFirst("(?s).*helper (\\d+)\n.*", "$1");
    kill(Long.parseLong(helper));
  }

  @Test
  void aPollWithoutNewsLastsAsLongAsItWasAskedTo() {
    serve();
    InstanceManagerClient client = connect();
    InstanceListing first = client.list(0, PATIENCE);
    assertThat(first.instances()).isEmpty();
    assertThat(first.manager().node()).isEqualTo("n1");
    assertThat(first.manager().version()).isEqualTo("0.0.1");
    assertThat(first.manager().pid()).isEqualTo(ProcessHandle.current().pid());
    assertThat(client.list(first.revision(), Duration.ofMillis(20))).isEqualTo(first);
    assertThat(client.list(first.revision() - 1, PATIENCE)).isEqualTo(first);
  }

  @Test
  void aStopIsSigtermAndAnEndWithCodeZeroIsStopped() {
    serve();
    InstanceManagerClient client = connect();
    InstanceStatus started = client.start(replica("r-1", SERVE_AND_END_WELL));
    await(client, "r-1", InstanceState.RUNNING);
    InstanceStatus stopping = client.stop("r-1", Optional.of(started.uuid()));
    assertThat(stopping.state()).isEqualTo(InstanceState.STOPPING);
    InstanceStatus stopped = await(client, "r-1", InstanceState.STOPPED);
    assertThat(stopped.exitCode()).hasValue(0);
    assertThat(client.stop("r-1", ANY_RUN)).as("again changes nothing").isEqualTo(stopped);
  }

  @Test
  void anEndBySigtermItselfIsAnErrorWhileStopping() {
    serve();
    InstanceManagerClient client = connect();
    client.start(replica("r-1", SERVE));
    await(client, "r-1", InstanceState.RUNNING);
    client.stop("r-1", ANY_RUN);
    assertThat(await(client, "r-1", InstanceState.ERROR).errorMessage())
        .startsWith("ended by signal 15 while stopping");
  }

  @Test
  void aStopThatIsIgnoredEndsWithSigkill() {
    serve(100, PATIENCE.toMillis());
    InstanceManagerClient client = connect();
    client.start(replica("r-1", IGNORE_TERM));
    await(client, "r-1", InstanceState.RUNNING);
    client.stop("r-1", ANY_RUN);
    InstanceStatus over = await(client, "r-1", InstanceState.ERROR);
    assertThat(over.errorMessage()).startsWith("did not end in time after SIGTERM and was killed");
    assertThat(over.exitCode()).hasValue(137);
  }

  @Test
  void aNameIsTakenUntilItsInstanceHasEnded() {
    serve();
    InstanceManagerClient client = connect();
    InstanceStatus first = client.start(replica("r-1", SERVE));
    assertError(IoError.EXISTS, "r-1 exists and is", () -> client.start(replica("r-1", SERVE)));
    long pid = await(client, "r-1", InstanceState.RUNNING).pid();
    assertError(IoError.BUSY, "stop it first", () -> client.forget("r-1", ANY_RUN));
    assertError(IoError.NOT_FOUND, "not as", () -> client.stop("r-1", Optional.of(new UUID(1, 1))));
    assertError(IoError.NOT_FOUND, "no instance r-2", () -> client.stop("r-2", ANY_RUN));
    kill(pid);
    await(client, "r-1", InstanceState.ERROR);
    InstanceStatus second = client.start(replica("r-1", SERVE));
    assertThat(second.uuid()).isNotEqualTo(first.uuid());
    long next = await(client, "r-1", InstanceState.RUNNING).pid();
    assertError(IoError.NOT_FOUND, "not as", () -> client.stop("r-1", Optional.of(first.uuid())));
    kill(next);
    await(client, "r-1", InstanceState.ERROR);
    client.forget("r-1", Optional.of(second.uuid()));
    assertThat(client.list(0, Duration.ZERO).instances()).isEmpty();
    assertError(IoError.NOT_FOUND, "no instance", () -> client.forget("r-1", ANY_RUN));
  }

  @Test
  void aLogHasWhatItPrintedAndOutlivesIt() {
    serve();
    InstanceManagerClient client = connect();
    client.start(replica("r-1", "echo out; echo err >&2; printf last; exit 1"));
    await(client, "r-1", InstanceState.ERROR);
    assertThat(log(client, "r-1"))
        .contains("starting /bin/sh -c ")
        .contains("\nout\nerr\nlast")
        .contains("ended with exit code 1");
    LogChunk tail = client.log("r-1", -5);
    assertThat(tail.bytes()).hasSize(5);
    assertThat(tail.next()).isEqualTo(tail.end());
    client.forget("r-1", ANY_RUN);
    assertThat(log(client, "r-1")).contains("out");
    assertError(IoError.NOT_FOUND, "no log", () -> client.log("other", 0));
    assertError(IoError.INVALID, "name", () -> client.log("../r-1", 0));
  }

  private static String log(InstanceManagerClient client, String name) {
    return new String(client.log(name, 0).bytes(), StandardCharsets.UTF_8);
  }

  @Test
  void aListThatNeedsManyFramesIsComplete() {
    serve();
    InstanceManagerClient client = connect();
    String ballast = "x".repeat(InstanceSpec.MAX_COMMAND_BYTES - 100);
    for (int i = 0; i < 20; i++) {
      client.start(replica("r-" + (10 + i), ": " + ballast));
    }
    assertThat(client.list(0, Duration.ZERO).instances())
        .extracting(InstanceStatus::name)
        .hasSize(20)
        .isSorted()
        .doesNotHaveDuplicates();
  }

  @Test
  void closingEndsEnginesThenReplicas() throws Exception {
    InstanceManagerServer server = serve();
    InstanceManagerClient client = connect();
    Path order = directory.resolve("order");
    String script =
        "trap 'echo NAME >> " + order + "; exit 0' TERM; echo WORD x; read -r line; exit 9";
    client.start(replica("a", script.replace("NAME", "replica").replace("WORD", "listening")));
    client.start(engine("b", script.replace("NAME", "engine").replace("WORD", "serving")));
    long replica = await(client, "a", InstanceState.RUNNING).pid();
    long engine = await(client, "b", InstanceState.RUNNING).pid();
    server.close();
    Await.gone(replica);
    Await.gone(engine);
    assertThat(Files.readAllLines(order)).containsExactly("engine", "replica");
    assertError(IoError.DISCONNECTED, "", () -> client.list(0, Duration.ZERO));
    assertThat(directory.resolve("im")).doesNotExist();
  }

  @Test
  void aSecondOneAtTheSamePlaceIsRefusedAndTheFirstGoesOn() {
    serve();
    assertError(IoError.BUSY, "already listening", this::serve);
    assertThat(connect().list(0, Duration.ZERO).instances()).isEmpty();
  }

  @Test
  void aDirectoryOfLogsThatCannotBeMadeIsOneLine() throws Exception {
    Files.writeString(directory.resolve("logs"), "a file");
    assertError(IoError.INVALID, "directory of logs", this::serve);
    assertThat(directory.resolve("im")).doesNotExist();
  }

  @Test
  void callsWithoutTheirFieldsAndOfOthersAreRefused() {
    serve();
    for (FrameType type :
        List.of(FrameType.INSTANCE_START, FrameType.INSTANCE_STOP, FrameType.INSTANCE_LOG)) {
      CallClient raw = CallClient.connect(address(), PATIENCE);
      open.add(raw);
      assertError(IoError.PROTOCOL, "field 1", () -> raw.call(type, new FieldWriter(), PATIENCE));
    }
    CallClient raw = CallClient.connect(address(), PATIENCE);
    open.add(raw);
    for (FrameType type : List.of(FrameType.INSTANCE_REPLACE, FrameType.WRITE)) {
      assertError(
          IoError.UNSUPPORTED, type.name(), () -> raw.call(type, new FieldWriter(), PATIENCE));
    }
    FieldWriter bad = new FieldWriter().text(1, "../x").number(2, 1);
    assertError(IoError.PROTOCOL, "name", () -> raw.call(FrameType.INSTANCE_START, bad, PATIENCE));
  }
}
