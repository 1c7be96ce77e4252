package io.longhorn.orchestration.decision;

import io.longhorn.api.cluster.Volume;
import org.jspecify.annotations.Nullable;

/**
 * That a try to switch an engine to another process has failed.
 *
 * @param upgradeMillis when the upgrade that it belongs to began
 * @param attempt which try of it, counting from 1
 * @param error why
 */
public record SwapSeen(long upgradeMillis, int attempt, String error) {
  /** What is to be reported of an action that has failed. */
  public static SwapSeen failed(Action.SwapEngine action, @Nullable String error) {
    Volume.Upgrade upgrade = action.volume().status().upgrade();
    return new SwapSeen(upgrade.sinceMillis(), upgrade.attempts() + 1, error == null ? "" : error);
  }

  /** Whether it tells of the try that an upgrade is at. */
  public boolean isOf(Volume.Upgrade upgrade) {
    return upgrade.isUnderWay()
        && upgradeMillis == upgrade.sinceMillis()
        && attempt == upgrade.attempts() + 1;
  }
}
