package io.longhorn.standalone;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.UUID;
import java.util.stream.Collectors;

/**
 * A volume as the launcher would run it: one process for each replica and one for the engine, from
 * the runtime directory that the build has just made. Replicas are numbered from 0.
 */
final class VolumeProcesses {
  /** The name of the volume. */
  static final String NAME = "vol";

  static final Path RUNTIME = Path.of("target", "longhorn").toAbsolutePath();

  private final Workbench bench;
  private final List<Path> directories;
  private final List<String> ids = new ArrayList<>();
  private final String[] addresses;
  private final Running[] replicas;
  private Running engine;
  private String uri;

  /** Makes the replicas, one in each directory. */
  VolumeProcesses(Workbench bench, long sizeBytes, List<Path> directories) {
    assertThat(RUNTIME.resolve("lib"))
        .as("the build's runtime directory: run the phase 'package' first")
        .isDirectory();
    this.bench = bench;
    this.directories = directories;
    addresses = new String[directories.size()];
    replicas = new Running[directories.size()];
    directories.forEach(_ -> ids.add(UUID.randomUUID().toString()));
    String volume = UUID.randomUUID().toString();
    List<Running> creating = new ArrayList<>();
    for (int i = 0; i < ids.size(); i++) {
      creating.add(
          bench.start(
              "create " + i,
              replicaCommand(
                  "create",
                  "--dir",
                  directories.get(i).toString(),
                  "--volume",
                  NAME,
                  "--volume-id",
                  volume,
                  "--replica-id",
                  ids.get(i),
                  "--size",
                  String.valueOf(sizeBytes),
                  "--members",
                  String.join(",", ids))));
    }
    for (Running create : creating) {
      assertThat(create.exitCode()).as(() -> String.join("\n", create.lines())).isZero();
    }
  }

  /** Makes the replicas and serves the volume. */
  static VolumeProcesses serve(Workbench bench, long sizeBytes, Path... directories) {
    VolumeProcesses volume = new VolumeProcesses(bench, sizeBytes, List.of(directories));
    volume.startReplicas();
    volume.startEngine();
    return volume;
  }

  /** Serves every replica. */
  void startReplicas() {
    for (int i = 0; i < replicas.length; i++) {
      startReplica(i);
    }
  }

  /** The words of a command that finds the JDK of this test. */
  static List<String> withJava(String... words) {
    List<String> command =
        new ArrayList<>(List.of("env", "JAVA_HOME=" + System.getProperty("java.home")));
    command.addAll(Arrays.asList(words));
    return command;
  }

  /** The words that start a replica process. */
  static List<String> replicaCommand(String... words) {
    return command("replica", words);
  }

  private static List<String> command(String role, String... words) {
    List<String> command = withJava(ClusterProcesses.LAUNCHER, role);
    command.addAll(Arrays.asList(words));
    return command;
  }

  /** Serves a replica, where it was before if it ran already. */
  Running startReplica(int index) {
    return startReplica(index, List.of(), List.of());
  }

  /**
   * Serves a replica.
   *
   * @param wrapper words before the command, such as prlimit's
   * @param options words behind it
   */
  Running startReplica(int index, List<String> wrapper, List<String> options) {
    String listen = addresses[index] == null ? "tcp:127.0.0.1:0" : addresses[index];
    List<String> command = new ArrayList<>(wrapper);
    command.addAll(
        replicaCommand("serve", "--dir", directories.get(index).toString(), "--listen", listen));
    command.addAll(options);
    Running replica = bench.start("replica " + index, command);
    addresses[index] = replica.await("listening ").substring("listening ".length());
    replicas[index] = replica;
    return replica;
  }

  /** Starts the engine and waits until the volume is served. */
  Running startEngine(String... options) {
    List<String> words = new ArrayList<>(List.of("serve", "--volume", NAME));
    for (int i = 0; i < ids.size(); i++) {
      words.addAll(List.of("--replica", ids.get(i) + "@" + addresses[i]));
    }
    words.addAll(List.of("--nbd", "unix:" + bench.home().resolve("nbd.sock")));
    words.addAll(Arrays.asList(options));
    engine = bench.start("engine", command("engine", words.toArray(String[]::new)));
    uri = engine.await("serving ").substring("serving ".length());
    return engine;
  }

  /** What NBD clients connect to. */
  String uri() {
    return uri;
  }

  Path socket() {
    return bench.home().resolve("nbd.sock");
  }

  Running engine() {
    return engine;
  }

  Running replica(int index) {
    return replicas[index];
  }

  String address(int index) {
    return addresses[index];
  }

  /** Waits until the engine says, after a mark, that a replica has left the set. */
  void awaitLeft(int index, int mark) {
    engine.await("replica " + ids.get(index) + " has left the in-sync set", mark);
  }

  /** Waits until the engine says, after a mark, that a replica is in the set again. */
  void awaitInSync(int index, int mark) {
    engine.await("replica " + ids.get(index) + " is in sync again", mark);
  }

  /** Waits until every replica that has left the set is in it again. */
  void awaitAllInSync() {
    for (int i = 0; i < ids.size(); i++) {
      List<String> lines = engine.lines();
      for (int at = lines.size() - 1; at >= 0; at--) {
        if (lines.get(at).contains("replica " + ids.get(i) + " has left the in-sync set")) {
          awaitInSync(i, at);
          break;
        }
      }
    }
  }

  /** SIGKILL for everything at once. */
  void killAll() {
    List<Running> all = new ArrayList<>(Arrays.asList(replicas));
    all.add(engine);
    all.forEach(Running::shoot);
    all.forEach(Running::exitCode);
  }

  /** What every process has printed, for a failure's message. */
  String words() {
    List<Running> all = new ArrayList<>(Arrays.asList(replicas));
    all.add(engine);
    return all.stream()
        .map(running -> String.join("\n", running.lines()))
        .collect(Collectors.joining("\n----\n"));
  }

  /** Whether the files of two replicas' directories hold the same data in every layer. */
  boolean hasEqualData(int one, int other) {
    try (var files = Files.list(directories.get(one))) {
      for (Path file : files.filter(each -> each.toString().endsWith(".dat")).toList()) {
        Path twin = directories.get(other).resolve(file.getFileName());
        if (Files.mismatch(file, twin) != -1) {
          return false;
        }
      }
      return true;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
