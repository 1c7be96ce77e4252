package io.longhorn.orchestration.decision;

import io.longhorn.api.cluster.ClusterObject;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.EngineImage;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Setting;
import io.longhorn.api.cluster.Volume;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * The whole cluster as plans see it: the objects as they are stored, and what was seen of nodes,
 * instance managers and engines. Kept up to date change by change, with what belongs together
 * beside each other, so that a plan for one volume does not cost more the more volumes there are.
 *
 * <p>One owner thread. A plan reads it and changes nothing.
 */
public final class ClusterView {
  /** By kind, then name. */
  private final EnumMap<ObjectKind, SortedMap<String, ClusterObject>> objects =
      new EnumMap<>(ObjectKind.class);

  private final TreeMap<String, SortedMap<String, Engine>> enginesByVolume = new TreeMap<>();
  private final TreeMap<String, SortedMap<String, Replica>> replicasByVolume = new TreeMap<>();
  private final TreeMap<String, SortedMap<String, Replica>> replicasByNode = new TreeMap<>();
  private final TreeMap<String, SortedMap<String, InstanceManager>> managersByNode =
      new TreeMap<>();

  /** By node, then disk: the sizes of what its own replicas belong to. */
  private final TreeMap<String, TreeMap<String, Long>> promisedByDisk = new TreeMap<>();

  /** By volume, then instance manager: how many of its processes were seen there. */
  private final TreeMap<String, TreeMap<String, Integer>> processesByVolume = new TreeMap<>();

  private final TreeMap<String, ManagerSeen> managers = new TreeMap<>();
  private final TreeMap<String, EngineSeen> engines = new TreeMap<>();
  private final TreeMap<String, NodeSeen> nodes = new TreeMap<>();
  private final TreeMap<String, SwapSeen> swaps = new TreeMap<>();

  /** How many volumes, engines and replicas name an image. */
  private final TreeMap<String, Integer> references = new TreeMap<>();

  private final Set<Capability> capabilities;

  /** Volumes whose plan may be another one than when they were last looked at. */
  private final TreeSet<String> dirty = new TreeSet<>();

  private boolean isClusterDirty = true;

  /** Whether the plan of the cluster may ask for upgrades, and so looks at all volumes. */
  private boolean areUpgradesAutomatic;

  private boolean areTargetsChanged = true;
  private long nowMillis;
  private boolean isStopping;

  /** An empty cluster, whose executor can do this. */
  public ClusterView(Set<Capability> capabilities) {
    this.capabilities = EnumSet.noneOf(Capability.class);
    this.capabilities.addAll(capabilities);
    for (ObjectKind kind : ObjectKind.values()) {
      objects.put(kind, new TreeMap<>());
    }
  }

  /** A cluster with these objects, whose executor can do everything. */
  public static ClusterView of(long nowMillis, Collection<? extends ClusterObject> objects) {
    ClusterView view = new ClusterView(EnumSet.allOf(Capability.class));
    view.now(nowMillis);
    objects.forEach(view::put);
    return view;
  }

  // ---- changes --------------------------------------------------------------------------------

  /** It is that time, in milliseconds since 1970. */
  public void now(long millis) {
    nowMillis = millis;
  }

  /** Whether the cluster goes down: every volume is to be detached, tickets notwithstanding. */
  public void stopping(boolean stopping) {
    if (stopping != isStopping) {
      isStopping = stopping;
      everythingChanged();
    }
  }

  /** An object is stored so. */
  public void put(ClusterObject object) {
    ClusterObject before = named(object.kind()).put(object.name(), object);
    if (object.equals(before)) {
      return;
    }
    if (before != null) {
      unindex(before);
    } else {
      cameOrWent(object);
    }
    index(object);
    refer(before == null ? Collections.emptySortedSet() : imagesOf(before), imagesOf(object));
    if (object instanceof EngineImage now
        && before instanceof EngineImage last
        && now.withReferences(1, 0).equals(last.withReferences(1, 0))) {
      // Only its users were counted: nobody decides on that but who counts.
      isClusterDirty = true;
      return;
    }
    changed(object);
  }

  /** An object is not stored any more. */
  public void remove(ObjectKey key) {
    ClusterObject before = named(key.kind()).remove(key.name());
    if (before != null) {
      // What was seen of it says nothing of another one of this name.
      switch (key.kind()) {
        case INSTANCE_MANAGER -> {
          ManagerSeen seen = managers.remove(key.name());
          if (seen != null) {
            count(key.name(), seen, ManagerSeen.NOT_YET);
          }
        }
        case ENGINE -> engines.remove(key.name());
        default -> {}
      }
      cameOrWent(before);
      unindex(before);
      refer(imagesOf(before), Collections.emptySortedSet());
      if (key.kind() == ObjectKind.ENGINE) {
        swaps.remove(key.name());
      }
      changed(before);
    }
  }

  /** An instance manager was looked at. */
  public void seen(String manager, ManagerSeen now) {
    ManagerSeen before = managers.put(manager, now);
    if (now.equals(before)) {
      return;
    }
    count(manager, before == null ? ManagerSeen.NOT_YET : before, now);
    if (before == null || before.reach() != now.reach() || before.pid() != now.pid()) {
      isClusterDirty = true;
      find(ObjectKind.INSTANCE_MANAGER, manager, InstanceManager.class)
          .ifPresent(object -> nodeChanged(object.nodeID()));
      // Also those that have nothing to do with the node any more.
      now.instances().keySet().forEach(this::dirtyInstance);
      if (before != null) {
        before.instances().keySet().forEach(this::dirtyInstance);
      }
      return;
    }
    // An old one may go when nothing runs in it any more.
    isClusterDirty |= before.isIdle() != now.isIdle();
    // Whose processes came, went, or changed.
    before
        .instances()
        .forEach((name, instance) -> {
          if (!instance.equals(now.instances().get(name))) {
            dirtyInstance(name);
          }
        });
    now.instances().keySet().stream()
        .filter(name -> !before.instances().containsKey(name))
        .forEach(this::dirtyInstance);
  }

  private void count(String manager, ManagerSeen before, ManagerSeen now) {
    if (before.instances().keySet().equals(now.instances().keySet())) {
      return;
    }
    before.instances().keySet().forEach(name -> count(manager, Names.volumeOf(name), -1));
    now.instances().keySet().forEach(name -> count(manager, Names.volumeOf(name), 1));
  }

  private void count(String manager, String volume, int more) {
    TreeMap<String, Integer> there =
        processesByVolume.computeIfAbsent(volume, _ -> new TreeMap<>());
    there.merge(manager, more, (a, b) -> a + b == 0 ? null : a + b);
    if (there.isEmpty()) {
      processesByVolume.remove(volume);
    }
  }

  /** An engine has spoken. */
  public void seen(String engine, EngineSeen now) {
    if (!now.equals(engines.put(engine, now))) {
      dirtyInstance(engine);
    }
  }

  /** An engine is not looked at any more. */
  public void forgetEngine(String engine) {
    if (engines.remove(engine) != null) {
      dirtyInstance(engine);
    }
  }

  /** A try to switch an engine has failed. */
  public void seen(String engine, SwapSeen now) {
    if (!now.equals(swaps.put(engine, now))) {
      dirtyInstance(engine);
    }
  }

  /** The orchestrator said something of a node. */
  public void seen(String node, NodeSeen now) {
    if (!now.equals(nodes.put(node, now))) {
      isClusterDirty = true;
    }
  }

  /** Everything is to be looked at again. */
  public void everythingChanged() {
    isClusterDirty = true;
    dirty.addAll(volumeNames());
  }

  /** A volume is to be looked at again. */
  public void touch(String volume) {
    dirty.add(volume);
  }

  /** Nodes, instance managers and images are to be looked at again. */
  public void touchCluster() {
    isClusterDirty = true;
  }

  /** The volume that an object belongs to; empty for one that belongs to none. */
  public static String volumeOf(ObjectKey key) {
    return switch (key.kind()) {
      case VOLUME, VOLUME_ATTACHMENT, MEMBERSHIP -> key.name();
      case ENGINE, REPLICA -> Names.volumeOf(key.name());
      case SETTING, NODE, INSTANCE_MANAGER, ENGINE_IMAGE, EVENT -> "";
    };
  }

  private void changed(ClusterObject object) {
    areTargetsChanged |= object instanceof Engine || object instanceof InstanceManager;
    switch (object) {
      case Volume volume -> dirtyVolume(volume.name());
      case Engine engine -> dirtyVolume(engine.spec().volumeName());
      case Replica replica -> dirtyVolume(replica.spec().volumeName());
      default -> {
        switch (object.kind()) {
          case VOLUME_ATTACHMENT, MEMBERSHIP -> dirtyVolume(object.name());
          case EVENT -> {}
          case NODE -> {
            isClusterDirty = true;
            nodeChanged(object.name());
          }
          case INSTANCE_MANAGER -> {
            isClusterDirty = true;
            nodeChanged(((InstanceManager) object).nodeID());
            // What it has of a volume that has nothing there any more can be stopped, perhaps.
            ManagerSeen seen = managers.get(object.name());
            if (seen != null) {
              seen.instances().keySet().forEach(this::dirtyInstance);
            }
          }
          case SETTING -> {
            areUpgradesAutomatic =
                settings().number(Settings.Key.CONCURRENT_AUTOMATIC_ENGINE_UPGRADE) != 0;
            everythingChanged();
          }
          case ENGINE_IMAGE -> everythingChanged();
          case VOLUME, ENGINE, REPLICA -> throw new IllegalStateException("unreachable");
        }
      }
    }
  }

  /** Everything that has, had, or wants something there, and whatever waits for a node. */
  private void nodeChanged(String node) {
    replicasOn(node).forEach(replica -> dirty.add(replica.spec().volumeName()));
    for (Volume volume : all(ObjectKind.VOLUME, Volume.class)) {
      boolean isThere =
          volume.spec().nodeID().equals(node)
              || volume.spec().migrationNodeID().equals(node)
              || volume.status().currentNodeID().equals(node)
              || volume.status().currentMigrationNodeID().equals(node)
              || !volume.status().conditions().isEmpty();
      if (isThere) {
        dirty.add(volume.name());
      }
    }
  }

  /** What is a process of a volume that is stored is that volume's, and not the cluster's. */
  private void dirtyInstance(String instance) {
    String volume = Names.volumeOf(instance);
    if (!volume.isEmpty()) {
      dirtyVolume(volume);
    }
    isClusterDirty |= !named(ObjectKind.VOLUME).containsKey(volume);
  }

  private void dirtyVolume(String volume) {
    dirty.add(volume);
    isClusterDirty |= areUpgradesAutomatic;
  }

  /** The processes of a volume are strays, and the cluster's, as long as it is not there. */
  private void cameOrWent(ClusterObject object) {
    isClusterDirty |= object instanceof Volume;
  }

  private void index(ClusterObject object) {
    switch (object) {
      case Engine engine -> add(enginesByVolume, engine.spec().volumeName(), engine.name(), engine);
      case Replica replica -> {
        add(replicasByVolume, replica.spec().volumeName(), replica.name(), replica);
        add(replicasByNode, replica.spec().nodeID(), replica.name(), replica);
        promise(replica, sizeOf(replica.spec().volumeName()));
      }
      case Volume volume ->
          replicasOf(volume.name())
              .values()
              .forEach(replica -> promise(replica, volume.spec().sizeBytes()));
      case InstanceManager manager ->
          add(managersByNode, manager.nodeID(), manager.name(), manager);
      default -> {}
    }
  }

  private void unindex(ClusterObject object) {
    switch (object) {
      case Engine engine -> drop(enginesByVolume, engine.spec().volumeName(), engine.name());
      case Replica replica -> {
        drop(replicasByVolume, replica.spec().volumeName(), replica.name());
        drop(replicasByNode, replica.spec().nodeID(), replica.name());
        promise(replica, -sizeOf(replica.spec().volumeName()));
      }
      case Volume volume ->
          replicasOf(volume.name())
              .values()
              .forEach(replica -> promise(replica, -volume.spec().sizeBytes()));
      case InstanceManager manager -> drop(managersByNode, manager.nodeID(), manager.name());
      default -> {}
    }
  }

  /** The size of a volume as it is stored now; what belongs to none counts for nothing. */
  private long sizeOf(String volume) {
    return find(ObjectKind.VOLUME, volume, Volume.class)
        .map(found -> found.spec().sizeBytes())
        .orElse(0L);
  }

  /** One directory is promised once, whoever else stands by for it. */
  private void promise(Replica replica, long bytes) {
    if (replica.spec().isActive() && bytes != 0) {
      TreeMap<String, Long> disks =
          promisedByDisk.computeIfAbsent(replica.spec().nodeID(), _ -> new TreeMap<>());
      if (disks.merge(replica.spec().diskID(), bytes, Long::sum) == 0) {
        disks.remove(replica.spec().diskID());
      }
    }
  }

  private static SortedSet<String> imagesOf(ClusterObject object) {
    TreeSet<String> images = new TreeSet<>();
    switch (object) {
      case Volume volume -> {
        images.add(volume.spec().image());
        images.add(volume.status().currentImage());
      }
      case Engine engine -> {
        images.add(engine.spec().image());
        images.add(engine.status().currentImage());
      }
      case Replica replica -> images.add(replica.spec().image());
      default -> {}
    }
    images.remove("");
    return images;
  }

  private void refer(SortedSet<String> before, SortedSet<String> now) {
    if (before.equals(now)) {
      return;
    }
    isClusterDirty = true;
    now.forEach(image -> references.merge(image, 1, Integer::sum));
    before.forEach(
        image -> references.computeIfPresent(image, (_, count) -> count == 1 ? null : count - 1));
  }

  private static <T> void add(
      Map<String, SortedMap<String, T>> index, String of, String name, T value) {
    index.computeIfAbsent(of, _ -> new TreeMap<>()).put(name, value);
  }

  private static <T> void drop(Map<String, SortedMap<String, T>> index, String of, String name) {
    SortedMap<String, T> there = index.get(of);
    if (there != null && there.remove(name) != null && there.isEmpty()) {
      index.remove(of);
    }
  }

  // ---- what is to be planned ------------------------------------------------------------------

  /** Volumes to be looked at again; from now on none is. */
  public SortedSet<String> takeDirty() {
    SortedSet<String> taken = new TreeSet<>(dirty);
    dirty.clear();
    return taken;
  }

  /** Whether nodes, instance managers and images are to be looked at again; from now on not. */
  public boolean takeClusterDirty() {
    boolean taken = isClusterDirty;
    isClusterDirty = false;
    return taken;
  }

  /** Whether another engine or instance manager may have to be looked at; from now on not. */
  public boolean takeTargetsChanged() {
    boolean taken = areTargetsChanged;
    areTargetsChanged = false;
    return taken;
  }

  // ---- reading --------------------------------------------------------------------------------

  /** Now, in milliseconds since 1970. */
  public long nowMillis() {
    return nowMillis;
  }

  /** Whether the cluster goes down. */
  public boolean isStopping() {
    return isStopping;
  }

  /** Whether the executor can do that. */
  public boolean can(Capability capability) {
    return capabilities.contains(capability);
  }

  /** The settings. */
  public Settings settings() {
    return new Settings(key -> find(ObjectKind.SETTING, key, Setting.class).map(Setting::value));
  }

  /** Names of all volumes. */
  public List<String> volumeNames() {
    return all(ObjectKind.VOLUME, Volume.class).stream().map(Volume::name).toList();
  }

  /** What was last seen of an instance manager. */
  public ManagerSeen manager(String name) {
    return managers.getOrDefault(name, ManagerSeen.NOT_YET);
  }

  /** What an engine last said. */
  public Optional<EngineSeen> engine(String name) {
    return Optional.ofNullable(engines.get(name));
  }

  /** The last try to switch an engine that failed, since this control plane was started. */
  public Optional<SwapSeen> swap(String engine) {
    return Optional.ofNullable(swaps.get(engine));
  }

  /** How many volumes, engines and replicas run from an image, or are to. */
  public int references(String image) {
    return references.getOrDefault(image, 0);
  }

  /** What was last said of a node; empty where nobody says anything. */
  public Optional<NodeSeen> node(String name) {
    return Optional.ofNullable(nodes.get(name));
  }

  /** Engines of a volume, by name. */
  public SortedMap<String, Engine> enginesOf(String volume) {
    return enginesByVolume.getOrDefault(volume, new TreeMap<>());
  }

  /** Replicas of a volume, by name. */
  public SortedMap<String, Replica> replicasOf(String volume) {
    return replicasByVolume.getOrDefault(volume, new TreeMap<>());
  }

  /** Replicas on a node, of all volumes, by name. */
  public Collection<Replica> replicasOn(String node) {
    return Collections.unmodifiableCollection(
        replicasByNode.getOrDefault(node, new TreeMap<>()).values());
  }

  /** How much of a disk is promised: the sizes of the volumes that have a replica there. */
  public long promisedBytes(String node, String disk) {
    TreeMap<String, Long> disks = promisedByDisk.get(node);
    return disks == null ? 0 : disks.getOrDefault(disk, 0L);
  }

  /** Names of the instance managers that had processes of a volume when they were last seen. */
  public List<String> managersWith(String volume) {
    TreeMap<String, Integer> there = processesByVolume.get(volume);
    return there == null ? List.of() : List.copyOf(there.keySet());
  }

  /** Instance managers of a node, by name. */
  public SortedMap<String, InstanceManager> managersOn(String node) {
    return managersByNode.getOrDefault(node, new TreeMap<>());
  }

  /** All objects of a kind, by name. */
  public <T extends ClusterObject> List<T> all(ObjectKind kind, Class<T> type) {
    SortedMap<String, ClusterObject> there = named(kind);
    List<T> all = new ArrayList<>(there.size());
    for (ClusterObject object : there.values()) {
      all.add(type.cast(object));
    }
    return List.copyOf(all);
  }

  /** One object; none for an empty name. */
  public <T extends ClusterObject> Optional<T> find(ObjectKind kind, String name, Class<T> type) {
    return Optional.ofNullable(named(kind).get(name)).map(type::cast);
  }

  /** One object. */
  public Optional<ClusterObject> find(ObjectKey key) {
    return Optional.ofNullable(named(key.kind()).get(key.name()));
  }

  private SortedMap<String, ClusterObject> named(ObjectKind kind) {
    SortedMap<String, ClusterObject> there = objects.get(kind);
    if (there == null) {
      throw new IllegalStateException("no objects of kind " + kind);
    }
    return there;
  }
}
