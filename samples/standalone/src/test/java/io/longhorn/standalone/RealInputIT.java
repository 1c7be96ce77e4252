package io.longhorn.standalone;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * A file system on a block device on the volume, while processes are killed: the short form of
 * {@code src/test/real/real-input}, which has PostgreSQL in it.
 */
final class RealInputIT {
  @Test
  @Timeout(300)
  void filesOnExt4SurviveTheKillOfAReplicaAndThenOfEverything(@TempDir Path home) {
    try (Workbench bench = new Workbench(home)) {
      Running script =
          bench.start(
              "real-input",
              VolumeProcesses.withJava(
                  Workbench.PYTHON,
                  Path.of("src", "test", "real", "real-input").toString(),
                  "--short",
                  "--runtime",
                  VolumeProcesses.RUNTIME.toString(),
                  "--home",
                  home.toString()));
      // It cleans up by itself, on SIGTERM too.
      bench.later(script::terminate);
      script.await("all of it held");
      script.lines().forEach(System.out::println);
      assertThat(script.exitCode()).isZero();
    }
  }
}
