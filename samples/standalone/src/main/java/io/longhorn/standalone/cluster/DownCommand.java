package io.longhorn.standalone.cluster;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.orchestration.command.ClusterClient;
import io.longhorn.orchestration.command.Command.ShutDown;
import io.longhorn.orchestration.execution.ProcessEnd;
import java.time.Duration;
import java.util.concurrent.locks.LockSupport;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code longhorn down}. */
@Command(
    description =
        "Detaches every volume and stops every process of the cluster. Tickets stay: the next"
            + " longhorn up attaches those volumes again.",
    mixinStandardHelpOptions = true)
public final class DownCommand implements Runnable {
  private static final Duration END_LIMIT = Duration.ofSeconds(30);
  private static final long LOOK_AGAIN_NANOS = 20_000_000;

  @Mixin private ClusterOptions cluster = new ClusterOptions();

  /** For the command line's parser. */
  public DownCommand() {}

  @Override
  public void run() {
    shutDown(cluster);
    cluster.out().println("the cluster is down");
  }

  /** Returns when the daemon has ended. */
  static void shutDown(ClusterOptions cluster) {
    long pid;
    try (ClusterClient client = cluster.connect()) {
      pid = client.daemonPid();
      try {
        client.run(new ShutDown());
      } catch (VolumeException e) {
        // The daemon ends as soon as it has answered; the answer may not have made it.
        if (!ClusterClient.isNobodyThere(e)) {
          throw e;
        }
      }
    }
    long deadline = System.nanoTime() + END_LIMIT.toNanos();
    while (!ProcessEnd.hasEnded(pid)) {
      if (System.nanoTime() - deadline > 0) {
        throw new VolumeException(IoError.TIMEOUT, "the daemon " + pid + " does not end");
      }
      LockSupport.parkNanos(LOOK_AGAIN_NANOS);
    }
  }
}
