package io.longhorn.orchestration;

import io.longhorn.api.cluster.Condition;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.VolumeAttachment;
import io.longhorn.orchestration.decision.ClusterView;
import java.util.List;
import java.util.Optional;
import java.util.TreeMap;

/**
 * A volume and what belongs to it, as stored at one moment.
 *
 * @param engines by name: one, or two while it migrates
 * @param replicas by name; while it migrates or is upgraded, those that stand by too
 */
public record VolumeStatus(
    Volume volume, List<Engine> engines, List<Replica> replicas, VolumeAttachment attachment) {
  /** Copies the lists. */
  public VolumeStatus {
    engines = List.copyOf(engines);
    replicas = List.copyOf(replicas);
  }

  /** Of a volume, if there is one of the name. */
  static Optional<VolumeStatus> of(ClusterView view, String name) {
    return view.find(ObjectKind.VOLUME, name, Volume.class)
        .map(volume ->
            new VolumeStatus(
                volume,
                List.copyOf(view.enginesOf(name).values()),
                List.copyOf(view.replicasOf(name).values()),
                view.find(ObjectKind.VOLUME_ATTACHMENT, name, VolumeAttachment.class)
                    .orElseGet(() -> new VolumeAttachment(name, new TreeMap<>()))));
  }

  /** Its name. */
  public String name() {
    return volume.name();
  }

  /** The engine that is the volume's. */
  public Optional<Engine> engine() {
    return engines.stream().filter(engine -> engine.spec().isActive()).findFirst();
  }

  /** Whether it is attached there, or can be used there already because it migrates to it. */
  public boolean isAttachedTo(String node) {
    return attachment.tickets().values().stream()
        .anyMatch(ticket -> ticket.nodeID().equals(node) && ticket.satisfied().isTrue());
  }

  /** Whether it is attached to one node, served from it, and nothing is under way. */
  public boolean isSettledOn(String node) {
    return volume.status().state() == Volume.State.ATTACHED
        && volume.status().currentNodeID().equals(node)
        && volume.spec().nodeID().equals(node)
        && !volume.isMigrating()
        && !volume.isUpgrading()
        && engines.size() == 1;
  }

  /** Whether nothing of it runs. */
  public boolean isDetached() {
    return volume.isFullyDetached();
  }

  /**
   * What it waits for: each has the name of the rule that waits as its reason, a line for a person,
   * and since when. Empty if it is as wanted.
   */
  public List<Condition> reasons() {
    return volume.status().conditions();
  }

  /** In one line: how it is, where, and what it waits for. */
  @Override
  public String toString() {
    StringBuilder text =
        new StringBuilder(volume.name())
            .append(' ')
            .append(volume.status().state().text())
            .append(' ')
            .append(volume.status().robustness().text());
    if (!volume.status().currentNodeID().isEmpty()) {
      text.append(" on ").append(volume.status().currentNodeID());
    }
    if (!volume.status().currentMigrationNodeID().isEmpty()) {
      text.append(", migrating to ").append(volume.status().currentMigrationNodeID());
    }
    text.append(", image ").append(volume.status().currentImage());
    for (Condition reason : reasons()) {
      text.append("; ").append(reason.reason()).append(": ").append(reason.message());
    }
    return text.toString();
  }
}
