package io.longhorn.standalone;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.longhorn.api.cluster.ClusterObject;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.orchestration.command.ClusterClient;
import io.longhorn.orchestration.execution.ProcessEnd;
import io.longhorn.orchestration.execution.RuntimeLayout;
import io.longhorn.standalone.Workbench.Outcome;
import io.longhorn.standalone.cluster.ClusterReader;
import io.longhorn.standalone.report.VolumeReport;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Predicate;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/**
 * A standalone cluster, brought up from the runtime directory of the build, with a state directory
 * of its own. In the end no process of it is left, whatever became of it.
 */
public final class ClusterProcesses {
  /** For anything that is to come about; a machine with too much to do needs a part of it. */
  private static final Duration PATIENCE = Duration.ofMinutes(2);

  static final String LAUNCHER =
      VolumeProcesses.RUNTIME.resolve("bin").resolve("longhorn").toString();
  private static final ObjectMapper JSON = new ObjectMapper();

  private final Workbench bench;
  private final Path state;

  private ClusterProcesses(Workbench bench, Path state) {
    this.bench = bench;
    this.state = state;
  }

  /** A cluster of three nodes that is up. */
  public static ClusterProcesses up(Workbench bench) {
    ClusterProcesses cluster = new ClusterProcesses(bench, bench.home().resolve("state"));
    bench.later(cluster::killEverything);
    cluster.launch("up", "--nodes", "3", "--detach");
    return cluster;
  }

  // ---- commands ---------------------------------------------------------------------------------

  /** Brings it up again, as people do. */
  public void up() {
    launch("up", "--detach");
  }

  /** Runs a command to its good end, in a process of its own. */
  private void launch(String... words) {
    List<String> command = VolumeProcesses.withJava(LAUNCHER);
    command.addAll(here(words));
    bench.run(command.toArray(String[]::new));
  }

  private List<String> here(String... words) {
    List<String> command = new ArrayList<>(List.of(words));
    command.addAll(List.of("--state", state.toString()));
    return command;
  }

  /** Runs a command to its good end; what it printed. */
  public String run(String... words) {
    Outcome outcome = tryRun(words);
    assertThat(outcome.exitCode()).as("%s: %s", String.join(" ", words), outcome.text()).isZero();
    return outcome.text().strip();
  }

  /**
   * Runs a command to its end, which has to come in time. In this JVM: the start of one of its own
   * for each would take the machine from what is tested.
   */
  public Outcome tryRun(String... words) {
    FutureTask<Outcome> command = new FutureTask<>(() -> execute(words));
    Thread.ofPlatform().daemon().name("command " + words[0]).start(command);
    try {
      return command.get(PATIENCE.toNanos(), TimeUnit.NANOSECONDS);
    } catch (InterruptedException | ExecutionException | TimeoutException e) {
      throw new AssertionError(String.join(" ", words), e);
    }
  }

  private Outcome execute(String... words) {
    StringWriter out = new StringWriter();
    PrintWriter both = new PrintWriter(out);
    String[] args = here(words).toArray(String[]::new);
    int exitCode = Longhorn.commandLine(args).setOut(both).setErr(both).execute(args);
    both.flush();
    return new Outcome(exitCode, out.toString());
  }

  /** Runs a command that prints objects; them. */
  JsonNode json(String... words) {
    List<String> command = new ArrayList<>(List.of(words));
    command.addAll(List.of("-o", "json"));
    String text = run(command.toArray(String[]::new));
    try {
      return JSON.readTree(text);
    } catch (JsonProcessingException e) {
      throw new AssertionError(text, e);
    }
  }

  /** Creates a volume and attaches it; its URI. */
  public String attached(String volume, long sizeBytes, String node) {
    run("volume", "create", volume, "--size", Long.toString(sizeBytes));
    return attach(volume, node);
  }

  /** Attaches a volume; its URI. */
  public String attach(String volume, String node) {
    return run("volume", "attach", volume, "--node", node, "--timeout", seconds());
  }

  /** The option's value for commands that wait. */
  public static String seconds() {
    return Long.toString(PATIENCE.toSeconds() - 10);
  }

  /** The reasons of what has happened to a volume, oldest first. */
  List<String> reasons(String volume) {
    return StreamSupport.stream(json("events", volume).spliterator(), false)
        .map(event -> event.get("reason").asText())
        .toList();
  }

  /** Does something, and waits until it has made a volume degraded. */
  void degrade(String volume, Runnable how) {
    long before = degradations(volume);
    how.run();
    awaitDegraded(volume, before);
  }

  /** Waits until a volume has become degraded once more than so many times. */
  void awaitDegraded(String volume, long before) {
    Workbench.await(volume + " is degraded", () -> degradations(volume) > before);
  }

  /** How many times a volume has become degraded. */
  long degradations(String volume) {
    return reasons(volume).stream().filter("Degraded"::equals).count();
  }

  // ---- what is there ----------------------------------------------------------------------------

  /** Waits until a volume is as wanted. */
  VolumeReport await(String volume, String what, Predicate<VolumeReport> isWanted) {
    try (ClusterClient client = client()) {
      Optional<VolumeReport> last =
          new ClusterReader(client)
              .await(volume, PATIENCE, now -> now.filter(isWanted).isPresent());
      assertThat(last.filter(isWanted)).as("%s: %s; it is %s", volume, what, last).isPresent();
      return last.orElseThrow();
    }
  }

  /** Waits until a volume is attached, and all its replicas run and are in sync. */
  public VolumeReport awaitHealthy(String volume) {
    return await(volume, "is healthy", ClusterProcesses::isHealthy);
  }

  /** Waits until a volume is served by a later engine than that of a generation, and is healthy. */
  VolumeReport awaitHealthyAfter(String volume, long generation) {
    return await(
        volume,
        "is healthy with a generation above " + generation,
        now -> now.engine().generation() > generation && isHealthy(now));
  }

  private static boolean isHealthy(VolumeReport volume) {
    return volume.state().equals("attached")
        && volume.robustness().equals("healthy")
        && volume.engine().state().equals("running")
        && volume.inSync() == volume.numberOfReplicas()
        && volume.replicas().stream().allMatch(replica -> replica.state().equals("running"));
  }

  VolumeReport volume(String name) {
    try (ClusterClient client = client()) {
      return new ClusterReader(client).volume(name);
    }
  }

  /** Every object that is there only because of a volume. */
  List<ClusterObject> objectsOfVolumes() {
    try (ClusterClient client = client()) {
      return Stream.of(
              ObjectKind.VOLUME,
              ObjectKind.ENGINE,
              ObjectKind.REPLICA,
              ObjectKind.VOLUME_ATTACHMENT,
              ObjectKind.MEMBERSHIP)
          .flatMap(kind -> client.list(kind, ClusterObject.class).stream())
          .toList();
    }
  }

  long daemonPid() {
    try (ClusterClient client = client()) {
      return client.daemonPid();
    }
  }

  private ClusterClient client() {
    return ClusterClient.connect(RuntimeLayout.of(state).daemonAddress());
  }

  /** Where a volume's clients connect. */
  public static String uri(VolumeReport volume) {
    return volume.endpoints().firstEntry().getValue();
  }

  /** The process of a volume's replica on a node, as the command lists it. */
  long replicaPid(String volume, String node) {
    for (JsonNode replica : json("replica", "ls", volume)) {
      if (replica.get("node").asText().equals(node)) {
        return replica.get("pid").asLong();
      }
    }
    throw new AssertionError(volume + " has no replica on " + node);
  }

  static String managerOf(String node) {
    return "instance-manager-" + node;
  }

  /** Waits until an instance manager is in a state, as the command lists it. */
  void awaitManager(String node, String wanted) {
    Workbench.await(
        managerOf(node) + " is " + wanted,
        () -> {
          for (JsonNode manager : json("instance-manager", "ls")) {
            if (manager.get("node").asText().equals(node)) {
              return manager.get("state").asText().equals(wanted);
            }
          }
          throw new AssertionError(node + " has no instance manager");
        });
  }

  /** Every process that has a pid in the cluster's objects, by what it is. */
  SortedMap<String, Long> pids(String volume) {
    TreeMap<String, Long> pids = new TreeMap<>();
    VolumeReport now = volume(volume);
    pids.put(now.engine().name(), now.engine().pid());
    now.replicas().forEach(replica -> pids.put(replica.name(), replica.pid()));
    json("instance-manager", "ls")
        .forEach(manager -> pids.put(manager.get("name").asText(), manager.get("pid").asLong()));
    assertThat(pids.values()).as("%s", pids).allMatch(pid -> pid > 0);
    return pids;
  }

  // ---- processes --------------------------------------------------------------------------------

  /** SIGKILL; returns when it is gone. */
  public static void kill(long pid) {
    ProcessHandle process = ProcessHandle.of(pid).orElseThrow();
    process.destroyForcibly();
    Workbench.await("process " + pid + " is gone", () -> ProcessEnd.hasEnded(process));
  }

  /** Every process whose command line names the state directory: clients of its sockets too. */
  public List<ProcessHandle> processes() {
    return ProcessHandle.allProcesses()
        .filter(process ->
            process.info().commandLine().filter(line -> line.contains(state + "/")).isPresent())
        .toList();
  }

  /** SIGKILL to every process at once; returns when they are gone. */
  public void killEverything() {
    Workbench.await(
        "no process is left",
        () -> {
          List<ProcessHandle> left = processes();
          left.forEach(ProcessHandle::destroyForcibly);
          return left.isEmpty();
        });
  }

  /** Compares all replicas, as the command does. */
  void assertIdentical(String volume) {
    Outcome check = tryRun("volume", "check", volume);
    assertThat(check.text()).contains("on 3 in-sync replicas: identical");
    assertThat(check.exitCode()).isZero();
  }
}
