package io.longhorn.orchestration.scenario;

import io.longhorn.api.cluster.EngineImage;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.VolumeAttachment;
import io.longhorn.api.cluster.VolumeAttachment.Ticket;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.decision.Settings;
import io.longhorn.orchestration.sim.Sim;
import io.longhorn.orchestration.sim.world.SimKnobs;
import io.longhorn.orchestration.sim.world.SimKnobs.SwapTrouble;
import java.util.ArrayList;
import java.util.List;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.random.RandomGenerator;

/** What people, bad luck and Kubernetes may do to a cluster, one thing at a time, by chance. */
final class RandomDeeds {
  private static final long SECOND = 1_000;
  private static final int MOST_VOLUMES = 3;
  private static final String PERSON = "longhorn-api";

  private final RandomGenerator random;
  private final Sim sim;
  private final List<String> nodes;
  private final SortedSet<String> volumes = new TreeSet<>();
  private final List<Choice> choices = new ArrayList<>();
  private int all;
  private int made;
  private int tickets;
  private int images;

  /** One thing that may happen, and how often it does beside the others. */
  private record Choice(int weight, Runnable what) {}

  RandomDeeds(RandomGenerator random, Sim sim, List<String> nodes) {
    this.random = random;
    this.sim = sim;
    this.nodes = nodes;
    sim.addImage("next", "commit-2");
    choices();
  }

  private void may(int weight, Runnable what) {
    choices.add(new Choice(weight, what));
    all += weight;
  }

  /** One of it. */
  void happen() {
    int dice = random.nextInt(all);
    for (Choice choice : choices) {
      dice -= choice.weight();
      if (dice < 0) {
        choice.what().run();
        return;
      }
    }
  }

  private void choices() {
    may(12, () -> sim.attach(ticket(), anyVolume(), anyNode()));
    may(2, () -> sim.attachAs(PERSON, ticket(), anyVolume(), anyNode()));
    may(10, () -> withdraw(anyVolume()));
    may(8, this::migrate);
    may(10, () -> move(anyVolume()));
    may(7, () -> sim.killInstanceManager(anyNode()));
    may(2, this::killOneInstanceManager);
    may(3, () -> sim.killInstanceManagerHard(anyNode()));
    may(4, () -> sim.killReplica(anyVolume(), anyNode()));
    may(4, () -> killEngine(anyVolume()));
    may(3, () -> freezeEngine(anyVolume()));
    may(2, () -> freezeReplica(anyVolume()));
    may(1, () -> sim.startReplicaAgain(anyVolume(), anyNode()));
    may(4, () -> powerOff(anyNode()));
    may(4, () -> nodes.forEach(sim::powerOn));
    may(2, () -> sim.cordon(anyNode()));
    may(2, () -> sim.uncordon(anyNode()));
    may(4, this::cut);
    may(4, sim::heal);
    may(3, sim::killControlPlane);
    may(4, () -> sim.killControlPlaneAfterWrites(1 + random.nextInt(20)));
    may(3, () -> sim.kubeletBlip(anyNode(), random.nextInt(40_000)));
    may(6, () -> upgrade(anyVolume()));
    may(2, this::troubleASwap);
    may(1, this::deployAnImage);
    may(2, this::set);
    may(2, () -> sim.stallEngineStart(anyNode(), random.nextInt(40_000)));
    may(2, () -> sim.slowControlPlane(random.nextInt(3_000)));
    may(2, () -> sim.storeDown(random.nextInt(3) == 0));
    may(1, this::evict);
    may(1, this::rival);
    may(2, this::createOneMore);
    may(1, this::delete);
  }

  // ---- volumes ----------------------------------------------------------------------------------

  SortedSet<String> volumes() {
    return volumes;
  }

  /** A volume that is attached, most of the time, with a guest at work. */
  void create() {
    String name = "v" + ++made;
    int replicas = 2 + random.nextInt(2);
    if (sim.tryCreateVolume(name, replicas, random.nextInt(8) > 0).isPresent()) {
      return;
    }
    volumes.add(name);
    if (random.nextInt(8) > 0) {
      sim.attach(ticket(), name, anyNode());
    }
    sim.guest(name).start();
  }

  private void createOneMore() {
    if (volumes.size() < MOST_VOLUMES) {
      create();
    }
  }

  private void delete() {
    if (volumes.size() > 1) {
      String volume = anyVolume();
      sim.guest(volume).stop();
      sim.deleteVolume(volume);
      volumes.remove(volume);
    }
  }

  private String anyNode() {
    return nodes.get(random.nextInt(nodes.size()));
  }

  private String anyVolume() {
    return List.copyOf(volumes).get(random.nextInt(volumes.size()));
  }

  // ---- tickets ----------------------------------------------------------------------------------

  private String ticket() {
    return "va-" + ++tickets;
  }

  List<Ticket> ticketsOf(String volume) {
    return sim.find(ObjectKind.VOLUME_ATTACHMENT, volume, VolumeAttachment.class)
        .map(attachment -> List.copyOf(attachment.tickets().values()))
        .orElse(List.of());
  }

  void attachAnywhere(String volume) {
    sim.attach(ticket(), volume, anyNode());
  }

  void withdraw(String volume) {
    List<Ticket> there = ticketsOf(volume);
    if (!there.isEmpty()) {
      sim.detach(there.get(random.nextInt(there.size())).id(), volume);
    }
  }

  /** As it goes when nothing goes wrong: a second ticket, ready, and the guest moves, perhaps. */
  private void migrate() {
    String volume = anyVolume();
    String node = anyNode();
    if (sim.attach(ticket(), volume, node).isPresent()) {
      return;
    }
    sim.runUntil(
        () -> ticketsOf(volume).stream().allMatch(ticket -> ticket.satisfied().isTrue()),
        30 * SECOND);
    if (random.nextBoolean()) {
      move(volume);
      sim.run(random.nextInt(1_000));
    }
  }

  /** The guest moves to where it can. */
  private void move(String volume) {
    List<Ticket> ready =
        ticketsOf(volume).stream()
            .filter(ticket -> ticket.satisfied().isTrue())
            .filter(ticket -> !ticket.nodeID().equals(sim.guest(volume).node()))
            .toList();
    if (!ready.isEmpty()) {
      sim.guest(volume).move(ready.get(random.nextInt(ready.size())).nodeID());
    }
  }

  /** Somebody writes and reads through all engines at once. */
  private void rival() {
    String volume = anyVolume();
    for (int i = 0; i < 20; i++) {
      for (Ticket ticket : ticketsOf(volume)) {
        if (random.nextBoolean()) {
          sim.guest(volume).writeAt(ticket.nodeID());
        } else {
          sim.guest(volume).readAt(ticket.nodeID());
        }
      }
      sim.run(random.nextInt(150));
    }
  }

  // ---- processes, machines, network -------------------------------------------------------------

  private void killOneInstanceManager() {
    if (random.nextBoolean()) {
      InstanceManager.Type[] types = InstanceManager.Type.values();
      sim.killInstanceManager(anyNode(), types[random.nextInt(types.length)]);
      return;
    }
    List<String> there = sim.managersOn(anyNode());
    if (!there.isEmpty()) {
      sim.deletePod(there.get(random.nextInt(there.size())));
    }
  }

  private void killEngine(String volume) {
    List<String> names = sim.engines(volume).stream().map(engine -> engine.name()).toList();
    if (!names.isEmpty()) {
      sim.killProcess(names.get(random.nextInt(names.size())));
    }
  }

  private void freezeEngine(String volume) {
    List<String> names = sim.engines(volume).stream().map(engine -> engine.name()).toList();
    if (!names.isEmpty()) {
      sim.freeze(names.get(random.nextInt(names.size())), random.nextInt(8_000));
    }
  }

  private void freezeReplica(String volume) {
    List<String> names = sim.replicas(volume).stream().map(replica -> replica.name()).toList();
    if (!names.isEmpty()) {
      sim.freeze(names.get(random.nextInt(names.size())), random.nextInt(8_000));
    }
  }

  private void powerOff(String node) {
    long off = nodes.stream().filter(one -> !sim.isOn(one)).count();
    if (off == 0 || random.nextInt(4) == 0) {
      sim.powerOff(node);
    }
  }

  private void cut() {
    String one = anyNode();
    List<String> others = new ArrayList<>(nodes);
    others.add(Sim.CONTROL);
    others.remove(one);
    int dice = random.nextInt(3);
    if (dice == 0) {
      sim.partition(List.of(one), others);
    } else {
      sim.partition(List.of(one), List.of(dice == 1 ? Sim.CONTROL : others.getFirst()));
    }
  }

  // ---- images, settings, nodes ------------------------------------------------------------------

  private void upgrade(String volume) {
    String image = random.nextBoolean() ? "next" : Names.DEFAULT_IMAGE;
    if (random.nextInt(12) == 0) {
      image = "image-" + ++images;
      sim.addImage(image, "commit-of-" + image);
    }
    sim.upgrade(volume, image);
  }

  private void troubleASwap() {
    SwapTrouble[] troubles = SwapTrouble.values();
    sim.knobs().swapTrouble = troubles[random.nextInt(troubles.length)];
  }

  /** The image that others are upgraded to is not everywhere, for a while. */
  private void deployAnImage() {
    TreeSet<String> where = new TreeSet<>(nodes);
    if (random.nextBoolean()) {
      where.remove(anyNode());
    }
    if (sim.find(ObjectKind.ENGINE_IMAGE, "next", EngineImage.class).isPresent()) {
      sim.deployImage("next", where);
    }
  }

  private String oneOf(String... values) {
    return values[random.nextInt(values.length)];
  }

  private void set() {
    switch (random.nextInt(10)) {
      case 0, 1 ->
          sim.setting(
              Settings.Key.DEFAULT_INSTANCE_MANAGER_IMAGE, oneOf("next", Names.DEFAULT_IMAGE));
      case 2 -> sim.setting(Settings.Key.DEFAULT_ENGINE_IMAGE, oneOf("next", Names.DEFAULT_IMAGE));
      case 3 -> sim.setting(Settings.Key.CONCURRENT_AUTOMATIC_ENGINE_UPGRADE, oneOf("0", "1", "3"));
      case 4 -> sim.setting(Settings.Key.REPLICA_REPLENISHMENT_WAIT, oneOf("10", "60", "600"));
      case 5 -> sim.setting(Settings.Key.CONCURRENT_REPLICA_REBUILD, oneOf("0", "1", "5"));
      case 6 -> sim.setting(Settings.Key.ENGINE_UPGRADE_ATTEMPT_LIMIT, oneOf("0", "1", "5"));
      case 7 ->
          sim.setting(Settings.Key.DETACH_MANUALLY_ATTACHED_WHEN_CORDONED, oneOf("true", "false"));
      case 8 -> sim.setting(Settings.Key.AUTO_SALVAGE, oneOf("true", "false"));
      case 9 ->
          sim.setting(
              Settings.Key.ENGINE_UPGRADE_TO_DEFAULT_INSTANCE_MANAGER, oneOf("true", "false"));
      default -> throw new IllegalStateException();
    }
  }

  private void evict() {
    String node = anyNode();
    boolean isRequested = random.nextBoolean();
    sim.changeNode(node, now -> now.withScheduling(!isRequested, isRequested));
  }

  /** Everything gets lost, late, or twice now and then. */
  void trouble() {
    SimKnobs knobs = sim.knobs();
    knobs.loseActionOneOf = seldom(4, 5, 40);
    knobs.repeatActionOneOf = seldom(4, 5, 40);
    knobs.slowActionOneOf = seldom(4, 10, 60);
    knobs.loseStoreCallOneOf = seldom(4, 10, 60);
    knobs.failFlushOneOf = seldom(8, 100, 1000);
    sim.breakLinks(seldom(4, 300, 3000));
  }

  /** 0 mostly; else between the two. */
  private int seldom(int often, int least, int most) {
    return random.nextInt(often) > 0 ? 0 : least + random.nextInt(most - least);
  }

  /** What was set so that something waits for a person is set back, and images are everywhere. */
  void settle() {
    sim.setting(Settings.Key.CONCURRENT_REPLICA_REBUILD, "5");
    sim.setting(Settings.Key.AUTO_SALVAGE, "true");
    for (EngineImage image : sim.objects(ObjectKind.ENGINE_IMAGE, EngineImage.class)) {
      sim.deployImage(image.name(), new TreeSet<>(nodes));
    }
    nodes.forEach(node -> sim.changeNode(node, now -> now.withScheduling(true, false)));
  }
}
