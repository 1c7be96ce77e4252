package io.longhorn.orchestration.sim.volume;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.ReplicaMode;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.membership.VolumeRecord;
import java.util.Optional;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;

/** What an engine says of its replicas. */
final class EngineReport {
  private EngineReport() {}

  static SortedMap<ReplicaId, Engine.Member> replicas(
      SimEngine engine, boolean isOwner, boolean isListening) {
    TreeMap<ReplicaId, Engine.Member> members = new TreeMap<>();
    if (isOwner || isListening) {
      for (ReplicaId id : engine.configured()) {
        members.put(id, isOwner ? asOwner(engine, id) : asOther(engine, id));
      }
    }
    return members;
  }

  private static Engine.Member asOwner(SimEngine engine, ReplicaId id) {
    Optional<ReplicaPort> port = engine.portOf(id);
    SortedSet<ReplicaId> required = engine.requiredMembers();
    boolean isInSession = port.filter(one -> one.hasPromised(engine.generation())).isPresent();
    boolean isLinked = port.filter(ReplicaPort::isLinked).isPresent();
    // Before its members have promised its generation they are in sync as the record says.
    if (required.contains(id) && (isInSession || (isLinked && !engine.hasServed()))) {
      return new Engine.Member(ReplicaMode.RW, "", 0, 0);
    }
    Optional<String> failure = engine.rebuild().failure(id).or(() -> engine.upkeep().whyOut(id));
    if (failure.isPresent()) {
      return new Engine.Member(ReplicaMode.ERR, failure.get(), 0, 0);
    }
    Optional<Integer> progress =
        engine.upkeep().progressPermille(id).or(() -> engine.rebuild().progressPermille(id));
    if (progress.isPresent()) {
      return new Engine.Member(ReplicaMode.WO, "", progress.get(), 0);
    }
    return new Engine.Member(ReplicaMode.ERR, isLinked ? "not in sync" : "no connection", 0, 0);
  }

  /** As one that does not own the volume: in the record as it knows that, and linked. */
  private static Engine.Member asOther(SimEngine engine, ReplicaId id) {
    boolean isMember =
        engine
            .store()
            .known()
            .map(VolumeRecord::membership)
            .filter(record -> record.members().contains(id))
            .isPresent();
    boolean isLinked = engine.portOf(id).filter(ReplicaPort::isLinked).isPresent();
    return isMember && isLinked
        ? new Engine.Member(ReplicaMode.RW, "", 0, 0)
        : new Engine.Member(
            ReplicaMode.ERR, isLinked ? "not in the record" : "no connection", 0, 0);
  }
}
