package io.longhorn.orchestration.decision.lifecycle;

import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Volume;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.Settings;
import java.time.Duration;

/**
 * What a volume's coming back means for whoever had it mounted when its engine was lost: it has to
 * mount it anew (7.2/10). Here it is told, once each time; who runs workloads asks {@link
 * #isToBeRestarted} of each.
 */
public final class RemountPlanner {
  /** Before that a workload may not have noticed, or is being restarted anyway. */
  public static final Duration PAUSE = Duration.ofSeconds(5);

  /** So long a workload has to end by itself. */
  public static final Duration GRACE = Duration.ofSeconds(30);

  private RemountPlanner() {}

  /** Tells of it when it was just asked for. */
  public static void plan(Draft draft, Volume volume) {
    long before =
        draft
            .view()
            .find(ObjectKind.VOLUME, volume.name(), Volume.class)
            .map(known -> known.status().remountRequestedAtMillis())
            .orElse(0L);
    if (volume.status().remountRequestedAtMillis() != before) {
      draft.tell(
          volume,
          true,
          "RemountRequested",
          "volume "
              + volume.name()
              + " was lost and can be attached again: what had it mounted has to mount it anew"
              + (draft.settings().is(Settings.Key.AUTO_DELETE_POD)
                  ? ", and is restarted if something starts it again"
                  : "; "
                      + Settings.Key.AUTO_DELETE_POD.key()
                      + " is off: a person has to do that"));
    }
  }

  /**
   * Whether a workload that has the volume mounted is to be ended, so that it is started anew.
   *
   * @param hasOwner whether something starts it again when it is gone
   * @param startedAtMillis when it was started
   */
  public static boolean isToBeRestarted(
      Settings settings, Volume volume, boolean hasOwner, long startedAtMillis, long nowMillis) {
    long requestedAt = volume.status().remountRequestedAtMillis();
    // Rule 7.2/10: it was started before the volume was lost, and something starts it again.
    return settings.is(Settings.Key.AUTO_DELETE_POD)
        && hasOwner
        && requestedAt != 0
        && startedAtMillis < requestedAt
        && nowMillis >= requestedAt + PAUSE.toMillis();
  }
}
