package io.longhorn.standalone;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.longhorn.standalone.Workbench.Outcome;
import io.longhorn.standalone.report.VolumeReport;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** From one engine image to another, with real processes: when the volume is detached (U3). */
@Timeout(600)
final class OfflineUpgradeIT {
  private static final String VOLUME = "vol";
  private static final String IMAGE = "next";
  private static final long SIZE = 32L << 20;

  @TempDir Path home;
  private Workbench bench;
  private ClusterProcesses cluster;

  @BeforeEach
  void up() {
    bench = new Workbench(home);
    cluster = ClusterProcesses.up(bench);
  }

  @AfterEach
  void down() {
    bench.close();
  }

  private JsonNode image(String name) {
    for (JsonNode image : cluster.json("engine-image", "ls")) {
      if (image.get("name").asText().equals(name)) {
        return image;
      }
    }
    throw new AssertionError("there is no image " + name);
  }

  private static String executableOf(long pid) {
    return ProcessHandle.of(pid)
        .flatMap(process -> process.info().commandLine())
        .orElseThrow(() -> new AssertionError("there is no process " + pid));
  }

  private void upgrade(String... more) {
    String[] words = new String[3 + more.length];
    words[0] = "volume";
    words[1] = "upgrade";
    words[2] = VOLUME;
    System.arraycopy(more, 0, words, 3, more.length);
    cluster.run(words);
  }

  @Test
  void aVolumeRunsFromAnotherImageOnceItIsDetachedAndItsDataIsThere() {
    String uri = cluster.attached(VOLUME, SIZE, "node-1");
    VerifiedClient client = new VerifiedClient(43, SIZE);
    client.start(uri);
    cluster.run("engine-image", "add", IMAGE, "--from", VolumeProcesses.RUNTIME.toString());
    Path launcher = Path.of(image(IMAGE).get("launcher").asText());
    assertThat(launcher).isExecutable();

    String said = cluster.run("volume", "upgrade", VOLUME, "--image", IMAGE);
    assertThat(said)
        .contains("runs from image default, and from next when it is detached: it has to be");
    VolumeReport waiting = cluster.volume(VOLUME);
    assertThat(waiting.conditions()).anyMatch(why -> why.reason().equals("U6"));
    client.awaitProgress();
    upgrade("--rollback");
    Workbench.await("it is given up", () -> cluster.volume(VOLUME).conditions().isEmpty());
    client.stop();

    upgrade("--image", IMAGE);
    cluster.run("volume", "detach", VOLUME, "--timeout", ClusterProcesses.seconds());
    Workbench.await("it is upgraded", () -> cluster.volume(VOLUME).currentImage().equals(IMAGE));
    client.verify(cluster.attach(VOLUME, "node-2"));
    VolumeReport upgraded = cluster.awaitHealthy(VOLUME);
    String runtime = launcher.getParent().getParent().toString();
    assertThat(executableOf(upgraded.engine().pid())).contains(runtime);
    assertThat(upgraded.replicas())
        .allSatisfy(replica -> assertThat(executableOf(replica.pid())).contains(runtime));
    cluster.assertIdentical(VOLUME);

    Outcome used = cluster.tryRun("engine-image", "rm", IMAGE);
    assertThat(used.exitCode()).isEqualTo(1);
    assertThat(used.text()).contains("engine image next is used by volume vol");
    cluster.run("volume", "detach", VOLUME, "--timeout", ClusterProcesses.seconds());
    // Back again, and nobody uses it any more.
    upgrade("--image", "default");
    client.verify(cluster.attach(VOLUME, "node-3"));
    cluster.run("engine-image", "rm", IMAGE);
    assertThat(launcher).doesNotExist();
    assertThat(Files.isDirectory(launcher.getParent())).isFalse();
  }

  @Test
  void theImageOfTheClusterIsThatOfTheLastUp() {
    String before = image("default").get("launcher").asText();
    assertThat(image("default").get("defaultImage").asBoolean()).isTrue();
    cluster.run("engine-image", "add", IMAGE, "--from", VolumeProcesses.RUNTIME.toString());
    cluster.run("engine-image", "default", IMAGE);
    assertThat(cluster.run("setting", "get", "default-engine-image")).isEqualTo(IMAGE);
    cluster.run("down");
    cluster.up();
    assertThat(image("default").get("launcher").asText()).isEqualTo(before);
    cluster.run("volume", "create", VOLUME, "--size", Long.toString(SIZE));
    assertThat(cluster.volume(VOLUME).image()).isEqualTo(IMAGE);
  }
}
