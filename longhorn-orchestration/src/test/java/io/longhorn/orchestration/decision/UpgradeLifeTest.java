package io.longhorn.orchestration.decision;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.cluster.Condition;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.Volume.Robustness;
import io.longhorn.api.cluster.Volume.State;
import io.longhorn.api.cluster.Volume.Upgrade.Phase;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.orchestration.decision.volume.UpgradeRule;
import io.longhorn.orchestration.decision.volume.UpgradeRule.Answer;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Upgrades from beginning to end, with what goes wrong in between (5.7, 5.8). */
final class UpgradeLifeTest {
  private final SmallCluster cluster = UpgradeFacts.attached();
  private final String engineUuid = engine().status().instance().uuid();
  private final SortedMap<String, String> directories = directories();

  private Engine engine() {
    return cluster.engine("v");
  }

  private Volume volume() {
    return cluster.volume("v");
  }

  /** By directory: its node. */
  private SortedMap<String, String> directories() {
    TreeMap<String, String> found = new TreeMap<>();
    cluster
        .replicas("v")
        .forEach(replica -> found.put(replica.spec().directory(), replica.spec().nodeID()));
    return found;
  }

  /** Rounds until something holds; whatever holds always is looked at after each. */
  private void until(BooleanSupplier what) {
    int rounds = 0;
    while (!what.getAsBoolean()) {
      cluster.round();
      always();
      assertThat(++rounds).as("rounds").isLessThan(200);
    }
  }

  private void settle() {
    int rounds = 0;
    while (cluster.round()) {
      always();
      assertThat(++rounds).as("rounds").isLessThan(200);
    }
  }

  private void always() {
    for (String directory : directories.keySet()) {
      List<Replica> named =
          cluster.replicas("v").stream()
              .filter(replica -> replica.spec().directory().equals(directory))
              .toList();
      assertThat(named.stream().filter(replica -> replica.spec().isActive()))
          .as("objects of %s that are the volume's own", directory)
          .hasSize(1);
      // #11397, #12111: whatever happens there is one more at most.
      assertThat(named).as("objects of " + directory).hasSizeLessThanOrEqualTo(2);
    }
    assertThat(cluster.directories).as("#7396, #5632").hasSize(3);
    assertThat(
            cluster.told.stream()
                .map(Action.Tell::reason)
                .filter(reason -> reason.equals("ReplicaDeleted")))
        .isEmpty();
  }

  private boolean isPhase(Phase phase) {
    return volume().status().upgrade().phase() == phase;
  }

  /** On an image, whole, nothing left over. */
  private void assertIsOn(String image) {
    assertThat(volume().spec().image()).isEqualTo(image);
    assertThat(volume().status().currentImage()).isEqualTo(image);
    assertThat(volume().status().robustness()).isEqualTo(Robustness.HEALTHY);
    assertThat(volume().status().conditions()).isEmpty();
    assertThat(engine().spec().image()).isEqualTo(image);
    assertThat(engine().status().currentImage()).isEqualTo(image);
    assertThat(engine().spec().upgradedReplicas()).isEmpty();
    assertThat(cluster.record("v").phase()).isEqualTo(VolumeRecord.Phase.NONE);
    assertThat(cluster.record("v").membership().members()).hasSize(3);
    assertThat(directories()).isEqualTo(directories);
    assertThat(cluster.replicas("v"))
        .hasSize(3)
        .allMatch(replica -> replica.spec().isActive() && replica.status().isHolder())
        .allMatch(replica -> replica.spec().image().equals(image))
        .allMatch(replica -> replica.spec().engineName().equals("v-e-0"));
    TreeSet<String> known = new TreeSet<>();
    cluster.replicas("v").forEach(replica -> known.add(replica.name()));
    known.add("v-e-0");
    TreeSet<String> processes = new TreeSet<>();
    cluster.allHosts().forEach(host -> processes.addAll(host.processes.keySet()));
    assertThat(processes).isEqualTo(known);
  }

  private void assertSameEngineProcess() {
    assertThat(engine().status().instance().uuid()).isEqualTo(engineUuid);
    assertThat(told("EngineCrashed")).isZero();
    assertThat(told("DetachSelected")).isZero();
  }

  private long told(String reason) {
    return cluster.told.stream().filter(tell -> tell.reason().equals(reason)).count();
  }

  private void want(String image) {
    UpgradeFacts.want(cluster, image);
  }

  // ---- how it goes ------------------------------------------------------------------------------

  @Test
  void liveUpgradeThereAndBackAndThereAgain() {
    // U7, U8, U9, 5.7/1; 5.8/6: the next one right after the one before
    for (String image : List.of("v2", "default", "v3", "v2", "default")) {
      want(image);
      settle();
      assertIsOn(image);
    }
    assertSameEngineProcess();
    assertThat(told("UpgradeStarted")).isEqualTo(5);
    assertThat(told("Upgraded")).isEqualTo(5);
  }

  @Test
  void theOtherProcessServesBeforeOneDirectoryChangesHands() {
    // 5.7/2: one after the other, each in sync again before the next.
    want("v2");
    cluster.isSwapSlow = true;
    until(() -> cluster.swapping.containsKey("v-e-0"));
    for (int i = 0; i < 20; i++) {
      cluster.round();
      always();
      assertThat(cluster.replicas("v").stream().filter(one -> one.status().isHolder()))
          .hasSize(3)
          .allMatch(one -> one.spec().image().equals("default"));
    }
    cluster.goOnSwapping("v-e-0");
    int held = 0;
    while (held < 3) {
      cluster.round();
      always();
      int now =
          (int)
              cluster.replicas("v").stream()
                  .filter(one -> one.status().isHolder() && one.spec().isActive())
                  .count();
      assertThat(now).as("one at a time").isBetween(held, held + 1);
      held = now;
      assertThat(cluster.record("v").membership().members()).hasSize(3);
    }
    settle();
    assertIsOn("v2");
  }

  @Test
  void aSecondUpgradeWaitsForTheDirectoriesOfTheFirst() {
    // 5.8/6: asked for as soon as the first is done, while directories still change hands.
    want("v2");
    until(() -> volume().status().currentImage().equals("v2"));
    want("default");
    settle();
    assertIsOn("default");
    assertSameEngineProcess();
  }

  @Test
  void offline() {
    // U3
    cluster.detach("v");
    settle();
    want("v2");
    settle();
    assertThat(volume().status().currentImage()).isEqualTo("v2");
    assertThat(cluster.replicas("v")).hasSize(3).allMatch(one -> one.spec().image().equals("v2"));
    cluster.attach("v", "node-2");
    settle();
    assertIsOn("v2");
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
  void detachedInTheMiddleItGoesOnOffline(int rounds) {
    // U3: "it becomes an offline upgrade"
    want("v2");
    for (int i = 0; i < rounds; i++) {
      cluster.round();
      always();
    }
    cluster.detach("v");
    settle();
    assertThat(volume().status().state()).isEqualTo(State.DETACHED);
    assertThat(volume().status().currentImage()).isEqualTo("v2");
    assertThat(cluster.replicas("v")).hasSize(3).allMatch(one -> one.spec().image().equals("v2"));
    cluster.attach("v", "node-1");
    settle();
    assertIsOn("v2");
  }

  // ---- what goes wrong --------------------------------------------------------------------------

  @Test
  void anImageThatDoesNotStartIsRolledBack() {
    // 5.8/1: I/O goes on all the while; after as many tries as the setting says it is given up.
    cluster.broken.add("v2");
    want("v2");
    settle();
    assertIsOn("default");
    assertSameEngineProcess();
    assertThat(volume().status().upgrade().phase()).isEqualTo(Phase.ROLLED_BACK);
    assertThat(volume().status().upgrade().image()).isEqualTo("v2");
    assertThat(volume().status().upgrade().attempts()).isEqualTo(5);
    assertThat(volume().status().upgrade().lastError()).contains("exit code 1");
    assertThat(told("UpgradeRolledBack")).isEqualTo(1);
  }

  @Test
  void anImageThatDoesNotStartIsRolledBackByAPerson() {
    // 5.8/1, 5.2/9
    cluster.put(Settings.setting(Settings.Key.ENGINE_UPGRADE_ATTEMPT_LIMIT, "0"));
    cluster.broken.add("v2");
    want("v2");
    for (int i = 0; i < 100; i++) {
      cluster.round();
      always();
    }
    assertThat(volume().status().upgrade().attempts()).isGreaterThan(10);
    assertThat(volume().status().condition(Names.UPGRADE).map(Condition::reason)).contains("U7");
    assertThat(UpgradeRule.request(cluster.view(), "v", "default"))
        .isInstanceOfSatisfying(Answer.RolledBack.class, back -> cluster.put(back.volume()));
    settle();
    assertIsOn("default");
    assertSameEngineProcess();
    // And the image that is mended meanwhile can be asked for again.
    cluster.broken.clear();
    want("v2");
    settle();
    assertIsOn("v2");
  }

  @Test
  void detachedWithAnImageThatDoesNotStart() {
    // 5.8/2: it becomes an offline upgrade; attaching fails; back, it attaches.
    cluster.broken.add("v2");
    want("v2");
    cluster.round();
    cluster.detach("v");
    settle();
    assertThat(volume().status().currentImage()).isEqualTo("v2");
    cluster.attach("v", "node-1");
    for (int i = 0; i < 40; i++) {
      cluster.round();
    }
    assertThat(volume().status().state()).isNotEqualTo(State.ATTACHED);
    cluster.detach("v");
    settle();
    want("default");
    // 7.3/1: what failed again and again is not salvaged as fast as it fails.
    cluster.nowMillis += 60_000;
    cluster.attach("v", "node-1");
    settle();
    // What has failed so often is not tried again at once.
    cluster.nowMillis += 600_000;
    settle();
    assertIsOn("default");
  }

  @Test
  void aSwitchThatFailsIsTriedAgainAndCounted() {
    // 5.8/3
    cluster.swapError = "no backend";
    want("v2");
    until(() -> volume().status().upgrade().attempts() == 3);
    assertThat(volume().status().condition(Names.UPGRADE).orElseThrow().message())
        .contains("the last try failed: no backend");
    cluster.swapError = "";
    settle();
    assertIsOn("v2");
    assertSameEngineProcess();
    // The fourth was under way already.
    assertThat(told("UpgradeTryFailed")).isEqualTo(4);
  }

  @Test
  void aSwitchThatFailsTooOftenIsRolledBack() {
    // 5.8/3
    cluster.swapError = "no backend";
    want("v2");
    settle();
    assertIsOn("default");
    assertSameEngineProcess();
    assertThat(volume().status().upgrade().lastError()).isEqualTo("no backend");
  }

  @ParameterizedTest
  @ValueSource(strings = {"node-1", "node-2", "node-3"})
  void oneThatStandsByDiesBeforeTheSwitchIsAskedFor(String node) {
    // 5.8/4, #5618
    want("v2");
    until(() -> !standby(node).isEmpty());
    cluster.crash(node, standby(node));
    settle();
    assertIsOn("v2");
    assertThat(told("UpgradeTryFailed")).isEqualTo(1);
    assertSameEngineProcess();
  }

  @ParameterizedTest
  @ValueSource(strings = {"node-1", "node-2", "node-3"})
  void oneThatStandsByDiesWhileTheSwitchGoesOn(String node) {
    // 5.8/4, #5684
    cluster.isSwapSlow = true;
    want("v2");
    until(() -> cluster.swapping.containsKey("v-e-0"));
    cluster.crash(node, standby(node));
    until(() -> volume().status().upgrade().attempts() == 1);
    until(() -> isPhase(Phase.SWITCHING));
    cluster.isSwapSlow = false;
    settle();
    assertIsOn("v2");
    assertSameEngineProcess();
  }

  private String standby(String node) {
    return cluster.replicas("v").stream()
        .filter(replica -> !replica.spec().isActive())
        .filter(replica -> replica.spec().nodeID().equals(node))
        .filter(replica -> cluster.host(node).processes.containsKey(replica.name()))
        .map(Replica::name)
        .findFirst()
        .orElse("");
  }

  @Test
  void slownessMakesNoMoreOfThem() {
    // #12111, #11397: nothing that was asked for is there yet, however often it is looked at.
    want("v2");
    for (int i = 0; i < 50; i++) {
      cluster.nowMillis += 1_000;
      cluster.store(cluster.plan());
      always();
    }
    assertThat(cluster.replicas("v")).hasSize(6);
    settle();
    assertIsOn("v2");
  }

  @Test
  void oneTooManyMadeByHandGoes() {
    // #11397
    want("v2");
    cluster.round();
    UpgradeFacts.standby(cluster, "node-2", "v2", "STOPPED");
    assertThat(cluster.replicas("v")).hasSize(7);
    int rounds = 0;
    while (cluster.round()) {
      assertThat(++rounds).isLessThan(200);
    }
    assertIsOn("v2");
  }

  @Test
  void aReplicaThatIsDeletedInTheMiddle() {
    // 5.8/7, #7012, U4: who stood by for it is the volume's own: its data is.
    want("v2");
    until(() -> !standby("node-2").isEmpty());
    Replica own = cluster.replicaOn("v", "node-2");
    cluster.objects.remove(own.key());
    cluster.host("node-2").processes.remove(own.name());
    int rounds = 0;
    while (cluster.round()) {
      assertThat(++rounds).isLessThan(200);
      // What the record names is there; one more may be made, and goes again.
      assertThat(cluster.directories).hasSizeGreaterThanOrEqualTo(3);
      for (ReplicaId member : cluster.record("v").membership().members()) {
        assertThat(cluster.directories).contains(Names.replica("v", member));
      }
    }
    assertThat(volume().status().currentImage()).isEqualTo("v2");
    assertThat(volume().status().robustness()).isEqualTo(Robustness.HEALTHY);
    assertThat(cluster.replicas("v"))
        .hasSize(3)
        .allMatch(replica -> replica.spec().isActive() && replica.spec().image().equals("v2"));
    assertThat(cluster.directories).hasSize(3);
    assertSameEngineProcess();
  }

  @Test
  void aReplicaThatNobodyCanSeeAtTheSwitchStays() {
    // #12439, #1597: unknown is not gone.
    cluster.isSwapSlow = true;
    want("v2");
    until(() -> cluster.swapping.containsKey("v-e-0"));
    cluster.host("node-3").isFrozen = true;
    cluster.round();
    cluster.round();
    assertThat(
            cluster.replicas("v").stream()
                .filter(one -> one.spec().nodeID().equals("node-3"))
                .map(one -> one.status().instance().currentState()))
        .containsOnly(InstanceView.State.UNKNOWN);
    cluster.isSwapSlow = false;
    cluster.goOnSwapping("v-e-0");
    until(() -> volume().status().currentImage().equals("v2"));
    for (int i = 0; i < 30; i++) {
      cluster.round();
      always();
      assertThat(cluster.replicas("v").stream().filter(one -> one.spec().nodeID().equals("node-3")))
          .as("who serves it is not taken away before the other one has it")
          .hasSize(2);
    }
    cluster.thaw(cluster.host("node-3"));
    settle();
    assertIsOn("v2");
    assertSameEngineProcess();
  }

  @Test
  void theEngineCrashesInTheMiddle() {
    // 5.8/5: detached, upgraded offline, attached again
    cluster.isSwapSlow = true;
    want("v2");
    until(() -> cluster.swapping.containsKey("v-e-0"));
    cluster.crash("node-1", "v-e-0");
    settle();
    assertIsOn("v2");
    assertThat(told("DetachSelected")).isEqualTo(1);
    assertThat(told("AttachSelected")).isEqualTo(2);
  }

  @Test
  void itsInstanceManagerCrashesInTheMiddle() {
    // 5.8/5
    cluster.isSwapSlow = true;
    want("v2");
    until(() -> cluster.swapping.containsKey("v-e-0"));
    cluster.host("node-1").die();
    settle();
    assertIsOn("v2");
  }

  @ParameterizedTest
  @CsvSource({"true", "false"})
  void theOldEngineServesHoweverLongTheNewOneTakes(boolean isRolledBack) {
    // 5.6: Longhorn kills the old one after 30 s whatever happened. Here nobody is stopped.
    cluster.isSwapSlow = true;
    want("v2");
    until(() -> cluster.swapping.containsKey("v-e-0"));
    long pid = cluster.process("node-1", "v-e-0").pid;
    for (int i = 0; i < 20; i++) {
      cluster.nowMillis += 60_000;
      List<Action> plan = cluster.plan();
      assertThat(UpgradeFacts.asked(plan))
          .filteredOn(name -> name.startsWith("Stop") || name.startsWith("Kill"))
          .isEmpty();
      cluster.round();
      always();
    }
    assertThat(cluster.process("node-1", "v-e-0").pid).isEqualTo(pid);
    if (isRolledBack) {
      want("default");
      cluster.round();
      // The new process is late: the record does not let it in any more.
      cluster.goOnSwapping("v-e-0");
      settle();
      assertIsOn("default");
      assertThat(cluster.process("node-1", "v-e-0").pid).isEqualTo(pid);
      assertThat(cluster.swaps.get("v-e-0").error()).isEqualTo("the record does not let it");
    } else {
      cluster.isSwapSlow = false;
      settle();
      assertIsOn("v2");
    }
  }

  @Test
  void rolledBackInTheVeryMomentItHappens() {
    // U1 and U9 at once: what happened is believed, then it is brought back.
    cluster.isSwapSlow = true;
    want("v2");
    until(() -> cluster.swapping.containsKey("v-e-0"));
    cluster.isSwapSlow = false;
    cluster.goOnSwapping("v-e-0");
    want("default");
    settle();
    assertIsOn("default");
    assertSameEngineProcess();
    assertThat(told("Upgraded")).isEqualTo(2);
  }

  @Test
  void aThirdImageInTheMiddle() {
    cluster.isSwapSlow = true;
    want("v2");
    until(() -> cluster.swapping.containsKey("v-e-0"));
    want("v3");
    cluster.isSwapSlow = false;
    settle();
    assertIsOn("v3");
    assertSameEngineProcess();
  }

  @Test
  void aReplicaThatIsGoneIsWaitedFor() {
    // U4: first it heals.
    cluster.process("node-3", cluster.replicaOn("v", "node-3").name());
    want("v2");
    cluster.round();
    cluster.round();
    cluster.crash("node-3", cluster.replicaOn("v", "node-3").name());
    settle();
    assertIsOn("v2");
    assertSameEngineProcess();
  }

  // ---- a migration and an upgrade ---------------------------------------------------------------

  private SmallCluster migratable() {
    SmallCluster other = new SmallCluster(3);
    other.addImage("v2");
    other.create("m", 3, true);
    other.settle();
    other.attachCsi("m", "node-1");
    return other.settle();
  }

  @Test
  void anUpgradeDuringAMigrationIsRefusedAndOneThatSlippedInDoesNoHarm() {
    // #7833, U0, M1
    SmallCluster other = migratable();
    other.attachCsi("m", "node-2");
    other.settle();
    assertThat(other.engines("m")).hasSize(2);
    assertThat(UpgradeRule.request(other.view(), "m", "v2"))
        .isEqualTo(
            new Answer.Refused(
                "5.2/6", "volume m: cannot upgrade the engine to v2: it is migrating"));
    other.change("m", volume -> volume.with(volume.spec().withImage("v2")));
    other.settle();
    assertThat(other.volume("m").spec().image()).isEqualTo("default");
    assertThat(other.engines("m")).hasSize(2);
    other.detach("m", "node-1");
    other.settle();
    assertThat(other.volume("m").status().currentNodeID()).isEqualTo("node-2");
    assertThat(other.engines("m")).hasSize(1);
    other.change("m", volume -> volume.with(volume.spec().withImage("v2")));
    other.settle();
    assertThat(other.volume("m").status().currentImage()).isEqualTo("v2");
    assertThat(other.replicas("m")).hasSize(3).allMatch(one -> one.spec().image().equals("v2"));
  }

  @Test
  void aMigrationDuringAnUpgradeWaitsForItsEnd() {
    // #7833, M1
    SmallCluster other = migratable();
    other.isSwapSlow = true;
    other.change("m", volume -> volume.with(volume.spec().withImage("v2")));
    for (int i = 0; i < 10; i++) {
      other.round();
    }
    other.attachCsi("m", "node-2");
    for (int i = 0; i < 10; i++) {
      other.round();
    }
    assertThat(other.engines("m")).hasSize(1);
    assertThat(other.volume("m").status().condition(Names.MIGRATION).map(Condition::reason))
        .contains("M1");
    other.isSwapSlow = false;
    other.settle();
    assertThat(other.volume("m").status().currentImage()).isEqualTo("v2");
    assertThat(other.engines("m")).hasSize(2);
    other.detach("m", "node-1");
    other.settle();
    assertThat(other.volume("m").status().currentNodeID()).isEqualTo("node-2");
    assertThat(other.replicas("m")).hasSize(3);
  }

  @Test
  void bothInTheSameInstant() {
    // #7833
    SmallCluster other = migratable();
    other.change(
        "m", volume -> volume.with(volume.spec().withImage("v2").withMigrationNodeID("node-2")));
    other.attachCsi("m", "node-2");
    other.settle();
    assertThat(other.engines("m")).hasSize(2);
    other.detach("m", "node-1");
    other.settle();
    assertThat(other.engines("m")).hasSize(1);
    assertThat(other.volume("m").status().currentNodeID()).isEqualTo("node-2");
    assertThat(other.volume("m").isUpgrading()).isFalse();
    assertThat(other.get(ObjectKind.ENGINE, "m-e-0")).isEmpty();
    assertThat(other.replicas("m")).hasSize(3).allMatch(one -> one.spec().isActive());
  }
}
