package io.longhorn.orchestration.decision.volume;

import io.longhorn.api.EngineId;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.EngineImage;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.Membership;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Replica.Health;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.Volume.Robustness;
import io.longhorn.api.cluster.Volume.State;
import io.longhorn.api.cluster.Volume.Upgrade;
import io.longhorn.api.cluster.Volume.Upgrade.Phase;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.orchestration.decision.Action;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.ManagerSeen;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.decision.Settings;
import io.longhorn.orchestration.decision.SwapSeen;
import io.longhorn.orchestration.decision.replica.RemovalRule;
import io.longhorn.orchestration.decision.replica.ReplicaRule;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * From one engine image to another (sections 5.4 and 5.5): offline when the volume is detached,
 * live otherwise. Live, each replica gets one that stands by for its directory, started from the
 * new image; when they all run, another process of the engine takes the clients and the volume
 * over; who stood by is the volume's own from then on, and takes its directory over later ({@link
 * PromotionPlanner}). Until the other process owns the volume the present one serves, however long
 * that takes.
 *
 * <p>What was done is believed before what was asked for: an engine that runs from another image
 * than the volume's status says has switched, be it that the upgrade was rolled back meanwhile;
 * then it is brought back.
 *
 * <p>A try that fails (the switch, a replica that stands by and crashes, no progress for {@link
 * #STUCK_MILLIS}) is counted; after as many as the setting says the upgrade is rolled back.
 */
public final class UpgradePlanner {
  /** A try that gets no further for so long has failed. */
  public static final long STUCK_MILLIS = 600_000;

  private final Draft draft;
  private final Volume volume;
  private final Engine engine;
  private final String target;

  private UpgradePlanner(Draft draft, Volume volume, Engine engine) {
    this.draft = draft;
    this.volume = volume;
    this.engine = engine;
    target = volume.spec().image();
  }

  /**
   * What has been done: to be looked at before anybody asks which replicas a volume has, and which
   * of them are well.
   */
  public static void observe(Draft draft, Volume volume) {
    of(draft, volume).filter(UpgradePlanner::isSwitched).ifPresent(UpgradePlanner::finish);
  }

  /** The next step from one image to another, if a volume is to run from another one. */
  public static void plan(Draft draft, Volume volume) {
    of(draft, volume).ifPresent(UpgradePlanner::plan);
  }

  private static Optional<UpgradePlanner> of(Draft draft, Volume volume) {
    return volume.isDeleted()
        ? Optional.empty()
        : draft.engineOf(volume).map(engine -> new UpgradePlanner(draft, volume, engine));
  }

  private boolean isMigrating() {
    return draft.enginesOf(volume.name()).size() > 1
        || !volume.status().currentMigrationNodeID().isEmpty();
  }

  private void plan() {
    // Rule U0: two engines are a migration's.
    if (isMigrating()) {
      refuseLate();
    } else if (!volume.isUpgrading()) {
      settle();
    } else if (volume.status().state() == State.DETACHED) {
      offline();
    } else {
      live();
    }
  }

  private void put(Upgrade upgrade) {
    draft.put(volume.with(volume.status().with(volume.status().currentImage(), upgrade)));
  }

  private Upgrade upgrade() {
    return volume.status().upgrade();
  }

  private void waits(String rule, String message) {
    draft.waits(volume, Names.UPGRADE, rule, message);
  }

  // ---- both asked for at once -------------------------------------------------------------------

  /**
   * An upgrade and a migration wait for each other for ever (#7833). A request is refused while the
   * other goes on; one that slipped in at the same time is refused here.
   */
  private void refuseLate() {
    if (volume.isUpgrading()) {
      draft.tell(
          volume,
          true,
          "UpgradeRefused",
          "volume " + volume.name() + " is not upgraded to " + target + ": it is migrating");
      draft.put(
          volume
              .with(volume.spec().withImage(volume.status().currentImage()))
              .with(volume.status().with(volume.status().currentImage(), Upgrade.NONE)));
    }
  }

  // ---- what was done ----------------------------------------------------------------------------

  /** Whether the engine runs from another image than the volume did, and owns the volume. */
  private boolean isSwitched() {
    String runs = engine.status().currentImage();
    boolean isOwner =
        owner().isEmpty() || engine.status().id().isEmpty() || owner().equals(engine.status().id());
    return !isMigrating()
        && engine.spec().isWanted()
        && engine.status().instance().currentState() == InstanceView.State.RUNNING
        && !runs.isEmpty()
        && !runs.equals(volume.status().currentImage())
        && draft.image(runs).isPresent()
        && isOwner;
  }

  private Optional<EngineId> owner() {
    return draft.membershipOf(volume).flatMap(found -> found.record().owner());
  }

  /**
   * Who stood by is the volume's own; where nobody did, its own is started from it the next time.
   */
  private void finish() {
    // Rule U9: the engine runs from it, whoever wants what meanwhile.
    String image = engine.status().currentImage();
    SortedSet<String> used = new TreeSet<>(engine.spec().replicas());
    TreeMap<ReplicaId, List<Replica>> directories = new TreeMap<>();
    for (Replica replica : draft.replicasOf(volume)) {
      directories.computeIfAbsent(replica.spec().id(), _ -> new ArrayList<>()).add(replica);
    }
    directories.values().forEach(same -> take(same, image, used));
    draft.put(
        engine.with(
            engine.spec().withImage(image, Collections.emptySortedSet()).withReplicas(used)));
    closeGate();
    draft.tell(
        volume,
        false,
        "Upgraded",
        "volume "
            + volume.name()
            + ": the engine runs from image "
            + image
            + ", in "
            + engine.status().instance().instanceManagerName());
    draft.put(volume.with(volume.status().with(image, Upgrade.NONE)));
  }

  /** Who has a directory from now on, of all that name it. */
  private void take(List<Replica> same, String image, SortedSet<String> used) {
    List<Replica> own = same.stream().filter(one -> one.spec().isActive()).toList();
    if (own.stream().anyMatch(one -> one.spec().image().equals(image))) {
      // Done already; if it was the plan before that was cut off, the other one may not know yet.
      own.stream().filter(one -> !one.spec().image().equals(image)).forEach(this::giveUp);
      return;
    }
    Optional<Replica> standby = same.stream().filter(one -> isStandby(one, image)).min(MOST_USEFUL);
    // Cut off between the two, there is none of its own; then its health is that of who was.
    Optional<Replica> before =
        own.stream()
            .findFirst()
            .or(() ->
                same.stream()
                    .filter(one -> standby.filter(one::equals).isEmpty())
                    .filter(one -> one.spec().engineName().isEmpty())
                    .findFirst());
    if (before.isEmpty() || standby.filter(one -> isPartner(one, before.get())).isEmpty()) {
      // Rule U9: nobody stands by, nobody knows what became of it (#12439, #1597): it stays the
      // volume's, and runs from the image when it is started the next time.
      own.forEach(one -> draft.put(one.with(one.spec().withImage(image))));
      return;
    }
    Replica next = standby.get();
    own.forEach(this::giveUp);
    draft.put(
        next.with(
            next.spec()
                .withEngine(engine.name(), true)
                .withEvictionRequested(before.get().spec().isEvictionRequested())
                .withHealth(healthOf(before.get()))));
    if (used.remove(before.get().name())) {
      used.add(next.name());
    }
  }

  /** It has no job any more but to hold its directory until the other one takes that. */
  private void giveUp(Replica own) {
    draft.put(own.with(own.spec().withEngine("", false)));
  }

  /** Of the directory, not of the process: in sync it is from now on. */
  private Health healthOf(Replica own) {
    return ReplicaRule.isInSync(draft, volume, own)
        ? Health.NEW.healthy(draft.nowMillis())
        : own.spec().health();
  }

  private boolean isStandby(Replica replica, String image) {
    return !replica.spec().isActive()
        && replica.spec().isWanted()
        && !replica.status().isHolder()
        && replica.spec().engineName().equals(engine.name())
        && replica.spec().image().equals(image);
  }

  private static boolean isPartner(Replica standby, Replica own) {
    return !standby.name().equals(own.name())
        && standby.spec().id().equals(own.spec().id())
        && standby.spec().nodeID().equals(own.spec().nodeID())
        && standby.spec().diskID().equals(own.spec().diskID())
        && standby.spec().directory().equals(own.spec().directory());
  }

  private static final Comparator<Replica> MOST_USEFUL =
      Comparator.comparing(
              (Replica one) -> one.status().instance().currentState() != InstanceView.State.RUNNING)
          .thenComparing(Replica::name);

  // ---- no upgrade -------------------------------------------------------------------------------

  private void settle() {
    if (volume.status().state() == State.DETACHED) {
      // Rule U2: nothing runs, everything is started from the volume's image.
      draft.activeReplicasOf(volume).stream()
          .filter(own -> !own.spec().image().equals(target))
          .forEach(own -> draft.put(own.with(own.spec().withImage(target))));
    }
    SortedSet<String> none = Collections.emptySortedSet();
    boolean isBack =
        engine.spec().image().equals(target) && engine.spec().upgradedReplicas().isEmpty();
    if (!isBack) {
      // Rule U1, U2: back to the image that it runs from, with the replicas that it has; those that
      // stood by have no job any more and go.
      draft.put(engine.with(engine.spec().withImage(target, none)));
    }
    closeGate();
    if (upgrade().isUnderWay()) {
      draft.tell(
          volume,
          true,
          "UpgradeRolledBack",
          "volume "
              + volume.name()
              + " stays with image "
              + target
              + ": the upgrade to "
              + upgrade().image()
              + " was rolled back"
              + (upgrade().attempts() == 0
                  ? ""
                  : " after "
                      + upgrade().attempts()
                      + " failed tries, the last one: "
                      + upgrade().lastError()));
      put(upgrade().rolledBack());
    }
  }

  /**
   * The phase of the record says whether a new process may take the volume: one that is late finds
   * it closed. Who is a claimant is left as the engines have it.
   */
  private void closeGate() {
    draft
        .membershipOf(volume)
        .filter(found -> found.record().phase() == VolumeRecord.Phase.SWAPPING)
        .ifPresent(found -> draft.put(in(found, VolumeRecord.Phase.NONE)));
  }

  private static Membership in(Membership found, VolumeRecord.Phase phase) {
    VolumeRecord record = found.record();
    TreeSet<EngineId> owner = new TreeSet<>();
    record.owner().ifPresent(owner::add);
    return new Membership(
        found.name(),
        record.named(record.claimants().isEmpty() ? record.claimants() : owner, phase));
  }

  // ---- offline ----------------------------------------------------------------------------------

  private void offline() {
    Optional<String> unusable = UpgradeRule.whyUnusable(draft, volume, target);
    // One that is out of reach is fenced: it does no harm, whatever it runs from.
    boolean isQuiet =
        !engine.spec().isWanted()
            && (!engine.status().instance().mayRun()
                || engine.status().instance().currentState() == InstanceView.State.UNKNOWN);
    if (unusable.isPresent() || !isQuiet) {
      stayWith(
          begun().in(Phase.WAITING, draft.nowMillis()),
          unusable.orElse("the engine is " + engine.status().instance().currentState().text()));
      return;
    }
    // Rule U3, 5.8/2, 5.8/5: nobody runs: only what is to be started next changes. What stood by
    // has no job.
    for (Replica own : draft.activeReplicasOf(volume)) {
      draft.put(own.with(own.spec().withImage(target)));
    }
    draft.put(engine.with(engine.spec().withImage(target, Collections.emptySortedSet())));
    closeGate();
    draft.tell(
        volume,
        false,
        "Upgraded",
        "volume " + volume.name() + " is upgraded to image " + target + " while it is detached");
    draft.put(volume.with(volume.status().with(target, Upgrade.NONE)));
  }

  /** It can be attached all the same: with the image that it had. */
  private void stayWith(Upgrade next, String why) {
    waits("U3", "the volume is detached, but cannot be upgraded to " + target + ": " + why);
    draft.put(
        engine.with(
            engine.spec().withImage(volume.status().currentImage(), Collections.emptySortedSet())));
    closeGate();
    put(next);
  }

  // ---- live -------------------------------------------------------------------------------------

  private Upgrade begun() {
    if (upgrade().isUnderWay() && upgrade().image().equals(target)) {
      return upgrade();
    }
    draft.tell(
        volume,
        false,
        "UpgradeStarted",
        "volume "
            + volume.name()
            + ": upgrade from image "
            + volume.status().currentImage()
            + " to "
            + target);
    return Upgrade.begun(target, draft.nowMillis());
  }

  private void live() {
    Upgrade upgrade = begun();
    Optional<String> failure = whyFailed(upgrade);
    if (failure.isPresent()) {
      upgrade = upgrade.failed(failure.get(), draft.nowMillis());
      draft.tell(
          volume,
          true,
          "UpgradeTryFailed",
          "volume "
              + volume.name()
              + ": try "
              + upgrade.attempts()
              + " to upgrade to "
              + target
              + ": "
              + failure.get());
    }
    long limit = draft.settings().number(Settings.Key.ENGINE_UPGRADE_ATTEMPT_LIMIT);
    if (limit > 0 && upgrade.attempts() >= limit) {
      // Rule 5.8/1, 5.8/3: not for ever (Longhorn tries on in silence).
      Volume.Status status = volume.status().with(volume.status().currentImage(), upgrade);
      Volume back = volume.with(status).with(volume.spec().withImage(status.currentImage()));
      new UpgradePlanner(draft, back, engine).settle();
      return;
    }
    List<Replica> standbys = keep(standbys());
    Phase phase = step(upgrade, standbys);
    Upgrade next = upgrade.in(phase, draft.nowMillis());
    if (next.attemptMillis() != 0) {
      draft.lookAgain(next.attemptMillis() + STUCK_MILLIS);
    }
    put(next);
  }

  private Optional<String> whyFailed(Upgrade upgrade) {
    Optional<SwapSeen> swap = draft.swapOf(engine).filter(seen -> seen.isOf(upgrade));
    if (swap.isPresent()) {
      // Rule 5.8/3: it goes on with the process that it has.
      return swap.map(SwapSeen::error);
    }
    for (Replica standby : standbys()) {
      // Rule 5.8/1, 5.8/4: one that cannot be started, or is gone.
      if (standby.spec().isWanted() && hasJustCrashed(standby)) {
        return Optional.of(standby.name() + ": " + standby.status().instance().message());
      }
    }
    boolean isStuck =
        upgrade.attemptMillis() != 0 && draft.nowMillis() - upgrade.attemptMillis() >= STUCK_MILLIS;
    return isStuck
        ? Optional.of(
            volume
                .status()
                .condition(Names.UPGRADE)
                .map(waits -> "no progress: " + waits.message())
                .orElse("no progress"))
        : Optional.empty();
  }

  /** Whether the plan is the first one that sees it so. */
  private boolean hasJustCrashed(Replica standby) {
    InstanceView now = standby.status().instance();
    return now.currentState() == InstanceView.State.ERROR
        && draft
            .view()
            .find(ObjectKind.REPLICA, standby.name(), Replica.class)
            .map(before -> before.status().instance())
            .filter(before ->
                before.currentState() != InstanceView.State.ERROR
                    || !before.uuid().equals(now.uuid()))
            .isPresent();
  }

  /** All that were made for this upgrade, or an earlier one, and are still the engine's. */
  private List<Replica> standbys() {
    return draft.replicasOf(volume).stream()
        .filter(replica -> !replica.spec().isActive())
        .filter(replica -> replica.spec().engineName().equals(engine.name()))
        .toList();
  }

  /** Those that are of use: one for each directory. The others are taken away. */
  private List<Replica> keep(List<Replica> standbys) {
    List<Replica> kept = new ArrayList<>();
    List<Replica> own = draft.activeReplicasOf(volume);
    for (Replica standby : standbys.stream().sorted(MOST_USEFUL).toList()) {
      boolean hasPartner = own.stream().anyMatch(one -> isPartner(standby, one));
      boolean isFirst = kept.stream().noneMatch(one -> one.spec().id().equals(standby.spec().id()));
      if (isStandby(standby, target) && hasPartner && isFirst) {
        kept.add(standby);
      } else if (own.stream().noneMatch(one -> one.spec().id().equals(standby.spec().id()))
          && ReplicaRule.isMember(draft, volume, standby)) {
        // Rule U4, 5.8/7: whose it stood by for is gone (#7012), and the data is not: it is the
        // volume's.
        draft.put(standby.with(standby.spec().withEngine(engine.name(), true)));
      } else {
        // Rule U4: one without a partner, of another image, or one more for the same directory
        // (#12111, #11397): until it is gone, none is made in its place.
        RemovalRule.remove(draft, volume, standby);
      }
    }
    return kept;
  }

  private Phase step(Upgrade upgrade, List<Replica> standbys) {
    Volume.Status status = volume.status();
    if (!engine.spec().image().equals(target)
        && !engine.spec().image().equals(status.currentImage())) {
      // A third image was asked for meanwhile.
      useImage(status.currentImage(), Collections.emptySortedSet());
    }
    if (status.state() != State.ATTACHED) {
      // Rule U5: neither on nor off: with the image that it had.
      waits("U5", "the volume is " + status.state().text());
      return Phase.WAITING;
    }
    if (status.robustness() == Robustness.DEGRADED) {
      // Rule U4: first it has to heal.
      waits("U4", "the volume is degraded");
      return Phase.PREPARING;
    }
    if (status.robustness() != Robustness.HEALTHY) {
      waits("U5", "the volume is " + status.robustness().text());
      return Phase.PREPARING;
    }
    Optional<String> notLive = UpgradeRule.whyNotLive(draft, volume, target);
    if (notLive.isPresent()) {
      // Rule U6: when it is detached.
      if (!draft.isKnown(volume, Names.UPGRADE, "U6")) {
        draft.tell(
            volume,
            true,
            "UpgradeNotLive",
            "volume "
                + volume.name()
                + " is upgraded to "
                + target
                + " when it is detached: "
                + notLive.get());
      }
      waits("U6", "it has to be detached: " + notLive.get());
      return Phase.WAITING;
    }
    return isPrepared(standbys) ? switchOver(upgrade, standbys) : Phase.PREPARING;
  }

  private void useImage(String image, SortedSet<String> upgraded) {
    Engine now = draft.engineOf(volume).orElseThrow();
    draft.put(now.with(now.spec().withImage(image, upgraded)));
  }

  /** Whether for each replica that is in sync one stands by, or is made from the image itself. */
  private boolean isPrepared(List<Replica> standbys) {
    List<Replica> inSync =
        draft.activeReplicasOf(volume).stream()
            .filter(own -> ReplicaRule.isInSync(draft, volume, own))
            .toList();
    long running = inSync.stream().filter(UpgradePlanner::isRunning).count();
    if (running < volume.spec().numberOfReplicas()) {
      // Rule U7, 5.8/6: right after another upgrade the engine has not said yet who is in sync.
      waits(
          "U7",
          running
              + " replicas run and are in sync; "
              + volume.spec().numberOfReplicas()
              + " have to");
      return false;
    }
    List<String> missing = new ArrayList<>();
    for (Replica own : inSync) {
      if (!own.spec().image().equals(target)) {
        prepare(own, standbys).ifPresent(missing::add);
      }
    }
    if (!missing.isEmpty()) {
      // Rule U7, U8: all of them first.
      waits("U7", String.join(", ", missing));
    }
    return missing.isEmpty();
  }

  private static boolean isRunning(Replica replica) {
    return replica.status().instance().currentState() == InstanceView.State.RUNNING;
  }

  /** Sees to one that stands by for a replica; what is missing, if something is. */
  private Optional<String> prepare(Replica own, List<Replica> standbys) {
    Optional<Replica> standby = standbys.stream().filter(one -> isPartner(one, own)).findFirst();
    if (standby.isPresent()) {
      return whatIsMissing(standby.get());
    }
    Optional<Replica> inTheWay =
        draft.replicasOf(volume).stream()
            .filter(other -> !other.name().equals(own.name()))
            .filter(other -> other.spec().id().equals(own.spec().id()))
            .findFirst();
    if (inTheWay.isPresent()) {
      return Optional.of(inTheWay.get().name() + " is not gone yet");
    }
    Replica made = standbyOf(own);
    draft.put(made);
    return whatIsMissing(made);
  }

  private static Optional<String> whatIsMissing(Replica standby) {
    InstanceView instance = standby.status().instance();
    String why = instance.message().isEmpty() ? "" : " (" + instance.message() + ")";
    return isRunning(standby)
        ? Optional.empty()
        : Optional.of(standby.name() + " is " + instance.currentState().text() + why);
  }

  /** Only what says which directory it is (#12311); started in the default instance manager. */
  private Replica standbyOf(Replica own) {
    return new Replica(
        Names.standby(own, draft.replicasOf(volume)),
        new Replica.Spec(
            volume.name(),
            own.spec().id(),
            own.spec().nodeID(),
            own.spec().diskID(),
            own.spec().directory(),
            target,
            true,
            engine.name(),
            false,
            false,
            Health.NEW),
        new Replica.Status(true, false, InstanceView.NONE));
  }

  private Phase switchOver(Upgrade upgrade, List<Replica> standbys) {
    TreeSet<String> upgraded = new TreeSet<>();
    standbys.forEach(one -> upgraded.add(one.name()));
    draft.activeReplicasOf(volume).stream()
        .filter(own -> own.spec().image().equals(target))
        .forEach(own -> upgraded.add(own.name()));
    // Rule U8: from now on the engine is to run from it; of those that stand by, who is there now
    // (#5684, #5618).
    useImage(target, upgraded);
    if (!openGate()) {
      waits("U8", "the engine does not own the volume yet");
      return Phase.PREPARING;
    }
    ask(upgrade);
    return Phase.SWITCHING;
  }

  private boolean openGate() {
    Optional<Membership> found = draft.membershipOf(volume);
    if (found.isEmpty() || found.get().record().phase() == VolumeRecord.Phase.SWAPPING) {
      return true;
    }
    boolean isOwner =
        engine.status().id().isPresent()
            && engine.status().id().equals(found.get().record().owner());
    boolean isFree = found.get().record().phase() == VolumeRecord.Phase.NONE;
    if (isOwner && isFree) {
      draft.put(in(found.get(), VolumeRecord.Phase.SWAPPING));
    }
    return isOwner && isFree;
  }

  private void ask(Upgrade upgrade) {
    // Rule 5.5: in the instance manager that has its process, whatever image that is of.
    Optional<InstanceManager> manager = draft.managerOf(engine);
    // Rule 5.5/1: in the default one of its node, if the setting says so; the other one is empty
    // then, and goes (5.9).
    Optional<InstanceManager> next =
        draft.settings().is(Settings.Key.ENGINE_UPGRADE_TO_DEFAULT_INSTANCE_MANAGER)
            ? draft.defaultManager(engine.spec().nodeID(), true)
            : manager;
    Optional<EngineImage> image = draft.image(target);
    if (!isReachable(manager) || image.isEmpty()) {
      waits("5.5", engine.status().instance().instanceManagerName() + " cannot be reached");
      return;
    }
    if (!isReachable(next)) {
      // Nothing is left behind in silence: it is a try that gets no further (5.8).
      waits(
          "5.5/1",
          next.map(InstanceManager::name).orElse("the default instance manager")
              + " cannot be reached");
      return;
    }
    waits(
        "5.5",
        "another process of the engine is to take over in "
            + next.get().name()
            + (upgrade.attempts() == 0 ? "" : "; the last try failed: " + upgrade.lastError()));
    Volume now = volume.with(volume.status().with(volume.status().currentImage(), upgrade));
    draft.act(
        new Action.SwapEngine(
            manager.get(),
            next.get(),
            draft.engineOf(volume).orElseThrow(),
            now,
            draft.replicasOf(volume),
            image.get()));
  }

  private boolean isReachable(Optional<InstanceManager> manager) {
    return manager
        .filter(found -> found.state() == InstanceManager.State.RUNNING)
        .filter(found -> draft.seen(found).reach() == ManagerSeen.Reach.CONNECTED)
        .isPresent();
  }
}
