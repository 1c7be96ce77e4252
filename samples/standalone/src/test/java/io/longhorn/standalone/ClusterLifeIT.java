package io.longhorn.standalone;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.longhorn.standalone.report.VolumeReport;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What a volume goes through when nothing fails. */
@Timeout(600)
final class ClusterLifeIT {
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

  private List<String> snapshots() {
    List<String> names = new ArrayList<>();
    for (JsonNode snapshot : cluster.json("snapshot", "ls", VOLUME)) {
      names.add(snapshot.get("name").asText());
    }
    return names;
  }

  @Test
  void aVolumeIsWrittenSnapshottedMovedSurvivesDownAndUpAndLeavesNothingWhenDeleted() {
    VerifiedClient client = new VerifiedClient(41, SIZE);
    client.start(cluster.attached(VOLUME, SIZE, "node-1"));
    VolumeReport first = cluster.awaitHealthy(VOLUME);
    cluster.run("snapshot", "create", VOLUME, "one");
    client.awaitProgress();
    cluster.run("snapshot", "create", VOLUME, "two");
    client.awaitProgress();
    assertThat(snapshots()).containsExactly("one", "two");
    client.stop();

    detach();
    assertThat(cluster.volume(VOLUME))
        .returns("detached", VolumeReport::state)
        .returns(0L, now -> now.engine().pid())
        .matches(now -> now.endpoints().isEmpty())
        .matches(now -> now.replicas().stream().allMatch(replica -> replica.pid() == 0));
    assertThat(bench.tryRun("nbdinfo", ClusterProcesses.uri(first)).exitCode()).isNotZero();

    String uri = cluster.attach(VOLUME, "node-2");
    client.verify(uri);
    assertThat(snapshots()).containsExactly("one", "two");
    client.start(uri);

    cluster.run("down");
    client.awaitBreak();
    assertThat(cluster.processes()).as("after down").isEmpty();
    cluster.up();
    VolumeReport again = cluster.awaitHealthy(VOLUME);
    assertThat(again.currentNodeID()).isEqualTo("node-2");
    client.verify(ClusterProcesses.uri(again));
    assertThat(snapshots()).containsExactly("one", "two");
    cluster.assertIdentical(VOLUME);

    detach();
    List<Path> directories =
        again.replicas().stream().map(replica -> Path.of(replica.dataPath())).toList();
    assertThat(directories).hasSize(3).allMatch(Files::isDirectory);
    cluster.run("volume", "delete", VOLUME, "--timeout", ClusterProcesses.seconds());
    assertThat(directories).noneMatch(Files::exists);
    for (Path directory : directories) {
      assertThat(directory.getParent()).isEmptyDirectory();
    }
    assertThat(cluster.json("volume", "ls")).isEmpty();
    assertThat(cluster.objectsOfVolumes()).isEmpty();
    cluster.run("down");
    assertThat(cluster.processes()).as("after down").isEmpty();
  }

  private void detach() {
    cluster.run("volume", "detach", VOLUME, "--timeout", ClusterProcesses.seconds());
  }
}
