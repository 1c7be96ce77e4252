package io.longhorn.standalone.report;

import io.longhorn.api.ReplicaMode;
import io.longhorn.api.cluster.Condition;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.VolumeAttachment;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * A volume with all that belongs to it; the names of fields are Longhorn's.
 *
 * @param size in bytes
 * @param endpoints URI for clients by node
 */
public record VolumeReport(
    String name,
    long size,
    String state,
    String robustness,
    String nodeID,
    String migrationNodeID,
    String currentNodeID,
    String currentMigrationNodeID,
    String pendingNodeID,
    String currentImage,
    String image,
    UpgradeReport upgrade,
    int numberOfReplicas,
    boolean migratable,
    EngineReport engine,
    List<ReplicaReport> replicas,
    SortedMap<String, String> endpoints,
    List<TicketReport> tickets,
    List<ConditionReport> conditions) {
  /** Its engine. */
  public record EngineReport(
      String name,
      String state,
      String instanceManager,
      String node,
      String image,
      long pid,
      long generation) {}

  /** How its engine gets from one image to another; without a phase none does. */
  public record UpgradeReport(String phase, String image, int attempts, String lastError) {}

  /** One replica, as its engine and its instance manager see it. */
  public record ReplicaReport(
      String name,
      String node,
      String mode,
      String state,
      String instanceManager,
      String dataPath,
      long pid,
      String reason,
      int progressPermille) {}

  /** Who wants it attached where. */
  public record TicketReport(
      String id, String type, String node, boolean satisfied, String reason) {}

  /** What it waits for. */
  public record ConditionReport(String type, String reason, String message, String since) {}

  /** Of a volume and what belongs to it. */
  public static VolumeReport of(
      Volume volume,
      List<Engine> engines,
      List<Replica> replicas,
      Optional<VolumeAttachment> attachment) {
    Volume.Spec spec = volume.spec();
    Volume.Status status = volume.status();
    Optional<Engine> engine = engines.stream().filter(one -> one.spec().isActive()).findFirst();
    // Detached from a node that is down, an engine has the last that was heard of it.
    boolean isDetached = status.state() == Volume.State.DETACHED;
    TreeMap<String, String> endpoints = new TreeMap<>();
    for (Engine one : engines) {
      if (!isDetached && !one.status().endpoints().isEmpty()) {
        endpoints.put(one.spec().nodeID(), one.status().endpoints().getFirst());
      }
    }
    Optional<Engine> heard = engine.filter(_ -> !isDetached);
    List<TicketReport> tickets = new ArrayList<>();
    attachment.ifPresent(one ->
        one.tickets()
            .values()
            .forEach(ticket ->
                tickets.add(
                    new TicketReport(
                        ticket.id(),
                        ticket.type(),
                        ticket.nodeID(),
                        ticket.satisfied().isTrue(),
                        ticket.satisfied().message()))));
    return new VolumeReport(
        volume.name(),
        spec.sizeBytes(),
        volume.isDeleted() ? Volume.State.DELETING.text() : status.state().text(),
        status.robustness().text(),
        spec.nodeID(),
        spec.migrationNodeID(),
        status.currentNodeID(),
        status.currentMigrationNodeID(),
        "",
        status.currentImage(),
        spec.image(),
        report(status.upgrade()),
        spec.numberOfReplicas(),
        spec.isMigratable(),
        engine.map(VolumeReport::report).orElse(new EngineReport("", "", "", "", "", 0, 0)),
        replicas.stream().map(replica -> report(replica, heard)).toList(),
        endpoints,
        tickets,
        status.conditions().stream().map(VolumeReport::report).toList());
  }

  private static UpgradeReport report(Volume.Upgrade upgrade) {
    return new UpgradeReport(
        upgrade.phase() == Volume.Upgrade.Phase.NONE ? "" : upgrade.phase().text(),
        upgrade.image(),
        upgrade.attempts(),
        upgrade.lastError());
  }

  private static EngineReport report(Engine engine) {
    var instance = engine.status().instance();
    return new EngineReport(
        engine.name(),
        instance.currentState().text(),
        instance.instanceManagerName(),
        engine.spec().isWanted() ? engine.spec().nodeID() : "",
        engine.spec().image(),
        instance.pid(),
        engine.status().generation());
  }

  private static ReplicaReport report(Replica replica, Optional<Engine> engine) {
    Optional<Engine.Member> member =
        engine.map(one -> one.status().replicas().get(replica.spec().id()));
    var instance = replica.status().instance();
    return new ReplicaReport(
        replica.name(),
        replica.spec().nodeID(),
        member.map(Engine.Member::mode).map(ReplicaMode::name).orElse(""),
        instance.currentState().text(),
        instance.instanceManagerName(),
        replica.spec().directory(),
        instance.pid(),
        member.map(Engine.Member::reason).filter(why -> !why.isEmpty()).orElse(instance.message()),
        member.map(Engine.Member::progressPermille).orElse(0));
  }

  private static ConditionReport report(Condition condition) {
    return new ConditionReport(
        condition.type(),
        condition.reason(),
        condition.message(),
        Instant.ofEpochMilli(condition.sinceMillis()).toString());
  }

  /** How many replicas are in sync. */
  public long inSync() {
    return replicas.stream()
        .filter(replica -> replica.mode().equals(ReplicaMode.RW.name()))
        .count();
  }
}
