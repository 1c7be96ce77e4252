package io.longhorn.standalone;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.standalone.report.VolumeReport;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import java.util.SortedMap;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The daemon killed, and everything killed; longhorn up goes on from there. */
@Timeout(600)
final class ClusterKilledIT {
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
  void withoutTheDaemonReadsAndWritesGoOnAndTheNextOneFindsEverythingAsItIs() {
    VerifiedClient client = new VerifiedClient(21, SIZE);
    client.start(cluster.attached(VOLUME, SIZE, "node-1"));
    VolumeReport before = cluster.awaitHealthy(VOLUME);
    SortedMap<String, Long> pids = cluster.pids(VOLUME);

    ClusterProcesses.kill(cluster.daemonPid());
    client.awaitProgress();
    cluster.up();
    cluster.awaitHealthy(VOLUME);
    client.awaitProgress();
    assertThat(cluster.pids(VOLUME)).isEqualTo(pids);

    // Without the store nobody can be taken out of the in-sync set: writes wait for the daemon.
    long replica = cluster.replicaPid(VOLUME, "node-3");
    long degraded = cluster.degradations(VOLUME);
    ClusterProcesses.kill(cluster.daemonPid());
    ClusterProcesses.kill(replica);
    Workbench.await(
        "the engine has noticed",
        () -> cluster.run("logs", before.engine().name()).contains("the store does not answer"));
    cluster.up();
    client.awaitProgress();
    cluster.awaitDegraded(VOLUME, degraded);
    VolumeReport after = cluster.awaitHealthy(VOLUME);
    client.stop();
    assertThat(after.engine().generation()).isEqualTo(before.engine().generation());
    TreeMap<String, Long> changed = new TreeMap<>(cluster.pids(VOLUME));
    changed.entrySet().removeAll(pids.entrySet());
    assertThat(changed).as("started again").hasSize(1).doesNotContainValue(replica);
    assertThat(cluster.reasons(VOLUME))
        .contains("ReplicaCrashed")
        .doesNotContain("EngineCrashed", "DetachedUnexpectedly");
    client.verify(ClusterProcesses.uri(after));
    cluster.assertIdentical(VOLUME);
  }

  @Test
  void afterEverythingWasKilledVolumesWithTicketsAttachByThemselvesAndHaveEveryWrite()
      throws Exception {
    Path source = home.resolve("source");
    byte[] bytes = new byte[(int) SIZE];
    new Random(7).nextBytes(bytes);
    Files.write(source, bytes);
    String other = "without-ticket";
    bench.run("nbdcopy", "--flush", source.toString(), cluster.attached(other, SIZE, "node-2"));
    cluster.run("volume", "detach", other, "--timeout", ClusterProcesses.seconds());

    VerifiedClient client = new VerifiedClient(22, SIZE);
    client.start(cluster.attached(VOLUME, SIZE, "node-1"));
    long generation = cluster.awaitHealthy(VOLUME).engine().generation();
    // Twice: what the first time left behind is not in the way of the second.
    for (int round = 0; round < 2; round++) {
      client.awaitProgress();
      cluster.killEverything();
      client.awaitBreak();
      cluster.up();
      VolumeReport after = cluster.awaitHealthyAfter(VOLUME, generation);
      generation = after.engine().generation();
      client.verify(ClusterProcesses.uri(after));
      client.start(ClusterProcesses.uri(after));
    }
    client.stop();
    cluster.assertIdentical(VOLUME);

    assertThat(cluster.volume(other))
        .returns("detached", VolumeReport::state)
        .matches(volume -> volume.endpoints().isEmpty());
    Path target = home.resolve("target");
    bench.run("nbdcopy", cluster.attach(other, "node-3"), target.toString());
    assertThat(Files.mismatch(source, target)).isEqualTo(-1);
  }
}
