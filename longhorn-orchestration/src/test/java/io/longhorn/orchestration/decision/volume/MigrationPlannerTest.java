package io.longhorn.orchestration.decision.volume;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.EngineId;
import io.longhorn.api.ReplicaMode;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.Node;
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume.Robustness;
import io.longhorn.api.cluster.Volume.State;
import io.longhorn.api.membership.VolumeRecord.Phase;
import io.longhorn.orchestration.decision.Action;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.decision.Plan;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** What is prepared while a migration goes on: tables 3.1 (M9 to M16) and 3.2. */
final class MigrationPlannerTest {
  private static final String O = MigrationFacts.O;
  private static final String G = MigrationFacts.G;

  /** Asked for, and nothing done yet. */
  private static MigrationFacts begun() {
    return MigrationFacts.attached().ticket("n1").ticket("n2").nodes("n1", "n2", "n1", "");
  }

  /** Its engine is made, stopped, and everything stands by. */
  private static MigrationFacts standingBy() {
    MigrationFacts facts = MigrationFacts.ready();
    return facts
        .engine(
            G,
            engine ->
                new Engine(
                    G, Engine.Spec.stopped("v", Names.DEFAULT_IMAGE, false), Engine.Status.NONE))
        .record(record -> MigrationFacts.with(record, List.of(MigrationFacts.O_ID), Phase.NONE));
  }

  private static Plan carryOut(MigrationFacts facts) {
    return facts.apply(MigrationPlanner::carryOut);
  }

  private static String waitsFor(MigrationFacts facts) {
    return facts.volume().status().condition(Names.MIGRATION).map(one -> one.reason()).orElse("-");
  }

  // ---- 3.1 --------------------------------------------------------------------------------------

  @Test
  void theTargetBecomesOneOfTheNodesAndItsEngineIsMade() {
    // M11, M14, P11
    MigrationFacts facts = begun();
    carryOut(facts);
    assertThat(facts.volume().status().currentMigrationNodeID()).isEqualTo("n2");
    assertThat(facts.engines()).containsExactly(O, G);
    Engine made = facts.engine(G);
    assertThat(made.spec().isActive()).isFalse();
    assertThat(made.spec().isWanted()).isFalse();
    assertThat(made.spec().nodeID()).isEmpty();
    assertThat(facts.replicas()).hasSize(6);
    assertThat(waitsFor(facts)).isEqualTo("M15");
  }

  @Test
  void theEngineOfAMigrationIsCalledAfterTheVolumes() {
    // M14: the number after that of the engine that there is
    MigrationFacts facts = begun();
    Engine named = facts.engine(O);
    facts.remove(ObjectKind.ENGINE, O);
    facts.put(new Engine("v-e-9", named.spec(), named.status()));
    carryOut(facts);
    assertThat(facts.engines()).containsExactly("v-e-10", "v-e-9");
  }

  @ParameterizedTest
  @CsvSource({
    // N, cN, robustness, owner, waits, rule
    "-,  n1, HEALTHY,  running, -,   M9 C0 comes first; nothing is prepared",
    "n1, -,  HEALTHY,  running, M9,  M9",
    "n1, n1, HEALTHY,  running, M15, M10 healthy",
    "n1, n1, DEGRADED, running, M15, M10 degraded migrates (#2805)",
    "n1, n1, UNKNOWN,  running, M10, M10",
    "n1, n1, FAULTED,  running, M10, M10",
    "n1, n1, HEALTHY,  error,   M12, M12",
    "n1, n1, HEALTHY,  unknown, M12, M12",
    "n1, n1, HEALTHY,  stopped, M12, M12",
  })
  void nothingIsPreparedFrom(
      String node, String current, Robustness robustness, String owner, String waits, String rule) {
    MigrationFacts facts =
        begun()
            .nodes(text(node), "n2", text(current), "")
            .robustness(robustness)
            .process(O, InstanceView.State.valueOf(owner.toUpperCase(Locale.ROOT)));
    carryOut(facts);
    assertThat(facts.engines()).as(rule).hasSize(waits.equals("M15") ? 2 : 1);
    assertThat(facts.replicas()).as(rule).hasSize(waits.equals("M15") ? 6 : 3);
    if (!text(node).isEmpty()) {
      assertThat(waitsFor(facts)).as(rule).isEqualTo(waits);
    }
  }

  private static String text(String word) {
    return word.equals("-") ? "" : word;
  }

  @ParameterizedTest
  @CsvSource({
    // owner, O is, G is, waits, rule
    "o, running, running, -,   M16",
    "o, unknown, running, M12, M12",
    "o, running, unknown, M15, M16",
    "g, running, running, -,   M12 the guest has moved",
    "g, error,   running, -,   M12 whoever owned it before is not asked",
    "g, unknown, running, -,   M12 whoever owned it before is not asked",
    "g, running, unknown, M12, M12 the owner, wherever it is",
  })
  void whoOwnsTheVolumeHasToRun(
      String owner, String source, String target, String waits, String rule) {
    MigrationFacts facts = MigrationFacts.ready();
    if (owner.equals("g")) {
      facts.owner(MigrationFacts.G_ID);
    }
    facts
        .process(O, InstanceView.State.valueOf(source.toUpperCase(Locale.ROOT)))
        .process(G, InstanceView.State.valueOf(target.toUpperCase(Locale.ROOT)));
    carryOut(facts);
    assertThat(waitsFor(facts)).as(rule).isEqualTo(waits);
    assertThat(facts.engine(G).spec().isWanted()).as(rule).isTrue();
    assertThat(facts.engine(O).spec().isWanted()).as(rule).isTrue();
  }

  /** Nothing that a guest may be on is touched while nobody knows how the volume is (I9). */
  @ParameterizedTest
  @CsvSource({
    "UNKNOWN, M10 frozen",
    "FAULTED, M10 frozen",
    "HEALTHY, M12 nothing is taken down",
  })
  void doubtTakesNothingDown(Robustness robustness, String rule) {
    MigrationFacts facts =
        MigrationFacts.ready().robustness(robustness).process(O, InstanceView.State.UNKNOWN);
    Plan plan = carryOut(facts);
    assertThat(plan.actions().stream().filter(action -> !(action instanceof Action.Tell)))
        .as(rule)
        .allMatch(action ->
            action instanceof Action.Put(var object) && object.kind() == ObjectKind.VOLUME);
    assertThat(facts.engine(G).spec().isWanted()).as(rule).isTrue();
  }

  @ParameterizedTest
  @CsvSource({
    // the other engine is, owner, it goes, rule
    "on-n3,   o, true,  M13 P1 of another migration",
    "error,   o, true,  P1 it crashed",
    "unknown, o, false, P1 doubt (I9)",
    "starting, o, false, P1",
    "on-n3,   g, false, M13 a guest is there",
  })
  void theOtherEngineIsMadeAnew(String how, String owner, boolean isGone, String rule) {
    MigrationFacts facts = MigrationFacts.ready();
    switch (how) {
      case "on-n3" -> facts.engine(G, engine -> engine.with(engine.spec().on("n3", "")));
      default -> facts.process(G, InstanceView.State.valueOf(how.toUpperCase(Locale.ROOT)));
    }
    if (owner.equals("g")) {
      facts.owner(MigrationFacts.G_ID);
    }
    carryOut(facts);
    assertThat(facts.engine(G).spec().isWanted()).as(rule).isEqualTo(!isGone);
    for (int i = 1; i <= 3; i++) {
      assertThat(facts.replica(MigrationFacts.c(i)).spec().isWanted()).as(rule).isEqualTo(!isGone);
    }
    assertThat(facts.replica(MigrationFacts.r(1)).spec().isWanted()).as(rule).isTrue();
    if (isGone) {
      assertThat(waitsFor(facts)).isEqualTo("M15");
      // Once it has stopped it goes, and so does what was made for it; then it begins again.
      if (!how.equals("error")) {
        facts.process(G, InstanceView.State.STOPPED);
      }
      carryOut(facts);
      assertThat(facts.engines()).as(rule).containsExactly(O);
      for (int i = 1; i <= 3; i++) {
        facts.replicaProcess(MigrationFacts.c(i), InstanceView.State.STOPPED);
      }
      carryOut(facts);
      carryOut(facts);
      assertThat(facts.engines()).as(rule).containsExactly(O, G);
      assertThat(facts.engine(G).spec().nodeID()).as(rule).isEmpty();
      assertThat(facts.replicas()).as(rule).hasSize(6);
    }
  }

  @Test
  void twoOtherEnginesAreOneTooMany() {
    // M13
    MigrationFacts facts = MigrationFacts.ready();
    Engine other = facts.engine(G);
    facts.put(new Engine("v-e-2", other.spec(), Engine.Status.NONE));
    carryOut(facts);
    assertThat(facts.engine(G).spec().isWanted()).isFalse();
    assertThat(facts.engine("v-e-2").spec().isWanted()).isFalse();
    assertThat(facts.engine(O).spec().isWanted()).isTrue();
  }

  @Test
  void ofTwoOtherEnginesTheOwnerStays() {
    // M13
    MigrationFacts facts = MigrationFacts.ready().owner(MigrationFacts.G_ID);
    Engine other = facts.engine(G);
    facts.put(new Engine("v-e-2", other.spec(), Engine.Status.NONE));
    carryOut(facts);
    assertThat(facts.engine(G).spec().isWanted()).isTrue();
    assertThat(facts.engine("v-e-2").spec().isWanted()).isFalse();
  }

  // ---- 3.2: the engine --------------------------------------------------------------------------

  @ParameterizedTest
  @CsvSource({
    // what is not so yet, started, waits, rule
    "-,          true,  M15, P16",
    "c2-starting, false, P15, P15",
    "c2-stopped, false, P15, P15",
    "c2-error,   false, P15, P15 P10",
    "c2-unknown, false, P15, P15",
    "c2-missing, false, P15, P15 P11",
    "none-in-sync, false, P15, P12",
    "g-stopping, false, P15, P15",
  })
  void theEngineIsStartedWhenEverythingStandsBy(
      String what, boolean isStarted, String waits, String rule) {
    MigrationFacts facts = standingBy();
    switch (what) {
      case "-" -> {}
      case "c2-missing" -> facts.remove(ObjectKind.REPLICA, MigrationFacts.c(2));
      case "none-in-sync" -> {
        for (int i = 1; i <= 3; i++) {
          facts.mode(O, i, Optional.of(ReplicaMode.ERR));
        }
      }
      case "g-stopping" -> facts.process(G, InstanceView.State.STOPPING);
      default ->
          facts.replicaProcess(
              MigrationFacts.c(2),
              InstanceView.State.valueOf(what.substring(3).toUpperCase(Locale.ROOT)));
    }
    carryOut(facts);
    Engine engine = facts.engine(G);
    assertThat(engine.spec().isWanted()).as(rule).isEqualTo(isStarted);
    assertThat(engine.spec().nodeID()).as(rule).isEqualTo(isStarted ? "n2" : "");
    assertThat(engine.spec().nbd()).as(rule).isEqualTo(isStarted ? "unix:/n2" : "");
    assertThat(waitsFor(facts)).as(rule).isEqualTo(waits);
  }

  @ParameterizedTest
  @CsvSource({
    // O's id, G's id, owner, O runs, claimants named, rule
    "true,  true,  o,    true,  true,  C1: both sides",
    "true,  false, o,    true,  false, C1: G has not said who it is",
    "false, true,  o,    true,  false, C1: O has not said who it is",
    "true,  true,  g,    true,  true,  C1: the guest has moved already",
    "true,  true,  gone, true,  false, C1: M12 the source takes it back first",
    "true,  true,  o,    false, false, C1: M12 nothing while the owner is unknown",
  })
  void bothMayClaimOnceBothAreKnown(
      boolean isSourceNamed,
      boolean isTargetNamed,
      String owner,
      boolean isSourceUp,
      boolean isNamed,
      String rule) {
    MigrationFacts facts =
        MigrationFacts.ready()
            .record(
                record -> MigrationFacts.with(record, List.of(MigrationFacts.O_ID), Phase.NONE));
    switch (owner) {
      case "g" -> facts.owner(MigrationFacts.G_ID);
      case "gone" -> facts.owner(new EngineId(new UUID(8, 77)));
      default -> {}
    }
    if (!isSourceUp) {
      facts.process(O, InstanceView.State.UNKNOWN);
    }
    if (!isSourceNamed) {
      facts.engine(O, MigrationPlannerTest::unnamed);
    }
    if (!isTargetNamed) {
      facts.engine(G, MigrationPlannerTest::unnamed);
    }
    carryOut(facts);
    if (isNamed) {
      assertThat(facts.record().claimants())
          .as(rule)
          .containsExactly(MigrationFacts.O_ID, MigrationFacts.G_ID);
      assertThat(facts.record().phase()).as(rule).isEqualTo(Phase.MIGRATING);
    } else {
      assertThat(facts.record().claimants()).as(rule).containsExactly(MigrationFacts.O_ID);
      assertThat(facts.record().phase()).as(rule).isEqualTo(Phase.NONE);
    }
  }

  /** M12: nobody else keeps the record; M10 would wait for ever for one who says how it is. */
  @ParameterizedTest
  @EnumSource(Robustness.class)
  void theSourceTakesBackWhatATargetOwnedThatIsOver(Robustness robustness) {
    MigrationFacts facts =
        MigrationFacts.ready().owner(new EngineId(new UUID(8, 77))).robustness(robustness);
    assertThat(carryOut(facts).actions())
        .filteredOn(Action.FinishMigration.class::isInstance)
        .singleElement()
        .satisfies(
            action -> assertThat(((Action.FinishMigration) action).winner().name()).isEqualTo(O));
    assertThat(facts.engine(G).spec().isWanted()).isTrue();
    facts.owner(MigrationFacts.O_ID);
    assertThat(carryOut(facts).actions()).noneMatch(Action.FinishMigration.class::isInstance);
  }

  private static Engine unnamed(Engine engine) {
    Engine.Status status = engine.status();
    return engine.with(
        new Engine.Status(
            status.instance(),
            Optional.empty(),
            status.isServing(),
            status.generation(),
            status.state(),
            status.endpoints(),
            status.replicas(),
            status.currentImage()));
  }

  @Test
  void readinessIsToldWhenItBegins() {
    // M16
    MigrationFacts facts = MigrationFacts.ready().mode(G, 2, Optional.of(ReplicaMode.WO));
    assertThat(MigrationFacts.told(carryOut(facts))).isEmpty();
    assertThat(waitsFor(facts)).isEqualTo("M15");
    facts.mode(G, 2, Optional.of(ReplicaMode.RW));
    assertThat(MigrationFacts.told(carryOut(facts)))
        .containsExactly("Volume migration engine is ready");
    assertThat(waitsFor(facts)).isEqualTo("-");
    assertThat(carryOut(facts).actions()).isEmpty();
  }

  /** P14, #6961: a set that changes never stops the engine, nor starts it again. */
  @ParameterizedTest
  @EnumSource(ReplicaMode.class)
  void theEngineIsNeverStartedAnewForItsReplicas(ReplicaMode mode) {
    MigrationFacts facts = MigrationFacts.ready();
    for (int i = 1; i <= 3; i++) {
      facts.mode(O, i, Optional.of(mode)).mode(G, i, Optional.of(mode));
    }
    Engine before = facts.engine(G);
    carryOut(facts);
    assertThat(facts.engine(G)).isEqualTo(before);
  }

  /** P13: who stands by holds no data; the target serves without any of them. */
  @ParameterizedTest
  @EnumSource(InstanceView.State.class)
  void theTargetStaysWhateverBecomesOfWhatStandsBy(InstanceView.State state) {
    MigrationFacts facts = MigrationFacts.ready();
    for (int i = 1; i <= 3; i++) {
      facts.replicaProcess(MigrationFacts.c(i), state);
    }
    Engine before = facts.engine(G);
    carryOut(facts);
    assertThat(facts.engine(G)).isEqualTo(before);
  }

  // ---- 3.2: what stands by ----------------------------------------------------------------------

  @ParameterizedTest
  @CsvSource({
    // replica 3 is, it is cloned, rule
    "rw,         true,  P4",
    "wo,         false, P3 dropped: it comes back meanwhile, P6",
    "err,        false, P7",
    "unsaid,     false, P6",
    "failed,     false, P11 one that counts as failed",
    "node-down,  false, P2",
    "node-gone,  false, P2",
    "trouble,    true,  P2 only what is down",
    "disk,       false, P2 its disk cannot be used",
    "no-disk,    false, P2 its disk is not there",
    "nowhere,    false, P2 it has no place",
    "inactive,   false, P9 it is nobody's",
  })
  void whatIsInSyncGetsWhatStandsBy(String how, boolean isCloned, String rule) {
    MigrationFacts facts = begun();
    String third = MigrationFacts.r(3);
    switch (how) {
      case "rw" -> {}
      case "wo" -> facts.mode(O, 3, Optional.of(ReplicaMode.WO));
      case "err" -> facts.mode(O, 3, Optional.of(ReplicaMode.ERR));
      case "unsaid" -> facts.mode(O, 3, Optional.empty());
      case "failed" ->
          facts.replica(
              third, one -> one.with(one.spec().withHealth(one.spec().health().failed(20))));
      case "node-down" -> facts.notReady("n3", Names.NODE_NOT_READY);
      case "node-gone" -> facts.remove(ObjectKind.NODE, "n3");
      case "trouble" -> facts.notReady("n3", "KubernetesNodePressure");
      case "disk" -> facts.put(node(facts, List.of(notReady(node(facts).disks().getFirst()))));
      case "no-disk" -> facts.put(node(facts, List.of()));
      case "nowhere" -> facts.replica(third, MigrationPlannerTest::nowhere);
      case "inactive" -> facts.replica(third, one -> one.with(one.spec().withEngine(O, false)));
      default -> throw new IllegalArgumentException(how);
    }
    carryOut(facts);
    assertThat(facts.has(ObjectKind.REPLICA, MigrationFacts.c(3))).as(rule).isEqualTo(isCloned);
    assertThat(facts.has(ObjectKind.REPLICA, MigrationFacts.c(1))).as(rule).isTrue();
    assertThat(facts.has(ObjectKind.REPLICA, MigrationFacts.c(2))).as(rule).isTrue();
  }

  private static Node node(MigrationFacts facts) {
    return (Node) facts.objects.get(new ObjectKey(ObjectKind.NODE, "n3"));
  }

  private static Node node(MigrationFacts facts, List<Node.Disk> disks) {
    return node(facts).with(disks);
  }

  private static Node.Disk notReady(Node.Disk disk) {
    return new Node.Disk(
        disk.id(),
        disk.path(),
        disk.allowsScheduling(),
        disk.isEvictionRequested(),
        disk.maximumBytes(),
        disk.reservedBytes(),
        disk.availableBytes(),
        disk.tags(),
        false);
  }

  private static Replica nowhere(Replica replica) {
    Replica.Spec spec = replica.spec();
    return replica.with(
        new Replica.Spec(
            spec.volumeName(),
            spec.id(),
            spec.nodeID(),
            spec.diskID(),
            "",
            spec.image(),
            spec.isWanted(),
            spec.engineName(),
            spec.isActive(),
            spec.isEvictionRequested(),
            spec.health()));
  }

  @Test
  void whatStandsByHasTheIdentityAndNothingElse() {
    // P11
    MigrationFacts facts = begun();
    String first = MigrationFacts.r(1);
    facts.replica(
        first,
        one ->
            one.with(
                one.spec()
                    .withEvictionRequested(true)
                    .withHealth(one.spec().health().failed(20).reused(true).healthy(30))));
    carryOut(facts);
    Replica.Spec of = facts.replica(first).spec();
    Replica made = facts.replica(MigrationFacts.c(1));
    assertThat(made.spec().id()).isEqualTo(of.id());
    assertThat(made.spec().nodeID()).isEqualTo(of.nodeID());
    assertThat(made.spec().diskID()).isEqualTo(of.diskID());
    assertThat(made.spec().directory()).isEqualTo(of.directory());
    assertThat(made.spec().engineName()).isEqualTo(G);
    assertThat(made.spec().isActive()).isFalse();
    assertThat(made.spec().isWanted()).isTrue();
    assertThat(made.spec().isEvictionRequested()).isFalse();
    assertThat(made.spec().health()).isEqualTo(Replica.Health.NEW);
    assertThat(made.status())
        .as("its directory is there: it is not made, nor held")
        .isEqualTo(new Replica.Status(true, false, InstanceView.NONE));
  }

  @ParameterizedTest
  @CsvSource({
    // what stands by for replica 3 is, replica 3 is in sync, it stays, rule
    "RUNNING,  true,  true,  P10",
    "STARTING, true,  true,  P10",
    "STOPPED,  true,  true,  P10",
    "UNKNOWN,  true,  true,  P10 doubt (#7302)",
    "STOPPING, true,  false, P10",
    "ERROR,    true,  false, P10",
    "RUNNING,  false, false, P10 nothing in sync there (3.3 of the seed)",
    "STOPPED,  false, false, P10 nothing in sync there",
    "UNKNOWN,  false, false, P10 nothing in sync there",
  })
  void whatIsOfNoUseGoes(InstanceView.State state, boolean isInSync, boolean stays, String rule) {
    MigrationFacts facts =
        MigrationFacts.ready()
            .replicaProcess(MigrationFacts.c(3), state)
            .mode(O, 3, Optional.of(isInSync ? ReplicaMode.RW : ReplicaMode.ERR));
    carryOut(facts);
    Replica clone = facts.replica(MigrationFacts.c(3));
    assertThat(clone.spec().isWanted()).as(rule).isEqualTo(stays);
    assertThat(facts.replicas()).as("%s: it occupies its place until it is gone", rule).hasSize(6);
    assertThat(facts.replica(MigrationFacts.r(3)).spec().isWanted()).as(rule).isTrue();
    if (!stays) {
      facts.replicaProcess(MigrationFacts.c(3), InstanceView.State.STOPPED);
      carryOut(facts);
      assertThat(facts.has(ObjectKind.REPLICA, MigrationFacts.c(3))).as(rule).isFalse();
      carryOut(facts);
      assertThat(facts.has(ObjectKind.REPLICA, MigrationFacts.c(3)))
          .as("%s: P11 again, if there is something to stand by for", rule)
          .isEqualTo(isInSync);
    }
  }

  @ParameterizedTest
  @CsvSource({
    // first and second of one directory, which one stays, rule
    "RUNNING,  RUNNING,  1, P10 by name",
    "STARTING, RUNNING,  2, P10 what runs",
    "ERROR,    STOPPED,  2, P10 what is of use",
    "ERROR,    ERROR,    0, P10 none",
  })
  void ofTwoForOneDirectoryOneStays(
      InstanceView.State first, InstanceView.State second, int kept, String rule) {
    // #11397: a second one made by hand goes
    MigrationFacts facts = MigrationFacts.ready();
    facts.put(facts.clone(3, 2, G));
    String other = MigrationFacts.r(3) + "-2";
    facts.replicaProcess(MigrationFacts.c(3), first).replicaProcess(other, second);
    carryOut(facts);
    assertThat(facts.replica(MigrationFacts.c(3)).spec().isWanted()).as(rule).isEqualTo(kept == 1);
    assertThat(facts.replica(other).spec().isWanted()).as(rule).isEqualTo(kept == 2);
    assertThat(facts.replicas()).as("%s: none is made meanwhile", rule).hasSize(7);
  }

  @Test
  void whatWasMadeForAnotherEngineIsNotUsed() {
    // P8, P9: it is in the way of nobody; whoever cleans up takes it away
    MigrationFacts facts = MigrationFacts.ready();
    facts.replica(MigrationFacts.c(3), one -> one.with(one.spec().withEngine("v-e-7", false)));
    carryOut(facts);
    assertThat(facts.replica(MigrationFacts.r(3) + "-2").spec().engineName()).isEqualTo(G);
    facts.apply(PromotionPlanner::plan);
    assertThat(facts.replica(MigrationFacts.c(3)).spec().isWanted()).isFalse();
  }

  @Test
  void aPlanOfAMigrationIsAFixpoint() {
    // M11 to M16: applied, nothing is left to plan
    for (MigrationFacts facts : List.of(begun(), standingBy(), MigrationFacts.ready())) {
      carryOut(facts);
      carryOut(facts);
      assertThat(carryOut(facts).actions()).isEmpty();
    }
  }

  @Test
  void whatMayNotMigrateIsLeftAlone() {
    // M0
    MigrationFacts facts = MigrationFacts.attached();
    assertThat(facts.plan(MigrationPlanner::carryOut).actions()).isEmpty();
    facts.state(State.DETACHED).nodes("", "", "", "");
    assertThat(facts.plan(MigrationPlanner::carryOut).actions()).isEmpty();
  }
}
