package io.longhorn.standalone;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.standalone.report.VolumeReport;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Replicas, engines and instance managers that are killed while real clients read and write. */
@Timeout(600)
final class ClusterProcessesKilledIT {
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

  /** Writes, and checks what it wrote a little later, until the file is there. */
  private Running fio(String uri, Path stop) {
    Running fio =
        bench.start(
            "fio",
            List.of(
                "fio",
                "--name=verify",
                "--ioengine=nbd",
                "--uri=" + uri,
                "--rw=randwrite",
                "--bs=4k",
                "--iodepth=8",
                "--size=32m",
                "--rate_iops=1000", // it is not to take the machine from the resync
                "--verify=crc32c",
                "--verify_backlog=256",
                "--verify_fatal=1",
                "--time_based",
                "--runtime=3600",
                "--aux-path=" + home,
                "--trigger-file=" + stop));
    fio.await("connected to NBD server");
    return fio;
  }

  @Test
  void fioVerifiesThroughTheEndOfAReplicaAndOfAnInstanceManagerWithoutTheEngine() throws Exception {
    String uri = cluster.attached(VOLUME, SIZE, "node-1");
    assertThat(bench.run("nbdinfo", "--json", uri)).contains("\"export-size\": " + SIZE);
    VolumeReport before = cluster.awaitHealthy(VOLUME);
    Path stop = home.resolve("stop");
    Running fio = fio(uri, stop);

    long replica = cluster.replicaPid(VOLUME, "node-2");
    cluster.degrade(VOLUME, () -> ClusterProcesses.kill(replica));
    cluster.awaitHealthy(VOLUME);
    String manager = ClusterProcesses.managerOf("node-3");
    cluster.degrade(VOLUME, () -> cluster.run("instance-manager", "kill", manager));
    VolumeReport after = cluster.awaitHealthy(VOLUME);

    assertThat(fio.isAlive()).as(() -> String.join("\n", fio.lines())).isTrue();
    Files.createFile(stop);
    assertThat(fio.exitCode()).as(() -> String.join("\n", fio.lines())).isZero();
    fio.await("err= 0");
    assertThat(after.engine().pid()).isEqualTo(before.engine().pid());
    assertThat(after.engine().generation()).isEqualTo(before.engine().generation());
    assertThat(cluster.reasons(VOLUME))
        .containsSubsequence("Attached", "Degraded", "Healthy", "Degraded", "Healthy")
        .contains("ReplicaCrashed")
        .doesNotContain("DetachedUnexpectedly");
    cluster.assertIdentical(VOLUME);
  }

  @Test
  void aVolumeWhoseEngineIsGoneIsDetachedAndAttachedAgainWithEveryWriteThatWasAnswered() {
    VerifiedClient client = new VerifiedClient(11, SIZE);
    cluster.attached(VOLUME, SIZE, "node-1");
    goes(
        client, _ -> cluster.run("instance-manager", "kill", ClusterProcesses.managerOf("node-1")));
    goes(client, before -> ClusterProcesses.kill(before.engine().pid()));
    // A second time soon after: it is not made to wait for long.
    goes(client, before -> ClusterProcesses.kill(before.engine().pid()));
    cluster.assertIdentical(VOLUME);
  }

  private void goes(VerifiedClient client, Consumer<VolumeReport> killer) {
    VolumeReport before = cluster.awaitHealthy(VOLUME);
    int known = cluster.reasons(VOLUME).size();
    client.start(ClusterProcesses.uri(before));
    killer.accept(before);
    client.awaitBreak();
    VolumeReport after = cluster.awaitHealthyAfter(VOLUME, before.engine().generation());
    List<String> reasons = cluster.reasons(VOLUME);
    assertThat(reasons.subList(known, reasons.size()))
        .containsSubsequence(
            "EngineCrashed", "DetachedUnexpectedly", "Detached", "AttachSelected", "Attached");
    client.verify(ClusterProcesses.uri(after));
  }
}
