package io.longhorn.orchestration.sim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.longhorn.api.EngineId;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Volume;
import io.longhorn.orchestration.decision.EngineSeen;
import io.longhorn.orchestration.sim.volume.SimEngine;
import io.longhorn.orchestration.sim.volume.SimReplica;
import io.longhorn.orchestration.sim.world.SimFailure;
import io.longhorn.orchestration.sim.world.SimKnobs;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** The simulator as such: it is deterministic, a cluster lives in it, and survives what it can. */
final class SimTest {
  private static final long MINUTE = 60_000;

  private final Sim sim = new Sim(1);

  private static void attach(Sim sim) {
    sim.createVolume("v1", 3, true);
    assertThat(sim.settle(MINUTE)).as("made").isTrue();
    assertThat(sim.attach("va-1", "v1", "n1")).isEmpty();
    assertThat(sim.runUntil(() -> isAttached(sim, "n1"), MINUTE)).as(sim.trace(200)).isTrue();
    sim.settle(MINUTE);
  }

  private static boolean isAttached(Sim sim, String node) {
    Volume volume = sim.volume("v1");
    return volume.status().state() == Volume.State.ATTACHED
        && volume.status().currentNodeID().equals(node)
        && volume.status().robustness() == Volume.Robustness.HEALTHY;
  }

  private static void rests(Sim sim) {
    sim.guest("v1").stop();
    assertThat(sim.settle(20 * MINUTE)).as(sim.trace(100)).isTrue();
    assertThat(sim.verify("v1")).as(sim.trace(100)).isEmpty();
    assertThat(sim.checkQuiet()).as(sim.trace(100)).isEmpty();
  }

  @Test
  void whatIsWrittenIsRead() {
    attach(sim);
    sim.guest("v1").start();
    sim.run(30_000);
    rests(sim);
    assertThat(sim.guest("v1").writes()).isGreaterThan(50);
    assertThat(sim.guest("v1").reads()).isGreaterThan(30);
    assertThat(sim.guest("v1").flushes()).isGreaterThan(5);
    assertThat(sim.guest("v1").errors()).isZero();
    sim.detach("va-1", "v1");
    assertThat(sim.settle(MINUTE)).isTrue();
    assertThat(sim.volume("v1").status().state()).isEqualTo(Volume.State.DETACHED);
    sim.deleteVolume("v1");
    assertThat(sim.settle(MINUTE)).isTrue();
    assertThat(sim.directories()).isEmpty();
    assertThat(sim.objects(ObjectKind.REPLICA, io.longhorn.api.cluster.Replica.class)).isEmpty();
  }

  @Test
  void theSameSeedGivesTheSameTrace() {
    assertThat(troubled(5)).isEqualTo(troubled(5)).isNotEqualTo(troubled(6));
  }

  private static String troubled(long seed) {
    Sim sim = new Sim(seed);
    attach(sim);
    sim.guest("v1").start();
    sim.knobs().loseActionOneOf = 5;
    sim.knobs().repeatActionOneOf = 5;
    sim.knobs().loseStoreCallOneOf = 10;
    sim.breakLinks(500);
    sim.attach("va-2", "v1", "n2");
    sim.run(10_000);
    sim.killInstanceManager("n2");
    sim.run(10_000);
    sim.powerOff("n3");
    sim.killControlPlane();
    sim.run(5_000);
    sim.startControlPlane();
    sim.run(60_000);
    return sim.trace() + sim.events();
  }

  @Test
  void aGuestMovesAndTheMigrationIsConfirmed() {
    attach(sim);
    sim.guest("v1").start();
    assertThat(sim.attach("va-2", "v1", "n2")).isEmpty();
    assertThat(sim.runUntil(() -> tells(sim, "Volume migration engine is ready"), MINUTE))
        .as(sim.trace(200))
        .isTrue();
    sim.guest("v1").move("n2");
    assertThat(sim.runUntil(() -> sim.guest("v1").moves() == 1, MINUTE)).isTrue();
    sim.run(5_000);
    sim.detach("va-1", "v1");
    sim.run(10_000);
    rests(sim);
    assertThat(sim.guest("v1").node()).isEqualTo("n2");
    assertThat(sim.guest("v1").errors()).isZero();
    assertThat(sim.guest("v1").remounts()).isZero();
    assertThat(sim.nodeFields("v1").nodeID()).isEqualTo("n2");
    assertThat(sim.objects(ObjectKind.ENGINE, Engine.class)).hasSize(1);
    assertThat(sim.attach("va-3", "v1", "n3")).isEmpty();
    assertThat(sim.attach("va-4", "v1", "n1"))
        .contains("volume v1: cannot attach migratable volume to more than two nodes");
  }

  private static boolean tells(Sim sim, String message) {
    return sim.told().stream().anyMatch(line -> line.message().equals(message));
  }

  @Test
  void anEngineIsUpgradedUnderItsClients() {
    attach(sim);
    sim.guest("v1").start();
    sim.addImage("next", "commit-2");
    assertThat(sim.upgrade("v1", "next")).isEmpty();
    assertThat(
            sim.runUntil(() -> sim.volume("v1").status().currentImage().equals("next"), 2 * MINUTE))
        .as(sim.trace(200))
        .isTrue();
    rests(sim);
    assertThat(sim.guest("v1").errors()).isZero();
    assertThat(sim.guest("v1").remounts()).isZero();
    assertThat(sim.engineStarts("v1")).isEqualTo(1);
    assertThat(sim.replicas("v1")).allMatch(replica -> replica.image().equals("next"));
  }

  @Test
  void whateverCrashesOneAfterTheOtherTheVolumeComesBack() {
    attach(sim);
    sim.guest("v1").start();
    List<Runnable> crashes =
        List.of(
            () -> sim.killReplica("v1", "n2"),
            () -> sim.killProcess("v1-e-0"),
            () -> sim.killInstanceManager("n1"),
            () -> sim.killInstanceManagerHard("n3"),
            sim::killControlPlane,
            () -> sim.powerOff("n1"),
            () -> sim.powerOff("n2"));
    for (Runnable crash : crashes) {
      crash.run();
      sim.run(20_000);
      sim.healEverything();
      assertThat(sim.runUntil(() -> isAttached(sim, "n1"), 20 * MINUTE))
          .as(sim.trace(200))
          .isTrue();
      sim.run(10_000);
    }
    rests(sim);
    assertThat(sim.guest("v1").writes()).isGreaterThan(100);
  }

  @Test
  void allMachinesLoseTheirPowerAtOnce() {
    attach(sim);
    sim.guest("v1").start();
    sim.run(10_000);
    List.of("n1", "n2", "n3").forEach(sim::powerOff);
    sim.run(5_000);
    sim.healEverything();
    assertThat(sim.runUntil(() -> isAttached(sim, "n1"), 20 * MINUTE)).as(sim.trace(200)).isTrue();
    sim.run(10_000);
    rests(sim);
  }

  /** Without a store the owner cannot leave it out, and with nothing under way it stops clean. */
  @Test
  void aMemberThatLostItsPowerIsMadeEqualAlthoughTheOtherEngineStoppedClean() {
    claimAfterALossOfPower(sim, List.of(Sim.CONTROL));
    sim.run(10_000);
    assertThat(sim.record("v1").membership().stamp().generation()).isEqualTo(2);
    sim.healEverything();
    rests(sim);
  }

  /** The loser of the claim meets a member that has lost nothing since it was made equal. */
  @Test
  void theFlushOfALoserSpeaksOfTheDiskOfAMemberThatWasMadeEqualSince() {
    Sim five = new Sim(1, List.of("n1", "n2", "n3", "n4", "n5"), false, new SimKnobs());
    five.cordon("n1");
    five.cordon("n2");
    claimAfterALossOfPower(five, List.of(Sim.CONTROL, "n2"));
    writeThroughTheOtherEngine(five, 10);
    five.partition(List.of("n1"), List.of("n3"));
    writeThroughTheOtherEngine(five, 16);
    five.heal();
    five.partition(List.of("n1"), List.of(Sim.CONTROL, "n2"));
    five.guest("v1").move("n2");
    assertThat(five.runUntil(() -> five.guest("v1").flushes() == 1, MINUTE))
        .as(five.trace(100))
        .isTrue();
    five.healEverything();
    rests(five);
  }

  /** Never idle for so long that marks are cleared, for which all is flushed. */
  private static void writeThroughTheOtherEngine(Sim sim, int writes) {
    for (int i = 0; i < writes; i++) {
      sim.run(250);
      sim.guest("v1").writeAt("n2");
    }
  }

  /** n1 serves, n3 is a member, not all is flushed; then n1 is cut off and n2 claims. */
  private static void claimAfterALossOfPower(Sim sim, List<String> cutOff) {
    attach(sim);
    assertThat(sim.attach("va-2", "v1", "n2")).isEmpty();
    assertThat(sim.runUntil(() -> tells(sim, "Volume migration engine is ready"), MINUTE))
        .as(sim.trace(200))
        .isTrue();
    sim.guest("v1").write(8);
    assertThat(sim.runUntil(sim.guest("v1")::isDone, MINUTE)).isTrue();
    sim.storeDown(true);
    sim.powerOff("n3");
    sim.powerOn("n3");
    assertThat(sim.runUntil(() -> holds(sim, "n3"), MINUTE)).as(sim.trace(100)).isTrue();
    sim.partition(List.of("n1"), cutOff);
    sim.storeDown(false);
    sim.run(300);
    sim.guest("v1").writeAt("n2");
  }

  private static boolean holds(Sim sim, String node) {
    return sim.replicas("v1").stream()
        .anyMatch(replica -> replica.node().equals(node) && replica.isHolder());
  }

  @Test
  void anEngineThatIsLeftOverElsewhereDoesNotSpeakForTheOneOfItsName() {
    attach(sim);
    sim.partition(List.of("n1"), List.of("n2", "n3", Sim.CONTROL));
    sim.detach("va-1", "v1");
    assertThat(sim.attach("va-2", "v1", "n2")).isEmpty();
    assertThat(sim.runUntil(() -> isAttachedAt(sim, "n2"), 20 * MINUTE))
        .as(sim.trace(200))
        .isTrue();
    assertThat(sim.engines("v1")).extracting(SimEngine::node).contains("n1", "n2");
    sim.heal();
    assertThat(sim.runUntil(() -> !isSeenOn(sim, "n2"), MINUTE)).as(sim.trace(100)).isFalse();
    rests(sim);
  }

  private static boolean isAttachedAt(Sim sim, String node) {
    Volume volume = sim.volume("v1");
    return volume.status().state() == Volume.State.ATTACHED
        && volume.status().currentNodeID().equals(node);
  }

  private static boolean isSeenOn(Sim sim, String node) {
    Optional<EngineId> seen =
        sim.seenByControlPlane().flatMap(view -> view.engine("v1-e-0")).flatMap(EngineSeen::id);
    return sim.engines("v1").stream()
        .filter(engine -> engine.node().equals(node))
        .anyMatch(engine -> seen.equals(Optional.of(engine.id())));
  }

  @Test
  void aReplicaIsFilledWhenOneIsMissing() {
    Sim four = new Sim(3, List.of("n1", "n2", "n3", "n4"), false, new SimKnobs());
    attach(four);
    four.guest("v1").start();
    four.run(5_000);
    four.powerOff("n3");
    assertThat(
            four.runUntil(
                () -> isAttached(four, "n1") && four.replicas("v1").size() == 3, 30 * MINUTE))
        .as(four.trace(200))
        .isTrue();
    four.powerOn("n3");
    rests(four);
    assertThat(four.record("v1").membership().members()).hasSize(3);
  }

  /** It was asked late, and had the directory from then on: nobody could use or delete it. */
  @Test
  void whatHasEndedTakesNoDirectory() {
    SimReplica standby = standby();
    sim.killInstanceManagerHard("n3");
    assertThat(standby.isStandby()).isFalse();
    standby.promote();
    assertThat(holderOf(standby)).isZero();
  }

  @Test
  void whatIsStoppedTakesItsDirectoryWhenItGoesOn() {
    SimReplica standby = standby();
    standby.freeze();
    assertThat(sim.killReplica("v1", "n3")).isTrue();
    standby.promote();
    assertThat(holderOf(standby)).isZero();
    standby.thaw();
    assertThat(holderOf(standby)).isEqualTo(standby.pid());
  }

  /** One on n3, with nobody to decide any more. */
  private SimReplica standby() {
    attach(sim);
    assertThat(sim.attach("va-2", "v1", "n2")).isEmpty();
    assertThat(sim.runUntil(() -> tells(sim, "Volume migration engine is ready"), MINUTE))
        .as(sim.trace(200))
        .isTrue();
    sim.killControlPlane();
    return sim.replicas("v1").stream()
        .filter(replica -> replica.node().equals("n3") && replica.isStandby())
        .findFirst()
        .orElseThrow();
  }

  private long holderOf(SimReplica replica) {
    return sim.directories().stream()
        .filter(directory -> directory.replica.equals(replica.id()))
        .findFirst()
        .orElseThrow()
        .holder;
  }

  @Test
  void aFailureSaysWhichInvariantDoesNotHold() {
    assertThatThrownBy(
            () -> {
              throw new SimFailure("I1", "text");
            })
        .hasMessage("I1: text");
    assertThat(Optional.of(new SimFailure("I1", "text").invariant())).contains("I1");
  }
}
