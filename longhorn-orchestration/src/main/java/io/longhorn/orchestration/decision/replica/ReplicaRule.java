package io.longhorn.orchestration.decision.replica;

import io.longhorn.api.EngineId;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.ReplicaMode;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.Membership;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.Volume.Placement.DataLocality;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.decision.Settings;
import java.util.Collection;
import java.util.Collections;
import java.util.Optional;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeSet;

/** Questions about the replicas of a volume. */
public final class ReplicaRule {
  /** The rule of {@link #whyBusy}. */
  public static final String BUSY = "7.6/2";

  private static final long POLL_MILLIS = 1_000;

  private ReplicaRule() {}

  /** Whether it counts: it has not failed, and nobody wants it gone. */
  public static boolean isUsable(Replica replica) {
    return replica.spec().isActive()
        && !replica.spec().health().isFailed()
        && !replica.spec().isEvictionRequested();
  }

  /** Whether it has ever been in sync, as far as its health says. */
  public static boolean wasHealthy(Replica replica) {
    return replica.spec().health().lastHealthyAtMillis() != 0;
  }

  /** Whether the newest record names it: it may be the only one that has the newest data. */
  public static boolean isMember(Draft draft, Volume volume, Replica replica) {
    return draft
        .membershipOf(volume)
        .filter(found -> found.record().membership().members().contains(replica.spec().id()))
        .isPresent();
  }

  /** Whether it was in sync, and is not now: what it missed is known, or can be found out. */
  public static boolean hasLeft(Draft draft, Volume volume, Replica replica) {
    return draft
        .membershipOf(volume)
        .filter(found -> found.record().membership().leftAt().containsKey(replica.spec().id()))
        .isPresent();
  }

  /**
   * What an engine says of the replicas, as one that owns the volume; nothing if it does not run.
   * Nor does it count what it said before it had the generation that the newest record is of: it
   * was heard of later than the record was, and then it was not its business who is in sync (H2).
   */
  public static SortedMap<ReplicaId, Engine.Member> said(
      Draft draft, Volume volume, Engine engine) {
    long newest =
        draft
            .membershipOf(volume)
            .map(found -> found.record().membership().stamp().generation())
            .orElse(0L);
    return isRunning(engine) && engine.status().generation() >= newest
        ? engine.status().replicas()
        : Collections.emptySortedMap();
  }

  /** What the owner says of one; empty if it says nothing of it. */
  public static Optional<Engine.Member> said(Draft draft, Volume volume, ReplicaId id) {
    return draft.ownerOf(volume).map(owner -> said(draft, volume, owner).get(id));
  }

  /** Whether the owner says that it is in sync. */
  public static boolean isInSync(Draft draft, Volume volume, Replica replica) {
    return said(draft, volume, replica.spec().id())
        .filter(member -> member.mode() == ReplicaMode.RW)
        .isPresent();
  }

  /** Whether an engine runs. */
  public static boolean isRunning(Engine engine) {
    return engine.status().instance().currentState() == InstanceView.State.RUNNING;
  }

  /** Whether a volume is attached where it is wanted, and its owner runs. */
  public static boolean isServed(Draft draft, Volume volume) {
    return volume.status().state() == Volume.State.ATTACHED
        && !volume.spec().nodeID().isEmpty()
        && draft.ownerOf(volume).filter(ReplicaRule::isRunning).isPresent();
  }

  /**
   * Whether a volume is attached, or may be served on the way there: the engine that was started
   * for it has taken the generation. What the engine says is always late, whose generation it is
   * the record says for sure; and who has it serves as soon as its members have promised.
   */
  public static boolean mayBeServed(Draft draft, Volume volume) {
    return switch (volume.status().state()) {
      case ATTACHED -> true;
      case ATTACHING ->
          draft.engineOf(volume).filter(one -> hasTaken(draft, volume, one)).isPresent();
      case CREATING, DETACHING, DETACHED, DELETING -> false;
    };
  }

  private static boolean hasTaken(Draft draft, Volume volume, Engine engine) {
    Optional<EngineId> owner = draft.membershipOf(volume).flatMap(found -> found.record().owner());
    return engine.spec().isWanted()
        && engine.status().instance().mayRun()
        && owner.isPresent()
        && owner.equals(engine.status().id());
  }

  /**
   * Names of the active replicas that an engine is to use. One that names none uses all that the
   * record knows; before there is a record, all.
   */
  public static SortedSet<String> used(Draft draft, Volume volume, Engine engine) {
    SortedSet<String> used = new TreeSet<>();
    Optional<Membership> record = draft.membershipOf(volume);
    for (Replica replica : draft.activeReplicasOf(volume)) {
      boolean isKnown =
          record.isEmpty() || isMember(draft, volume, replica) || hasLeft(draft, volume, replica);
      if (engine.spec().replicas().isEmpty() ? isKnown : isNamed(engine, replica)) {
        used.add(replica.name());
      }
    }
    return used;
  }

  /** By the name of any of its directory: who stood by has another one, and is the same. */
  private static boolean isNamed(Engine engine, Replica replica) {
    String own = Names.replica(replica.spec().volumeName(), replica.spec().id());
    return engine.spec().replicas().stream()
        .anyMatch(name -> name.equals(own) || name.startsWith(own + "-"));
  }

  /** Whether it has never been part of its volume: it is empty, or as good as empty. */
  public static boolean isEmpty(Draft draft, Volume volume, Replica replica) {
    return !isMember(draft, volume, replica) && !hasLeft(draft, volume, replica);
  }

  /** Whether the record names as many that count as the volume is to have: nobody is missed. */
  public static boolean hasEnough(Draft draft, Volume volume) {
    return draft.activeReplicasOf(volume).stream()
            .filter(ReplicaRule::isUsable)
            .filter(replica -> isMember(draft, volume, replica))
            .count()
        >= volume.spec().numberOfReplicas();
  }

  /** Whether it is, or is to be, the one where the volume is attached, and that is wanted. */
  public static boolean isLocal(Volume volume, Replica replica) {
    return volume.spec().placement().dataLocality() != DataLocality.DISABLED
        && replica.spec().nodeID().equals(volume.spec().nodeID());
  }

  /** Whether it is empty, nobody has begun to fill it, and there are enough without it. */
  public static boolean isSpare(Draft draft, Volume volume, Replica replica) {
    return isEmpty(draft, volume, replica)
        && hasEnough(draft, volume)
        && !isLocal(volume, replica)
        && draft
            .engineOf(volume)
            .filter(engine -> used(draft, volume, engine).contains(replica.name()))
            .isEmpty();
  }

  /**
   * Whether it comes back into sync, or is filled: wanted, not failed, and the record of its
   * volume, which is attached, does not name it.
   */
  public static boolean isComingBack(Draft draft, Replica replica) {
    // What is in sync has been since it failed last: most are, and are not looked at further.
    return replica.spec().isActive()
        && replica.spec().isWanted()
        && !replica.spec().health().isFailed()
        && !replica.spec().health().isHealthy()
        && draft
            .volume(replica.spec().volumeName())
            .filter(volume -> isServed(draft, volume))
            .filter(volume -> !isMember(draft, volume, replica))
            .filter(volume ->
                draft
                    .ownerOf(volume)
                    .filter(owner -> used(draft, volume, owner).contains(replica.name()))
                    .isPresent())
            .isPresent();
  }

  /**
   * Why no more replicas may be filled, or come back, on a node now; empty if one more may. Whoever
   * waits looks again in time: it may be another volume's that is in the way.
   */
  public static Optional<String> whyBusy(Draft draft, String node) {
    // Rule 7.6/2: so many at a time on a node, those of other volumes too, none if the limit is 0.
    long limit = draft.settings().number(Settings.Key.CONCURRENT_REPLICA_REBUILD);
    if (comingBackOn(draft, node) < limit) {
      return Optional.empty();
    }
    draft.lookAgain(draft.nowMillis() + POLL_MILLIS);
    return Optional.of("as many replicas as may be are being rebuilt on " + node);
  }

  private static int comingBackOn(Draft draft, String node) {
    int count = 0;
    for (Replica stored : draft.view().replicasOn(node)) {
      // As this plan has it, if it changes it.
      Optional<Replica> now =
          draft
              .find(stored.kind(), stored.name(), Replica.class)
              .filter(replica -> isComingBack(draft, replica));
      count += now.isPresent() ? 1 : 0;
    }
    return count;
  }

  /**
   * Whether a volume has another replica, healthy since it last failed, besides this one: then this
   * one is not the last that may have its data (last-replica protection).
   */
  public static boolean isSafeWithout(Replica without, Collection<Replica> all) {
    // Rule 7.3/2: whoever failed after it was well the last time is nobody to rely on.
    return !wasHealthy(without)
        || all.stream()
            .filter(other -> other.spec().isActive())
            .filter(other -> !other.spec().id().equals(without.spec().id()))
            .anyMatch(other ->
                wasHealthy(other)
                    && !other.spec().health().isFailed()
                    && other.spec().health().lastFailedAtMillis()
                        < other.spec().health().lastHealthyAtMillis());
  }

  /**
   * Whether what a volume has written is safe with it alone: the record names it, and its node is
   * ready and is not being drained.
   */
  public static boolean staysSafe(Draft draft, Volume volume, Replica replica) {
    return replica.spec().isActive()
        && isMember(draft, volume, replica)
        && !replica.spec().health().isFailed()
        && draft
            .node(replica.spec().nodeID())
            .filter(node -> node.ready().isTrue() && !node.isCordoned())
            .isPresent();
  }
}
