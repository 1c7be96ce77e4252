package io.longhorn.orchestration.decision.volume;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.EngineId;
import io.longhorn.api.ReplicaMode;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.Volume.Robustness;
import io.longhorn.api.membership.VolumeRecord.Phase;
import io.longhorn.orchestration.decision.Action;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.decision.Plan;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.TreeMap;
import java.util.UUID;
import java.util.function.BiConsumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** How a migration ends: table 3.1 (M2 to M8), and which engine stays (3.4). */
final class MigrationEndTest {
  private static final String O = MigrationFacts.O;
  private static final String G = MigrationFacts.G;

  private static String text(String word) {
    return word.equals("-") ? "" : word;
  }

  private static Plan carryOut(MigrationFacts facts) {
    return facts.apply(MigrationPlanner::carryOut);
  }

  private static String waitsFor(MigrationFacts facts) {
    return facts.volume().status().condition(Names.MIGRATION).map(one -> one.reason()).orElse("-");
  }

  private static List<Action> acts(Plan plan) {
    return plan.actions().stream().filter(Action.ProcessAction.class::isInstance).toList();
  }

  /** Confirmed (to n2), rolled back (to n1), or given up (nowhere). */
  private static MigrationFacts decided(String node) {
    return MigrationFacts.ready().nodes(text(node), "", "n1", "n2");
  }

  // ---- 3.4 --------------------------------------------------------------------------------------

  @ParameterizedTest
  @CsvSource({
    // engines (name@node, * the volume's), N, cN, cM, owner, who stays, rule
    "v-e-0@n1* v-e-1@n2,  n2, n2, n2, -,     v-e-1, 3.4/2 confirmed",
    "v-e-0@n1* v-e-1@n2,  n1, n1, n2, -,     v-e-0, 3.4/2 rolled back",
    "v-e-0@n1* v-e-1@n2,  -,  n1, n2, -,     v-e-0, 3.4/2 crashed: the same engine (2.1)",
    "v-e-0@n1* v-e-1@n2,  -,  n2, n2, -,     v-e-1, 3.4/2 confirmed then crashed (1.2)",
    "v-e-0@n1* v-e-1@,    n1, n1, n2, -,     v-e-0, 3.4/2 never started",
    "v-e-0@n1* v-e-1@n1,  n1, n1, n2, -,     -,     3.4 two there",
    "v-e-0@n1* v-e-1@n1,  n1, n1, n2, v-e-1, v-e-1, 3.4/2 two there: the owner",
    "v-e-0@n1* v-e-1@n2,  n2, n1, n2, -,     -,     3.4 two match",
    "v-e-1@n2,            -,  -,  n2, -,     v-e-1, 3.4/2 the first fallback: where it was to go",
    "v-e-0@n3* v-e-1@n2,  -,  -,  n2, -,     v-e-1, 3.4/2 the first fallback",
    "v-e-0@*,             -,  -,  n2, -,     v-e-0, 3.4/2 the only one (#11479)",
    "v-e-0@n3*,           n1, n1, n2, -,     v-e-0, 3.4/2 the only one wherever it is",
    "v-e-0@n3* v-e-1@n3,  n1, n1, n2, -,     -,     3.4 no one matches",
    "v-e-0@* v-e-1@,      -,  -,  -,  -,     -,     3.4 an empty node matches nothing",
    "-,                   n1, n1, n2, -,     -,     3.4 none",
  })
  void whoStays(
      String engines,
      String node,
      String current,
      String currentMigration,
      String owner,
      String winner,
      String rule) {
    MigrationFacts facts =
        MigrationFacts.ready().nodes(text(node), "", text(current), text(currentMigration));
    Engine sample = facts.engine(O);
    facts.remove(ObjectKind.ENGINE, O).remove(ObjectKind.ENGINE, G);
    if (!engines.equals("-")) {
      long number = 50;
      for (String one : engines.split(" ", -1)) {
        String name = one.substring(0, one.indexOf('@'));
        String where = one.substring(one.indexOf('@') + 1).replace("*", "");
        EngineId id = new EngineId(new UUID(8, number++));
        facts.put(
            new Engine(
                name,
                sample.spec().on(where, "").withActive(one.endsWith("*")),
                named(sample.status(), id)));
        if (name.equals(owner)) {
          facts.owner(id);
        }
      }
    }
    Draft draft = new Draft(facts.view());
    assertThat(MigrationEnd.winner(draft, facts.volume()).map(Engine::name).orElse("-"))
        .as(rule)
        .isEqualTo(winner);
  }

  private static Engine.Status named(Engine.Status status, EngineId id) {
    return new Engine.Status(
        status.instance(),
        Optional.of(id),
        status.isServing(),
        status.generation(),
        status.state(),
        status.endpoints(),
        new TreeMap<>(status.replicas()),
        status.currentImage());
  }

  @Test
  void nobodyIsRemovedBeforeItIsKnownWhoStays() {
    // M5
    MigrationFacts facts = decided("n1");
    facts.engine(G, engine -> engine.with(engine.spec().on("n1", "")));
    facts.owner(new EngineId(new UUID(8, 99)));
    Plan plan = carryOut(facts);
    assertThat(facts.engines()).containsExactly(O, G);
    assertThat(acts(plan)).isEmpty();
    assertThat(waitsFor(facts)).isEqualTo("M5");
  }

  // ---- step by step -----------------------------------------------------------------------------

  @Test
  void whereNothingWasPreparedNothingIsEnded() {
    // M2
    MigrationFacts facts = MigrationFacts.attached();
    assertThat(carryOut(facts).actions()).isEmpty();
  }

  @Test
  void whatWasOnlyAskedForEndsAtOnce() {
    // M2, M8: rolled back before the engine was made
    MigrationFacts facts = MigrationFacts.attached().ticket("n1").nodes("n1", "", "n1", "n2");
    carryOut(facts);
    assertThat(facts.volume().status().currentMigrationNodeID()).isEmpty();
    assertThat(facts.engines()).containsExactly(O);
  }

  @Test
  void aConfirmationMovesTheVolumeAndAsksTheTargetToTakeIt() {
    // M4, M6: the source owns it still
    MigrationFacts facts = decided("n2");
    Plan plan = carryOut(facts);
    assertThat(facts.volume().status().currentNodeID()).isEqualTo("n2");
    assertThat(facts.volume().status().currentMigrationNodeID()).isEqualTo("n2");
    assertThat(acts(plan))
        .singleElement()
        .satisfies(
            action -> assertThat(((Action.FinishMigration) action).winner().name()).isEqualTo(G));
    assertThat(facts.engine(O).spec().isWanted()).as("the source serves until then").isTrue();
    assertThat(facts.engine(O).spec().isActive()).isTrue();
    assertThat(waitsFor(facts)).isEqualTo("M6");
    assertThat(acts(carryOut(facts))).as("until the record shows it").hasSize(1);
  }

  @ParameterizedTest
  @CsvSource({
    // decided for, owner, who stays, who goes, rule
    "n2, g, v-e-1, v-e-0, M6 confirmed",
    "n1, o, v-e-0, v-e-1, M6 rolled back",
  })
  void theRecordNamesTheWinnerThenTheOtherIsStoppedThenRemoved(
      String node, String owner, String winner, String loser, String rule) {
    MigrationFacts facts = decided(node);
    if (owner.equals("g")) {
      facts.owner(MigrationFacts.G_ID);
    }
    EngineId id = facts.engine(winner).status().id().orElseThrow();
    carryOut(facts);
    assertThat(facts.record().claimants()).as(rule).containsExactly(id);
    assertThat(facts.record().phase()).as(rule).isEqualTo(Phase.NONE);
    assertThat(facts.engine(loser).spec().isWanted()).as("%s: not before", rule).isTrue();
    carryOut(facts);
    assertThat(facts.engine(loser).spec().isWanted()).as(rule).isFalse();
    facts.process(loser, InstanceView.State.STOPPING);
    carryOut(facts);
    assertThat(facts.engines()).as("%s: not before it has stopped", rule).hasSize(2);
    assertThat(facts.engine(O).spec().isActive()).as("#6642, #4827: one at a time").isTrue();
    assertThat(facts.engine(G).spec().isActive()).as("#6642, #4827: one at a time").isFalse();
    assertThat(waitsFor(facts)).as(rule).isEqualTo("M6");
    facts.process(loser, InstanceView.State.STOPPED);
    Plan last = carryOut(facts);
    assertThat(facts.engines()).as(rule).containsExactly(winner);
    assertThat(facts.engine(winner).spec().isActive()).as(rule).isTrue();
    assertThat(facts.volume().status().currentMigrationNodeID()).as("M8").isEmpty();
    assertThat(MigrationFacts.waits(last)).as(rule).isEmpty();
    assertThat(carryOut(facts).actions()).as("%s: over", rule).isEmpty();
  }

  @Test
  void nobodyIsShutOutBeforeTheDecisionIsStored() {
    // M6: cut off after the record the next plan could roll back to one that may not claim
    MigrationFacts facts = MigrationFacts.ready().owner(MigrationFacts.G_ID).without("n1");
    facts.apply((draft, volume) -> {
      MigrationPlanner.decide(draft, volume);
      MigrationPlanner.carryOut(draft, draft.volume("v").orElseThrow());
    });
    assertThat(facts.volume().status().currentNodeID()).as("M4").isEqualTo("n2");
    assertThat(facts.record().claimants())
        .containsExactly(MigrationFacts.O_ID, MigrationFacts.G_ID);
    assertThat(waitsFor(facts)).isEqualTo("M6");
    carryOut(facts);
    assertThat(facts.record().claimants()).containsExactly(MigrationFacts.G_ID);
  }

  @Test
  void theRemovalComesBeforeTheOtherIsTheVolumes() {
    // M6, 3.7: in the plan itself, for it may be cut off anywhere
    MigrationFacts facts = decided("n2").owner(MigrationFacts.G_ID);
    carryOut(facts);
    carryOut(facts);
    facts.process(O, InstanceView.State.STOPPED);
    List<String> order = order(facts.plan(MigrationPlanner::carryOut));
    assertThat(order).containsSubsequence("remove v-e-0", "put v-e-1", "put v");
    assertThat(order.getLast()).as("M8 is the last").isEqualTo("put v");
  }

  private static List<String> order(Plan plan) {
    List<String> order = new ArrayList<>();
    for (Action action : plan.actions()) {
      switch (action) {
        case Action.Remove(var key) -> order.add("remove " + key.name());
        case Action.Put(var object) -> order.add("put " + object.name());
        case Action.Tell _, Action.ProcessAction _ -> {}
      }
    }
    return order;
  }

  @Test
  void whatIsMadeForADirectoryComesBeforeTheRemovalOfWhatHadIt() {
    // M7, 3.7: cut off in between nobody would know of the directory of a replica out of sync
    MigrationFacts facts = decided("n2").owner(MigrationFacts.G_ID);
    facts.members(1, 2).remove(ObjectKind.REPLICA, MigrationFacts.c(3));
    for (String engine : List.of(O, G)) {
      facts.mode(engine, 3, Optional.of(ReplicaMode.ERR));
    }
    facts.replicaProcess(MigrationFacts.r(3), InstanceView.State.STOPPED);
    facts.replica(
        MigrationFacts.r(3),
        found ->
            found.with(found.spec().withHealth(found.spec().health().failed(20))).wanted(false));
    carryOut(facts);
    carryOut(facts);
    facts.process(O, InstanceView.State.STOPPED);
    BiConsumer<Draft, Volume> last =
        (draft, volume) -> {
          MigrationPlanner.carryOut(draft, volume);
          draft.volume(volume.name()).ifPresent(now -> PromotionPlanner.plan(draft, now));
        };
    assertThat(order(facts.plan(last)))
        .containsSubsequence("put " + MigrationFacts.c(3), "remove " + MigrationFacts.r(3));
  }

  @ParameterizedTest
  @CsvSource({
    // decided for, owner, winner is, loser is, loser stopped, removed, waits, rule
    "n2, o, running,  running, false, false, M6, M6 it is asked",
    "n2, o, unknown,  running, false, false, M6, M6 it may still take over",
    "n2, o, error,    running, false, false, M6, M6 A1 detaches it all",
    "n2, o, error,    stopped, true,  true,  -,  M6 nobody serves",
    "n2, o, error,    error,   true,  true,  -,  M6 nobody serves",
    "n2, o, stopped,  stopped, true,  true,  -,  M6 all is detached",
    "n2, o, running,  error,   true,  false, M6, M6 the owner died: it takes over",
    "n1, g, unknown,  running, false, false, M6, M6 the guest has moved, the source is unknown",
    "n1, g, error,    error,   true,  true,  -,  M6 nobody serves",
    "-,  o, running,  running, false, false, M6, M6 detaching: named first",
    "-,  o, error,    stopped, true,  true,  -,  M6 2.1",
    "-,  g, error,    running, false, false, M6, M6 until it has been stopped",
  })
  void aWinnerThatCannotTakeItIsNotWaitedForOnceNobodyServes(
      String node,
      String owner,
      String winnerIs,
      String loserIs,
      boolean isLoserStopped,
      boolean isRemoved,
      String waits,
      String rule) {
    MigrationFacts facts = decided(node);
    String winner = node.equals("n2") ? G : O;
    String loser = node.equals("n2") ? O : G;
    if (owner.equals("g")) {
      facts.owner(MigrationFacts.G_ID);
    }
    process(facts, winner, winnerIs);
    process(facts, loser, loserIs);
    if (isLoserStopped) {
      facts.engine(loser, engine -> engine.with(engine.spec().withWanted(false)));
    }
    carryOut(facts);
    assertThat(!facts.engines().contains(loser)).as(rule).isEqualTo(isRemoved);
    assertThat(waitsFor(facts)).as(rule).isEqualTo(waits);
    if (isRemoved) {
      assertThat(facts.engine(winner).spec().isActive()).as(rule).isTrue();
      assertThat(facts.record().phase()).as(rule).isEqualTo(Phase.NONE);
    }
  }

  private static void process(MigrationFacts facts, String engine, String state) {
    facts.process(engine, InstanceView.State.valueOf(state.toUpperCase(Locale.ROOT)));
  }

  @ParameterizedTest
  @CsvSource({
    // loser is, its node, removed, rule
    "UNKNOWN,  down,    true,  M6 5.2: fenced by the record",
    "UNKNOWN,  deleted, true,  M6 fenced by the record",
    "UNKNOWN,  trouble, false, M6 it is asked to stop when it answers",
    "RUNNING,  ready,   false, M6",
    "STARTING, ready,   false, M6",
    "STOPPING, ready,   false, M6",
    "STOPPED,  ready,   true,  M6",
    "ERROR,    ready,   true,  M6",
  })
  void aLoserIsRemovedWhenItDoesNoHarm(
      InstanceView.State state, String node, boolean isRemoved, String rule) {
    MigrationFacts facts = decided("n1");
    carryOut(facts);
    carryOut(facts);
    facts.process(G, state);
    switch (node) {
      case "down" -> facts.notReady("n2", Names.NODE_GONE);
      case "deleted" -> facts.remove(ObjectKind.NODE, "n2");
      case "trouble" -> facts.notReady("n2", "KubernetesNodePressure");
      default -> {}
    }
    carryOut(facts);
    assertThat(!facts.engines().contains(G)).as(rule).isEqualTo(isRemoved);
  }

  @ParameterizedTest
  @EnumSource(Robustness.class)
  void aMigrationEndsWhateverIsKnownOfTheVolume(Robustness robustness) {
    // trap 8: the end is not frozen (6.2, #11479)
    MigrationFacts facts =
        decided("n1").robustness(robustness).process(O, InstanceView.State.UNKNOWN);
    carryOut(facts);
    carryOut(facts);
    assertThat(facts.engine(G).spec().isWanted()).isFalse();
    facts.process(G, InstanceView.State.STOPPED);
    carryOut(facts);
    assertThat(facts.engines()).containsExactly(O);
    assertThat(facts.volume().status().currentMigrationNodeID()).isEmpty();
  }

  @ParameterizedTest
  @CsvSource({
    // N now, cN, M as stored, told, rule
    "-,  n1, n2, true,  M3 given up with this plan",
    "-,  n1, -,  false, M3 told before, or rolled back before the crash (2.5)",
    "n1, n1, n2, false, M3 rolled back",
    "n2, n1, n2, false, M3 confirmed",
  })
  void aFailureIsToldOnce(String node, String current, String stored, boolean isTold, String rule) {
    MigrationFacts facts = MigrationFacts.ready().nodes(text(node), text(stored), current, "n2");
    Plan plan =
        facts.plan((draft, volume) -> {
          draft.put(volume.with(volume.spec().with(text(node), "")));
          MigrationPlanner.carryOut(draft, draft.volume("v").orElseThrow());
        });
    List<Action.Tell> failures =
        plan.actions().stream()
            .filter(Action.Tell.class::isInstance)
            .map(Action.Tell.class::cast)
            .filter(tell -> tell.reason().equals("MigrationFailed"))
            .toList();
    assertThat(failures).as(rule).hasSize(isTold ? 1 : 0).allMatch(Action.Tell::isWarning);
  }

  // ---- M7 ---------------------------------------------------------------------------------------

  private static MigrationFacts lastStep(String node) {
    MigrationFacts facts = decided(node);
    String loser = node.equals("n2") ? O : G;
    if (node.equals("n2")) {
      facts.owner(MigrationFacts.G_ID);
    }
    carryOut(facts);
    carryOut(facts);
    return facts.process(loser, InstanceView.State.STOPPED);
  }

  private static String own(MigrationFacts facts, int number) {
    return facts.replicas().stream()
        .filter(replica -> replica.spec().id().equals(MigrationFacts.id(number)))
        .filter(replica -> replica.spec().isActive())
        .map(Replica::name)
        .reduce((a, b) -> a + " and " + b)
        .orElse("-");
  }

  @ParameterizedTest
  @CsvSource({
    // decided for, what of replica 3, whose it is then, rule
    "n2, both,              clone,  M7 confirmed",
    "n2, clone-stopped,     clone,  M7 it comes back by itself",
    "n2, clone-missing,     clone,  M7 made now",
    "n2, out-and-missing,   clone,  M7 made now",
    "n2, clone-error,       source, M7 what serves goes on",
    "n2, clone-failed,      source, M7 what serves goes on",
    "n2, clone-error-alone, clone,  M7 nobody serves: the winner's own",
    "n1, both,              source, M7 rolled back",
    "n1, clone-missing,     source, M7 rolled back",
    "n1, source-failed,     source, M7 it comes back by its marks",
    "n1, source-of-nobody,  source, M7 of a cluster that knew one engine",
  })
  void oneOfEachDirectoryIsTheVolumes(String node, String what, String whose, String rule) {
    MigrationFacts facts = lastStep(node);
    String clone = MigrationFacts.c(3);
    String source = MigrationFacts.r(3);
    switch (what) {
      case "both" -> {}
      case "clone-stopped" -> facts.replicaProcess(clone, InstanceView.State.STOPPED);
      case "clone-missing" -> facts.remove(ObjectKind.REPLICA, clone);
      case "out-and-missing" ->
          facts
              .members(1, 2)
              .remove(ObjectKind.REPLICA, clone)
              .replica(source, MigrationEndTest::failed)
              .replicaProcess(source, InstanceView.State.STOPPED);
      case "clone-error" -> facts.replicaProcess(clone, InstanceView.State.ERROR);
      case "clone-failed" -> facts.replica(clone, MigrationEndTest::failed);
      case "clone-error-alone" ->
          facts
              .replicaProcess(clone, InstanceView.State.ERROR)
              .replicaProcess(source, InstanceView.State.ERROR);
      case "source-failed" -> facts.replica(source, MigrationEndTest::failed);
      case "source-of-nobody" ->
          facts.replica(source, one -> one.with(one.spec().withEngine("", true)));
      default -> throw new IllegalArgumentException(what);
    }
    carryOut(facts);
    String winner = node.equals("n2") ? G : O;
    assertThat(facts.engines()).as(rule).containsExactly(winner);
    for (int i = 1; i <= 2; i++) {
      assertThat(own(facts, i))
          .as(rule)
          .isEqualTo(node.equals("n2") ? MigrationFacts.c(i) : MigrationFacts.r(i));
    }
    assertThat(own(facts, 3)).as(rule).isEqualTo(whose.equals("clone") ? clone : source);
    assertThat(facts.replica(own(facts, 3)).spec().engineName()).as(rule).isEqualTo(winner);
  }

  private static Replica failed(Replica replica) {
    return replica.with(replica.spec().withHealth(replica.spec().health().failed(500)));
  }

  @Test
  void whatTheRecordNamesIsInSyncUnderItsNewName() {
    // M7: healthy, and of no failure that its directory had before (#12311)
    MigrationFacts facts = lastStep("n2").members(1, 2);
    carryOut(facts);
    Replica.Health member = facts.replica(MigrationFacts.c(1)).spec().health();
    assertThat(member).isEqualTo(new Replica.Health(facts.nowMillis, facts.nowMillis, 0, 0, 0));
  }

  @Test
  void whatTheRecordDoesNotNameIsMissedUnderItsNewName() {
    // M7, 7.5/4: without a mark nobody would bring it back, or make another one some time (3.3).
    MigrationFacts facts = lastStep("n2").members(1, 2);
    facts.replica(MigrationFacts.r(3), MigrationEndTest::failed);
    Replica.Health before = facts.replica(MigrationFacts.r(3)).spec().health();
    facts.replicaProcess(MigrationFacts.r(3), InstanceView.State.STOPPED);
    facts.replicaProcess(MigrationFacts.c(3), InstanceView.State.STOPPED);
    carryOut(facts);
    assertThat(facts.replica(MigrationFacts.c(3)).spec().isActive()).isTrue();
    assertThat(facts.replica(MigrationFacts.c(3)).spec().health()).isEqualTo(before);
  }

  @Test
  void aRollBackChangesNothingOfTheVolumesReplicas() {
    // M7: "same engine and replicas"
    MigrationFacts facts = lastStep("n1");
    List<Replica> before =
        facts.replicas().stream().filter(replica -> replica.spec().isActive()).toList();
    carryOut(facts);
    assertThat(facts.replicas()).containsAll(before);
  }

  // ---- flags ------------------------------------------------------------------------------------

  @ParameterizedTest
  @CsvSource({
    // O is the volume's, G is, N, M, cN, cM, the volume's then, rule
    "true,  true,  n1, n2, n1, n2, v-e-0, 3.4/1 two (#4827)",
    "false, false, n1, n2, n1, n2, v-e-0, 3.4/1 none",
    "false, true,  n1, n2, n1, n2, v-e-1, 3.4/1 one: whichever it is",
  })
  void whatTheFlagsSayIsPutRight(
      boolean isSource,
      boolean isTarget,
      String node,
      String migration,
      String current,
      String currentMigration,
      String then,
      String rule) {
    MigrationFacts facts = MigrationFacts.ready().nodes(node, migration, current, currentMigration);
    facts.engine(O, engine -> engine.with(engine.spec().withActive(isSource)));
    facts.engine(G, engine -> engine.with(engine.spec().withActive(isTarget)));
    Draft draft = new Draft(facts.view());
    assertThat(MigrationEnd.current(draft, facts.volume()).map(Engine::name))
        .as(rule)
        .hasValue(then);
    assertThat(
            draft.enginesOf("v").stream()
                .filter(engine -> engine.spec().isActive())
                .map(Engine::name))
        .as(rule)
        .containsExactly(then);
  }
}
