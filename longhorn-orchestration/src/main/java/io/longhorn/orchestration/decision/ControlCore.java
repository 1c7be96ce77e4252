package io.longhorn.orchestration.decision;

import io.longhorn.api.cluster.Volume;
import java.util.List;

/**
 * What the cluster needs next: observation first, then, per volume, where it is to be and what that
 * takes, then the processes. Pure: the same view gives the same plan; applied, nothing is left to
 * plan.
 */
public final class ControlCore {
  private ControlCore() {}

  /** The plan, in the order in which it is to be carried out; empty if all is as wanted. */
  public static List<Action> plan(ClusterView view) {
    Draft draft = new Draft(view);
    NodePlanner.plan(draft);
    InstancePlanner.observe(draft);
    for (Volume volume : draft.volumes()) {
      AttachmentPlanner.plan(draft, volume);
      draft.volume(volume.name()).ifPresent(now -> VolumePlanner.plan(draft, now));
      draft.volume(volume.name()).ifPresent(now -> AttachmentPlanner.tell(draft, now));
    }
    InstancePlanner.act(draft);
    return draft.plan();
  }
}
