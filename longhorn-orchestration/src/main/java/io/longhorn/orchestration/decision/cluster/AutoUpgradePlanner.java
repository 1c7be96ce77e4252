package io.longhorn.orchestration.decision.cluster;

import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.Volume.Robustness;
import io.longhorn.api.cluster.Volume.State;
import io.longhorn.api.cluster.Volume.Upgrade.Phase;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.decision.Settings;
import io.longhorn.orchestration.decision.volume.UpgradeRule;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;

/**
 * Upgrades of engines to the default image without anybody asking (section 5.3): so many at a time
 * for each node, the node being where the volume's engine is, or was last.
 *
 * <p>An upgrade that waits for its volume to be detached takes nobody's turn; one that gets stuck
 * is rolled back after a number of tries, and is not begun again by itself for the same image.
 */
public final class AutoUpgradePlanner {
  private AutoUpgradePlanner() {}

  /** Which volumes are asked for now. */
  public static void plan(Draft draft) {
    long limit = draft.settings().number(Settings.Key.CONCURRENT_AUTOMATIC_ENGINE_UPGRADE);
    if (limit == 0) {
      return;
    }
    String image = draft.settings().text(Settings.Key.DEFAULT_ENGINE_IMAGE);
    TreeMap<String, Long> underWay = new TreeMap<>();
    List<Volume> candidates = new ArrayList<>();
    for (Volume volume : draft.all(ObjectKind.VOLUME, Volume.class)) {
      if (volume.isUpgrading() && !waitsForDetach(volume)) {
        underWay.merge(UpgradeRule.nodeOf(draft, volume), 1L, Long::sum);
      } else if (isCandidate(draft, volume, image)) {
        candidates.add(volume);
      }
    }
    for (Volume volume : candidates) {
      // Rule 5.3/2: with those that are under way, whoever asked for them (#2328, #2470).
      String node = UpgradeRule.nodeOf(draft, volume);
      if (underWay.getOrDefault(node, 0L) < limit) {
        underWay.merge(node, 1L, Long::sum);
        draft.put(volume.with(volume.spec().withImage(image)));
      }
    }
  }

  private static boolean waitsForDetach(Volume volume) {
    // Rule 5.3/3: it does nothing yet, and may wait for ever.
    return volume.status().upgrade().phase() == Phase.WAITING
        && volume
            .status()
            .condition(Names.UPGRADE)
            .filter(waits -> waits.reason().equals("U6"))
            .isPresent();
  }

  private static boolean isCandidate(Draft draft, Volume volume, String image) {
    if (volume.spec().image().equals(image) || volume.isUpgrading() || volume.isDeleted()) {
      return false;
    }
    boolean wasGivenUp =
        volume.status().upgrade().phase() == Phase.ROLLED_BACK
            && volume.status().upgrade().image().equals(image);
    boolean isDetached = volume.isFullyDetached();
    boolean isHealthy =
        volume.status().state() == State.ATTACHED
            && volume.spec().nodeID().equals(volume.status().currentNodeID())
            && volume.status().robustness() == Robustness.HEALTHY;
    // Rule 5.3/1: the same as for a person (5.2), and only what need not wait.
    return !wasGivenUp
        && (isDetached || isHealthy)
        && !volume.isMigrating()
        && draft.enginesOf(volume.name()).size() == 1
        && UpgradeRule.whyUnusable(draft, volume, image).isEmpty()
        && UpgradeRule.whereMissing(draft, volume, image).isEmpty()
        && (isDetached || UpgradeRule.whyNotLive(draft, volume, image).isEmpty());
  }
}
