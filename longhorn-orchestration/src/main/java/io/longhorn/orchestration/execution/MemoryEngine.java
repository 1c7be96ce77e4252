package io.longhorn.orchestration.execution;

import io.longhorn.api.EngineId;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.ReplicaMode;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.RecordStamp;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.api.membership.VolumeRecord.Phase;
import io.longhorn.orchestration.decision.EngineSeen;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;

/**
 * What an engine does to the record of its volume, without the data: takes a generation when it
 * opens, has the members leave that are gone and come back, claims, and serves while it owns the
 * record. Changes nothing itself: it says what the record is to be next.
 */
final class MemoryEngine {
  final EngineId id = new EngineId(UUID.randomUUID());
  final String volume;
  final String node;
  final String image;

  /** Whether it opens the volume by itself, and not only when a guest moves to it. */
  private final boolean isOpener;

  private final TreeSet<ReplicaId> replicas = new TreeSet<>();

  /** Own generation; 0 before it had one. */
  private long generation;

  private boolean isServing;
  private String state = "starting";

  MemoryEngine(Engine engine, String image, List<Replica> replicas, boolean isOpener) {
    volume = engine.spec().volumeName();
    node = engine.spec().nodeID();
    this.image = image;
    this.isOpener = isOpener;
    use(replicas);
  }

  /** From now on these. */
  void use(List<Replica> wanted) {
    replicas.clear();
    wanted.forEach(replica -> replicas.add(replica.spec().id()));
  }

  /**
   * What the record is to be, given which replicas serve; empty if it is right, or not this
   * engine's to change.
   */
  Optional<VolumeRecord> step(VolumeRecord now, SortedSet<ReplicaId> serving) {
    boolean isOwner = isOwner(now);
    if (isOwner) {
      generation = now.reservedGeneration();
    }
    if (!isOwner && generation > 0 && now.phase() != Phase.MIGRATING) {
      isServing = false;
      state = "fenced: another engine took generation " + now.reservedGeneration();
      return Optional.empty();
    }
    if (!isOwner && (!isOpener || now.phase() == Phase.MIGRATING)) {
      // It forwards to the owner, if it may come to be one itself.
      isServing = now.claimants().contains(id);
      state = isServing ? "claimant" : "waits to be named a claimant";
      return Optional.empty();
    }
    SortedSet<ReplicaId> before = now.membership().members();
    SortedSet<ReplicaId> members = common(before, serving);
    // To open, any one of the newest set will do; to go on without the others, half of them.
    if (members.isEmpty() || (isOwner && 2 * members.size() < before.size())) {
      isServing = false;
      state = members.size() + " of " + before.size() + " members answer";
      return Optional.empty();
    }
    isServing = true;
    state = "open";
    if (isOwner) {
      members.addAll(returning(now.membership(), serving));
    }
    return isOwner && members.equals(before)
        ? Optional.empty()
        : Optional.of(isOwner ? with(now, members) : claimed(now, members));
  }

  /** What the record is when this engine takes the volume over from the other one. */
  VolumeRecord claim(VolumeRecord now, SortedSet<ReplicaId> serving) {
    return isOwner(now) ? now : claimed(now, common(now.membership().members(), serving));
  }

  /** The same, and nobody else may from then on; nothing if it has done so since it was asked. */
  VolumeRecord finish(VolumeRecord now, SortedSet<ReplicaId> serving, long askedAt) {
    boolean isDone = isOwner(now) && now.reservedGeneration() > askedAt;
    return isDone ? now : alone(claim(now, serving), Phase.NONE);
  }

  /** The same, as the next process of an engine: whose phase it is is not its to say. */
  VolumeRecord takeOver(VolumeRecord now, SortedSet<ReplicaId> serving) {
    return alone(claim(now, serving), now.phase());
  }

  private VolumeRecord alone(VolumeRecord now, Phase phase) {
    return now.named(new TreeSet<>(List.of(id)), phase);
  }

  private boolean isOwner(VolumeRecord record) {
    return record.owner().filter(id::equals).isPresent();
  }

  private static SortedSet<ReplicaId> common(
      SortedSet<ReplicaId> some, SortedSet<ReplicaId> others) {
    TreeSet<ReplicaId> both = new TreeSet<>(some);
    both.retainAll(others);
    return both;
  }

  /** Those that left, or are new, and serve: what they miss is copied in no time. */
  private SortedSet<ReplicaId> returning(MembershipRecord now, SortedSet<ReplicaId> serving) {
    SortedSet<ReplicaId> back = common(replicas, serving);
    back.removeAll(now.members());
    int room = MembershipRecord.MAX_REPLICAS - now.members().size() - now.leftAt().size();
    for (ReplicaId one : List.copyOf(back)) {
      if (!now.leftAt().containsKey(one) && --room < 0) {
        back.remove(one);
      }
    }
    return back;
  }

  private VolumeRecord with(VolumeRecord now, SortedSet<ReplicaId> members) {
    RecordStamp next =
        new RecordStamp(now.reservedGeneration(), now.membership().stamp().number() + 1);
    return now.withMembership(now.membership().next(next, members));
  }

  private VolumeRecord claimed(VolumeRecord now, SortedSet<ReplicaId> members) {
    return with(now.reserved(now.reservedGeneration() + 1, id), members);
  }

  /** What it says of itself. */
  EngineSeen seen(long pid, MembershipRecord now, SortedSet<ReplicaId> linked) {
    TreeMap<ReplicaId, Engine.Member> said = new TreeMap<>();
    for (ReplicaId one : replicas) {
      boolean isMember = now.members().contains(one);
      boolean isLinked = linked.contains(one);
      said.put(
          one,
          isMember && isLinked
              ? new Engine.Member(ReplicaMode.RW, "", 0, 0)
              : new Engine.Member(
                  ReplicaMode.ERR, isLinked ? "not in sync" : "does not answer", 0, 0));
    }
    return new EngineSeen(
        pid,
        Optional.of(id),
        image,
        isServing,
        generation,
        state,
        isServing ? List.of("memory:" + volume + "@" + node) : List.of(),
        Collections.unmodifiableSortedMap(said));
  }
}
