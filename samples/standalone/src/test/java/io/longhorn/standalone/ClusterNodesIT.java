package io.longhorn.standalone;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.standalone.report.VolumeReport;
import java.nio.file.Path;
import java.util.List;
import java.util.SortedMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Instance managers that do not answer, and nodes whose power fails, under verified load. */
@Timeout(600)
final class ClusterNodesIT {
  private static final String VOLUME = "vol";
  private static final long SIZE = 64L << 20;

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

  @Test
  void instanceManagersThatDoNotAnswerForAWhileAreLeftAloneAndSoIsWhatTheyStarted() {
    VerifiedClient client = new VerifiedClient(31, SIZE);
    client.start(cluster.attached(VOLUME, SIZE, "node-1"));
    VolumeReport before = cluster.awaitHealthy(VOLUME);
    SortedMap<String, Long> pids = cluster.pids(VOLUME);
    // That of the engine, and another one.
    List<String> nodes = List.of("node-1", "node-3");
    for (String node : nodes) {
      signal(node, "STOP");
    }
    for (String node : nodes) {
      cluster.awaitManager(node, "unknown");
    }
    cluster.await(VOLUME, "is unknown", now -> now.robustness().equals("unknown"));
    client.awaitProgress();
    for (String node : nodes) {
      signal(node, "CONT");
    }
    for (String node : nodes) {
      cluster.awaitManager(node, "running");
    }
    VolumeReport after = cluster.awaitHealthy(VOLUME);
    client.awaitProgress();
    client.stop();
    assertThat(cluster.pids(VOLUME)).isEqualTo(pids);
    assertThat(after.engine().generation()).isEqualTo(before.engine().generation());
    assertThat(cluster.reasons(VOLUME))
        .doesNotContain("ReplicaCrashed", "EngineCrashed", "DetachedUnexpectedly");
  }

  private void signal(String node, String signal) {
    cluster.run("instance-manager", "kill", ClusterProcesses.managerOf(node), "--signal", signal);
  }

  @Test
  void nodesFailAndComeBackAndAnotherOneTakesTheVolumeMeanwhile() {
    VerifiedClient client = new VerifiedClient(32, SIZE);
    client.start(cluster.attached(VOLUME, SIZE, "node-1"));
    VolumeReport before = cluster.awaitHealthy(VOLUME);

    cluster.degrade(VOLUME, () -> cluster.run("node", "fail", "node-3"));
    client.awaitProgress();
    cluster.run("node", "recover", "node-3");
    cluster.awaitHealthy(VOLUME);
    client.awaitProgress();

    cluster.run("node", "fail", "node-1");
    client.awaitBreak();
    VolumeReport lost =
        cluster.await(VOLUME, "is unknown", now -> now.robustness().equals("unknown"));
    assertThat(lost.currentNodeID())
        .as("nobody has said where else it is to be")
        .isEqualTo("node-1");
    cluster.run(
        "volume", "detach", VOLUME, "--node", "node-1", "--timeout", ClusterProcesses.seconds());
    String uri = cluster.attach(VOLUME, "node-2");
    client.verify(uri);
    client.start(uri);
    assertThat(cluster.volume(VOLUME).engine().generation())
        .isGreaterThan(before.engine().generation());
    cluster.run("node", "recover", "node-1");
    cluster.awaitHealthy(VOLUME);
    client.awaitProgress();
    client.stop();
    client.verify(uri);
    cluster.assertIdentical(VOLUME);
  }
}
