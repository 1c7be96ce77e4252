package io.longhorn.standalone.demo;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.orchestration.command.ClusterClient;
import io.longhorn.orchestration.command.Command;
import io.longhorn.orchestration.execution.ProcessEnd;
import io.longhorn.orchestration.execution.RuntimeLayout;
import io.longhorn.standalone.cluster.ClusterReader;
import io.longhorn.standalone.cluster.UpCommand;
import io.longhorn.standalone.report.VolumeReport;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Function;
import java.util.function.Predicate;
import picocli.CommandLine;

/** The cluster of one demo: real processes, started and asked like anybody else's. */
final class DemoCluster implements AutoCloseable {
  private static final Duration PATIENCE = Duration.ofSeconds(60);
  private static final Duration KILL_AGAIN = Duration.ofMillis(2);

  private final RuntimeLayout layout;
  private final int nodes;

  DemoCluster(Path state, int nodes) {
    layout = RuntimeLayout.of(state);
    this.nodes = nodes;
  }

  /** {@code longhorn up --detach}. */
  void up() {
    StringWriter err = new StringWriter();
    int code =
        new CommandLine(new UpCommand())
            .setOut(new PrintWriter(new StringWriter()))
            .setErr(new PrintWriter(err, true))
            .setExecutionExceptionHandler((e, _, _) -> {
              err.append(e.getMessage());
              return 1;
            })
            .execute(
                "--detach",
                "--nodes",
                Integer.toString(nodes),
                "--state",
                layout.state().toString());
    if (code != 0) {
      throw new VolumeException(IoError.EIO, "the cluster does not start: " + err);
    }
  }

  void run(Command command) {
    ask(client -> {
      client.run(command);
      return true;
    });
  }

  <T> T ask(Function<ClusterClient, T> question) {
    try (ClusterClient client = ClusterClient.connect(layout.daemonAddress())) {
      return question.apply(client);
    }
  }

  VolumeReport volume(String name) {
    return ask(client -> new ClusterReader(client).volume(name));
  }

  /** Waits until a volume is as wanted; the last one it saw, or an error that says what it is. */
  VolumeReport await(String name, String what, Predicate<VolumeReport> isWanted) {
    VolumeReport last =
        ask(client ->
            new ClusterReader(client)
                .await(name, PATIENCE, now -> now.isPresent() && isWanted.test(now.get()))
                .orElseThrow(
                    () -> new VolumeException(IoError.NOT_FOUND, "volume " + name + " is gone")));
    if (!isWanted.test(last)) {
      throw new VolumeException(
          IoError.TIMEOUT,
          "waited in vain until " + what + "; it is " + last.state() + ": " + last);
    }
    return last;
  }

  long daemonPid() {
    return ask(ClusterClient::daemonPid);
  }

  List<InstanceManager> instanceManagers() {
    return ask(client -> client.list(ObjectKind.INSTANCE_MANAGER, InstanceManager.class));
  }

  /** SIGKILL. */
  static void kill(long pid) {
    ProcessHandle.of(pid).ifPresent(ProcessHandle::destroyForcibly);
  }

  /** SIGKILL to everything, the daemon first, so that it can start nothing again. */
  int killAll() {
    int killed = 0;
    List<ProcessHandle> processes = ProcessHandle.allProcesses().filter(this::isOurs).toList();
    kill(daemonPid());
    for (ProcessHandle process : processes) {
      process.destroyForcibly();
      killed++;
    }
    awaitEnd(processes);
    return killed;
  }

  /** The state directory is in every command line: of the image if nowhere else. */
  private boolean isOurs(ProcessHandle process) {
    return process.pid() != ProcessHandle.current().pid()
        && process
            .info()
            .commandLine()
            .filter(words -> words.contains(layout.images().toString()))
            .isPresent();
  }

  /** Ends every process there still is. */
  @Override
  public void close() {
    try {
      run(new Command.ShutDown());
    } catch (VolumeException _) {
      // No daemon, or it ended before its answer was read: what is left is killed.
    }
    List<ProcessHandle> left = ProcessHandle.allProcesses().filter(this::isOurs).toList();
    awaitEnd(left);
    layout.removeRuntime();
  }

  /** Kills them until they are gone. */
  private static void awaitEnd(List<ProcessHandle> processes) {
    long deadline = System.nanoTime() + PATIENCE.toNanos();
    for (ProcessHandle process : processes) {
      while (!ProcessEnd.hasEnded(process) && System.nanoTime() - deadline < 0) {
        process.destroyForcibly();
        LockSupport.parkNanos(KILL_AGAIN.toNanos());
      }
    }
  }
}
