package io.longhorn.standalone;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * What a person gets who mistypes, or whose machine is not as it should be: the right exit code,
 * one line that says what to do, and nothing changed.
 */
@Timeout(600)
final class WrongUseIT {
  private static final Path LAUNCHER = Path.of("target", "longhorn", "bin", "longhorn");
  private static final Path HOME = Path.of("target", "longhorn");
  private static final Duration LIMIT = Duration.ofMinutes(2);

  private static final int OK = 0;
  private static final int FAILED = 1;
  private static final int USAGE = 2;

  /** A place with a short path. */
  @TempDir private Path place;

  /** A wrong use: its words, its exit code, and what its line says. */
  private record Row(String words, int code, String pattern) {}

  private record Ended(int code, String out, String err) {}

  private static Row row(int code, String words, String pattern) {
    return new Row(words, code, pattern);
  }

  // ---- running ----------------------------------------------------------------------------------

  /** In this JVM; {@code ''} is an empty word. */
  private static Ended run(Path state, String words) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    List<String> all = new ArrayList<>();
    for (String word : words.split(" ")) {
      all.add(word.equals("''") ? "" : word);
    }
    all.add("--state=" + state);
    String[] args = all.toArray(String[]::new);
    int code =
        Longhorn.commandLine(args)
            .setOut(new PrintWriter(out, true))
            .setErr(new PrintWriter(err, true))
            .execute(args);
    return new Ended(code, out.toString(), err.toString());
  }

  private static String good(Path state, String words) {
    Ended ended = run(state, words);
    assertThat(ended.code).as("%s: %s", words, ended.err).isZero();
    return ended.out;
  }

  /** As a process: what starts others is started as people do. */
  private Ended launch(Path state, String words) throws IOException, InterruptedException {
    Path out = place.resolve("out");
    Path err = place.resolve("err");
    ProcessBuilder builder =
        new ProcessBuilder(
                Stream.concat(
                        Stream.of(LAUNCHER.toString()),
                        Stream.of((words + " --state=" + state).split(" ")))
                    .toList())
            .redirectOutput(out.toFile())
            .redirectError(err.toFile());
    builder.environment().put("JAVA_HOME", System.getProperty("java.home"));
    Process process = builder.start();
    assertThat(process.waitFor(LIMIT.toSeconds(), TimeUnit.SECONDS)).as(words).isTrue();
    return new Ended(
        process.exitValue(), Files.readString(out, UTF_8), Files.readString(err, UTF_8));
  }

  private void up(Path state, int nodes) throws IOException, InterruptedException {
    Ended ended = launch(state, "up --detach --nodes " + nodes);
    assertThat(ended.code).as(ended.err).isZero();
  }

  private static void check(Row row, Ended ended) {
    assertThat(ended.code).as("exit code of '%s': %s", row.words, ended.err).isEqualTo(row.code);
    List<String> lines = ended.err.lines().toList();
    assertThat(lines).as(row.words).isNotEmpty();
    assertThat(lines.getFirst())
        .as(row.words)
        .startsWith("longhorn: ")
        .containsPattern(row.pattern)
        .doesNotContain("Exception");
    if (row.code == USAGE) {
      assertThat(lines).as(row.words).hasSize(2);
      assertThat(lines.get(1)).as(row.words).matches("See longhorn.* --help|Did you mean.*");
    } else {
      assertThat(lines).as(row.words).hasSize(1);
    }
    assertThat(ended.out).as(row.words).isEmpty();
  }

  /** The processes of a cluster run from below its state directory. */
  private static SortedSet<Long> processes(Path state) {
    TreeSet<Long> found = new TreeSet<>();
    ProcessHandle.allProcesses()
        .filter(process ->
            process.info().commandLine().orElse("").contains(state.resolve("images").toString()))
        .forEach(process -> found.add(process.pid()));
    return found;
  }

  // ---- wrong words ------------------------------------------------------------------------------

  private static final List<Row> WITHOUT_CLUSTER =
      List.of(
          row(USAGE, "vlume ls", "vlume"),
          row(USAGE, "volume lst", "lst"),
          row(USAGE, "volume create v", "Missing required option: '--size"),
          row(USAGE, "volume create --size 1GiB", "Missing required parameter: 'NAME'"),
          row(USAGE, "volume attach v", "Missing required option: '--node"),
          row(USAGE, "volume create v --size big", "size 'big': use a number and B, KiB"),
          row(USAGE, "volume create v --size 99999999TiB", "more than there can be"),
          row(USAGE, "volume create v --size 1GiB --replicas x", "'x' is not an int"),
          row(USAGE, "volume create v --size 1GiB --frontend iscsi", "nbd is the only one"),
          row(USAGE, "volume attach v --node node-1 --timeout soon", "'soon' is not a long"),
          row(USAGE, "volume get v -o xml", "expected one of .TABLE, JSON, YAML.* 'xml'"),
          row(USAGE, "volume get v w", "'w'"),
          row(USAGE, "volume detach v --ticket a --all", "one of --ticket, --node and --all"),
          row(USAGE, "volume detach v --ticket a --node b", "one of --ticket, --node and --all"),
          row(USAGE, "volume upgrade v", "use one of --image and --rollback"),
          row(USAGE, "volume upgrade v --image i --rollback", "use one of --image and --rollback"),
          row(USAGE, "setting set nix", "use one of VALUE and --default"),
          row(USAGE, "setting set nix 1 --default", "use one of VALUE and --default"),
          row(USAGE, "engine-image add", "Missing required parameter: 'NAME'"),
          row(USAGE, "snapshot create v", "Missing required parameter: 'NAME'"),
          row(USAGE, "up --nodes 0", "use 1 to 16"),
          row(USAGE, "up --nodes 99", "use 1 to 16"),
          row(USAGE, "up --nodes many", "'many' is not an int"),
          row(FAILED, "volume ls", "no cluster is up .*longhorn up"),
          row(FAILED, "volume create v --size 1GiB", "no cluster is up .*longhorn up"),
          row(FAILED, "volume check v", "no cluster is up .*longhorn up"),
          row(FAILED, "snapshot ls v", "no cluster is up .*longhorn up"),
          row(FAILED, "replica ls v", "no cluster is up .*longhorn up"),
          row(FAILED, "instance-manager ls", "no cluster is up .*longhorn up"),
          row(FAILED, "node ls", "no cluster is up .*longhorn up"),
          row(FAILED, "engine-image ls", "no cluster is up .*longhorn up"),
          row(FAILED, "engine-image add v2 --from /", "no cluster is up .*longhorn up"),
          row(FAILED, "setting ls", "no cluster is up .*longhorn up"),
          row(FAILED, "volume upgrade v --image i", "no cluster is up .*longhorn up"),
          row(FAILED, "events", "no cluster is up .*longhorn up"),
          row(FAILED, "logs", "no cluster has been up .*longhorn up"),
          row(FAILED, "status", "no cluster is up .*longhorn up"),
          row(FAILED, "down", "no cluster is up"));

  @Test
  void withoutAClusterNothingIsMade() {
    Path state = place.resolve("none");
    for (Row row : WITHOUT_CLUSTER) {
      check(row, run(state, row.words));
      assertThat(state).as(row.words).doesNotExist();
    }
  }

  private static List<Row> withCluster(int takenPort) {
    String long64 = "a".repeat(64);
    String noVolume = "there is no volume nix; see longhorn volume ls";
    String noNode = "there is no node node-9; see longhorn node ls";
    String detached = "volume idle is detached; attach it first";
    return List.of(
        row(FAILED, "volume create v --size 0", "size of 0 bytes: use a multiple of 4096"),
        row(FAILED, "volume create v --size 4097", "4097 bytes: use a multiple of 4096"),
        row(FAILED, "volume create v --size 65TiB", "to 70368744177664 .64 TiB."),
        row(FAILED, "volume create V --size 1GiB", "name 'V': use 1 to 63 of a-z 0-9"),
        row(FAILED, "volume create '' --size 1GiB", "name '': use 1 to 63"),
        row(FAILED, "volume create " + long64 + " --size 1GiB", "use 1 to 63"),
        row(FAILED, "volume create used --size 1GiB", "used exists already; use another name"),
        row(
            FAILED,
            "volume create v --size 1GiB --replicas 3",
            "places for 2 of 3 replicas: .*node-3 is not ready; use fewer"),
        row(FAILED, "volume create v --size 1GiB --replicas 0", "0 replicas: use 1 to 8"),
        row(FAILED, "volume create v --size 1GiB --replicas 9", "9 replicas: use 1 to 8"),
        row(FAILED, "volume get nix", noVolume),
        row(FAILED, "volume attach nix --node node-1", noVolume),
        row(FAILED, "volume detach nix", noVolume),
        row(FAILED, "volume delete nix", noVolume),
        row(FAILED, "volume check nix", noVolume),
        row(FAILED, "snapshot create nix s", noVolume),
        row(FAILED, "snapshot ls nix", noVolume),
        row(FAILED, "replica ls nix", noVolume),
        row(FAILED, "events nix", "there is no volume nix"),
        row(FAILED, "volume attach gone --node node-1", "there is no volume gone"),
        row(FAILED, "volume attach idle --node node-9", noNode),
        row(FAILED, "volume detach used --node node-9", noNode),
        row(FAILED, "node fail node-9", noNode),
        row(FAILED, "node recover node-9", noNode),
        row(FAILED, "volume attach idle --node node-3", "node node-3 is not ready"),
        row(FAILED, "volume attach used --node node-2", "ticket node-1 for node-1; detach it"),
        row(
            FAILED,
            "volume attach moving --node node-2",
            "this cluster cannot migrate volumes yet: volume moving has ticket node-1 for node-1;"
                + " detach it there first; longhorn volume detach moving --ticket node-1"),
        row(FAILED, "volume upgrade nix --image default", noVolume),
        row(FAILED, "volume upgrade nix --rollback", noVolume),
        row(
            FAILED,
            "volume upgrade idle --image nix",
            "there is no engine image nix; see longhorn engine-image ls"),
        row(FAILED, "volume upgrade idle --image default", "it runs from it already"),
        row(FAILED, "volume upgrade idle --rollback", "idle is not being upgraded: it runs from"),
        row(FAILED, "engine-image rm nix", "no engine image nix; see longhorn engine-image ls"),
        row(FAILED, "engine-image rm default", "engine image default is the default-engine-"),
        row(FAILED, "engine-image default nix", "no engine image nix; see longhorn engine-im"),
        row(FAILED, "engine-image add v2 --from /tmp", "/tmp is no runtime directory: it has no"),
        row(FAILED, "engine-image add default --from " + HOME, "default exists already; use ano"),
        row(FAILED, "engine-image add A/.. --from " + HOME, "engine image name 'A/..': use 1 to"),
        row(FAILED, "setting get nix", "there is no setting nix; see longhorn setting ls"),
        row(FAILED, "setting set nix 1", "there is no setting nix; see longhorn setting ls"),
        row(FAILED, "setting set auto-salvage maybe", "cannot be 'maybe': use true, false"),
        row(FAILED, "setting set default-engine-image nix", "there is no engine image nix"),
        row(FAILED, "node cordon node-9", noNode),
        row(FAILED, "node uncordon node-9", noNode),
        row(FAILED, "volume detach idle", "has no tickets"),
        row(FAILED, "volume detach used --ticket nix", "no such ticket; it has node-1"),
        row(FAILED, "volume detach used --node node-2", "no such ticket; it has node-1"),
        row(FAILED, "volume delete used", "is attached; detach it first; longhorn volume detach"),
        row(FAILED, "snapshot create idle s", detached),
        row(FAILED, "snapshot ls idle", detached),
        row(FAILED, "volume check idle", detached),
        row(FAILED, "snapshot create used " + long64, "name has 1 to 63 characters"),
        row(FAILED, "snapshot create used s1", "s1.*exists"),
        row(
            FAILED,
            "instance-manager kill instance-manager-node-1 --signal USR9",
            "signal 'USR9': use one of KILL, TERM, STOP, CONT"),
        row(FAILED, "instance-manager kill nix", "no instance manager nix; see longhorn inst"),
        row(FAILED, "logs nix", "there is no log of 'nix' .*names are daemon"),
        row(FAILED, "logs ../cluster.mv", "there is no log of"),
        row(
            FAILED,
            "volume attach idle --node node-1 --nbd tcp:127.0.0.1:" + takenPort,
            "nobody can listen at tcp:127.0.0.1:" + takenPort),
        row(FAILED, "volume attach idle --node node-1 --nbd tcp:127.0.0.1:x", "use unix:PATH or"),
        row(FAILED, "volume attach idle --node node-1 --nbd here", "'here': use unix:PATH or"),
        row(
            FAILED,
            "volume attach idle --node node-1 --nbd unix:/no/such/socket",
            "there is no directory /no/such"),
        row(
            FAILED,
            "volume attach idle --node node-1 --nbd unix:/" + "s".repeat(120),
            "Linux allows 107"),
        row(FAILED, "up --detach", "up already .*stop it first: longhorn down"));
  }

  private String seen(Path state) {
    return good(state, "volume ls -o json") + good(state, "node ls -o json") + processes(state);
  }

  @Test
  void withAClusterNothingIsChanged() throws Exception {
    Path state = place.resolve("c");
    up(state, 3);
    try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      good(state, "volume create used --size 16MiB --replicas 2");
      good(state, "volume create idle --size 16MiB --replicas 1");
      good(state, "volume create gone --size 16MiB --replicas 1");
      good(state, "volume delete gone");
      good(state, "volume attach used --node node-1");
      good(state, "volume create moving --size 16MiB --replicas 1 --migratable");
      good(state, "volume attach moving --node node-1");
      good(state, "snapshot create used s1");
      good(state, "node fail node-3");
      Workbench.await(
          "settled",
          () ->
              good(state, "node ls -o json").contains("\"ready\" : false")
                  && good(state, "volume get used").contains("2/2")
                  && processes(state).size() == 8);
      String before = seen(state);
      for (Row row : withCluster(taken.getLocalPort())) {
        check(row, run(state, row.words));
        // On a machine that is slow for a moment a replica may leave, and comes back.
        Workbench.await("all is as before '" + row.words + "'", () -> seen(state).equals(before));
      }
      assertThat(good(state, "events gone")).contains("gone");

      good(state, "volume attach used --node node-1 --ticket second");
      check(row(FAILED, "volume detach used", "several tickets"), run(state, "volume detach used"));
      assertFiveNodeFields(state);
      aTimeoutSaysWhatIsWaitedFor(state);
    } finally {
      launch(state, "down");
      assertThat(processes(state)).isEmpty();
    }
  }

  /** Its only replica is on a node that has no power. */
  private static void aTimeoutSaysWhatIsWaitedFor(Path state) {
    assertThat(good(state, "replica ls idle")).contains("node-3");
    String words = "volume attach idle --node node-1 --timeout 1";
    check(
        row(FAILED, words, "volume idle is .* after 1 s: .+; it goes on by itself"),
        run(state, words));
    good(state, "volume detach idle");
  }

  /** What scripts look for: {@code longhorn volume get v -o yaml | grep -i nodeid}. */
  private static void assertFiveNodeFields(Path state) {
    assertThat(
            good(state, "volume get used -o yaml")
                .lines()
                .filter(line -> line.matches("(?i).*nodeid.*"))
                .map(line -> line.replace("\"", "")))
        .containsExactly(
            "nodeID: node-1",
            "migrationNodeID: ",
            "currentNodeID: node-1",
            "currentMigrationNodeID: ",
            "pendingNodeID: ");
  }

  // ---- bad surroundings -------------------------------------------------------------------------

  private void assertNotUp(Path state, String pattern) throws IOException, InterruptedException {
    String words = "up --detach --nodes 1";
    check(row(FAILED, words, pattern), launch(state, words));
    assertThat(processes(state)).isEmpty();
  }

  @Test
  void aStateDirectoryThatCannotBeOneIsRefused() throws Exception {
    Path file = Files.createFile(place.resolve("file"));
    assertNotUp(file, "cannot use the state directory .*another one: --state DIR");
    assertNotUp(file.resolve("below"), "cannot use the state directory .*: --state DIR");
    assertNotUp(Path.of("/proc/no-place-for-files"), "cannot use the state directory .*: --state");
    Path disk = Files.createDirectory(place.resolve("d"));
    try (Mount _ = Mount.of(disk, "size=1m")) {
      assertNotUp(disk, "No space left on device; make room there");
    }
    try (Mount _ = Mount.of(disk, "ro")) {
      assertNotUp(disk, "cannot use the state directory .*Read-only file system; use another");
    }
  }

  @Test
  void aStoreThatIsDamagedOrOfAnotherFormatIsLeftAsItIs() throws Exception {
    Path state = place.resolve("s");
    up(state, 1);
    good(state, "down");
    Path store = state.resolve("cluster.mv");
    byte[] sound = Files.readAllBytes(store);

    Files.writeString(store, "no store of objects");
    assertNotUp(store.getParent(), "cluster.mv: it is damaged or not ours; keep it");
    assertThat(store).hasContent("no store of objects");

    String text = new String(sound, ISO_8859_1);
    // Its names and values, each after a byte with its type and length.
    String other = text.replace("^format`revisionY1", "^format`revisionY7");
    assertThat(other.equals(text)).as("the format is found in the file").isFalse();
    Files.write(store, other.getBytes(ISO_8859_1));
    assertNotUp(state, "has format 7; this build knows 1: use the build that wrote it");
    assertThat(Files.readString(store, ISO_8859_1).equals(other)).isTrue();

    Files.write(store, sound);
    up(state, 1);
    good(state, "down");
  }

  @Test
  void aStaleSocketIsReplacedAndALiveOneOfSomebodyElseIsNot() throws Exception {
    Path state = place.resolve("k");
    Path socket = Files.createDirectories(state.resolve("run")).resolve("daemon.sock");
    try (ServerSocketChannel foreign = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
      foreign.bind(UnixDomainSocketAddress.of(socket));
      Thread.ofPlatform().daemon().start(() -> talkNonsense(foreign));
      String pattern = "does not answer as a daemon does; stop it, or use another state";
      check(row(FAILED, "volume ls", pattern), run(state, "volume ls"));
      assertNotUp(state, pattern);
      assertThat(socket).exists();
    }
    assertThat(socket).as("its file stays when a listener dies").exists();
    up(state, 1);
    good(state, "down");
  }

  private static void talkNonsense(ServerSocketChannel foreign) {
    ByteBuffer nonsense = ByteBuffer.wrap("220 mail.example ESMTP\r\n".repeat(20).getBytes(UTF_8));
    try {
      while (true) {
        try (SocketChannel peer = foreign.accept()) {
          peer.write(nonsense.rewind());
          peer.read(ByteBuffer.allocate(1));
        }
      }
    } catch (IOException _) {
      // It is closed.
    }
  }

  @Test
  void socketsOfAStateDirectoryWithALongPathAreElsewhere() throws Exception {
    Path state = place.resolve("l".repeat(120));
    up(state, 1);
    try {
      good(state, "volume create v --size 16MiB --replicas 1");
      String uri = good(state, "volume attach v --node node-1").strip();
      assertThat(uri).startsWith("nbd+unix:///v?socket=").doesNotContain(state.toString());
    } finally {
      good(state, "down");
    }
  }

  @Test
  void aVolumeOnAFullDiskSaysSoAndIsMadeWhenThereIsRoom() throws Exception {
    Path state = place.resolve("f");
    Path disk = Files.createDirectories(state.resolve("nodes").resolve("node-1"));
    try (Mount mount = Mount.of(disk, "size=64k")) {
      up(state, 1);
      try {
        Path fill = Files.write(disk.resolve("fill"), new byte[60 << 10]);
        String words = "volume create v --size 16MiB --replicas 1 --timeout 0";
        check(row(FAILED, words, "volume v is creating after 0 s"), run(state, words));
        Workbench.await("the reason", () -> good(state, "volume get v").contains("ENOSPC"));
        mount.remount("size=64m");
        Files.delete(fill);
        Workbench.await("made", () -> good(state, "volume get v -o json").contains("\"detached\""));
      } finally {
        launch(state, "down");
      }
    }
  }

  /** A small file system in memory; without the right to mount one, the test is skipped. */
  private record Mount(Path at) implements AutoCloseable {
    static Mount of(Path at, String options) throws IOException {
      assumeTrue(run("mount", "-t", "tmpfs", "-o", options, "tmpfs", at.toString()) == OK);
      return new Mount(at);
    }

    void remount(String options) throws IOException {
      assertThat(run("mount", "-o", "remount," + options, at.toString())).isZero();
    }

    private static int run(String... words) throws IOException {
      try {
        return new ProcessBuilder(words)
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .start()
            .waitFor();
      } catch (InterruptedException e) {
        throw new AssertionError(e);
      }
    }

    @Override
    public void close() throws IOException {
      assertThat(run("umount", at.toString())).isZero();
    }
  }
}
