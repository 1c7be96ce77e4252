package io.longhorn.orchestration.scenario;

import io.longhorn.api.cluster.Node;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.VolumeAttachment;
import io.longhorn.api.cluster.VolumeAttachment.Ticket;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.sim.Sim;
import io.longhorn.orchestration.sim.world.SimFailure;
import io.longhorn.orchestration.sim.world.SimKnobs;
import io.longhorn.orchestration.sim.world.SimKnobs.SwapTrouble;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;

/**
 * What the scenario files do, in random order and at random times, and more: what people, bad luck
 * and Kubernetes may do to a cluster. Then all trouble ends, and within a bound everything has to
 * be as it is wanted, with nothing left over and no acknowledged write lost.
 */
final class RandomScenario {
  private static final long SECOND = 1_000;
  private static final long MINUTE = 60 * SECOND;

  /**
   * Longest wait of the rules is ten minutes for a replica that may come back; twice that, and
   * more.
   */
  private static final long CONVERGE_MILLIS = 45 * MINUTE;

  private static final List<String> NODES = List.of("n1", "n2", "n3", "n4", "n5");

  private final RandomGenerator random;
  private final List<String> nodes;
  private final Sim sim;
  private final SortedMap<String, Integer> replicas = new TreeMap<>();
  private final List<Choice> choices = new ArrayList<>();
  private int tickets;
  private int images;

  /** One thing that may happen, and how often it does beside the others. */
  private record Choice(int weight, Runnable what) {}

  /**
   * What came of it.
   *
   * @param events that happened
   * @param millis of virtual time
   * @param failure empty if all is well
   * @param trace what happened, if it was to be told
   */
  record Result(long seed, long events, long millis, Optional<String> failure, String trace) {}

  private RandomScenario(long seed, boolean isTold) {
    random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
    nodes = NODES.subList(0, 3 + random.nextInt(3));
    SimKnobs knobs = new SimKnobs();
    knobs.isTold = isTold;
    // Where nothing happens for long there is nothing to be found.
    knobs.idleFactor = 20;
    knobs.blocks = 4 + random.nextInt(13);
    knobs.notReadyMillis = 10 * SECOND + random.nextInt(30_000);
    knobs.evictionMillis = random.nextBoolean() ? 300 * SECOND : 20 * SECOND;
    sim = new Sim(seed, nodes, random.nextInt(5) == 0, knobs);
    choices();
  }

  /** Plays one. */
  static Result play(long seed, boolean isTold) {
    RandomScenario scenario = null;
    Optional<String> failure = Optional.empty();
    try {
      scenario = new RandomScenario(seed, isTold);
      failure = scenario.play();
    } catch (SimFailure e) {
      failure = Optional.of(e.getMessage());
    } catch (RuntimeException | AssertionError e) {
      StackTraceElement[] stack = e.getStackTrace();
      failure = Optional.of("defect: " + e + (stack.length == 0 ? "" : " at " + stack[0]));
    }
    return scenario == null
        ? new Result(seed, 0, 0, failure, "")
        : new Result(
            seed,
            scenario.sim.events(),
            scenario.sim.nowMillis(),
            failure,
            isTold ? scenario.sim.trace() : "");
  }

  private Optional<String> play() {
    sim.addImage("next", "commit-2");
    int volumes = 1 + random.nextInt(4) / 3;
    for (int i = 1; i <= volumes; i++) {
      create("v" + i);
    }
    if (random.nextBoolean()) {
      trouble();
    }
    int steps = 10 + random.nextInt(30);
    for (int i = 0; i < steps; i++) {
      happen();
      sim.run(pause());
      keepControlPlane();
    }
    return converge();
  }

  private void create(String name) {
    int count = 2 + random.nextInt(2);
    replicas.put(name, count);
    sim.createVolume(name, count, random.nextInt(8) > 0);
    if (random.nextInt(8) > 0) {
      String node = anyNode();
      sim.attach(ticket(), name, node);
      sim.runUntil(() -> isAttached(name), MINUTE);
    }
    sim.guest(name).start();
  }

  private boolean isAttached(String volume) {
    return sim.volume(volume).status().state() == Volume.State.ATTACHED;
  }

  /** Everything gets lost, late, or twice now and then. */
  private void trouble() {
    SimKnobs knobs = sim.knobs();
    knobs.loseActionOneOf = oneOf(4, 5, 40);
    knobs.repeatActionOneOf = oneOf(4, 5, 40);
    knobs.slowActionOneOf = oneOf(4, 10, 60);
    knobs.loseStoreCallOneOf = oneOf(4, 10, 60);
    knobs.failFlushOneOf = oneOf(8, 100, 1000);
    sim.breakLinks(oneOf(4, 300, 3000));
  }

  /** 0 mostly; else between the two. */
  private int oneOf(int often, int least, int most) {
    return random.nextInt(often) > 0 ? 0 : least + random.nextInt(most - least);
  }

  private long pause() {
    int dice = random.nextInt(100);
    if (dice < 30) {
      return random.nextInt(100);
    } else if (dice < 70) {
      return random.nextInt(3_000);
    } else if (dice < 95) {
      return random.nextInt(30_000);
    }
    return random.nextInt(400_000);
  }

  private void happen() {
    int all = choices.stream().mapToInt(Choice::weight).sum();
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
    choices.add(new Choice(12, () -> sim.attach(ticket(), anyVolume(), anyNode())));
    choices.add(new Choice(10, () -> withdraw(anyVolume())));
    choices.add(new Choice(8, this::migrate));
    choices.add(new Choice(10, () -> move(anyVolume())));
    choices.add(new Choice(8, () -> sim.killInstanceManager(anyNode())));
    choices.add(new Choice(3, () -> sim.killInstanceManagerHard(anyNode())));
    choices.add(new Choice(4, () -> sim.killReplica(anyVolume(), anyNode())));
    choices.add(new Choice(4, () -> killEngine(anyVolume())));
    choices.add(new Choice(3, () -> freezeEngine(anyVolume())));
    choices.add(new Choice(4, () -> powerOff(anyNode())));
    choices.add(new Choice(4, () -> nodes.forEach(sim::powerOn)));
    choices.add(new Choice(2, () -> sim.cordon(anyNode())));
    choices.add(new Choice(2, () -> sim.uncordon(anyNode())));
    choices.add(new Choice(4, this::cut));
    choices.add(new Choice(4, sim::heal));
    choices.add(new Choice(3, sim::killControlPlane));
    choices.add(new Choice(4, () -> sim.killControlPlaneAfterWrites(1 + random.nextInt(20))));
    choices.add(new Choice(3, () -> sim.kubeletBlip(anyNode(), random.nextInt(40_000))));
    choices.add(new Choice(6, () -> upgrade(anyVolume())));
    choices.add(new Choice(2, this::troubleASwap));
    choices.add(new Choice(2, () -> sim.stallEngineStart(anyNode(), random.nextInt(40_000))));
    choices.add(new Choice(2, () -> sim.slowControlPlane(random.nextInt(3_000))));
    choices.add(new Choice(2, () -> sim.storeDown(random.nextInt(3) == 0)));
    choices.add(new Choice(1, this::evict));
    choices.add(new Choice(1, this::rival));
  }

  // ---- what may happen --------------------------------------------------------------------------

  private String anyNode() {
    return nodes.get(random.nextInt(nodes.size()));
  }

  private String anyVolume() {
    return List.copyOf(replicas.keySet()).get(random.nextInt(replicas.size()));
  }

  private String ticket() {
    return "va-" + ++tickets;
  }

  private List<Ticket> ticketsOf(String volume) {
    return sim.find(ObjectKind.VOLUME_ATTACHMENT, volume, VolumeAttachment.class)
        .map(attachment -> List.copyOf(attachment.tickets().values()))
        .orElse(List.of());
  }

  private void withdraw(String volume) {
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

  private void upgrade(String volume) {
    String image = random.nextBoolean() ? "next" : Names.DEFAULT_IMAGE;
    if (random.nextInt(12) == 0) {
      image = "image-" + ++images;
      sim.addImage(image, "commit-of-" + image);
    }
    sim.upgrade(volume, image);
  }

  private void troubleASwap() {
    SwapTrouble[] all = SwapTrouble.values();
    sim.knobs().swapTrouble = all[random.nextInt(all.length)];
  }

  private void evict() {
    String node = anyNode();
    boolean isRequested = random.nextBoolean();
    sim.changeNode(node, now -> now.withScheduling(!isRequested, isRequested));
  }

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

  /** Somebody starts it again sooner or later. */
  private void keepControlPlane() {
    if (!sim.isControlPlaneUp() && random.nextInt(3) > 0) {
      sim.startControlPlane();
    }
  }

  // ---- the end ----------------------------------------------------------------------------------

  private Optional<String> converge() {
    sim.healEverything();
    for (Node node : sim.objects(ObjectKind.NODE, Node.class)) {
      sim.changeNode(node.name(), now -> now.withScheduling(true, false));
    }
    for (String volume : replicas.keySet()) {
      if (ticketsOf(volume).isEmpty() && random.nextBoolean()) {
        sim.attach(ticket(), volume, anyNode());
      }
    }
    Optional<String> undecided = atRest("with the tickets that are there");
    if (undecided.isPresent()) {
      return undecided;
    }
    // Who waits for a decision gets one; who has nobody to read it gets somebody.
    for (String volume : replicas.keySet()) {
      while (ticketsOf(volume).stream().map(Ticket::nodeID).distinct().count() > 1) {
        withdraw(volume);
      }
      if (ticketsOf(volume).isEmpty()) {
        sim.attach(ticket(), volume, anyNode());
      }
    }
    Optional<String> failure = atRest("with one ticket for each volume");
    for (String volume : replicas.keySet()) {
      failure = failure.or(() -> verify(volume));
    }
    return failure.or(() -> atRest("after everything was read"));
  }

  private Optional<String> atRest(String when) {
    boolean isAtRest =
        sim.runUntil(
            () -> sim.settle(10 * SECOND) && sim.checkQuiet().isEmpty() && isDecided(),
            CONVERGE_MILLIS);
    return isAtRest
        ? Optional.empty()
        : Optional.of(
            "does not converge "
                + when
                + ": "
                + sim.checkQuiet().orElse("something goes on all the time")
                + (isDecided() ? "" : "; a migration is neither ready nor refused"));
  }

  /** A volume that is wanted on two nodes is ready to go to either, or says that it cannot. */
  private boolean isDecided() {
    return replicas.keySet().stream()
        .allMatch(volume -> {
          List<Ticket> there = ticketsOf(volume);
          boolean isTwo = there.stream().map(Ticket::nodeID).distinct().count() > 1;
          return !isTwo
              || !sim.volume(volume).isMigratable()
              || there.stream().allMatch(ticket -> ticket.satisfied().isTrue())
              || sim.volume(volume)
                  .status()
                  .condition(Names.MIGRATION)
                  .filter(why -> why.reason().equals("B3"))
                  .isPresent();
        });
  }

  private Optional<String> verify(String volume) {
    sim.guest(volume).stop();
    return sim.verify(volume).map(wrong -> volume + ": " + wrong);
  }
}
