package io.longhorn.orchestration.execution;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.Replica;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.stream.Stream;
import java.util.zip.CRC32C;

/**
 * Where a cluster on one machine keeps what: a state directory that lasts, and a runtime directory
 * with a short path for sockets, whose paths the kernel limits to 107 bytes.
 *
 * @param state the state directory
 * @param runtime the directory of sockets
 */
public record RuntimeLayout(Path state, Path runtime) {
  /** Longest path of a socket, in bytes. */
  public static final int MAX_SOCKET_PATH_BYTES = 107;

  /** Room for the longest name of a socket below the runtime directory. */
  private static final int MAX_SOCKET_NAME_BYTES = 40;

  /** The layout of a state directory, with the system's directory for temporary files. */
  public static RuntimeLayout of(Path state) {
    return of(state, Path.of(System.getProperty("java.io.tmpdir", "/tmp")));
  }

  /**
   * The layout of a state directory: sockets go below it if the path is short enough, otherwise
   * into a directory of its own below {@code temporary}.
   */
  static RuntimeLayout of(Path state, Path temporary) {
    Path absolute = state.toAbsolutePath().normalize();
    Path below = absolute.resolve("run");
    if (fits(below)) {
      return new RuntimeLayout(absolute, below);
    }
    Path elsewhere =
        temporary
            .toAbsolutePath()
            .resolve("longhorn-" + Integer.toHexString(hash(absolute.toString())));
    if (!fits(elsewhere)) {
      throw new VolumeException(
          IoError.INVALID,
          "no directory with a path short enough for sockets: neither "
              + below
              + " nor "
              + elsewhere);
    }
    return new RuntimeLayout(absolute, elsewhere);
  }

  private static boolean fits(Path directory) {
    int bytes = directory.toString().getBytes(StandardCharsets.UTF_8).length;
    return bytes + 1 + MAX_SOCKET_NAME_BYTES <= MAX_SOCKET_PATH_BYTES;
  }

  private static int hash(String text) {
    CRC32C sum = new CRC32C();
    sum.update(text.getBytes(StandardCharsets.UTF_8));
    return (int) sum.getValue();
  }

  /**
   * Removes the directory of sockets, which is not always below the state directory. Only when no
   * process of the cluster runs: what listens there is not asked.
   */
  public void removeRuntime() {
    try (Stream<Path> sockets = Files.list(runtime)) {
      for (Path socket : sockets.toList()) {
        Files.deleteIfExists(socket);
      }
      Files.deleteIfExists(runtime);
    } catch (IOException _) {
      // There was none, or what is left does no harm: the next process that listens takes it over.
    }
  }

  /** The file of the cluster's store. */
  public Path store() {
    return state.resolve("cluster.mv");
  }

  /** What the daemon has to say. */
  public Path daemonLog() {
    return logs().resolve("daemon.log");
  }

  /** Logs of all processes. */
  public Path logs() {
    return state.resolve("logs");
  }

  /** Logs of what an instance manager starts. */
  public Path logs(String node) {
    return logs().resolve(node);
  }

  /** What an instance manager itself has to say. */
  public Path managerLog(String node) {
    return logs().resolve(node + ".log");
  }

  /** Runtime directories that processes run from, one for each build that was used. */
  public Path images() {
    return state.resolve("images");
  }

  /** The directory of a node: its disk. */
  public Path node(String name) {
    return state.resolve("nodes").resolve(name);
  }

  /** The directory of a replica on its node's disk. */
  public static Path replica(String diskPath, String name) {
    return Path.of(diskPath).resolve("replicas").resolve(name);
  }

  /** Where the daemon takes calls, of people and of engines. */
  public String daemonAddress() {
    return "unix:" + runtime.resolve("daemon.sock");
  }

  /** Where an instance manager takes calls. */
  public String managerAddress(String node) {
    return socket("m", node);
  }

  /** Where a replica serves its engine. */
  public String replicaAddress(Replica replica) {
    return socket("r", replica.name());
  }

  /** Where an engine takes calls. */
  public String engineControl(Engine engine) {
    return socket("e", engine.name());
  }

  /** Where an engine serves its clients unless the ticket says otherwise. */
  public String nbdAddress(Engine engine) {
    String name = engine.spec().volumeName() + "-" + engine.spec().nodeID();
    return name.length() + ".nbd".length() <= MAX_SOCKET_NAME_BYTES
        ? "unix:" + runtime.resolve(name + ".nbd")
        : socket("n", name);
  }

  /** Names are as long as people like; the kernel does not. */
  private String socket(String prefix, String name) {
    String plain = prefix + "-" + name + ".sock";
    String file =
        plain.length() <= MAX_SOCKET_NAME_BYTES
            ? plain
            : String.format(Locale.ROOT, "%s-%08x.sock", prefix, hash(name));
    return "unix:" + runtime.resolve(file);
  }
}
