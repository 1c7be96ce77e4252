package io.longhorn.orchestration.sim.volume;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.RecordStamp;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.engine.claim.ClaimEvent;
import io.longhorn.engine.claim.ClaimRole;
import io.longhorn.orchestration.sim.world.SimDirectory;
import io.longhorn.orchestration.sim.world.SimScheduler;
import java.util.Optional;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Played: how replicas that the record does not know are filled, an engine has no way yet. Time
 * passes, a little for each block; then all of them are marked, so that nothing counts that was not
 * compared with a member, and the record says that it has left: it comes back as any other.
 */
final class EngineRebuild {
  private static final long LOOK_NANOS = 500 * SimScheduler.MILLI;

  private final SimEngine engine;
  private final World world;
  private final SortedMap<ReplicaId, String> failures = new TreeMap<>();
  private @Nullable ReplicaId filling;
  private int filled;
  private boolean isFilled;
  private boolean isLooking;

  EngineRebuild(SimEngine engine) {
    this.engine = engine;
    world = engine.world;
  }

  Optional<Integer> progressPermille(ReplicaId replica) {
    return replica.equals(filling)
        ? Optional.of(1000 * filled / world.knobs.blocks)
        : Optional.empty();
  }

  Optional<String> failure(ReplicaId replica) {
    return Optional.ofNullable(failures.get(replica));
  }

  void generationEnds() {
    stopFilling("the engine lost its generation");
  }

  void broke(ReplicaId replica) {
    if (replica.equals(filling)) {
      stopFilling("no connection");
    }
  }

  private void stopFilling(String why) {
    ReplicaId was = filling;
    filling = null;
    filled = 0;
    isFilled = false;
    if (was != null) {
      failures.put(was, "rebuild failed: " + why);
      engine.reportDue();
    }
  }

  /** Goes on, if there is anything to do. */
  void look() {
    if (engine.role() == ClaimRole.OWNER) {
      tidyRecord();
    }
  }

  /**
   * Replicas that the record does not know are filled, then enter it as ones that have left: they
   * come back as any other. Those that are not used any more are struck from it.
   */
  private void tidyRecord() {
    Optional<MembershipRecord> known = engine.store().known().map(VolumeRecord::membership);
    if (known.isEmpty()) {
      return;
    }
    SortedSet<ReplicaId> configured = engine.configured();
    failures.keySet().retainAll(configured);
    ReplicaId was = filling;
    if (was != null && !configured.contains(was)) {
      stopFilling("not wanted any more");
      failures.remove(was);
    }
    if (isLooking) {
      return;
    }
    MembershipRecord record = known.get();
    boolean isStale =
        configured.stream()
                .anyMatch(id ->
                    !record.members().contains(id)
                        && !record.leftAt().containsKey(id)
                        && !failures.containsKey(id))
            || !configured.containsAll(record.leftAt().keySet());
    if (isStale) {
      isLooking = true;
      engine.inBackground(LOOK_NANOS, () -> engine.store().look(this::tidy));
      // The answer may be lost: then it is looked at again.
      engine.inBackground(4 * LOOK_NANOS, () -> isLooking = false);
    }
  }

  private void tidy(VolumeRecord record) {
    isLooking = false;
    if (!record.isOwnedBy(engine.id(), engine.generation())
        || engine.role() != ClaimRole.OWNER
        || engine.isReconciling()) {
      return;
    }
    MembershipRecord membership = record.membership();
    SortedSet<ReplicaId> configured = engine.configured();
    if (!configured.containsAll(membership.leftAt().keySet())) {
      change();
      return;
    }
    for (ReplicaId id : configured) {
      boolean isKnown = membership.members().contains(id) || membership.leftAt().containsKey(id);
      boolean isThere = engine.portOf(id).filter(ReplicaPort::isLinked).isPresent();
      if (!isKnown && filling == null && isThere && !failures.containsKey(id)) {
        filling = id;
        filled = 0;
        engine.tell(() -> engine.name() + " fills " + engine.shortly(id));
        fill(id);
      }
    }
  }

  private void fill(ReplicaId id) {
    if (!id.equals(filling) || isFilled) {
      return;
    }
    if (filled >= world.knobs.blocks) {
      isFilled = true;
      world.directory(id).ifPresent(SimDirectory::markAll);
      change();
      return;
    }
    filled++;
    engine.reportDue();
    engine.look();
    world.scheduler.active();
    engine.after(world.knobs.fill.pick(world.scheduler), () -> fill(id));
  }

  private void change() {
    engine
        .store()
        .change(
            this::tidied,
            record -> {
              ReplicaId was = filling;
              if (was != null && record.membership().leftAt().containsKey(was)) {
                filling = null;
                isFilled = false;
                filled = 0;
              }
              engine.tell(ClaimEvent.RecordChanged::new);
            });
  }

  private VolumeRecord tidied(VolumeRecord record) {
    MembershipRecord before = record.membership();
    if (!record.isOwnedBy(engine.id(), engine.generation())) {
      return record;
    }
    TreeMap<ReplicaId, RecordStamp> left = new TreeMap<>(before.leftAt());
    left.keySet().retainAll(engine.configured());
    ReplicaId fresh = filling;
    if (fresh != null
        && isFilled
        && !before.members().contains(fresh)
        && before.members().size() + left.size() < MembershipRecord.MAX_REPLICAS) {
      left.put(fresh, before.stamp());
    }
    TreeMap<ReplicaId, Long> until = new TreeMap<>(before.memberUntil());
    until.keySet().retainAll(left.keySet());
    return record.withMembership(
        new MembershipRecord(before.stamp(), before.members(), left, until));
  }
}
