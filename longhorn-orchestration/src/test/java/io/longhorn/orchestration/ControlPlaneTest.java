package io.longhorn.orchestration;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.cluster.EngineImage;
import io.longhorn.orchestration.execution.InMemoryExecutor;
import io.longhorn.orchestration.store.MemoryClusterStore;
import java.time.Duration;
import java.util.List;
import java.util.TreeSet;
import java.util.function.Predicate;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The facade over a store and an executor in memory, with the real planners and the real loop. */
final class ControlPlaneTest {
  private static final Duration LIMIT = Duration.ofSeconds(Await.SECONDS);

  private final MemoryClusterStore store = new MemoryClusterStore();
  private final InMemoryExecutor executor = new InMemoryExecutor(store);
  private final ControlPlane plane = ControlPlane.open(store, executor);

  private static EngineImage image(String name, String... nodes) {
    return EngineImage.of(
        name,
        "/images/" + name,
        name,
        EngineImage.Versions.first("commit of " + name),
        new TreeSet<>(List.of(nodes)));
  }

  @BeforeEach
  void threeNodes() {
    plane.addImage(image("default", "node-1", "node-2", "node-3"));
    for (int i = 1; i <= 3; i++) {
      plane.addNode("node-" + i, "/disk");
    }
    Await.until(
        "nodes are ready", () -> plane.nodes().stream().allMatch(node -> node.ready().isTrue()));
  }

  @AfterEach
  void close() {
    plane.close();
    executor.close();
    store.close();
  }

  private VolumeStatus await(String volume, Predicate<VolumeStatus> isWanted) {
    return plane.await(volume, LIMIT, isWanted);
  }

  private void attached() {
    plane.createVolume(VolumeRequest.of("v", 1 << 30).migratable());
    plane.attach("v", TicketRequest.of("va-1", "node-1"));
    await("v", now -> now.isSettledOn("node-1") && isHealthy(now));
  }

  private static boolean isHealthy(VolumeStatus now) {
    return now.volume().status().robustness().text().equals("healthy");
  }

  @Test
  void aVolumeIsMadeAttachedDetachedAndDeleted() {
    attached();
    plane.detach("v", "va-1");
    await("v", VolumeStatus::isDetached);
    plane.deleteVolume("v");
    Await.until("it is gone", () -> plane.volumes().isEmpty());
  }

  @Test
  void aVolumeMigratesAndIsConfirmed() {
    attached();
    plane.attach("v", TicketRequest.of("va-2", "node-2"));
    await("v", now -> now.isAttachedTo("node-2"));
    executor.moveGuest("v", "node-2");
    plane.detach("v", "va-1");
    VolumeStatus now = await("v", one -> one.isSettledOn("node-2") && isHealthy(one));
    assertThat(now.engine().orElseThrow().name()).isEqualTo("v-e-1");
  }
}
