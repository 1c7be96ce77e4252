package io.longhorn.orchestration.scenario;

import io.longhorn.api.cluster.VolumeAttachment.Ticket;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.sim.Sim;
import io.longhorn.orchestration.sim.world.SimFailure;
import io.longhorn.orchestration.sim.world.SimKnobs;
import io.longhorn.orchestration.sim.world.SimKnobs.Sabotage;
import io.longhorn.orchestration.sim.world.SimNetwork;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;

/**
 * What the scenario files do, in random order and at random times, and more: {@link RandomDeeds}.
 * Then all trouble ends, and within a bound everything has to be as it is wanted, with nothing left
 * over and no acknowledged write lost.
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
  private final Sim sim;
  private final RandomDeeds deeds;

  /**
   * What came of it.
   *
   * @param events that happened
   * @param millis of virtual time
   * @param failure empty if all is well
   * @param trace what happened, if it was to be told
   */
  record Result(long seed, long events, long millis, Optional<String> failure, String trace) {}

  private RandomScenario(long seed, boolean isTold, Set<Sabotage> sabotage) {
    random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
    List<String> nodes = NODES.subList(0, 3 + random.nextInt(3));
    SimKnobs knobs = new SimKnobs();
    knobs.isTold = isTold;
    knobs.sabotage.addAll(sabotage);
    // Where nothing happens for long there is nothing to be found.
    knobs.idleFactor = 20;
    knobs.blocks = 4 + random.nextInt(13);
    knobs.notReadyMillis = 10 * SECOND + random.nextInt(30_000);
    knobs.evictionMillis = random.nextBoolean() ? 300 * SECOND : 20 * SECOND;
    if (random.nextInt(4) == 0) {
      // Slow links: something is under way nearly all the time.
      knobs.network = new SimNetwork.Timing(5_000, 60_000, 2_000, 3_000);
      knobs.guestPause = new SimKnobs.Range(10, 100);
    }
    sim = new Sim(seed, nodes, random.nextInt(5) == 0, knobs);
    deeds = new RandomDeeds(random, sim, nodes);
  }

  /** Plays one. */
  static Result play(long seed, boolean isTold) {
    return play(seed, isTold, EnumSet.noneOf(Sabotage.class));
  }

  /** Plays one in which something is done wrong on purpose. */
  static Result play(long seed, boolean isTold, Set<Sabotage> sabotage) {
    RandomScenario scenario = null;
    Optional<String> failure = Optional.empty();
    try {
      scenario = new RandomScenario(seed, isTold, sabotage);
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
    int volumes = 1 + random.nextInt(4) / 3;
    for (int i = 1; i <= volumes; i++) {
      deeds.create();
    }
    sim.run(random.nextInt(10_000));
    if (random.nextBoolean()) {
      deeds.trouble();
    }
    int steps = 8 + random.nextInt(24);
    for (int i = 0; i < steps; i++) {
      deeds.happen();
      sim.run(pause());
      keepControlPlane();
    }
    return converge();
  }

  private long pause() {
    int dice = random.nextInt(100);
    if (dice < 10) {
      return 0;
    } else if (dice < 35) {
      return random.nextInt(100);
    } else if (dice < 70) {
      return random.nextInt(3_000);
    } else if (dice < 95) {
      return random.nextInt(30_000);
    }
    return random.nextInt(400_000);
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
    deeds.settle();
    for (String volume : deeds.volumes()) {
      if (deeds.ticketsOf(volume).isEmpty() && random.nextBoolean()) {
        deeds.attachAnywhere(volume);
      }
    }
    Optional<String> undecided = atRest("with the tickets that are there");
    if (undecided.isPresent()) {
      return undecided;
    }
    // Who waits for a decision gets one; who has nobody to read it gets somebody.
    for (String volume : deeds.volumes()) {
      while (nodesOf(volume) > 1) {
        deeds.withdraw(volume);
      }
      if (deeds.ticketsOf(volume).isEmpty()) {
        deeds.attachAnywhere(volume);
      }
    }
    Optional<String> failure = atRest("with one ticket for each volume");
    for (String volume : deeds.volumes()) {
      failure = failure.or(() -> verify(volume));
    }
    return failure.or(() -> atRest("after everything was read"));
  }

  private long nodesOf(String volume) {
    return deeds.ticketsOf(volume).stream().map(Ticket::nodeID).distinct().count();
  }

  private Optional<String> atRest(String when) {
    boolean isAtRest =
        sim.runUntil(() -> sim.settle(10 * SECOND) && whatIsLeft().isEmpty(), CONVERGE_MILLIS);
    return isAtRest
        ? Optional.empty()
        : Optional.of(
            "does not converge "
                + when
                + ": "
                + whatIsLeft().orElse("something goes on all the time"));
  }

  private Optional<String> whatIsLeft() {
    return sim.checkQuiet()
        .or(() ->
            deeds.volumes().stream()
                .filter(volume -> !isDecided(volume))
                .findFirst()
                .map(volume ->
                    volume
                        + " can neither migrate nor is that refused: "
                        + sim.volume(volume).status().conditions()));
  }

  /** A volume that is wanted on two nodes is ready to go to either, or says that it cannot. */
  private boolean isDecided(String volume) {
    List<Ticket> there = deeds.ticketsOf(volume);
    return nodesOf(volume) < 2
        || !sim.volume(volume).isMigratable()
        // A person's counts for more, wherever that is.
        || there.stream().anyMatch(ticket -> !ticket.type().equals(Sim.CSI))
        || there.stream().allMatch(ticket -> ticket.satisfied().isTrue())
        || sim.volume(volume)
            .status()
            .condition(Names.MIGRATION)
            .filter(why -> why.reason().equals("B3"))
            .isPresent();
  }

  private Optional<String> verify(String volume) {
    sim.guest(volume).stop();
    return sim.verify(volume).map(wrong -> volume + ": " + wrong);
  }
}
