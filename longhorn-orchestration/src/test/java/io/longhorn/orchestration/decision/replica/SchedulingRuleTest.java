package io.longhorn.orchestration.decision.replica;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.cluster.EngineImage;
import io.longhorn.api.cluster.Node;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.Volume.Placement;
import io.longhorn.api.cluster.Volume.Placement.Choice;
import io.longhorn.api.cluster.Volume.Placement.DataLocality;
import io.longhorn.orchestration.Seed;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.decision.Settings;
import io.longhorn.orchestration.decision.volume.SchedulingRule;
import io.longhorn.orchestration.decision.volume.SchedulingRule.Answer;
import io.longhorn.orchestration.decision.volume.SchedulingRule.Place;
import io.longhorn.orchestration.decision.volume.SchedulingRule.Request;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Section 7.4: where a replica may be, and which of the places is taken. */
final class SchedulingRuleTest {
  private static SortedSet<String> tags(String tags) {
    SortedSet<String> set = new TreeSet<>();
    if (!tags.isEmpty()) {
      Collections.addAll(set, tags.split(" "));
    }
    return set;
  }

  private static Placement placement(DataLocality locality, Choice node, Choice zone, Choice disk) {
    return new Placement(
        locality, Collections.emptySortedSet(), Collections.emptySortedSet(), node, zone, disk);
  }

  private static void placed(ReplicaWorld world, Placement placement) {
    world.spec(spec -> spec.with(spec.numberOfReplicas(), 0, placement));
  }

  private static Answer oneMore(ReplicaWorld world) {
    return SchedulingRule.place(
        world.draft(), Request.ofOneMore(world.volume(), world.draft().replicasOf(world.volume())));
  }

  /** Where, or which rule is in the way. */
  private static String where(Answer answer) {
    return switch (answer) {
      case Answer.Places(List<Place> places) -> {
        List<String> names = new ArrayList<>();
        places.forEach(place ->
            names.add(
                place.diskID().equals(Node.ONLY_DISK)
                    ? place.nodeID()
                    : place.nodeID() + "/" + place.diskID()));
        yield String.join(" ", names);
      }
      case Answer.Nowhere nowhere -> nowhere.rule();
    };
  }

  private static Node.Disk disk(
      Node.Disk from, boolean allows, boolean evicts, String tags, boolean isReady) {
    return new Node.Disk(
        from.id(),
        from.path(),
        allows,
        evicts,
        from.maximumBytes(),
        from.reservedBytes(),
        from.availableBytes(),
        tags(tags),
        isReady);
  }

  // ---- 7.4/1, 7.4/2 -----------------------------------------------------------------------------

  @ParameterizedTest
  @CsvSource({
    // The only node without a replica is, or has; then the answer.
    "7.4/1, nothing special, node-2",
    "7.4/1, not ready, 7.4/1",
    "7.4/1, power off, 7.4/1",
    "7.4/1, scheduling off, 7.4/1",
    "7.4/1, node evicting, 7.4/1",
    "7.4/1, cordoned, 7.4/1",
    "7.4/1, cordoned but that is allowed, node-2",
    "7.4/1, no image, 7.4/1",
    "7.4/1, image unknown, 7.4/1",
    "7.4/1, some of the node tags, 7.4/1",
    "7.4/1, all of the node tags, node-2",
    "7.4/2, no disk, 7.4/2",
    "7.4/2, disk not ready, 7.4/2",
    "7.4/2, disk scheduling off, 7.4/2",
    "7.4/2, disk evicting, 7.4/2",
    "7.4/2, some of the disk tags, 7.4/2",
    "7.4/2, all of the disk tags, node-2",
    "7.4/2, tags that nobody asks for, node-2",
  })
  void mayItBeThereAtAll(String rule, String what, String expected) {
    ReplicaWorld world = ReplicaWorld.of(2, 1);
    // The other node is out of it.
    world.node("node-1", now -> now.withScheduling(false, false));
    String node = "node-2";
    switch (what) {
      case "nothing special" -> assertThat(world.node(node).isCordoned()).isFalse();
      case "not ready" -> world.notReady(node, "ManagerPodDown");
      case "power off" -> world.node(node, now -> now.withPower(true));
      case "scheduling off" -> world.node(node, now -> now.withScheduling(false, false));
      case "node evicting" -> world.node(node, now -> now.withScheduling(true, true));
      case "cordoned" -> world.node(node, now -> now.withCordon(true));
      case "cordoned but that is allowed" -> {
        world.node(node, now -> now.withCordon(true));
        world.set(Settings.Key.DISABLE_SCHEDULING_ON_CORDONED_NODE, "false");
      }
      case "no image" -> world.put(image(world, "node-1"));
      case "image unknown" -> world.drop(image(world, "node-1"));
      case "some of the node tags" -> {
        placed(world, wanting("fast big", ""));
        world.node(node, now -> now.with("", tags("fast")));
      }
      case "all of the node tags" -> {
        placed(world, wanting("fast big", ""));
        world.node(node, now -> now.with("", tags("fast big blue")));
      }
      case "no disk" -> world.node(node, now -> now.with(List.of()));
      case "disk not ready" -> world.disk(node, now -> disk(now, true, false, "", false));
      case "disk scheduling off" -> world.disk(node, now -> disk(now, false, false, "", true));
      case "disk evicting" -> world.disk(node, now -> disk(now, true, true, "", true));
      case "some of the disk tags" -> {
        placed(world, wanting("", "ssd mirrored"));
        world.disk(node, now -> disk(now, true, false, "ssd", true));
      }
      case "all of the disk tags" -> {
        placed(world, wanting("", "ssd mirrored"));
        world.disk(node, now -> disk(now, true, false, "ssd mirrored red", true));
      }
      case "tags that nobody asks for" -> {
        world.node(node, now -> now.with("", tags("fast")));
        world.disk(node, now -> disk(now, true, false, "ssd", true));
      }
      default -> throw new AssertionError(what);
    }
    assertThat(where(oneMore(world))).as(rule + " " + what).isEqualTo(expected);
  }

  private static EngineImage image(ReplicaWorld world, String node) {
    return world
        .find(ObjectKind.ENGINE_IMAGE, ReplicaWorld.IMAGE, EngineImage.class)
        .orElseThrow()
        .on(tags(node));
  }

  private static Placement wanting(String nodeTags, String diskTags) {
    return new Placement(
        DataLocality.DISABLED,
        nodeTags.isEmpty() ? Collections.emptySortedSet() : tags(nodeTags),
        diskTags.isEmpty() ? Collections.emptySortedSet() : tags(diskTags),
        Choice.IGNORED,
        Choice.IGNORED,
        Choice.IGNORED);
  }

  // ---- 7.4/3 ------------------------------------------------------------------------------------

  @ParameterizedTest
  @CsvSource({
    // maximum, reserved, available, needed, promised, size, minimal %, over %: fits
    "7.4/3, 0, 0, 0, 0, 0, 1000, 25, 100, true, size unknown",
    "7.4/3, 1000, 0, 251, 0, 0, 100, 25, 100, true, one byte more than has to stay",
    "7.4/3, 1000, 0, 250, 0, 0, 100, 25, 100, false, exactly what has to stay",
    "7.4/3, 1000, 0, 351, 101, 0, 100, 25, 100, false, what is needed at once counts",
    "7.4/3, 1000, 0, 352, 101, 0, 100, 25, 100, true, what is needed at once fits",
    "7.4/3, 1000, 0, 1, 0, 0, 100, 0, 100, true, nothing has to stay",
    "7.4/3, 1000, 0, 0, 0, 0, 100, 0, 100, false, full",
    "7.4/3, 1000, 0, 1000, 0, 900, 100, 25, 100, true, promised up to the last byte",
    "7.4/3, 1000, 0, 1000, 0, 901, 100, 25, 100, false, one byte too much promised",
    "7.4/3, 1000, 100, 1000, 0, 800, 100, 25, 100, true, reserved is not promised",
    "7.4/3, 1000, 100, 1000, 0, 801, 100, 25, 100, false, reserved is not promised either",
    "7.4/3, 1000, 0, 1000, 0, 1900, 100, 25, 200, true, twice as much as there is",
    "7.4/3, 1000, 0, 1000, 0, 1901, 100, 25, 200, false, more than twice",
    "7.4/3, 1050, 0, 1050, 0, 473, 52, 25, 50, true, halves are not lost",
    "7.4/3, 1050, 0, 1050, 0, 474, 52, 25, 50, false, halves are rounded down",
    "7.4/3, 9007199254740992, 0, 9007199254740992, 0, 0, 4096, 25, 10000, true, no overflow",
    "7.4/3, 1000, 2000, 1000, 0, 0, 1, 25, 100, false, more reserved than there is",
  })
  void isThereRoom(
      String rule,
      long maximum,
      long reserved,
      long available,
      long needed,
      long promised,
      long size,
      String minimal,
      String over,
      boolean fits,
      String what) {
    ReplicaWorld world = ReplicaWorld.of(1, 1);
    world.set(Settings.Key.STORAGE_MINIMAL_AVAILABLE, minimal);
    world.set(Settings.Key.STORAGE_OVER_PROVISIONING, over);
    world.disk(
        "node-1",
        now ->
            new Node.Disk(
                now.id(), now.path(), true, false, maximum, reserved, available, now.tags(), true));
    // What is promised is the stored volume's one replica there.
    world.put(ofSize(world.volume(), promised));
    Volume fresh = ofSize(world.volume(), size);
    Volume other = new Volume("w", fresh.spec(), fresh.status(), 0);
    Answer answer =
        SchedulingRule.place(
            world.draft(), new Request(other, 1, List.of(), ReplicaWorld.IMAGE, needed));
    assertThat(where(answer)).as(rule + " " + what).isEqualTo(fits ? "node-1" : "7.4/3");
  }

  private static Volume ofSize(Volume volume, long size) {
    Volume.Spec from = volume.spec();
    return volume.with(
        Volume.Spec.of(from.id(), size, from.numberOfReplicas(), true, from.image()));
  }

  @Test
  void whatIsChosenForOneReplicaIsPromisedBeforeTheNext() {
    ReplicaWorld world = ReplicaWorld.ofNodes(2);
    world.set(Settings.Key.REPLICA_SOFT_ANTI_AFFINITY, "true");
    // Rule 7.4/3: room for two there, for one here.
    sized(world, "node-1", 2 * ReplicaWorld.SIZE);
    sized(world, "node-2", ReplicaWorld.SIZE);
    assertThat(where(SchedulingRule.place(world.draft(), Request.ofNew(newVolume(3)))))
        .isEqualTo("node-1 node-2 node-1");
    Answer.Nowhere nowhere =
        (Answer.Nowhere) SchedulingRule.place(world.draft(), Request.ofNew(newVolume(4)));
    assertThat(nowhere.rule()).isEqualTo("7.4/3");
    assertThat(nowhere.message()).startsWith("places for 3 of 4 replicas: node-1/default-disk has");
  }

  private static void sized(ReplicaWorld world, String node, long bytes) {
    world.disk(
        node,
        now -> new Node.Disk(now.id(), now.path(), true, false, bytes, 0, bytes, now.tags(), true));
  }

  private static Volume newVolume(int replicas) {
    Volume like = ReplicaWorld.of(1, 1).volume();
    Volume.Spec spec =
        Volume.Spec.of(like.spec().id(), ReplicaWorld.SIZE, replicas, false, ReplicaWorld.IMAGE);
    return new Volume("new", spec, Volume.Status.creating(ReplicaWorld.IMAGE), 0);
  }

  // ---- 7.4/4, 7.4/5, 7.4/6 ----------------------------------------------------------------------

  @ParameterizedTest
  @CsvSource({
    // zones of node-1, node-2, …; nodes with a replica (! leaving, x failed); soft zone, node, disk
    "7.4/4, a b c,   1 2,     true,  false, true,  node-3, an unused node in an unused zone",
    "7.4/4, a a b,   1,       true,  true,  true,  node-3, an unused zone before an unused node",
    "7.4/4, a a a,   1 2,     true,  false, true,  node-3, soft zone: an unused node",
    "7.4/4, a a,     1 2,     true,  false, true,  7.4/4,  soft zone and hard node: no used node",
    "7.4/4, a a,     1 2!,    true,  false, true,  node-2, soft zone: a node that is left",
    "7.4/4, a a a,   1 2!,    true,  false, true,  node-3, an unused node before one that is left",
    "7.4/4, a a a,   1,       false, false, true,  7.4/4,  hard zone: nothing in a used one",
    "7.4/4, a b,     1 2,     false, true,  true,  7.4/4,  hard zone: soft nodes do not help",
    "7.4/4, a a b,   1! 3,    false, false, true,  node-2, hard zone: one that is left, unused node",
    "7.4/4, a b,     1! 2,    false, false, true,  node-1, hard zone: one that is left, its node",
    "7.4/4, a a b,   1! 2 3,  false, false, true,  7.4/4,  hard zone: not if one of two stays",
    "7.4/4, a a,     1 2,     true,  true,  true,  node-1, both soft: a used node",
    "7.4/4, a a a,   1 2,     true,  true,  true,  node-3, both soft: an unused node first",
    "7.4/4, a a,     1 2!,    true,  true,  true,  node-2, both soft: one that is left first",
    "7.4/4, a a,     1 2x,    true,  false, true,  node-2, a failed one is in nobody's way",
    "7.4/4, - - -,   1 2,     false, false, true,  node-3, without a zone each is its own",
    "7.4/4, - -,     1 2,     false, true,  true,  7.4/4,  and it is used then",
    "7.4/5, a a,     1 2,     true,  true,  false, 7.4/5,  hard disk: not the same disk",
    "7.4/5, a a,     1 2!,    true,  true,  false, 7.4/5,  hard disk: not beside one that leaves",
    "7.4/5, a a,     1 1 2,   true,  true,  true,  node-2, soft disk: the one with fewest",
  })
  void howFarApart(
      String rule,
      String zones,
      String used,
      boolean zoneSoft,
      boolean nodeSoft,
      boolean diskSoft,
      String expected,
      String what) {
    assertThat(where(oneMore(apart(zones, used, zoneSoft, nodeSoft, diskSoft, true))))
        .as(rule + " " + what)
        .isEqualTo(expected);
    // Rule 7.4/6: the volume says the same, whatever the settings say.
    assertThat(where(oneMore(apart(zones, used, zoneSoft, nodeSoft, diskSoft, false))))
        .as("7.4/6 " + what)
        .isEqualTo(expected);
  }

  private static ReplicaWorld apart(
      String zones, String used, boolean zone, boolean node, boolean disk, boolean bySetting) {
    String[] names = zones.split(" ");
    ReplicaWorld world = ReplicaWorld.of(names.length, 1);
    world.drop(world.replica(1));
    for (int i = 0; i < names.length; i++) {
      String name = names[i].equals("-") ? "" : names[i];
      world.node("node-" + (i + 1), now -> now.with(name, Collections.emptySortedSet()));
    }
    int number = 1;
    for (String one : used.split(" ")) {
      world.addReplica(number, "node-" + one.charAt(0));
      if (one.endsWith("!")) {
        world.replicaSpec(number, spec -> spec.withEvictionRequested(true));
      } else if (one.endsWith("x")) {
        world.replicaSpec(number, spec -> spec.withHealth(spec.health().failed(5)));
      }
      number++;
    }
    // Where the volume speaks, the settings say the opposite.
    world.set(Settings.Key.REPLICA_ZONE_SOFT_ANTI_AFFINITY, Boolean.toString(zone == bySetting));
    world.set(Settings.Key.REPLICA_SOFT_ANTI_AFFINITY, Boolean.toString(node == bySetting));
    world.set(Settings.Key.REPLICA_DISK_SOFT_ANTI_AFFINITY, Boolean.toString(disk == bySetting));
    placed(
        world,
        bySetting
            ? Placement.ANYWHERE
            : placement(DataLocality.DISABLED, choice(node), choice(zone), choice(disk)));
    return world;
  }

  private static Choice choice(boolean isSoft) {
    return isSoft ? Choice.ENABLED : Choice.DISABLED;
  }

  @ParameterizedTest
  @CsvSource({
    // promised to node-2 and node-3 in disks of ten, replicas there; the one that is taken
    "7.4/4, 5, 4, node-3, the disk that has promised the smaller share",
    "7.4/4, 4, 4, node-2, then the name",
  })
  void ofPlacesThatAreAsGoodTheEmptierOneIsTaken(
      String rule, int second, int third, String expected, String what) {
    ReplicaWorld world = ReplicaWorld.of(3, 1);
    for (int i = 1; i <= 3; i++) {
      sized(world, "node-" + i, 10 * ReplicaWorld.SIZE);
    }
    other(world, second, 2);
    other(world, third, 3);
    assertThat(where(oneMore(world))).as(rule + " " + what).isEqualTo(expected);
  }

  /** Another volume of so many times the size, with one replica on a node. */
  private static void other(ReplicaWorld world, int times, int node) {
    String name = "other-" + node;
    Volume like = ofSize(world.volume(), times * ReplicaWorld.SIZE);
    world.put(new Volume(name, like.spec(), like.status(), 0));
    Replica from = world.addReplica(90 + node, "node-" + node);
    world.drop(from);
    Replica.Spec spec = from.spec();
    world.put(
        new Replica(
            Names.replica(name, spec.id()),
            new Replica.Spec(
                name,
                spec.id(),
                spec.nodeID(),
                spec.diskID(),
                spec.directory(),
                spec.image(),
                true,
                "",
                true,
                false,
                spec.health()),
            from.status()));
  }

  @Test
  void whereNobodyKnowsTheSizesTheNodeWithFewerReplicasIsTaken() {
    ReplicaWorld world = ReplicaWorld.of(3, 1);
    other(world, 1, 2);
    assertThat(
            where(
                SchedulingRule.place(
                    world.draft(), Request.ofOneMore(world.volume(), List.of(world.replica(1))))))
        .isEqualTo("node-3");
  }

  // ---- 7.4/7 ------------------------------------------------------------------------------------

  @ParameterizedTest
  @CsvSource({
    // locality, attached to, replicas on; the place
    "7.4/7, DISABLED,     node-3, 1,   node-2",
    "7.4/7, BEST_EFFORT,  node-3, 1,   node-3",
    "7.4/7, BEST_EFFORT,  '',     1,   node-2",
    "7.4/7, BEST_EFFORT,  node-1, 1,   node-2",
    "7.4/7, BEST_EFFORT,  node-4, 1,   node-2",
    "7.4/7, STRICT_LOCAL, node-3, '',  node-3",
    "7.4/7, STRICT_LOCAL, '',     '',  node-1",
    "7.4/7, STRICT_LOCAL, node-4, '',  7.4/7",
  })
  void nearTheEngine(
      String rule, DataLocality locality, String attached, String used, String expected) {
    ReplicaWorld world = ReplicaWorld.of(4, 1);
    world.node("node-4", now -> now.withCordon(true));
    if (used.isEmpty()) {
      world.drop(world.replica(1));
    }
    placed(world, placement(locality, Choice.IGNORED, Choice.IGNORED, Choice.IGNORED));
    world.spec(spec -> spec.withNodeID(attached));
    assertThat(where(oneMore(world))).as(rule).isEqualTo(expected);
  }

  @Test
  void whyThereIsNoPlaceIsOneLineHoweverManyNodesThereAre() {
    ReplicaWorld world = ReplicaWorld.ofNodes(20);
    for (int i = 1; i <= 20; i++) {
      world.node("node-" + i, now -> now.withCordon(true));
    }
    Answer.Nowhere nowhere =
        (Answer.Nowhere) SchedulingRule.place(world.draft(), Request.ofNew(newVolume(1)));
    assertThat(nowhere.message())
        .startsWith("no place for a replica: node-1 is cordoned; node-10 is cordoned; ")
        .endsWith("; and 12 more");
    assertThat(
            where(
                SchedulingRule.place(ReplicaWorld.ofNodes(0).draft(), Request.ofNew(newVolume(1)))))
        .isEqualTo("7.4/1");
  }

  // ---- the same, found by trying everything -----------------------------------------------------

  @Test
  void aRandomPlaceIsOneOfTheBestThereAre() {
    RandomGenerator random = Seed.random("aRandomPlaceIsOneOfTheBestThereAre");
    int placed = 0;
    int nowhere = 0;
    for (int i = 0; i < 3_000; i++) {
      PlacementOracle oracle = PlacementOracle.random(random);
      Answer answer = oneMore(oracle.world());
      if (oracle.best().isEmpty()) {
        assertThat(answer).as("case %d: %s", i, oracle).isInstanceOf(Answer.Nowhere.class);
        nowhere++;
      } else {
        assertThat(oracle.best()).as("case %d: %s", i, oracle).contains(where(answer));
        placed++;
      }
    }
    assertThat(placed).isGreaterThan(500);
    assertThat(nowhere).isGreaterThan(100);
  }
}
