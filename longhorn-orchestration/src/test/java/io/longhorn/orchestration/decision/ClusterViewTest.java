package io.longhorn.orchestration.decision;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.cluster.InstanceManager;
import java.util.EnumSet;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

/** What has to be looked at again when something changes. */
final class ClusterViewTest {
  private static InstanceManager manager(InstanceManager.State state) {
    return new InstanceManager(
        "im", "n1", InstanceManager.Type.ALL_IN_ONE, Names.DEFAULT_IMAGE, "", state, 1, 0);
  }

  /**
   * A process was seen while its node counted as down, and could not be stopped; when the node came
   * back nobody looked at its volume, which had nothing there any more.
   */
  @Test
  void aVolumeIsLookedAtWhenTheStateOfAnyInstanceManagerWithAProcessOfItChanges() {
    ClusterView view = new ClusterView(EnumSet.allOf(Capability.class));
    view.put(manager(InstanceManager.State.UNKNOWN));
    TreeMap<String, ManagerSeen.Instance> processes = new TreeMap<>();
    processes.put("v1-e-1", new ManagerSeen.Instance(ManagerSeen.State.RUNNING, "uuid", 7, ""));
    view.seen("im", new ManagerSeen(ManagerSeen.Reach.CONNECTED, 1, processes));
    assertThat(view.takeDirty()).containsExactly("v1");
    view.put(manager(InstanceManager.State.RUNNING));
    assertThat(view.takeDirty()).containsExactly("v1");
  }
}
