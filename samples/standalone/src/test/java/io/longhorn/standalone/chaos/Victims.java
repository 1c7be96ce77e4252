package io.longhorn.standalone.chaos;

import io.longhorn.standalone.ClusterProcesses;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.concurrent.TimeUnit;

/** The processes of a cluster, found without asking it, to be killed, stopped and continued. */
final class Victims {
  /** What a process is. */
  enum Role {
    REPLICA("ReplicaMain"),
    ENGINE("EngineMain"),
    INSTANCE_MANAGER("InstanceManagerMain"),
    DAEMON("DaemonMain");

    private final String main;

    Role(String main) {
      this.main = main;
    }
  }

  private final ClusterProcesses cluster;

  private final Set<Long> stopped = new ConcurrentSkipListSet<>();

  Victims(ClusterProcesses cluster) {
    this.cluster = cluster;
  }

  /** Those that run, in the order of their command lines. */
  List<ProcessHandle> of(Role role) {
    return cluster.processes().stream()
        .filter(process -> line(process).contains(role.main))
        .sorted(Comparator.comparing(Victims::line))
        .toList();
  }

  private static String line(ProcessHandle process) {
    return process.info().commandLine().orElse("");
  }

  /** SIGSTOP, and SIGCONT after a while. */
  void stop(ProcessHandle process, int millis) {
    stopped.add(process.pid());
    signal("STOP", process.pid());
    CompletableFuture.delayedExecutor(millis, TimeUnit.MILLISECONDS).execute(() -> goOn(process));
  }

  /** SIGCONT, if it was stopped. */
  void goOn(ProcessHandle process) {
    if (stopped.remove(process.pid())) {
      signal("CONT", process.pid());
    }
  }

  /** A process that has ended meanwhile takes no signal. */
  private static void signal(String signal, long pid) {
    try {
      new ProcessBuilder("/bin/kill", "-" + signal, Long.toString(pid))
          .redirectOutput(ProcessBuilder.Redirect.DISCARD)
          .redirectError(ProcessBuilder.Redirect.DISCARD)
          .start()
          .onExit()
          .join();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
