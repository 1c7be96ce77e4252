package io.longhorn.orchestration.decision.control;

import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Volume;
import io.longhorn.orchestration.decision.ClusterView;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.Plan;
import io.longhorn.orchestration.decision.cluster.AutoUpgradePlanner;
import io.longhorn.orchestration.decision.cluster.DrainRule;
import io.longhorn.orchestration.decision.cluster.EngineImagePlanner;
import io.longhorn.orchestration.decision.cluster.InstanceManagerPlanner;
import io.longhorn.orchestration.decision.cluster.InstancePlanner;
import io.longhorn.orchestration.decision.cluster.NodePlanner;
import io.longhorn.orchestration.decision.lifecycle.ClaimantPlanner;
import io.longhorn.orchestration.decision.lifecycle.DeletionPlanner;
import io.longhorn.orchestration.decision.lifecycle.FailurePlanner;
import io.longhorn.orchestration.decision.lifecycle.LifecyclePlanner;
import io.longhorn.orchestration.decision.lifecycle.RemountPlanner;
import io.longhorn.orchestration.decision.lifecycle.RobustnessPlanner;
import io.longhorn.orchestration.decision.lifecycle.SalvagePlanner;
import io.longhorn.orchestration.decision.volume.AttachmentPlanner;
import io.longhorn.orchestration.decision.volume.CleanupPlanner;
import io.longhorn.orchestration.decision.volume.EvictionPlanner;
import io.longhorn.orchestration.decision.volume.MigrationPlanner;
import io.longhorn.orchestration.decision.volume.PromotionPlanner;
import io.longhorn.orchestration.decision.volume.RebuildPlanner;
import io.longhorn.orchestration.decision.volume.ReplenishPlanner;
import io.longhorn.orchestration.decision.volume.UpgradePlanner;
import java.util.ArrayList;
import java.util.List;

/**
 * What the cluster needs next. Pure: the same view gives the same plan; applied, nothing is left to
 * plan. One plan for what belongs to no volume, one for each volume; each sees the objects as they
 * are stored, so the order in which they are made and carried out does not matter.
 */
public final class ControlCore {
  private ControlCore() {}

  /** Nodes, instance managers and images. */
  public static Plan planCluster(ClusterView view) {
    Draft draft = new Draft(view);
    NodePlanner.observe(draft);
    InstanceManagerPlanner.plan(draft);
    NodePlanner.plan(draft);
    InstanceManagerPlanner.act(draft);
    EngineImagePlanner.plan(draft);
    AutoUpgradePlanner.plan(draft);
    DrainRule.plan(draft);
    InstancePlanner.stopStrays(draft);
    return draft.plan();
  }

  /** One volume, everything that belongs to it included; empty if there is none of the name. */
  public static Plan planVolume(ClusterView view, String name) {
    Draft draft = new Draft(view);
    if (draft.volume(name).isEmpty()) {
      return draft.plan();
    }
    InstancePlanner.observe(draft, name);
    draft.volume(name).ifPresent(volume -> UpgradePlanner.observe(draft, volume));
    draft.volume(name).ifPresent(volume -> FailurePlanner.plan(draft, volume));
    draft.volume(name).ifPresent(volume -> RobustnessPlanner.plan(draft, volume));
    draft.volume(name).ifPresent(volume -> SalvagePlanner.plan(draft, volume));
    draft.volume(name).ifPresent(volume -> RemountPlanner.plan(draft, volume));
    draft.volume(name).ifPresent(volume -> EvictionPlanner.plan(draft, volume));
    draft.volume(name).ifPresent(volume -> AttachmentPlanner.plan(draft, volume));
    draft.volume(name).ifPresent(volume -> MigrationPlanner.decide(draft, volume));
    draft.volume(name).ifPresent(volume -> UpgradePlanner.plan(draft, volume));
    draft.volume(name).ifPresent(volume -> MigrationPlanner.carryOut(draft, volume));
    draft.volume(name).ifPresent(volume -> PromotionPlanner.plan(draft, volume));
    draft.volume(name).ifPresent(volume -> RebuildPlanner.plan(draft, volume));
    draft.volume(name).ifPresent(volume -> ReplenishPlanner.plan(draft, volume));
    draft.volume(name).ifPresent(volume -> LifecyclePlanner.plan(draft, volume));
    draft.volume(name).ifPresent(volume -> ClaimantPlanner.plan(draft, volume));
    draft.volume(name).ifPresent(volume -> DeletionPlanner.plan(draft, volume));
    draft.volume(name).ifPresent(volume -> CleanupPlanner.plan(draft, volume));
    draft.volume(name).ifPresent(volume -> AttachmentPlanner.tell(draft, volume));
    draft
        .volume(name)
        .ifPresent(
            volume -> draft.put(volume.with(volume.status().with(draft.conditionsOf(volume)))));
    InstancePlanner.act(draft, name);
    return draft.plan();
  }

  /** Everything: the plan of the cluster, then that of each volume. */
  public static List<Plan> planAll(ClusterView view) {
    List<Plan> plans = new ArrayList<>();
    plans.add(planCluster(view));
    for (Volume volume : view.all(ObjectKind.VOLUME, Volume.class)) {
      plans.add(planVolume(view, volume.name()));
    }
    return plans;
  }
}
