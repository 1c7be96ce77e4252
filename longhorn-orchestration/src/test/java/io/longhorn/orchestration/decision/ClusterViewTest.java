package io.longhorn.orchestration.decision;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.VolumeId;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.Setting;
import io.longhorn.api.cluster.Volume;
import java.util.EnumSet;
import java.util.TreeMap;
import java.util.UUID;
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

  private static Volume volume(String image) {
    return new Volume(
        "v1",
        Volume.Spec.of(new VolumeId(new UUID(1, 1)), 4096, 1, false, image),
        Volume.Status.creating(image),
        0);
  }

  private static void sees(ClusterView view, String process, ManagerSeen.State state) {
    TreeMap<String, ManagerSeen.Instance> processes = new TreeMap<>();
    processes.put("v1-e-0", new ManagerSeen.Instance(ManagerSeen.State.RUNNING, "uuid", 7, ""));
    processes.put(process, new ManagerSeen.Instance(state, "uuid", 8, ""));
    view.seen("im", new ManagerSeen(ManagerSeen.Reach.CONNECTED, 1, processes));
  }

  /** One with a volume, of which nothing is left to be looked at. */
  private static ClusterView lookedAt() {
    ClusterView view = new ClusterView(EnumSet.allOf(Capability.class));
    view.put(manager(InstanceManager.State.RUNNING));
    view.put(volume("image-1"));
    sees(view, "v1-e-1", ManagerSeen.State.RUNNING);
    view.takeClusterDirty();
    view.takeDirty();
    return view;
  }

  @Test
  void theClusterIsNotLookedAtForWhatIsOneVolumesOwn() {
    ClusterView view = lookedAt();
    sees(view, "v1-e-1", ManagerSeen.State.STOPPED);
    view.seen("v1-e-1", new SwapSeen(1, 1, "no"));
    Volume before = volume("image-1");
    view.put(before.deletedAt(5));
    assertThat(view.takeDirty()).containsExactly("v1");
    assertThat(view.takeClusterDirty()).isFalse();
  }

  @Test
  void theClusterIsLookedAtForAProcessOfAVolumeThatIsNotThere() {
    ClusterView view = lookedAt();
    sees(view, "v2-e-0", ManagerSeen.State.RUNNING);
    assertThat(view.takeClusterDirty()).isTrue();
    sees(view, "v2-e-0", ManagerSeen.State.STOPPED);
    assertThat(view.takeClusterDirty()).isTrue();
    sees(view, "nobody's", ManagerSeen.State.STOPPED);
    assertThat(view.takeClusterDirty()).isTrue();
  }

  @Test
  void theClusterIsLookedAtWhenAVolumeComesOrGoes() {
    ClusterView view = lookedAt();
    Volume volume = volume("");
    view.remove(volume.key());
    assertThat(view.takeClusterDirty()).isTrue();
    view.put(volume);
    assertThat(view.takeClusterDirty()).isTrue();
  }

  /** Rule 5.9/2. */
  @Test
  void theClusterIsLookedAtWhenNothingRunsInAnInstanceManagerAnyMore() {
    ClusterView view = lookedAt();
    view.seen("im", new ManagerSeen(ManagerSeen.Reach.CONNECTED, 1, new TreeMap<>()));
    assertThat(view.takeClusterDirty()).isTrue();
    sees(view, "v1-e-1", ManagerSeen.State.RUNNING);
    assertThat(view.takeClusterDirty()).isTrue();
  }

  /** Section 5.3. */
  @Test
  void theClusterIsLookedAtForEveryVolumeWhileUpgradesAreAutomatic() {
    ClusterView view = lookedAt();
    Settings.Key key = Settings.Key.CONCURRENT_AUTOMATIC_ENGINE_UPGRADE;
    view.put(Settings.setting(key, "1"));
    view.takeClusterDirty();
    view.put(volume("image-1").deletedAt(5));
    assertThat(view.takeClusterDirty()).isTrue();
    Setting set = Settings.setting(key, "1");
    view.remove(set.key());
    view.takeClusterDirty();
    view.put(volume("image-1"));
    assertThat(view.takeClusterDirty()).isFalse();
  }
}
