package io.longhorn.samples.controlplane;

import io.longhorn.api.cluster.EngineImage;
import io.longhorn.orchestration.ControlPlane;
import io.longhorn.orchestration.TicketRequest;
import io.longhorn.orchestration.VolumeRequest;
import io.longhorn.orchestration.execution.InMemoryExecutor;
import io.longhorn.orchestration.store.MemoryClusterStore;
import java.time.Duration;
import java.util.List;
import java.util.TreeSet;

/**
 * A storage tool that knows nothing of Kubernetes: it moves a volume from one node to another and
 * upgrades its engine, while a guest uses it. Here nodes and processes are objects in this JVM;
 * with another store and another executor nothing else changes.
 */
public final class ControlPlaneSample {
  private static final Duration LIMIT = Duration.ofSeconds(30);

  private ControlPlaneSample() {}

  /** Makes a cluster of three nodes, and uses it. */
  public static void main(String[] args) {
    try (MemoryClusterStore store = new MemoryClusterStore();
        InMemoryExecutor executor = new InMemoryExecutor(store);
        ControlPlane plane = ControlPlane.open(store, executor)) {
      List<String> nodes = List.of("node-1", "node-2", "node-3");
      nodes.forEach(node -> plane.addNode(node, "/var/lib/longhorn"));
      for (String image : List.of("default", "1.1")) {
        EngineImage.Versions versions = EngineImage.Versions.first(image);
        plane.addImage(EngineImage.of(image, "", image, versions, new TreeSet<>(nodes)));
      }
      plane.awaitNodes(LIMIT);
      use(plane);
    }
  }

  private static void use(ControlPlane plane) {
    plane.createVolume(VolumeRequest.of("disk", 1 << 30).migratable());
    plane.watch(now -> System.out.println(now));
    plane.attach("disk", TicketRequest.of("guest", "node-1"));
    plane.await("disk", LIMIT, now -> now.isAttachedTo("node-1"));
    plane.attach("disk", TicketRequest.of("guest-moved", "node-2"));
    plane.await("disk", LIMIT, now -> now.isAttachedTo("node-2")); // usable on both: move it
    plane.detach("disk", "guest");
    plane.await("disk", LIMIT, now -> now.isSettledOn("node-2"));
    plane.upgrade("disk", "1.1");
    plane.await("disk", LIMIT, now -> now.isSettledOn("node-2") && now.reasons().isEmpty());
    System.out.println(plane.status("disk"));
  }
}
