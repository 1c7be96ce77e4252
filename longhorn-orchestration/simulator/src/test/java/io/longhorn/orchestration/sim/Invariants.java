package io.longhorn.orchestration.sim;

import io.longhorn.api.EngineId;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.cluster.ClusterObject;
import io.longhorn.api.cluster.Membership;
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.VolumeAttachment;
import io.longhorn.api.membership.RecordStamp;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.orchestration.decision.Action;
import io.longhorn.orchestration.decision.Action.ProcessAction;
import io.longhorn.orchestration.sim.volume.SimEngine;
import io.longhorn.orchestration.sim.volume.SimReplica;
import io.longhorn.orchestration.sim.volume.VolumeOracle;
import io.longhorn.orchestration.sim.volume.World;
import io.longhorn.orchestration.sim.world.SimDirectory;
import io.longhorn.orchestration.sim.world.SimFailure;
import io.longhorn.orchestration.sim.world.SimScheduler;
import java.util.List;
import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * What always has to hold, checked after every event for whatever it touched. What is about one
 * answer of an engine (I2, I4, I6), one copy (I7), one read (I3) or one action (I8, I9) is checked
 * where that happens.
 */
final class Invariants implements SimStore.Listener, SimExecutor.Gate {
  /** So long after a fact that justifies it an engine may be stopped for it. */
  private static final long FACT_NANOS = 60_000 * SimScheduler.MILLI;

  private record Kept(SimDirectory directory, long promised, RecordStamp record) {}

  private final World world;
  private final SimStore store;
  private final SimKubernetes kubernetes;
  private final TreeSet<String> touched = new TreeSet<>();
  private final TreeMap<String, VolumeRecord> records = new TreeMap<>();
  private final TreeMap<ReplicaId, Kept> kept = new TreeMap<>();

  /** Since when there is a ticket for a node, by volume; see {@link #place}. */
  private final TreeMap<String, TreeMap<String, Long>> tickets = new TreeMap<>();

  /** Engines of volumes that were, with a reason, given up where these are. */
  private final TreeSet<EngineId> givenUp = new TreeSet<>();

  private final TreeMap<String, Volume> volumes = new TreeMap<>();

  /** When an engine that owned a volume was last lost. */
  private final TreeMap<String, Long> lostOwners = new TreeMap<>();

  private final TreeMap<String, SimEngine> owners = new TreeMap<>();
  private long checks;

  Invariants(World world, SimStore store, SimKubernetes kubernetes) {
    this.world = world;
    this.store = store;
    this.kubernetes = kubernetes;
    store.listen(this);
  }

  long checks() {
    return checks;
  }

  void touch(String volume) {
    touched.add(volume);
  }

  /** Everything that was touched since this was last asked. */
  void check() {
    while (!touched.isEmpty()) {
      String volume = touched.removeFirst();
      Optional<VolumeRecord> record =
          store.find(ObjectKind.MEMBERSHIP, volume, Membership.class).map(Membership::record);
      if (record.isPresent()) {
        checks++;
        check(volume, record.get());
      }
    }
  }

  private void check(String volume, VolumeRecord record) {
    List<SimEngine> engines = world.enginesOf(volume);
    List<SimReplica> replicas = world.replicasOf(volume);
    noteOwner(volume);
    acknowledgedWritesAreOnEveryMember(volume, record, engines);
    generationsNeverGoBack(replicas);
    onlyOneEngineIsListenedTo(volume, engines);
    onlyOneProcessHasADirectory(replicas);
  }

  // ---- I1 ---------------------------------------------------------------------------------------

  private void acknowledgedWritesAreOnEveryMember(
      String volume, VolumeRecord record, List<SimEngine> engines) {
    for (SimEngine engine : engines) {
      boolean isOwner =
          engine.isOwner()
              && !engine.isReconciling()
              && record.isOwnedBy(engine.id(), engine.generation());
      if (!isOwner) {
        continue;
      }
      VolumeOracle oracle = world.oracle(volume);
      for (ReplicaId id : record.membership().members()) {
        Optional<SimReplica> member = engine.inSession(id);
        if (member.isPresent()) {
          for (int b = 0; b < oracle.size(); b++) {
            if (oracle.isTooOld(b, member.get().directory().block(b).stamp())) {
              throw new SimFailure(
                  "I1",
                  "block "
                      + b
                      + " of "
                      + volume
                      + " was acknowledged with "
                      + oracle.acknowledged(b)
                      + ", "
                      + member.get().name()
                      + ", a member, has "
                      + member.get().directory().block(b));
            }
          }
        }
      }
    }
  }

  // ---- I3, I5 -----------------------------------------------------------------------------------

  private void generationsNeverGoBack(List<SimReplica> replicas) {
    for (SimReplica replica : replicas) {
      if (!replica.isHolder()) {
        continue;
      }
      SimDirectory now = replica.directory();
      Kept before = kept.get(replica.id());
      if (before != null && before.directory == now) {
        if (now.promised < before.promised) {
          throw new SimFailure(
              "I3",
              replica.name() + " had promised " + before.promised + ", now it has " + now.promised);
        }
        if (before.record.isNewerThan(now.record.stamp())) {
          throw new SimFailure(
              "I5",
              replica.name()
                  + " had record "
                  + before.record
                  + ", now it has "
                  + now.record.stamp());
        }
      }
      if (before == null
          || before.directory != now
          || before.promised != now.promised
          || !before.record.equals(now.record.stamp())) {
        kept.put(replica.id(), new Kept(now, now.promised, now.record.stamp()));
      }
    }
  }

  private void onlyOneEngineIsListenedTo(String volume, List<SimEngine> engines) {
    SimEngine writer = null;
    for (SimEngine engine : engines) {
      if (!isListenedTo(engine)) {
        continue;
      }
      if (writer != null) {
        throw new SimFailure(
            "I3",
            "two engines write to "
                + volume
                + ": "
                + writer.name()
                + " as "
                + writer.generation()
                + " and "
                + engine.name()
                + " as "
                + engine.generation());
      }
      writer = engine;
    }
  }

  private static boolean isListenedTo(SimEngine engine) {
    SortedSet<ReplicaId> required = engine.requiredMembers();
    return engine.isOwner()
        && !required.isEmpty()
        && required.stream().allMatch(id -> engine.inSession(id).isPresent());
  }

  // ---- I8 ---------------------------------------------------------------------------------------

  private static void onlyOneProcessHasADirectory(List<SimReplica> replicas) {
    TreeMap<ReplicaId, SimReplica> holders = new TreeMap<>();
    for (SimReplica replica : replicas) {
      if (replica.isHolder()) {
        SimReplica other = holders.put(replica.id(), replica);
        if (other != null) {
          throw new SimFailure(
              "I8", other.name() + " and " + replica.name() + " both have one directory");
        }
      }
    }
  }

  @Override
  public void beforeDeletion(Replica replica, SimDirectory directory) {
    String volume = replica.spec().volumeName();
    for (Replica other : store.all(ObjectKind.REPLICA, Replica.class)) {
      if (other.spec().id().equals(replica.spec().id()) && !other.name().equals(replica.name())) {
        throw new SimFailure(
            "I8",
            "the directory of " + replica.name() + " is deleted, it is that of " + other.name());
      }
    }
    if (directory.holder != 0) {
      throw new SimFailure(
          "I8", "the directory of " + replica.name() + " is deleted while a process has it");
    }
    boolean isNeeded =
        store.find(ObjectKind.VOLUME, volume, Volume.class).filter(v -> !v.isDeleted()).isPresent()
            && world
                .recordOf(volume)
                .filter(record -> record.membership().members().contains(replica.spec().id()))
                .isPresent();
    if (isNeeded) {
      throw new SimFailure(
          "I7", "the directory of " + replica.name() + " is deleted, the record names it");
    }
  }

  // ---- I3, I9: the record -----------------------------------------------------------------------

  @Override
  public void stored(ObjectKey key, @Nullable ClusterObject object) {
    if (object instanceof VolumeAttachment attachment) {
      ticketsNow(attachment);
    } else if (object instanceof Membership membership) {
      recordNow(membership.name(), membership.record());
      touch(membership.name());
    } else if (object instanceof Volume volume) {
      volumeNow(volume);
    } else if (object == null && key.kind() == ObjectKind.MEMBERSHIP) {
      records.remove(key.name());
      tickets.remove(key.name());
      volumes.remove(key.name());
    }
  }

  private void volumeNow(Volume now) {
    Volume before = volumes.put(now.name(), now);
    if (before == null) {
      return;
    }
    SortedSet<String> left = nodesOf(before);
    left.removeAll(nodesOf(now));
    for (SimEngine engine : world.enginesOf(now.name())) {
      if (left.contains(engine.node())) {
        // Let go, confirmed, rolled back or cancelled: what is out of reach is stopped later, or
        // what it waits for is. Whether there was a reason is known now.
        checkStop(engine, before, "is given up");
        givenUp.add(engine.id());
      }
    }
  }

  /** Where it is to be. */
  private static SortedSet<String> nodesOf(Volume volume) {
    SortedSet<String> nodes =
        new TreeSet<>(List.of(volume.spec().nodeID(), volume.spec().migrationNodeID()));
    nodes.remove("");
    return nodes;
  }

  private void ticketsNow(VolumeAttachment attachment) {
    TreeMap<String, Long> since = tickets.computeIfAbsent(attachment.name(), _ -> new TreeMap<>());
    SortedSet<String> nodes = new TreeSet<>();
    attachment
        .tickets()
        .values()
        .forEach(ticket -> {
          nodes.add(place(ticket.nodeID(), ticket.isFrontendDisabled()));
          if (ticket.type().equals(Sim.CSI)) {
            nodes.add(placeOfMigration(ticket.nodeID()));
          }
        });
    since.keySet().retainAll(nodes);
    nodes.forEach(node -> since.putIfAbsent(node, world.scheduler.nowNanos()));
  }

  /** Somebody who wants a device is not served by an engine that was started without one. */
  private static String place(String node, boolean isFrontendDisabled) {
    return isFrontendDisabled ? node + " without a device" : node;
  }

  /** While a volume migrates, only tickets of that kind say where it is wanted (2.6). */
  private static String placeOfMigration(String node) {
    return node + " for a workload";
  }

  private static String place(String node, Volume volume) {
    return volume.isMigratable() && volume.isMigrating()
        ? placeOfMigration(node)
        : place(node, volume.status().isFrontendDisabled());
  }

  private void recordNow(String volume, VolumeRecord now) {
    VolumeRecord before = records.put(volume, now);
    if (before == null) {
      return;
    }
    if (now.reservedGeneration() < before.reservedGeneration()
        || before.membership().stamp().isNewerThan(now.membership().stamp())) {
      throw new SimFailure("I3", "the record of " + volume + " goes back: " + before + " " + now);
    }
    Optional<EngineId> owner = before.owner();
    boolean isTaken = !now.owner().equals(owner) && before.phase() == VolumeRecord.Phase.NONE;
    if (isTaken && owner.isPresent()) {
      world
          .engine(owner.get())
          .ifPresent(engine -> {
            if (isOwnerOf(before, engine) && !isJustified(engine, volumes.get(volume))) {
              throw new SimFailure(
                  "I9", engine.name() + " owns " + volume + " and lives, another one is started");
            }
          });
    }
  }

  private static boolean isOwnerOf(VolumeRecord record, SimEngine engine) {
    return engine.isOwner() && record.isOwnedBy(engine.id(), engine.generation());
  }

  private void noteOwner(String volume) {
    SimEngine before = owners.get(volume);
    if (before != null && !before.isAlive()) {
      owners.remove(volume);
      lostOwners.put(volume, world.scheduler.nowNanos());
    }
    for (SimEngine engine : world.enginesOf(volume)) {
      if (isOwned(engine)) {
        owners.put(volume, engine);
      }
    }
  }

  private boolean isOwned(SimEngine engine) {
    return world.recordOf(engine.volume()).filter(record -> isOwnerOf(record, engine)).isPresent();
  }

  @Override
  public void beforeAction(ProcessAction action) {
    switch (action) {
      case Action.StopInstance(var manager, String instance, String uuid) ->
          kubernetes
              .pod(manager.name())
              .flatMap(pod -> pod.instance(instance))
              .filter(one -> one.uuid.equals(uuid))
              .flatMap(SimPod.Instance::engine)
              .ifPresent(engine -> checkStop(engine, volumes.get(engine.volume()), "is stopped"));
      case Action.KillInstanceManager(var manager) ->
          kubernetes
              .pod(manager.name())
              .ifPresent(pod ->
                  pod.instances()
                      .values()
                      .forEach(one ->
                          one.engine()
                              .ifPresent(engine ->
                                  checkStop(
                                      engine,
                                      volumes.get(engine.volume()),
                                      "is killed with its manager"))));
      default -> {}
    }
  }

  private void checkStop(SimEngine engine, @Nullable Volume volume, String how) {
    if (engine.isAlive() && isOwned(engine) && !isJustified(engine, volume)) {
      throw new SimFailure(
          "I9", engine.name() + " owns " + engine.volume() + " and " + how + " without a reason");
    }
  }

  /** Whether there is more than doubt: nobody wants it there, or what it was part of is lost. */
  private boolean isJustified(SimEngine engine, @Nullable Volume volume) {
    if (volume == null || volume.isDeleted() || givenUp.contains(engine.id())) {
      return true;
    }
    long now = world.scheduler.nowNanos();
    Long since =
        tickets.getOrDefault(volume.name(), new TreeMap<>()).get(place(engine.node(), volume));
    boolean isWanted = since != null && now - since > FACT_NANOS;
    boolean isTerminating =
        kubernetes.podsOn(engine.node()).stream()
            .filter(pod -> pod.instances().values().stream().anyMatch(i -> i.process == engine))
            .anyMatch(SimPod::isDeleted);
    Long lost = lostOwners.get(volume.name());
    boolean isLost = lost != null && now - lost < FACT_NANOS;
    return !isWanted || isTerminating || isLost;
  }
}
