package io.longhorn.standalone.cluster;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.api.cluster.Node;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.orchestration.command.ClusterClient;
import io.longhorn.orchestration.execution.RuntimeLayout;
import io.longhorn.standalone.report.Version;
import java.io.File;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.locks.LockSupport;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code longhorn up}: starts the daemon, which starts everything else. */
@Command(
    description =
        "Starts the cluster on this machine: a daemon and one instance manager for each node."
            + " Volumes with tickets are attached again by themselves.",
    mixinStandardHelpOptions = true)
public final class UpCommand implements Callable<Integer> {
  private static final Duration START_LIMIT = Duration.ofSeconds(60);
  private static final long LOOK_AGAIN_NANOS = 20_000_000;
  private static final int MAX_NODES = 16;
  private static final String DAEMON_SAYS = "longhorn daemon: ";

  @Mixin private ClusterOptions cluster = new ClusterOptions();

  @Option(
      names = "--nodes",
      defaultValue = "3",
      paramLabel = "N",
      description =
          "How many nodes this machine plays (default ${DEFAULT-VALUE}); a cluster that has more"
              + " keeps them.")
  private int nodes;

  @Option(
      names = "--detach",
      description = "Returns when the cluster is up, which goes on in the background.")
  private boolean isDetached;

  /** For the command line's parser. */
  public UpCommand() {}

  @Override
  public Integer call() {
    if (nodes < 1 || nodes > MAX_NODES) {
      throw cluster.misused("--nodes " + nodes + ": use 1 to " + MAX_NODES);
    }
    RuntimeLayout layout = cluster.layout();
    requireNoneUp(layout);
    requireUsable(layout);
    RuntimeImage image = RuntimeImage.install(layout.images());
    Process daemon = start(layout, image);
    awaitReady(layout, daemon);
    cluster.out().println("the cluster is up: " + nodeNames() + "; state in " + layout.state());
    cluster.out().flush();
    return isDetached ? 0 : attend(daemon);
  }

  private void requireNoneUp(RuntimeLayout layout) {
    try (ClusterClient client = ClusterClient.connect(layout.daemonAddress())) {
      throw new VolumeException(
          IoError.BUSY,
          "a cluster is up already with the state directory "
              + layout.state()
              + " (daemon "
              + client.daemonPid()
              + "); stop it first: longhorn down");
    } catch (VolumeException e) {
      if (!ClusterClient.isNobodyThere(e)) {
        throw e;
      }
    }
  }

  private static void requireUsable(RuntimeLayout layout) {
    try {
      Files.createDirectories(layout.logs());
      Files.delete(Files.createTempFile(layout.state(), "probe", ""));
    } catch (IOException e) {
      String why =
          switch (e) {
            case AccessDeniedException _ -> "it is not ours to write";
            case FileAlreadyExistsException there -> there.getFile() + " is no directory";
            case FileSystemException failed when failed.getReason() != null -> failed.getReason();
            default -> "it cannot be made";
          };
      throw new VolumeException(
          IoError.EIO,
          "cannot use the state directory "
              + layout.state()
              + ": "
              + why
              + "; use another one: --state DIR",
          e);
    }
  }

  private Process start(RuntimeLayout layout, RuntimeImage image) {
    File log = layout.daemonLog().toFile();
    try {
      return new ProcessBuilder(
              image.launcher().toString(),
              "daemon",
              "run",
              "--state",
              layout.state().toString(),
              "--nodes",
              Integer.toString(nodes),
              "--launcher",
              image.launcher().toString(),
              "--image-version",
              Version.ofBuild())
          .redirectInput(ProcessBuilder.Redirect.from(new File("/dev/null")))
          .redirectErrorStream(true)
          .redirectOutput(ProcessBuilder.Redirect.appendTo(log))
          .start();
    } catch (IOException e) {
      throw new VolumeException(IoError.EIO, "cannot start the daemon: " + e.getMessage(), e);
    }
  }

  private static void awaitReady(RuntimeLayout layout, Process daemon) {
    long deadline = System.nanoTime() + START_LIMIT.toNanos();
    while (!isReady(layout)) {
      if (!daemon.isAlive()) {
        throw new VolumeException(IoError.EIO, lastWords(layout.daemonLog()));
      }
      if (System.nanoTime() - deadline > 0) {
        throw new VolumeException(
            IoError.TIMEOUT,
            "the cluster is not ready after "
                + START_LIMIT.toSeconds()
                + " s, and goes on starting: longhorn node ls, "
                + layout.daemonLog());
      }
      LockSupport.parkNanos(LOOK_AGAIN_NANOS);
    }
  }

  private static boolean isReady(RuntimeLayout layout) {
    try (ClusterClient client = ClusterClient.connect(layout.daemonAddress())) {
      return client.list(ObjectKind.NODE, Node.class).stream()
          .allMatch(node -> node.ready().isTrue() || node.isOff());
    } catch (VolumeException e) {
      if (ClusterClient.isNobodyThere(e)) {
        return false;
      }
      throw e;
    }
  }

  /** What the daemon said before it ended. */
  private static String lastWords(Path log) {
    try {
      List<String> lines = Files.readAllLines(log);
      for (String line : lines.reversed()) {
        if (line.startsWith(DAEMON_SAYS)) {
          return line.substring(DAEMON_SAYS.length());
        }
      }
      return "the daemon ended; see " + log;
    } catch (IOException e) {
      return "the daemon ended, and its log cannot be read: " + e.getMessage();
    }
  }

  private String nodeNames() {
    try (ClusterClient client = cluster.connect()) {
      return String.join(
          ", ", client.list(ObjectKind.NODE, Node.class).stream().map(Node::name).toList());
    }
  }

  /** Stays until the daemon ends; interrupted, the cluster goes down. */
  private int attend(Process daemon) {
    Thread stop =
        Thread.ofPlatform()
            .name("stop")
            .unstarted(() -> {
              if (daemon.isAlive()) {
                DownCommand.shutDown(cluster);
              }
            });
    Runtime.getRuntime().addShutdownHook(stop);
    try {
      return daemon.waitFor();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new VolumeException(IoError.EIO, "interrupted; the cluster is still up", e);
    }
  }
}
