package io.longhorn.orchestration.decision.volume;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.Volume.Robustness;
import io.longhorn.api.cluster.Volume.State;
import io.longhorn.api.cluster.VolumeAttachment;
import io.longhorn.api.cluster.VolumeAttachment.Ticket;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.orchestration.decision.Action;
import io.longhorn.orchestration.decision.NodeSeen;
import io.longhorn.orchestration.decision.SmallCluster;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The scenarios of Longhorn's HA volume migration, by their numbers, as far as decisions go: a
 * volume with replicas on three nodes moves from the first to the second. Engines and replicas are
 * those of {@link SmallCluster}; "soon" is a number of rounds of the control plane between a crash
 * and the command beside it.
 */
final class SeedScenariosTest {
  private static final String OLD = "node-1";
  private static final String NEW = "node-2";
  private static final String THIRD = "node-3";
  private static final String DETACH_OLD = "volume v is selected to detach from " + OLD;
  private static final String DETACH_NEW = "volume v is selected to detach from " + NEW;
  private static final String ATTACH_OLD = "volume v is selected to attach to " + OLD;
  private static final String ATTACH_NEW = "volume v is selected to attach to " + NEW;
  private static final String CONFIRM = "Confirming migration";
  private static final String ROLL_BACK = "Rolling back migration";
  private static final String WAIT = "Waiting to confirm migration until migration engine is ready";
  private static final String CANCEL = "Cancelling migration for detached volume...";
  private static final String GIVE_UP = "Detaching volume for attempted migration to down node";
  private static final String REFUSE =
      "Volume migration between node-1 and node-2 failed; detach volume from extra node to resume";

  private final SmallCluster cluster = new SmallCluster(3);
  private final SortedSet<String> off = new TreeSet<>();
  private final SortedSet<String> before = new TreeSet<>();

  // ---- what the seed's commands do --------------------------------------------------------------

  private void attachOld() {
    settle();
    cluster.create("v", 3, true);
    settle();
    cluster.attachCsi("v", OLD);
    settle();
    assertFields(OLD, "", OLD, "");
  }

  private void startMigration() {
    cluster.nowMillis++;
    cluster.attachCsi("v", NEW);
    settle();
    assertThat(told()).contains("Starting migration", "Volume migration engine is ready");
    assertFields(OLD, NEW, OLD, NEW);
    assertThat(cluster.attachment("v").tickets().values())
        .as("both sides are attached for Kubernetes")
        .allMatch(ticket -> ticket.satisfied().isTrue());
    assertThat(running()).as("replica processes while it migrates").isEqualTo(expectedRunning());
    assertThat(cluster.record("v").phase()).isEqualTo(VolumeRecord.Phase.MIGRATING);
    assertThat(cluster.record("v").claimants()).hasSize(2);
    begin();
  }

  private long expectedRunning() {
    return 2L * cluster.record("v").membership().members().size();
  }

  private long running() {
    return cluster.replicas("v").stream()
        .filter(replica -> replica.status().instance().currentState() == InstanceView.State.RUNNING)
        .count();
  }

  /** What is told, and what is new, counts from here. */
  private void begin() {
    cluster.told.clear();
    before.clear();
    cluster.engines("v").stream()
        .filter(engine -> engine.spec().isActive())
        .forEach(engine -> before.add(engine.name()));
    cluster.replicas("v").stream()
        .filter(replica -> replica.spec().isActive())
        .forEach(replica -> before.add(replica.name()));
  }

  private void kill(String node) {
    cluster.host(node).die();
  }

  /** Nothing of it answers, and Kubernetes has seen that. */
  private void powerOff(String node) {
    cluster.host(node).processes.clear();
    cluster.host(node).isFrozen = true;
    cluster.kube.put(node, new NodeSeen(NodeSeen.Kube.UNKNOWN, cluster.nowMillis, false));
  }

  /** Kubernetes gives its pods up. */
  private void evict(String node) {
    off.add(node);
    cluster.host(node).die();
  }

  private void powerOn(String node) {
    off.remove(node);
    cluster.host(node).die();
    cluster.kube.put(node, new NodeSeen(NodeSeen.Kube.TRUE, cluster.nowMillis, true));
  }

  private void rounds(int count) {
    for (int i = 0; i < count; i++) {
      cluster.round();
      off.forEach(node -> cluster.host(node).die());
    }
  }

  private void settle() {
    rounds(60);
  }

  private void guestMoves() {
    String target =
        cluster.engines("v").stream()
            .filter(engine -> !engine.spec().isActive())
            .map(Engine::name)
            .findFirst()
            .orElseThrow();
    cluster.claim(target);
    rounds(3);
  }

  // ---- what came of it --------------------------------------------------------------------------

  private List<String> told() {
    return cluster.told.stream().map(Action.Tell::message).toList();
  }

  /** These in this order, whatever is between them; and none that a decision may not tell. */
  private void assertTold(String... expected) {
    List<String> decisions =
        List.of(
            DETACH_OLD, DETACH_NEW, ATTACH_OLD, ATTACH_NEW, CONFIRM, ROLL_BACK, CANCEL, GIVE_UP);
    List<String> found = new ArrayList<>(told());
    assertThat(found).containsSubsequence(expected);
    found.retainAll(decisions);
    List<String> wanted = new ArrayList<>(List.of(expected));
    wanted.retainAll(decisions);
    assertThat(found).as("each decision once, and no other").isEqualTo(wanted);
  }

  private void assertFields(
      String node, String migrationNode, String currentNode, String currentMigrationNode) {
    Volume volume = cluster.volume("v");
    assertThat(
            List.of(
                volume.spec().nodeID(),
                volume.spec().migrationNodeID(),
                volume.status().currentNodeID(),
                volume.status().currentMigrationNodeID()))
        .isEqualTo(List.of(node, migrationNode, currentNode, currentMigrationNode));
  }

  private void assertAttached(String node, Robustness robustness) {
    assertFields(node, "", node, "");
    assertThat(cluster.volume("v").status().state()).isEqualTo(State.ATTACHED);
    assertThat(cluster.volume("v").status().robustness()).isEqualTo(robustness);
    Engine engine = onlyEngine();
    assertThat(engine.spec().nodeID()).isEqualTo(node);
    assertThat(engine.spec().isActive()).isTrue();
    assertThat(cluster.record("v").phase()).isEqualTo(VolumeRecord.Phase.NONE);
    assertThat(Optional.of(engine.status().id().orElseThrow()))
        .as("the engine that is left owns the volume")
        .isEqualTo(cluster.record("v").owner());
    assertThat(cluster.replicas("v")).hasSize(3).allMatch(replica -> replica.spec().isActive());
    assertThat(cluster.replicas("v").stream().map(Replica::spec).map(Replica.Spec::directory))
        .as("no directory is lost and none is doubled")
        .doesNotHaveDuplicates();
    assertThat(cluster.directories).hasSize(3);
  }

  private Engine onlyEngine() {
    assertThat(cluster.engines("v")).hasSize(1);
    return cluster.engines("v").getFirst();
  }

  private void assertSame() {
    assertThat(before).contains(onlyEngine().name());
    assertThat(cluster.replicas("v")).allMatch(replica -> before.contains(replica.name()));
  }

  private void assertNew() {
    assertThat(before).doesNotContain(onlyEngine().name());
    assertThat(cluster.replicas("v"))
        .anyMatch(replica -> !before.contains(replica.name()))
        .allMatch(replica -> replica.spec().engineName().equals(onlyEngine().name()));
  }

  // ---- the scenarios ----------------------------------------------------------------------------

  @Test
  void aMigrationIsConfirmed() {
    attachOld();
    startMigration();
    cluster.detach("v", OLD);
    settle();
    assertTold(CONFIRM);
    assertNew();
    assertAttached(NEW, Robustness.HEALTHY);
  }

  @Test
  void aMigrationOfAGuestThatHasMovedIsConfirmed() {
    attachOld();
    startMigration();
    guestMoves();
    cluster.detach("v", OLD);
    settle();
    assertTold(CONFIRM);
    assertNew();
    assertAttached(NEW, Robustness.HEALTHY);
  }

  @Test
  void aMigrationIsRolledBackAlsoWhenTheGuestHasMoved() {
    attachOld();
    startMigration();
    guestMoves();
    cluster.detach("v", NEW);
    settle();
    assertTold(ROLL_BACK);
    assertSame();
    assertAttached(OLD, Robustness.HEALTHY);
  }

  @ParameterizedTest
  @ValueSource(ints = {2, 3})
  void s11NewEngineCrashesThenConfirmation(int soon) {
    attachOld();
    startMigration();
    kill(NEW);
    rounds(soon);
    cluster.detach("v", OLD);
    settle();
    assertTold(WAIT, CONFIRM);
    assertNew();
    assertAttached(NEW, Robustness.HEALTHY);
  }

  @ParameterizedTest
  @ValueSource(ints = {6, 9})
  void s12ConfirmationThenNewEngineCrashes(int soon) {
    attachOld();
    startMigration();
    cluster.detach("v", OLD);
    rounds(soon);
    kill(NEW);
    settle();
    assertTold(CONFIRM, DETACH_NEW, ATTACH_NEW);
    assertNew();
    assertAttached(NEW, Robustness.HEALTHY);
  }

  @ParameterizedTest
  @CsvSource({"true, 2", "true, 4", "false, 2", "false, 4"})
  void s13RollbackBesideACrashOfTheNewEngine(boolean isCrashFirst, int soon) {
    attachOld();
    startMigration();
    if (isCrashFirst) {
      kill(NEW);
      rounds(soon);
      cluster.detach("v", NEW);
    } else {
      cluster.detach("v", NEW);
      rounds(soon);
      kill(NEW);
    }
    settle();
    assertTold(ROLL_BACK);
    assertSame();
    assertAttached(OLD, Robustness.HEALTHY);
  }

  @ParameterizedTest
  @ValueSource(strings = {OLD, NEW})
  void s21OldEngineCrashesAndNobodyDecides(String removed) {
    attachOld();
    startMigration();
    kill(OLD);
    settle();
    assertTold(DETACH_OLD, CANCEL, REFUSE);
    assertThat(cluster.told).anyMatch(tell -> tell.reason().equals("MigrationFailed"));
    assertFields("", "", "", "");
    assertThat(cluster.volume("v").status().state()).isEqualTo(State.DETACHED);
    cluster.detach("v", removed);
    settle();
    assertSame();
    assertAttached(removed.equals(OLD) ? NEW : OLD, Robustness.HEALTHY);
  }

  @ParameterizedTest
  @CsvSource({"2, node-1, node-2", "4, node-1, node-2", "2, node-2, node-1", "4, node-2, node-1"})
  void s22And24OldEngineCrashesThenADecision(int soon, String removed, String left) {
    attachOld();
    startMigration();
    kill(OLD);
    rounds(soon);
    cluster.detach("v", removed);
    settle();
    assertTold(DETACH_OLD, CANCEL, "volume v is selected to attach to " + left);
    assertThat(cluster.told).anyMatch(tell -> tell.reason().equals("MigrationFailed"));
    assertSame();
    assertAttached(left, Robustness.HEALTHY);
  }

  @ParameterizedTest
  @ValueSource(ints = {6, 9})
  void s23ConfirmationThenOldEngineCrashes(int soon) {
    attachOld();
    startMigration();
    cluster.detach("v", OLD);
    rounds(soon);
    kill(OLD);
    settle();
    assertTold(CONFIRM);
    assertNew();
    assertAttached(NEW, Robustness.HEALTHY);
  }

  @ParameterizedTest
  @ValueSource(ints = {6, 9})
  void s25RollbackThenOldEngineCrashes(int soon) {
    attachOld();
    startMigration();
    cluster.detach("v", NEW);
    rounds(soon);
    kill(OLD);
    settle();
    assertTold(ROLL_BACK, DETACH_OLD, ATTACH_OLD);
    assertSame();
    assertAttached(OLD, Robustness.HEALTHY);
  }

  /** Section 3 of the design: the target owns, so the death of the source stops nobody. */
  @Test
  void s2xTheGuestHasMovedAndTheOldEngineCrashes() {
    attachOld();
    startMigration();
    guestMoves();
    kill(OLD);
    rounds(20);
    assertThat(told()).doesNotContain(DETACH_OLD, CANCEL);
    assertThat(cluster.volume("v").status().state()).isEqualTo(State.ATTACHED);
    cluster.detach("v", OLD);
    settle();
    assertTold(CONFIRM);
    assertNew();
    assertAttached(NEW, Robustness.HEALTHY);
  }

  @ParameterizedTest
  @CsvSource({"true, node-1", "true, node-2", "false, node-1", "false, node-2"})
  void s3xOneReplicaCrashes(boolean isBeforeMigration, String removed) {
    attachOld();
    if (isBeforeMigration) {
      cluster.cordon(THIRD, true);
      kill(THIRD);
      settle();
      startMigration();
    } else {
      startMigration();
      cluster.cordon(THIRD, true);
      kill(THIRD);
      rounds(3);
    }
    cluster.detach("v", removed);
    settle();
    if (removed.equals(OLD)) {
      assertTold(CONFIRM);
      assertNew();
      assertAttached(NEW, Robustness.DEGRADED);
    } else {
      assertTold(ROLL_BACK);
      assertSame();
      assertAttached(OLD, Robustness.DEGRADED);
    }
  }

  @Test
  void s4AThirdTicketIsRefused() {
    attachOld();
    startMigration();
    VolumeAttachment tickets = cluster.attachment("v");
    Ticket third =
        new Ticket(
            THIRD,
            "csi-attacher",
            THIRD,
            "",
            false,
            9,
            tickets.tickets().firstEntry().getValue().satisfied());
    assertThat(AdmissionRule.refusal(cluster.volume("v"), tickets, third))
        .hasValueSatisfying(line ->
            assertThat(line).contains("cannot attach migratable volume to more than two nodes"));
  }

  @Test
  void s51TheNewNodeIsDownAndTheMigrationIsConfirmed() {
    attachOld();
    startMigration();
    powerOff(NEW);
    rounds(6);
    cluster.detach("v", OLD);
    settle();
    assertTold(WAIT, GIVE_UP, ATTACH_NEW);
    assertFields(NEW, "", "", "");
    assertThat(cluster.volume("v").status().state()).isEqualTo(State.ATTACHING);
    powerOn(NEW);
    settle();
    assertSame();
    assertAttached(NEW, Robustness.HEALTHY);
  }

  @Test
  void s52TheNewNodeIsDownAndTheMigrationIsRolledBack() {
    attachOld();
    startMigration();
    powerOff(NEW);
    rounds(6);
    cluster.detach("v", NEW);
    settle();
    assertTold(ROLL_BACK);
    assertFields(OLD, "", OLD, "");
    assertThat(cluster.volume("v").status().robustness()).isEqualTo(Robustness.DEGRADED);
    assertSame(onlyEngine().name());
  }

  private void assertSame(String engine) {
    assertThat(before).contains(engine);
  }

  @Test
  void s61TheOldNodeIsDownAndTheMigrationIsConfirmed() {
    attachOld();
    startMigration();
    powerOff(OLD);
    rounds(6);
    cluster.detach("v", OLD);
    settle();
    assertTold(WAIT);
    assertThat(cluster.volume("v").status().state()).isEqualTo(State.ATTACHED);
    evict(OLD);
    settle();
    assertTold(WAIT, DETACH_OLD, CANCEL, ATTACH_NEW);
    assertSame(onlyEngine().name());
    assertFields(NEW, "", NEW, "");
  }

  @Test
  void s62TheOldNodeIsDownAndTheMigrationIsRolledBack() {
    attachOld();
    startMigration();
    powerOff(OLD);
    rounds(6);
    cluster.detach("v", NEW);
    settle();
    assertTold(ROLL_BACK);
    assertThat(cluster.volume("v").status().state()).isEqualTo(State.ATTACHED);
    evict(OLD);
    settle();
    assertTold(ROLL_BACK, DETACH_OLD, ATTACH_OLD);
    assertThat(cluster.volume("v").status().state()).isEqualTo(State.ATTACHING);
    powerOn(OLD);
    settle();
    assertSame();
    assertAttached(OLD, Robustness.HEALTHY);
  }
}
