package io.longhorn.orchestration.decision.volume;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.ReplicaMode;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.Node;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Replica.Health;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.Volume.Placement.DataLocality;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.orchestration.decision.Capability;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.decision.Settings;
import io.longhorn.orchestration.decision.replica.RemovalRule;
import io.longhorn.orchestration.decision.replica.ReplicaRule;
import io.longhorn.orchestration.decision.volume.SchedulingRule.Answer;
import io.longhorn.orchestration.decision.volume.SchedulingRule.Place;
import io.longhorn.orchestration.decision.volume.SchedulingRule.Request;
import java.nio.charset.StandardCharsets;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.UUID;

/**
 * Replicas that a volume lacks (section 7.5): first those that have failed are used again, then a
 * new one is made. The numbers of the rules are: 1 when a new one may be made, 2 one at a time, 3
 * use again, 4 wait before a new one; 5 and 6 are {@link CleanupPlanner}'s.
 */
public final class ReplenishPlanner {
  /** So often one whose rebuild fails is used again. */
  static final int MOST_RETRIES = 5;

  /** Pause after the first rebuild that failed; doubled after each one more. */
  static final long FIRST_PAUSE_MILLIS = 10_000;

  /** Longest pause. */
  static final long LONGEST_PAUSE_MILLIS = 300_000;

  private final Draft draft;
  private final Volume volume;
  private final List<Replica> replicas;
  private final List<Replica> failed;
  private final int missing;

  private ReplenishPlanner(Draft draft, Volume volume) {
    this.draft = draft;
    this.volume = volume;
    replicas = draft.activeReplicasOf(volume);
    failed =
        replicas.stream()
            .filter(replica -> replica.spec().health().isFailed())
            .sorted(
                Comparator.comparingLong(
                        (Replica replica) -> -replica.spec().health().failedAtMillis())
                    .thenComparing(Replica::name))
            .toList();
    // Rule 7.7/3: who has to leave does not count: another one is made first. Nor does one whose
    // directory is being deleted: its node may go down meanwhile, and stay so.
    long usable =
        replicas.stream()
            .filter(ReplicaRule::isUsable)
            .filter(replica -> !RemovalRule.hasBegun(draft, replica))
            .count();
    missing = (int) Math.max(volume.spec().numberOfReplicas() - usable, 0);
  }

  /** What is brought back, or made, next. */
  public static void plan(Draft draft, Volume volume) {
    boolean isConcerned =
        !volume.isDeleted() && !draft.isStopping() && draft.membershipOf(volume).isPresent();
    if (!isConcerned) {
      return;
    }
    ReplenishPlanner planner = new ReplenishPlanner(draft, volume);
    if (planner.isSourceBroughtBack() || !ReplicaRule.isServed(draft, volume)) {
      return;
    }
    planner.tellReturning();
    planner.plan();
  }

  private void plan() {
    if (missing == 0 && !needsLocal()) {
      return;
    }
    if (draft.settings().number(Settings.Key.CONCURRENT_REPLICA_REBUILD) == 0) {
      waits(
          "7.5/1",
          "rebuilding is switched off: " + Settings.Key.CONCURRENT_REPLICA_REBUILD.key() + "=0");
      return;
    }
    // Rule 7.5/2: what is there already before a new one, and of new ones one at a time.
    if (missing > 0 && useAgain() >= missing) {
      return;
    }
    mayMakeOne().ifPresentOrElse(why -> waits(why.rule(), why.message()), this::makeOne);
  }

  /**
   * Where none is left that has the newest data those that failed with it are used again first, as
   * many as there are, however often it was tried: nobody else can come back before one of them is,
   * and where the owner is gone with them the other engine of a migration cannot follow it.
   */
  private boolean isSourceBroughtBack() {
    boolean isNeeded =
        ReplicaRule.mayBeServed(draft, volume)
            && !volume.spec().nodeID().isEmpty()
            && draft.enginesOf(volume.name()).stream().anyMatch(ReplicaRule::isRunning);
    boolean hasSource =
        replicas.stream()
            .filter(replica -> !replica.spec().health().isFailed())
            .anyMatch(replica -> ReplicaRule.isMember(draft, volume, replica));
    boolean isBroughtBack = false;
    for (Replica replica : failed) {
      boolean isSource = isNeeded && !hasSource && ReplicaRule.isMember(draft, volume, replica);
      if (isSource && canStart(replica) && !isPaused(replica)) {
        useAgain(replica);
        isBroughtBack = true;
      }
    }
    return isBroughtBack;
  }

  private record Wait(String rule, String message) {}

  // ---- what goes on ---------------------------------------------------------------------------

  /** A migration does not end the resync of what comes back; it is said, for it may last. */
  private void tellReturning() {
    for (Replica replica : replicas) {
      Optional<Engine.Member> member = ReplicaRule.said(draft, volume, replica.spec().id());
      if (volume.isMigrating()
          && member.filter(said -> said.mode() == ReplicaMode.WO).isPresent()) {
        waits(
            "7.5/1",
            replica.name()
                + " comes back while the volume migrates: "
                + progress(member.orElseThrow())
                + " done");
      }
    }
  }

  /** In steps that do not change what is stored all the time. */
  static String progress(Engine.Member member) {
    return member.progressPermille() / 100 * 10 + " %";
  }

  // ---- 7.5/3: again ---------------------------------------------------------------------------

  /**
   * Uses as many again as are missing, the one that failed last first: it misses least. Not one
   * after the other: what each missed is found out beside the others, and one that is stuck is in
   * nobody's way.
   *
   * @return how many
   */
  private int useAgain() {
    int count = 0;
    for (Replica replica : failed) {
      if (count < missing && mayUseAgain(replica)) {
        useAgain(replica);
        count++;
      }
    }
    return count;
  }

  private void useAgain(Replica replica) {
    Health before = replica.spec().health();
    // Rule 7.5/3: one that failed before it was in sync again has failed to be rebuilt.
    Health now = before.reused(!before.isHealthy());
    draft.put(replica.with(replica.spec().withHealth(now).withWanted(true)));
    draft.tell(
        replica,
        false,
        "ReplicaReused",
        replica.name() + " is used again, try " + (now.rebuildRetryCount() + 1));
  }

  private boolean mayUseAgain(Replica replica) {
    return isReusable(replica)
        && canStart(replica)
        && !isPaused(replica)
        && whyNotAgain(replica).isEmpty()
        && !isNodeBusy(replica.spec().nodeID());
  }

  private boolean canStart(Replica replica) {
    return replica.status().instance().currentState() == InstanceView.State.STOPPED
        && isServedByManager(replica);
  }

  private boolean isPaused(Replica replica) {
    long at = notBefore(replica.spec().health());
    if (at <= draft.nowMillis()) {
      return false;
    }
    waits("7.5/3", replica.name() + " failed to be rebuilt, it is tried again later");
    draft.lookAgain(at);
    return true;
  }

  private Optional<String> whyNotAgain(Replica replica) {
    return SchedulingRule.whyNotAgain(draft, Request.ofOneMore(volume, others(replica)), replica);
  }

  private boolean isNodeBusy(String node) {
    Optional<String> why = ReplicaRule.whyBusy(draft, node);
    why.ifPresent(text -> waits(ReplicaRule.BUSY, text));
    return why.isPresent();
  }

  private List<Replica> others(Replica without) {
    return replicas.stream().filter(other -> !other.name().equals(without.name())).toList();
  }

  private boolean isServedByManager(Replica replica) {
    return draft
        .managerOf(replica)
        .filter(manager -> manager.state() == InstanceManager.State.RUNNING)
        .isPresent();
  }

  /**
   * Whether one that has failed may come back some time: not whether it can now. One that cannot is
   * not waited for.
   */
  private boolean isReusable(Replica replica) {
    Optional<Node.Disk> disk =
        draft.node(replica.spec().nodeID()).flatMap(node -> node.disk(replica.spec().diskID()));
    return disk.isPresent()
        && !replica.spec().isEvictionRequested()
        && replica.spec().image().equals(volume.status().currentImage())
        && hasTries(draft, replica)
        && isStillUsed(replica)
        && !RemovalRule.hasBegun(draft, replica);
  }

  /** One that its engine was told to do without is on its way out. */
  private boolean isStillUsed(Replica replica) {
    return !ReplicaRule.wasHealthy(replica)
        || draft
            .engineOf(volume)
            .filter(engine -> ReplicaRule.used(draft, volume, engine).contains(replica.name()))
            .isPresent();
  }

  /** Where no replica can be filled anew, one that is there is never given up. */
  static boolean hasTries(Draft draft, Replica replica) {
    return replica.spec().health().rebuildRetryCount() < MOST_RETRIES
        || !draft.view().can(Capability.REBUILD);
  }

  /**
   * One that failed while it was in sync comes back at once; one that failed to come back, later.
   */
  static long notBefore(Health health) {
    if (health.isHealthy()) {
      return 0;
    }
    int doublings = Math.min(health.rebuildRetryCount(), 16);
    return health.failedAtMillis()
        + Math.min(FIRST_PAUSE_MILLIS << doublings, LONGEST_PAUSE_MILLIS);
  }

  // ---- 7.5/1 and 4: a new one -----------------------------------------------------------------

  /** Why no new one may be made now; empty if one may. */
  private Optional<Wait> mayMakeOne() {
    if (!draft.view().can(Capability.REBUILD)) {
      return wait("7.5/1", "a new replica cannot be filled in this cluster");
    }
    // Rule 7.5/1, 3.3/1: one engine, nothing else under way, everything in sync that should be.
    if (volume.isMigrating() || draft.enginesOf(volume.name()).size() != 1) {
      return wait("7.5/1", "a new replica is made when the volume does not migrate any more");
    }
    for (Replica replica : replicas) {
      boolean isSettled =
          replica.spec().health().isFailed()
              || RemovalRule.hasBegun(draft, replica)
              || ReplicaRule.isInSync(draft, volume, replica);
      if (!isSettled) {
        return wait("7.5/2", replica.name() + " is not in sync yet");
      }
    }
    if (replicas.size() >= MembershipRecord.MAX_REPLICAS) {
      return wait("7.5/1", "it has " + replicas.size() + " replicas already, failed ones included");
    }
    return missing == 0 ? Optional.empty() : waitForFailed();
  }

  private Optional<Wait> waitForFailed() {
    List<Replica> hopes = failed.stream().filter(this::isReusable).toList();
    // Rule 7.5/3: whoever can be tried again is, as often as may be, before another one is made:
    // there is never more than one that does not work (#7128, #11397).
    Optional<Replica> next = hopes.stream().filter(this::isTriedAgain).findFirst();
    if (next.isPresent()) {
      return wait("7.5/3", next.get().name() + " is tried again first");
    }
    // Rule 7.5/4: one that may come back is waited for, it has most of the data.
    Optional<Replica> hope = hopes.stream().filter(ReplicaRule::wasHealthy).findFirst();
    long seconds = draft.settings().number(Settings.Key.REPLICA_REPLENISHMENT_WAIT);
    // Its process is seen to be gone before its engine misses it: what the volume says then is
    // when it was degraded the last time.
    boolean isMissed = volume.status().robustness() == Volume.Robustness.DEGRADED;
    long since = isMissed ? volume.status().lastDegradedAtMillis() : draft.nowMillis();
    long until = since + seconds * 1000;
    if (hope.isEmpty() || until <= draft.nowMillis()) {
      return Optional.empty();
    }
    draft.lookAgain(until);
    String trouble = whyNotAgain(hope.get()).map(why -> " (" + why + ")").orElse("");
    return wait(
        "7.5/4",
        hope.get().name()
            + " may come back"
            + trouble
            + "; another one is made after "
            + seconds
            + " s");
  }

  /** An empty one that failed is, and one whose rebuild failed, if its node is well. */
  private boolean isTriedAgain(Replica replica) {
    boolean isPaused = notBefore(replica.spec().health()) > draft.nowMillis();
    return (isPaused || !ReplicaRule.wasHealthy(replica)) && whyNotAgain(replica).isEmpty();
  }

  private static Optional<Wait> wait(String rule, String message) {
    return Optional.of(new Wait(rule, message));
  }

  /** Whether the volume has all it needs, but none where it is attached, and wants one there. */
  private boolean needsLocal() {
    // Rule 7.5/7: best-effort: one more is made there, then the surplus goes elsewhere.
    String node = volume.spec().nodeID();
    return volume.spec().placement().dataLocality() == DataLocality.BEST_EFFORT
        && draft.view().can(Capability.REBUILD)
        && missing == 0
        && replicas.stream().noneMatch(replica -> replica.spec().nodeID().equals(node))
        && replicas.size() == volume.spec().numberOfReplicas()
        && SchedulingRule.place(draft, Request.ofOneMore(volume, replicas))
            instanceof Answer.Places(List<Place> places)
        && places.getFirst().nodeID().equals(node);
  }

  private void makeOne() {
    switch (SchedulingRule.place(draft, Request.ofOneMore(volume, replicas))) {
      case Answer.Nowhere(String rule, String message) ->
          draft.waits(volume, Names.SCHEDULED, rule, message);
      case Answer.Places(List<Place> places) -> {
        Replica replica = fresh(places.getFirst());
        draft.put(replica);
        draft.tell(
            replica,
            false,
            "ReplicaCreated",
            replica.name() + " is made on " + replica.spec().nodeID());
      }
    }
  }

  private Replica fresh(Place place) {
    ReplicaId id = freshId(place);
    String name = Names.replica(volume.name(), id);
    Replica.Spec spec =
        new Replica.Spec(
            volume.name(),
            id,
            place.nodeID(),
            place.diskID(),
            Names.directory(place.diskPath(), name),
            volume.status().currentImage(),
            true,
            draft.engineOf(volume).map(Engine::name).orElse(""),
            true,
            false,
            Health.NEW);
    return new Replica(name, spec, Replica.Status.NONE);
  }

  /**
   * An id that this volume has never had: made of the time and the place, for a plan knows no
   * chance; with a name that no other replica has.
   */
  private ReplicaId freshId(Place place) {
    for (int number = 0; ; number++) {
      String from =
          String.join(
              "/",
              volume.spec().id().toString(),
              Long.toString(draft.nowMillis()),
              place.nodeID(),
              place.diskID(),
              Integer.toString(number));
      ReplicaId id = new ReplicaId(UUID.nameUUIDFromBytes(from.getBytes(StandardCharsets.UTF_8)));
      String name = Names.replica(volume.name(), id);
      boolean isTaken =
          draft.replicasOf(volume).stream()
              .anyMatch(replica -> replica.name().equals(name) || replica.spec().id().equals(id));
      if (!isTaken && !isRemembered(id)) {
        return id;
      }
    }
  }

  private boolean isRemembered(ReplicaId id) {
    return draft
        .membershipOf(volume)
        .map(found -> found.record().membership())
        .filter(record -> record.members().contains(id) || record.leftAt().containsKey(id))
        .isPresent();
  }

  private void waits(String rule, String message) {
    draft.waits(volume, Names.REPLICAS, rule, message);
  }
}
