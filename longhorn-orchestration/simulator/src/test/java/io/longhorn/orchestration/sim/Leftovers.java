package io.longhorn.orchestration.sim;

import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.Membership;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Setting;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.VolumeAttachment;
import io.longhorn.orchestration.decision.Settings;
import io.longhorn.orchestration.sim.volume.World;
import io.longhorn.orchestration.sim.world.SimDirectory;
import java.util.List;
import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeSet;

/** What should not be there any more when all trouble is over and nothing is left to do. */
final class Leftovers {
  private final World world;
  private final SimStore store;
  private final SimKubernetes kubernetes;

  Leftovers(World world, SimStore store, SimKubernetes kubernetes) {
    this.world = world;
    this.store = store;
    this.kubernetes = kubernetes;
  }

  Optional<String> find() {
    return processes().or(this::directories).or(this::objects).or(this::managers).or(this::volumes);
  }

  /** What belongs to a volume that is not there any more. */
  private Optional<String> objects() {
    SortedSet<String> volumes = new TreeSet<>();
    store.all(ObjectKind.VOLUME, Volume.class).forEach(volume -> volumes.add(volume.name()));
    SortedSet<String> of = new TreeSet<>();
    store.all(ObjectKind.ENGINE, Engine.class).forEach(one -> of.add(one.spec().volumeName()));
    store.all(ObjectKind.REPLICA, Replica.class).forEach(one -> of.add(one.spec().volumeName()));
    store.all(ObjectKind.MEMBERSHIP, Membership.class).forEach(one -> of.add(one.name()));
    store
        .all(ObjectKind.VOLUME_ATTACHMENT, VolumeAttachment.class)
        .forEach(one -> of.add(one.name()));
    of.removeAll(volumes);
    return of.stream().findFirst().map(name -> "there are objects of " + name + ", and no volume");
  }

  /** An instance manager of an older image stays only for what runs in it (5.9). */
  private Optional<String> managers() {
    String image =
        new Settings(key -> store.find(ObjectKind.SETTING, key, Setting.class).map(Setting::value))
            .text(Settings.Key.DEFAULT_INSTANCE_MANAGER_IMAGE);
    for (SimPod pod : kubernetes.pods()) {
      if (!pod.image.equals(image) && pod.instances().isEmpty()) {
        return Optional.of(pod.name + " is of image " + pod.image + ", and empty");
      }
    }
    return Optional.empty();
  }

  private Optional<String> processes() {
    SortedSet<String> known = new TreeSet<>();
    store.all(ObjectKind.ENGINE, Engine.class).forEach(engine -> known.add(engine.name()));
    store.all(ObjectKind.REPLICA, Replica.class).forEach(replica -> known.add(replica.name()));
    for (SimPod pod : kubernetes.pods()) {
      for (SimPod.Instance one : pod.instances().values()) {
        if (!known.contains(one.name)) {
          return Optional.of(one.name + " is " + one.state + " in " + pod.name + ", of no object");
        }
      }
    }
    return Optional.empty();
  }

  private Optional<String> directories() {
    List<Replica> replicas = store.all(ObjectKind.REPLICA, Replica.class);
    for (SimDirectory directory : world.directories()) {
      boolean isKnown =
          replicas.stream().anyMatch(one -> one.spec().directory().equals(directory.path));
      if (!isKnown) {
        return Optional.of(directory.path + " is there, of no replica");
      }
    }
    for (Replica replica : replicas) {
      boolean isThere =
          world.directory(replica.spec().id()).isPresent() || !replica.status().isCreated();
      if (!isThere) {
        return Optional.of("the directory of " + replica.name() + " is gone");
      }
    }
    return Optional.empty();
  }

  private Optional<String> volumes() {
    for (Volume volume : store.all(ObjectKind.VOLUME, Volume.class)) {
      Optional<String> found = volume(volume);
      if (found.isPresent()) {
        return found;
      }
    }
    return Optional.empty();
  }

  private Optional<String> volume(Volume volume) {
    String name = volume.name();
    if (volume.isDeleted()) {
      return Optional.of(name + " is not deleted: " + volume.status().conditions());
    }
    if (volume.isUpgrading()) {
      return Optional.of(name + " is being upgraded: " + volume.status().conditions());
    }
    VolumeAttachment tickets =
        store.find(ObjectKind.VOLUME_ATTACHMENT, name, VolumeAttachment.class).orElseThrow();
    long engines =
        store.all(ObjectKind.ENGINE, Engine.class).stream()
            .filter(engine -> engine.spec().volumeName().equals(name))
            .count();
    long nodes =
        tickets.tickets().values().stream()
            .filter(ticket -> ticket.type().equals(Sim.CSI))
            .map(VolumeAttachment.Ticket::nodeID)
            .distinct()
            .count();
    if (tickets.tickets().isEmpty()) {
      boolean isAtRest =
          volume.status().state() == Volume.State.DETACHED && world.enginesOf(name).isEmpty();
      return isAtRest
          ? Optional.empty()
          : Optional.of(name + " has no tickets and is " + volume.status().state().text());
    }
    if (nodes > 1) {
      // It waits for a decision.
      return Optional.empty();
    }
    boolean isWell =
        volume.status().state() == Volume.State.ATTACHED
            && volume.status().robustness() == Volume.Robustness.HEALTHY;
    if (!isWell) {
      return Optional.of(
          name
              + " has a ticket and is "
              + volume.status().state().text()
              + ", "
              + volume.status().robustness().text()
              + ": "
              + volume.status().conditions());
    }
    if (engines != 1 || volume.isMigrating()) {
      return Optional.of(name + " still has " + engines + " engines");
    }
    return standbys(name);
  }

  private Optional<String> standbys(String volume) {
    for (Replica replica : store.all(ObjectKind.REPLICA, Replica.class)) {
      // One that has failed is kept for a while although it is not needed (7.5).
      boolean isAtRest =
          replica.spec().isActive()
              && (replica.status().isHolder() || replica.spec().health().isFailed());
      boolean isLeft = replica.spec().volumeName().equals(volume) && !isAtRest;
      if (isLeft) {
        return Optional.of(
            replica.name()
                + " is "
                + (replica.spec().isActive() ? "" : "not the volume's own, ")
                + (replica.status().isHolder() ? "holder" : "no holder"));
      }
    }
    return Optional.empty();
  }
}
