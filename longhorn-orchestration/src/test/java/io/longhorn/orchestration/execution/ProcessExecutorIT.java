package io.longhorn.orchestration.execution;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.longhorn.orchestration.main.InstanceManagerMain;
import io.longhorn.orchestration.main.JavaProcess;
import io.longhorn.orchestration.store.ClusterStore;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.io.TempDir;

/**
 * Real processes, and a real instance manager; what stands for replicas and engines does as they do
 * when they are started, asked and stopped, and has no data.
 */
final class ProcessExecutorIT extends ActionExecutorContract {
  /** A place with a short path. */
  @TempDir private Path place;

  private RuntimeLayout layout() {
    return RuntimeLayout.of(place, place);
  }

  @Override
  ActionExecutor executor(ClusterStore forObjects) {
    try {
      Files.createDirectories(layout().runtime());
      Path launcher = Path.of(launcher());
      String manager = words(JavaProcess.command(InstanceManagerMain.class));
      String engine = words(JavaProcess.command(SilentEngine.class));
      Files.writeString(
          launcher,
          """
          #!/bin/sh
          case "$1 $2" in
            "instance-manager run") shift; exec %s "$@" ;;
            "replica create") mkdir -p "$4" ;;
            "replica serve") exec 9>"$4/lock" && flock --nonblock 9 || exit 1
              echo "listening $6"; exec cat >/dev/null ;;
            "engine serve") exec %s "$@" ;;
            *) exit 2 ;;
          esac
          """
              .formatted(manager, engine),
          UTF_8);
      if (!launcher.toFile().setExecutable(true)) {
        throw new IOException("cannot make " + launcher + " executable");
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return new ProcessExecutor(layout(), "store:test");
  }

  private static String words(List<String> command) {
    return command.stream().map(word -> "'" + word + "'").collect(Collectors.joining(" "));
  }

  @Override
  String managerAddress() {
    return layout().managerAddress(NODE);
  }

  @Override
  String launcher() {
    return place.resolve("launcher").toString();
  }

  @Override
  String disk() {
    return place.resolve("disk").toString();
  }
}
