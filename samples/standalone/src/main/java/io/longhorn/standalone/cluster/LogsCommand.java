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
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code longhorn logs}. */
@Command(
    name = "logs",
    description = "Shows the log of the daemon, an instance manager, an engine or a replica.",
    mixinStandardHelpOptions = true)
public final class LogsCommand implements Runnable {
  private static final int CHUNK_BYTES = 64 << 10;
  private static final long LOOK_AGAIN_NANOS = 200_000_000;

  @Mixin private ClusterOptions cluster = new ClusterOptions();

  @Parameters(
      paramLabel = "NAME",
      arity = "0..1",
      defaultValue = "daemon",
      description =
          "daemon (default), or the name of an instance manager's node, engine or replica.")
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
    String file = name + ".log";
    if (!Files.isDirectory(layout.logs())) {
      throw new VolumeException(
          IoError.NOT_FOUND,
          "no cluster has been up with the state directory "
              + layout.state()
              + "; start it: longhorn up");
    }
    try (Stream<Path> logs = Files.walk(layout.logs(), 2)) {
      List<Path> found = logs.filter(log -> log.getFileName().toString().equals(file)).toList();
      if (found.isEmpty()) {
        throw new VolumeException(
            IoError.NOT_FOUND,
            "there is no log of '"
                + name
                + "' in "
                + layout.logs()
                + "; names are daemon, node-1, and those of longhorn volume get");
      }
      return found.getFirst();
    } catch (IOException e) {
      throw new VolumeException(
          IoError.EIO, "cannot look into " + layout.logs() + ": " + e.getMessage(), e);
    }
  }
}
