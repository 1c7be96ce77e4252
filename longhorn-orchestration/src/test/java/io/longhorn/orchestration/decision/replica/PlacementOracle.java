package io.longhorn.orchestration.decision.replica;

import io.longhorn.api.cluster.Condition;
import io.longhorn.api.cluster.EngineImage;
import io.longhorn.api.cluster.Node;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume.Placement;
import io.longhorn.api.cluster.Volume.Placement.Choice;
import io.longhorn.api.cluster.Volume.Placement.DataLocality;
import io.longhorn.orchestration.decision.Settings;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.random.RandomGenerator;

/**
 * A random cluster, and the best places in it for one more replica, found by asking of every disk
 * every sentence of section 7.4. Written from the reference, not from the rule.
 */
final class PlacementOracle {
  private record Option(Node node, Node.Disk disk) {
    String name() {
      return node.name() + "/" + disk.id();
    }
  }

  private final ReplicaWorld world = ReplicaWorld.of(1, 1);
  private final List<Replica> live = new ArrayList<>();
  private boolean zoneSoft;
  private boolean nodeSoft;
  private boolean diskSoft;
  private boolean ignoresCordon;
  private DataLocality locality = DataLocality.DISABLED;

  private PlacementOracle() {}

  static PlacementOracle random(RandomGenerator random) {
    PlacementOracle oracle = new PlacementOracle();
    oracle.make(random);
    return oracle;
  }

  ReplicaWorld world() {
    return world;
  }

  private void make(RandomGenerator random) {
    world.drop(world.replica(1));
    world.drop(world.node("node-1"));
    int nodes = 1 + random.nextInt(5);
    SortedSet<String> deployed = new TreeSet<>();
    for (int i = 1; i <= nodes; i++) {
      world.put(node(random, "n" + i));
      if (random.nextInt(8) > 0) {
        deployed.add("n" + i);
      }
    }
    world.put(
        EngineImage.of(
            ReplicaWorld.IMAGE, "/bin/longhorn", "1", EngineImage.Versions.first("c1"), deployed));
    zoneSoft = random.nextBoolean();
    nodeSoft = random.nextBoolean();
    diskSoft = random.nextBoolean();
    ignoresCordon = random.nextInt(4) == 0;
    locality = List.of(DataLocality.values()).get(random.nextInt(3));
    boolean byVolume = random.nextBoolean();
    world.set(Settings.Key.REPLICA_ZONE_SOFT_ANTI_AFFINITY, Boolean.toString(zoneSoft != byVolume));
    world.set(Settings.Key.REPLICA_SOFT_ANTI_AFFINITY, Boolean.toString(nodeSoft != byVolume));
    world.set(Settings.Key.REPLICA_DISK_SOFT_ANTI_AFFINITY, Boolean.toString(diskSoft != byVolume));
    world.set(Settings.Key.DISABLE_SCHEDULING_ON_CORDONED_NODE, Boolean.toString(!ignoresCordon));
    Choice none = Choice.IGNORED;
    SortedSet<String> wanted = random.nextInt(3) == 0 ? one("t") : Collections.emptySortedSet();
    Placement placement =
        new Placement(
            locality,
            wanted,
            random.nextInt(3) == 0 ? one("d") : Collections.emptySortedSet(),
            byVolume ? choice(nodeSoft) : none,
            byVolume ? choice(zoneSoft) : none,
            byVolume ? choice(diskSoft) : none);
    String attached = random.nextInt(3) == 0 ? "" : "n" + (1 + random.nextInt(nodes));
    world.spec(spec -> spec.with(3, 0, placement).withNodeID(attached));
    int replicas = random.nextInt(4);
    for (int i = 1; i <= replicas; i++) {
      addReplica(random, i, "n" + (1 + random.nextInt(nodes)));
    }
  }

  private static SortedSet<String> one(String tag) {
    return new TreeSet<>(List.of(tag));
  }

  private static Choice choice(boolean isSoft) {
    return isSoft ? Choice.ENABLED : Choice.DISABLED;
  }

  private static Node node(RandomGenerator random, String name) {
    Condition ready = new Condition("Ready", random.nextInt(10) > 0, "KubeletReady", "", 1);
    List<Node.Disk> disks = new ArrayList<>();
    int count = random.nextInt(3);
    for (int i = 0; i <= count; i++) {
      boolean isSized = random.nextBoolean();
      long size = isSized ? ReplicaWorld.SIZE * (1 + random.nextInt(4)) : 0;
      disks.add(
          new Node.Disk(
              "disk-" + i,
              "/disks/" + name + i,
              random.nextInt(8) > 0,
              random.nextInt(10) == 0,
              size,
              size / 4 * random.nextInt(2),
              size / 8 * random.nextInt(9),
              random.nextBoolean() ? one("d") : Collections.emptySortedSet(),
              random.nextInt(10) > 0));
    }
    return new Node(
        name,
        random.nextInt(6) == 0,
        false,
        random.nextInt(10) > 0,
        random.nextInt(10) == 0,
        random.nextInt(4) == 0 ? "" : "z" + random.nextInt(3),
        random.nextBoolean() ? one("t") : Collections.emptySortedSet(),
        disks,
        new Condition("KubeReady", true, "", "", 1),
        ready);
  }

  private void addReplica(RandomGenerator random, int number, String node) {
    Replica.Spec like = placeless(number);
    List<Node.Disk> disks = world.node(node).disks();
    String disk = disks.get(random.nextInt(disks.size())).id();
    boolean isFailed = random.nextInt(4) == 0;
    Replica.Spec spec =
        new Replica.Spec(
            ReplicaWorld.VOLUME,
            like.id(),
            node,
            disk,
            like.directory(),
            like.image(),
            true,
            "",
            true,
            random.nextInt(3) == 0,
            isFailed ? like.health().failed(7) : like.health());
    Replica replica = new Replica(ReplicaWorld.name(number), spec, Replica.Status.NONE);
    world.put(replica);
    if (!isFailed) {
      live.add(replica);
    }
  }

  private static Replica.Spec placeless(int number) {
    return ReplicaWorld.of(8, 8).replica(number).spec();
  }

  // ---- the sentences of 7.4 ---------------------------------------------------------------------

  /** Names of the places of which one has to be taken; none if there is none. */
  List<String> best() {
    List<Option> fit = new ArrayList<>();
    for (Node node : nodes()) {
      for (Node.Disk disk : node.disks()) {
        if (isOpen(node) && isOpen(disk) && hasRoom(node, disk) && isDiskFree(node, disk)) {
          fit.add(new Option(node, disk));
        }
      }
    }
    List<Option> best = ordered(fit);
    String near = world.volume().spec().nodeID();
    if (locality != DataLocality.DISABLED && !near.isEmpty()) {
      List<Option> local =
          allowed(fit).stream().filter(option -> option.node().name().equals(near)).toList();
      if (locality == DataLocality.STRICT_LOCAL) {
        return names(local);
      }
      boolean hasOne = live.stream().anyMatch(replica -> replica.spec().nodeID().equals(near));
      if (!hasOne && !local.isEmpty()) {
        return names(local);
      }
    }
    return names(best);
  }

  private static List<String> names(List<Option> options) {
    return options.stream().map(Option::name).toList();
  }

  private List<Node> nodes() {
    return world.draft().nodes();
  }

  private boolean isOpen(Node node) {
    return node.ready().isTrue()
        && node.allowsScheduling()
        && !node.isEvictionRequested()
        && (ignoresCordon || !node.isCordoned())
        && node.tags().containsAll(world.volume().spec().placement().nodeTags())
        && world.draft().image(ReplicaWorld.IMAGE).orElseThrow().deployedOn().contains(node.name());
  }

  private boolean isOpen(Node.Disk disk) {
    return disk.isReady()
        && disk.allowsScheduling()
        && !disk.isEvictionRequested()
        && disk.tags().containsAll(world.volume().spec().placement().diskTags());
  }

  private boolean hasRoom(Node node, Node.Disk disk) {
    long scheduled =
        world.replicas().stream().filter(replica -> isAt(replica, node, disk)).count()
            * ReplicaWorld.SIZE;
    return disk.maximumBytes() == 0
        || (disk.availableBytes() > disk.maximumBytes() * 25 / 100
            && scheduled + ReplicaWorld.SIZE <= disk.maximumBytes() - disk.reservedBytes());
  }

  private boolean isDiskFree(Node node, Node.Disk disk) {
    return diskSoft || live.stream().noneMatch(replica -> isAt(replica, node, disk));
  }

  private static boolean isAt(Replica replica, Node node, Node.Disk disk) {
    return replica.spec().nodeID().equals(node.name()) && replica.spec().diskID().equals(disk.id());
  }

  private static String zone(Node node) {
    return node.zone().isEmpty() ? "!" + node.name() : node.zone();
  }

  private List<Replica> inZone(Node node) {
    return live.stream()
        .filter(replica -> zone(world.node(replica.spec().nodeID())).equals(zone(node)))
        .toList();
  }

  private List<Replica> onNode(Node node) {
    return live.stream().filter(replica -> replica.spec().nodeID().equals(node.name())).toList();
  }

  private static boolean allLeave(List<Replica> replicas) {
    return replicas.stream().allMatch(replica -> replica.spec().isEvictionRequested());
  }

  /** All that the switches allow. */
  private List<Option> allowed(List<Option> fit) {
    return fit.stream()
        .filter(option -> {
          List<Replica> zone = inZone(option.node());
          List<Replica> node = onNode(option.node());
          return (zoneSoft || allLeave(zone)) && (nodeSoft || allLeave(node));
        })
        .toList();
  }

  /** The first sentence of the order that has any. */
  private List<Option> ordered(List<Option> fit) {
    List<Option> unusedZone =
        fit.stream().filter(option -> inZone(option.node()).isEmpty()).toList();
    if (!unusedZone.isEmpty()) {
      return fewest(unusedZone);
    }
    List<Option> allowed = allowed(fit);
    List<Option> unusedNode =
        allowed.stream().filter(option -> onNode(option.node()).isEmpty()).toList();
    if (!unusedNode.isEmpty()) {
      return fewest(unusedNode);
    }
    List<Option> left = allowed.stream().filter(option -> allLeave(onNode(option.node()))).toList();
    return fewest(left.isEmpty() ? allowed : left);
  }

  /** Of these, those on the disks with the fewest replicas of the volume. */
  private List<Option> fewest(List<Option> options) {
    long least = options.stream().mapToLong(this::copies).min().orElse(0);
    return options.stream().filter(option -> copies(option) == least).toList();
  }

  private long copies(Option option) {
    return live.stream().filter(replica -> isAt(replica, option.node(), option.disk())).count();
  }

  @Override
  public String toString() {
    return nodes() + " " + world.replicas() + " " + world.volume().spec();
  }
}
