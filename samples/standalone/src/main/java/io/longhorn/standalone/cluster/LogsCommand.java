package io.longhorn.standalone.cluster;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.orchestration.execution.RuntimeLayout;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code longhorn logs}. */
@Command(
    description = "Shows the log of the daemon, an instance manager, an engine or a replica.",
    mixinStandardHelpOptions = true)
public final class LogsCommand implements Runnable {
  private static final int CHUNK_BYTES = 64 << 10;
  private static final long LOOK_AGAIN_NANOS = 200_000_000;

  /** Before the node in the name of an instance manager, whose log has the name of the node. */
  private static final String MANAGER = "instance-manager-";

  @Mixin private ClusterOptions cluster = new ClusterOptions();

  @Parameters(
      paramLabel = "NAME",
      arity = "0..1",
      defaultValue = "daemon",
      description =
          "daemon (default), or the name of an instance manager, its node, an engine or a replica.")
  private String name = "daemon";

  @Option(
      names = {"-f", "--follow"},
      description = "Goes on with what is logged from now on, until interrupted.")
  private boolean isFollowing;

  /** For the command line's parser. */
  public LogsCommand() {}

  @Override
  public void run() {
    Path log = find(cluster.layout());
    try (FileChannel channel = FileChannel.open(log, StandardOpenOption.READ)) {
      ByteBuffer buffer = ByteBuffer.allocate(CHUNK_BYTES);
      do {
        copy(channel, buffer, cluster.out());
        if (isFollowing) {
          LockSupport.parkNanos(LOOK_AGAIN_NANOS);
        }
      } while (isFollowing);
    } catch (IOException e) {
      throw new VolumeException(IoError.EIO, "cannot read " + log + ": " + e.getMessage(), e);
    }
  }

  private static void copy(FileChannel channel, ByteBuffer buffer, PrintWriter out)
      throws IOException {
    while (channel.read(buffer.clear()) > 0) {
      out.print(StandardCharsets.UTF_8.decode(buffer.flip()));
    }
    out.flush();
  }

  private Path find(RuntimeLayout layout) {
    if (!Files.isDirectory(layout.logs())) {
      throw new VolumeException(
          IoError.NOT_FOUND,
          "no cluster has been up with the state directory "
              + layout.state()
              + "; start it: longhorn up");
    }
    try {
      List<Path> found = named(layout.logs(), name);
      if (found.isEmpty() && name.startsWith(MANAGER)) {
        found = named(layout.logs(), name.substring(MANAGER.length()));
      }
      if (found.isEmpty()) {
        throw new VolumeException(
            IoError.NOT_FOUND,
            "there is no log of '"
                + name
                + "' in "
                + layout.logs()
                + "; names are daemon, those of longhorn node ls, and the engine and"
                + " the replicas of longhorn volume get NAME");
      }
      // An engine has a log on every node where it ran: the last one is meant.
      return Collections.max(found, Comparator.comparingLong(log -> log.toFile().lastModified()));
    } catch (IOException e) {
      throw new VolumeException(
          IoError.EIO, "cannot look into " + layout.logs() + ": " + e.getMessage(), e);
    }
  }

  private static List<Path> named(Path directory, String name) throws IOException {
    try (Stream<Path> logs = Files.walk(directory, 2)) {
      return logs.filter(log -> log.getFileName().toString().equals(name + ".log")).toList();
    }
  }
}
