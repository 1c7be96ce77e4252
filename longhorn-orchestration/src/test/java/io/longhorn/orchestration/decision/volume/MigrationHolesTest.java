package io.longhorn.orchestration.decision.volume;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.ReplicaMode;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume.Robustness;
import io.longhorn.api.cluster.Volume.State;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.orchestration.decision.Action;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.Plan;
import io.longhorn.orchestration.decision.SmallCluster;
import io.longhorn.orchestration.decision.lifecycle.RobustnessPlanner;
import io.longhorn.orchestration.decision.lifecycle.SalvagePlanner;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

/**
 * Ways in which data gets lost or stale in Longhorn although every decision is carried out (3.6, H1
 * to H5), and defects of section 9.1 that are about what a decision looks at: what the planners do
 * about them. What engines do is in the tests of the claim core.
 */
final class MigrationHolesTest {
  private static final String O = MigrationFacts.O;
  private static final String G = MigrationFacts.G;

  /** A cluster where a volume is ready to migrate; what was asked for on the way is told. */
  private static SmallCluster migrating(Consumer<Action.ProcessAction> asked) {
    SmallCluster cluster = new SmallCluster(3);
    rounds(cluster, asked);
    cluster.create("v", 3, true);
    rounds(cluster, asked);
    cluster.attachCsi("v", "node-1");
    rounds(cluster, asked);
    cluster.attachCsi("v", "node-2");
    rounds(cluster, asked);
    return cluster;
  }

  private static void rounds(SmallCluster cluster, Consumer<Action.ProcessAction> asked) {
    for (int i = 0; i < 40; i++) {
      cluster.plan().stream()
          .filter(Action.ProcessAction.class::isInstance)
          .map(Action.ProcessAction.class::cast)
          .forEach(asked);
      cluster.round();
    }
  }

  /** H1: files of the source changed under processes that had them open too (#10495). */
  @Test
  void h1WhatStandsByForATargetIsStartedWithoutTheDirectory() {
    List<Action.StartReplica> starts = new ArrayList<>();
    SmallCluster cluster =
        migrating(action -> {
          if (action instanceof Action.StartReplica start) {
            starts.add(start);
          }
        });
    assertThat(cluster.record("v").phase()).isEqualTo(VolumeRecord.Phase.MIGRATING);
    assertThat(starts).anyMatch(start -> !start.replica().spec().isActive());
    assertThat(starts).allMatch(start -> start.isStandby() == !start.replica().spec().isActive());
    assertThat(cluster.replicas("v"))
        .hasSize(6)
        .allMatch(replica -> replica.status().isHolder() == replica.spec().isActive());
  }

  /** H2: the source had lost a replica, and the target was promoted with it. */
  @Test
  void h2WhatTheSourceHasLostIsOutOfTheRecordThatTheTargetIsMeasuredBy() {
    // The target still says that it is in sync; the record that the source wrote does not.
    MigrationFacts facts = MigrationFacts.ready().without("n1").members(1, 2);
    facts.mode(O, 3, Optional.of(ReplicaMode.ERR));
    facts.apply(MigrationPlanner::decide);
    assertThat(facts.volume().spec().nodeID()).as("it is confirmed").isEqualTo("n2");
    facts.owner(MigrationFacts.G_ID);
    facts.apply(MigrationPlanner::carryOut);
    assertThat(facts.record().membership().members())
        .as("nobody but the engines says who is in sync")
        .containsExactly(MigrationFacts.id(1), MigrationFacts.id(2));
    facts.process(O, InstanceView.State.STOPPED);
    facts.apply(MigrationPlanner::carryOut);
    facts.apply(MigrationPlanner::carryOut);
    Replica third =
        facts.replicas().stream()
            .filter(replica -> replica.spec().id().equals(MigrationFacts.id(3)))
            .filter(replica -> replica.spec().isActive())
            .findFirst()
            .orElseThrow();
    assertThat(third.spec().health().healthyAtMillis()).isNotEqualTo(facts.nowMillis);
  }

  /** H2: the other way round: a target that is not linked to a member cannot be confirmed. */
  @Test
  void h2OneReplicaInSyncIsNotEnough() {
    MigrationFacts facts =
        MigrationFacts.ready().without("n1").mode(G, 3, Optional.of(ReplicaMode.ERR));
    Plan plan = facts.apply(MigrationPlanner::decide);
    assertThat(MigrationFacts.waits(plan)).containsExactly("C5");
    assertThat(facts.volume().spec().nodeID()).isEqualTo("n1");
  }

  /** H5: a volume was let go while its old engine still served. */
  @Test
  void h5TheOldEngineCannotWriteAnyMoreBeforeItIsStopped() {
    MigrationFacts facts =
        MigrationFacts.ready().nodes("n2", "", "n1", "n2").without("n1").owner(MigrationFacts.G_ID);
    facts.apply(MigrationPlanner::carryOut);
    assertThat(facts.record().claimants()).containsExactly(MigrationFacts.G_ID);
    assertThat(facts.engine(O).spec().isWanted()).as("not stopped before that").isTrue();
    facts.apply(MigrationPlanner::carryOut);
    assertThat(facts.engine(O).spec().isWanted()).isFalse();
    assertThat(facts.volume().status().currentMigrationNodeID())
        .as("it migrates until the old one is gone")
        .isEqualTo("n2");
  }

  /** #6215, #6238: never confirmed, for both engines said the same in different words. */
  @Test
  void issue6215And6238NothingElseThatTheEnginesSayIsCompared() {
    MigrationFacts facts = MigrationFacts.ready().without("n1");
    facts.engine(
        G,
        engine -> {
          TreeMap<io.longhorn.api.ReplicaId, Engine.Member> members = new TreeMap<>();
          engine
              .status()
              .replicas()
              .forEach((id, member) ->
                  members.put(id, new Engine.Member(member.mode(), "just back", 999, 4711)));
          Engine.Status before = engine.status();
          return engine.with(
              new Engine.Status(
                  before.instance(),
                  before.id(),
                  false,
                  0,
                  "forwarding",
                  List.of("nbd://elsewhere", "nbd://and-here"),
                  members,
                  before.currentImage()));
        });
    facts.apply(MigrationPlanner::decide);
    assertThat(facts.volume().spec().nodeID()).isEqualTo("n2");
  }

  /** #12978: salvage, with the tickets of a migration still there, had the engine made anew. */
  @Test
  void issue12978WhatIsSalvagedWithTwoTicketsKeepsItsEngineAndWaits() {
    MigrationFacts facts =
        MigrationFacts.attached()
            .ticket("n1")
            .ticket("n2")
            .nodes("", "", "", "")
            .state(State.DETACHED)
            .robustness(Robustness.FAULTED);
    facts.engine(
        O, engine -> engine.with(engine.spec().withWanted(false)).with(Engine.Status.NONE));
    for (int i = 1; i <= 3; i++) {
      facts.replicaProcess(MigrationFacts.r(i), InstanceView.State.STOPPED);
      facts.replica(
          MigrationFacts.r(i),
          one ->
              one.with(one.spec().withHealth(one.spec().health().failed(500)).withWanted(false)));
    }
    Engine before = facts.engine(O);
    List<String> waits = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      facts.apply(RobustnessPlanner::plan);
      facts.apply(SalvagePlanner::plan);
      waits.addAll(MigrationFacts.waits(facts.apply(AttachmentPlanner::plan)));
      facts.apply(MigrationPlanner::decide);
      facts.apply(MigrationPlanner::carryOut);
    }
    assertThat(facts.volume().status().robustness()).isEqualTo(Robustness.UNKNOWN);
    assertThat(waits).contains("B3");
    assertThat(facts.engines()).containsExactly(O);
    assertThat(facts.engine(O)).isEqualTo(before);
    assertThat(new Draft(facts.view()).engineOf(facts.volume())).contains(before);
  }
}
