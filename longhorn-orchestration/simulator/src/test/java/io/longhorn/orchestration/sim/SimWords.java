package io.longhorn.orchestration.sim;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.ReplicaMode;
import io.longhorn.api.cluster.ClusterObject;
import io.longhorn.api.cluster.Condition;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.Membership;
import io.longhorn.api.cluster.Node;
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.orchestration.sim.volume.World;
import io.longhorn.orchestration.sim.world.BlockValue;
import io.longhorn.orchestration.sim.world.SimDirectory;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Objects and processes in few words. */
final class SimWords {
  private SimWords() {}

  static String of(ObjectKey key, @Nullable ClusterObject object) {
    return switch (object) {
      case null -> "removed " + key;
      case Volume volume -> volume(volume);
      case Engine engine -> engine(engine);
      case Replica replica -> replica(replica);
      case Membership membership -> membership.name() + " record " + record(membership.record());
      case InstanceManager manager -> manager.name() + " " + manager.state().text();
      case Node node ->
          node.name() + " ready " + node.ready().isTrue() + " " + node.ready().reason();
      default -> key.toString();
    };
  }

  private static String volume(Volume volume) {
    StringBuilder text = new StringBuilder(volume.name());
    text.append(' ').append(volume.status().state().text());
    text.append(' ').append(volume.status().robustness().text());
    text.append(" N=").append(volume.spec().nodeID());
    text.append(" M=").append(volume.spec().migrationNodeID());
    text.append(" cN=").append(volume.status().currentNodeID());
    text.append(" cM=").append(volume.status().currentMigrationNodeID());
    for (Condition condition : volume.status().conditions()) {
      text.append(" [").append(condition.reason()).append(' ').append(condition.message());
      text.append(']');
    }
    return text.toString();
  }

  private static String engine(Engine engine) {
    StringBuilder text = new StringBuilder(engine.name());
    text.append(engine.spec().isActive() ? " active" : "");
    text.append(engine.spec().isWanted() ? " wanted " : " unwanted ");
    text.append('@').append(engine.spec().nodeID());
    text.append(' ').append(instance(engine.status().instance()));
    text.append(' ').append(engine.status().state());
    for (Map.Entry<ReplicaId, Engine.Member> member : engine.status().replicas().entrySet()) {
      text.append(' ').append(member.getKey().toString(), 0, 8);
      text.append('=').append(member.getValue().mode());
      boolean isOut = member.getValue().mode() != ReplicaMode.RW;
      text.append(isOut ? "(" + member.getValue().reason() + ")" : "");
    }
    return text.toString();
  }

  private static String replica(Replica replica) {
    return replica.name()
        + (replica.spec().isActive() ? " active" : "")
        + (replica.spec().isWanted() ? " wanted" : " unwanted")
        + (replica.status().isHolder() ? " holder" : "")
        + (replica.spec().health().isFailed() ? " failed" : "")
        + " "
        + instance(replica.status().instance());
  }

  private static String instance(InstanceView view) {
    return view.currentState().text() + (view.message().isEmpty() ? "" : ": " + view.message());
  }

  private static String record(VolumeRecord record) {
    StringBuilder text = new StringBuilder();
    text.append(record.membership().stamp()).append(" {");
    record.membership().members().forEach(id -> text.append(id.toString(), 0, 8).append(' '));
    text.append("} left {");
    record
        .membership()
        .leftAt()
        .keySet()
        .forEach(id -> text.append(id.toString(), 0, 8).append(' '));
    text.append("} generation ").append(record.reservedGeneration()).append(" of ");
    text.append(record.owner().map(id -> id.toString().substring(0, 8)).orElse("nobody"));
    text.append(' ').append(record.phase()).append(" [");
    record.claimants().forEach(id -> text.append(id.toString(), 0, 8).append(' '));
    return text.append(']').toString();
  }

  static List<String> processes(Collection<SimPod> pods) {
    List<String> lines = new ArrayList<>();
    for (SimPod pod : pods) {
      lines.add(
          pod.machine.name()
              + " "
              + pod.name
              + " "
              + pod.type.text()
              + " "
              + pod.image
              + " "
              + (pod.isDeleted()
                  ? "terminating"
                  : pod.phase().toString().toLowerCase(Locale.ROOT)));
      for (SimPod.Instance one : pod.instances().values()) {
        lines.add(
            "  "
                + one.name
                + " "
                + one.state.toString().toLowerCase(Locale.ROOT)
                + one.engine().map(e -> " " + e.image()).orElse("")
                + one.replica().map(r -> " " + r.image()).orElse("")
                + one.replica().map(r -> r.isHolder() ? " holder" : " standby").orElse(""));
      }
    }
    return lines;
  }

  /** In what members of the record differ from each other. */
  static Optional<String> difference(World world, String volume) {
    Optional<VolumeRecord> record = world.recordOf(volume);
    if (record.isEmpty()) {
      return Optional.empty();
    }
    SimDirectory first = null;
    for (ReplicaId id : record.get().membership().members()) {
      Optional<SimDirectory> found = world.directory(id);
      if (found.isEmpty()) {
        return Optional.of("the directory of a member is not there: " + id);
      }
      for (int b = 0; first != null && b < first.size(); b++) {
        BlockValue one = first.block(b);
        BlockValue other = found.get().block(b);
        if (one.stamp() != other.stamp()) {
          return Optional.of(
              "block "
                  + b
                  + " is "
                  + one
                  + " in "
                  + first.path
                  + ", "
                  + other
                  + " in "
                  + found.get().path);
        }
      }
      first = found.get();
    }
    return Optional.empty();
  }
}
