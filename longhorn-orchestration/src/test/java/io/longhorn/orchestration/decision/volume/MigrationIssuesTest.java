package io.longhorn.orchestration.decision.volume;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.EngineId;
import io.longhorn.api.ReplicaMode;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume.Robustness;
import io.longhorn.api.cluster.Volume.State;
import io.longhorn.orchestration.decision.Action;
import io.longhorn.orchestration.decision.ClusterView;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.EngineSeen;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.decision.Plan;
import java.util.Optional;
import java.util.UUID;
import org.junit.jupiter.api.Test;

/**
 * Defects that users of Longhorn had with migrations and whose cause was a decision (9.1, 12): each
 * is put back on the table here.
 */
final class MigrationIssuesTest {
  private static final String O = MigrationFacts.O;
  private static final String G = MigrationFacts.G;

  private static void cycle(MigrationFacts facts) {
    facts.apply(MigrationPlanner::decide);
    facts.apply(MigrationPlanner::carryOut);
    facts.apply(PromotionPlanner::plan);
  }

  /** #4827, #6642: two engines were the volume's, and nothing went on. */
  @Test
  void issue4827And6642TwoEnginesOfAVolumeThatDoesNotMigrate() {
    MigrationFacts facts = MigrationFacts.ready().nodes("n1", "", "n1", "").without("n2");
    facts.engine(G, engine -> engine.with(engine.spec().withActive(true)));
    cycle(facts);
    cycle(facts);
    assertThat(facts.engine(G).spec().isWanted()).isFalse();
    facts.process(G, InstanceView.State.STOPPED);
    cycle(facts);
    assertThat(facts.engines()).containsExactly(O);
    assertThat(facts.engine(O).spec().isActive()).isTrue();
  }

  /** #7396, #5632: a directory went with one of the two objects that named it. */
  @Test
  void issue7396NoDirectoryGoesWithWhatStoodBy() {
    MigrationFacts facts = MigrationFacts.ready().process(G, InstanceView.State.ERROR);
    for (int i = 0; i < 4; i++) {
      Plan plan = facts.apply(MigrationPlanner::carryOut);
      assertThat(plan.actions()).noneMatch(Action.DeleteDirectory.class::isInstance);
      for (int j = 1; j <= 3; j++) {
        if (facts.has(ObjectKind.REPLICA, MigrationFacts.c(j))) {
          facts.replicaProcess(MigrationFacts.c(j), InstanceView.State.STOPPED);
        }
      }
    }
    assertThat(facts.replicas()).filteredOn(replica -> replica.spec().isActive()).hasSize(3);
  }

  /** #7396: and not even when it is the only one left of a directory that has data. */
  @Test
  void issue7396TheLastObjectOfAMembersDirectoryStays() {
    MigrationFacts facts = MigrationFacts.ready().remove(ObjectKind.REPLICA, MigrationFacts.r(3));
    facts.replicaProcess(MigrationFacts.c(3), InstanceView.State.ERROR);
    Plan plan = facts.apply(MigrationPlanner::carryOut);
    assertThat(plan.actions()).noneMatch(Action.DeleteDirectory.class::isInstance);
    assertThat(facts.has(ObjectKind.REPLICA, MigrationFacts.c(3))).isTrue();
  }

  /** #11397, #7128: an endless restart, and hundreds of replicas that stood by. */
  @Test
  void issue11397WhatStandsByDoesNotPileUp() {
    MigrationFacts facts = MigrationFacts.ready();
    for (int i = 0; i < 50; i++) {
      // Whatever is made dies at once.
      for (Replica replica : facts.replicas()) {
        if (!replica.spec().isActive()) {
          facts.replicaProcess(replica.name(), InstanceView.State.ERROR);
        }
      }
      cycle(facts);
      assertThat(facts.replicas()).hasSizeLessThanOrEqualTo(6);
    }
  }

  /** #11397: an engine that cannot be started is made anew, one at a time. */
  @Test
  void issue11397EnginesDoNotPileUp() {
    MigrationFacts facts = MigrationFacts.ready();
    for (int i = 0; i < 50; i++) {
      facts.engines().stream()
          .filter(engine -> !engine.equals(O))
          .forEach(engine -> facts.process(engine, InstanceView.State.ERROR));
      cycle(facts);
      assertThat(facts.engines()).hasSizeLessThanOrEqualTo(2).contains(O);
      assertThat(facts.replicas()).hasSizeLessThanOrEqualTo(6);
    }
  }

  /** #12311: what stood by had the last failure of its directory, and was torn down for ever. */
  @Test
  void issue12311WhatStandsByHasNoPast() {
    MigrationFacts facts =
        MigrationFacts.attached().ticket("n1").ticket("n2").nodes("n1", "n2", "n1", "");
    facts.replica(
        MigrationFacts.r(1),
        one ->
            one.with(
                one.spec().withHealth(one.spec().health().failed(20).reused(false).healthy(30))));
    cycle(facts);
    assertThat(facts.replica(MigrationFacts.c(1)).spec().health().lastFailedAtMillis()).isZero();
    assertThat(facts.replica(MigrationFacts.c(1)).spec().health()).isEqualTo(Replica.Health.NEW);
  }

  /** #7833: the upgrade waited for one engine, the migration for no upgrade. */
  @Test
  void issue7833AMigrationAndAnUpgradeDoNotWaitForEachOther() {
    // An upgrade that was first: the migration waits, and makes nothing that would be in its way.
    MigrationFacts first =
        MigrationFacts.attached()
            .ticket("n1")
            .ticket("n2")
            .volume(volume -> volume.with(volume.spec().withImage("next")));
    cycle(first);
    assertThat(first.engines()).hasSize(1);
    assertThat(first.volume().isMigrating()).isFalse();
    // One that came in between: what was begun goes on to its end.
    MigrationFacts second =
        MigrationFacts.ready()
            .volume(volume -> volume.with(volume.spec().withImage("next")))
            .without("n1");
    second.apply(MigrationPlanner::decide);
    assertThat(second.volume().spec().nodeID()).isEqualTo("n2");
    second.owner(MigrationFacts.G_ID);
    for (int i = 0; i < 3; i++) {
      cycle(second);
    }
    second.process(O, InstanceView.State.STOPPED);
    cycle(second);
    assertThat(second.engines()).containsExactly(G);
    assertThat(second.volume().isMigrating()).isFalse();
  }

  /** #11479: attaching and detaching in a circle, for cM was left and no engine matched. */
  @Test
  void issue11479AnEndThatWasCutOffIsEndedBeforeAnythingIsAttached() {
    MigrationFacts facts =
        MigrationFacts.attached().ticket("n1").nodes("", "", "", "n2").state(State.DETACHED);
    facts.robustness(Robustness.UNKNOWN).process(O, InstanceView.State.STOPPED);
    facts.engine(
        O,
        engine ->
            new Engine(O, Engine.Spec.stopped("v", Names.DEFAULT_IMAGE, true), Engine.Status.NONE));
    facts.apply(AttachmentPlanner::plan);
    assertThat(facts.volume().spec().nodeID()).as("B0").isEmpty();
    cycle(facts);
    assertThat(facts.volume().status().currentMigrationNodeID()).isEmpty();
    facts.apply(AttachmentPlanner::plan);
    assertThat(facts.volume().spec().nodeID()).as("B5").isEqualTo("n1");
  }

  /** #5992: the empty list of an engine that nobody had looked at was taken for the truth. */
  @Test
  void issue5992NothingIsKnownIsNotNothingIsThere() {
    MigrationFacts facts = MigrationFacts.ready();
    for (int i = 1; i <= 3; i++) {
      facts.mode(O, i, Optional.empty());
    }
    cycle(facts);
    assertThat(facts.replicas()).hasSize(6).allMatch(replica -> replica.spec().isWanted());
    assertThat(facts.engine(G).spec().isWanted()).isTrue();
  }

  /** #6961, manager PRs 2275 and 2362: the target was started anew under the guest. */
  @Test
  void issue6961AReplicaThatComesBackDoesNotTouchTheTarget() {
    MigrationFacts facts =
        MigrationFacts.ready()
            .owner(MigrationFacts.G_ID)
            .mode(G, 3, Optional.of(ReplicaMode.WO))
            .mode(O, 3, Optional.of(ReplicaMode.WO));
    Engine before = facts.engine(G);
    cycle(facts);
    assertThat(facts.engine(G)).isEqualTo(before);
  }

  /** #7302, harvester #10285: a kubelet that restarted had the target restarted. */
  @Test
  void issue7302ANodeThatIsNotReadyForAWhileTouchesNoEngine() {
    MigrationFacts facts = MigrationFacts.ready().notReady("n1", Names.NODE_NOT_READY);
    facts.notReady("n2", Names.NODE_NOT_READY).notReady("n3", Names.NODE_NOT_READY);
    Engine source = facts.engine(O);
    Engine target = facts.engine(G);
    cycle(facts);
    assertThat(facts.engine(O)).isEqualTo(source);
    assertThat(facts.engine(G)).isEqualTo(target);
  }

  /** #13109: a migration to a node that was not ready. */
  @Test
  void issue13109NothingIsBegunTowardsANodeThatIsNotReady() {
    MigrationFacts facts =
        MigrationFacts.attached().ticket("n1").ticket("n2").notReady("n2", "ManagerPodDown");
    cycle(facts);
    assertThat(facts.volume().isMigrating()).isFalse();
    assertThat(facts.engines()).hasSize(1);
  }

  /** #12049: after an outage two tickets are left, and nobody knows which one counts. */
  @Test
  void issue12049TwoTicketsAfterAFailureAreForAPersonToDecide() {
    MigrationFacts facts =
        MigrationFacts.attached()
            .ticket("n1")
            .ticket("n2")
            .nodes("", "", "", "")
            .state(State.DETACHED)
            .robustness(Robustness.UNKNOWN);
    Plan plan = facts.apply(AttachmentPlanner::plan);
    assertThat(MigrationFacts.told(plan))
        .containsExactly(
            "Volume migration between n1 and n2 failed; detach volume from extra node to resume");
    assertThat(facts.volume().spec().nodeID()).isEmpty();
    facts.without("n1");
    facts.apply(AttachmentPlanner::plan);
    assertThat(facts.volume().spec().nodeID()).isEqualTo("n2");
  }

  /** #8735: the owner died, the guest had moved, and all said OK while nothing happened. */
  @Test
  void issue8735AnOwnerThatIsOverForSureStopsNobody() {
    // The target owned it, died and was made anew: neither engine is the owner that the record has.
    MigrationFacts facts = MigrationFacts.ready().owner(new EngineId(new UUID(8, 77)));
    Plan plan = facts.apply(MigrationPlanner::carryOut);
    assertThat(plan.actions()).anyMatch(Action.FinishMigration.class::isInstance);
    facts.owner(MigrationFacts.O_ID);
    cycle(facts);
    facts.without("n1");
    facts.apply(MigrationPlanner::decide);
    assertThat(facts.volume().spec().nodeID()).isEqualTo("n2");
  }

  /** Two migrations one after the other, before what stood by has taken its directories over. */
  @Test
  void aSecondMigrationDoesNotTakeDownWhatStillHoldsADirectory() {
    // P9, 3.5/1
    MigrationFacts facts = MigrationFacts.ready().nodes("n2", "", "n1", "n2").without("n1");
    facts.owner(MigrationFacts.G_ID);
    cycle(facts);
    cycle(facts);
    facts.process(O, InstanceView.State.STOPPED);
    facts.apply(MigrationPlanner::carryOut);
    assertThat(facts.volume().isMigrating()).isFalse();
    facts.ticket("n1");
    // M1: it takes moments.
    Plan waiting = facts.apply(MigrationPlanner::decide);
    assertThat(MigrationFacts.waits(waiting)).containsExactly("M1");
    assertThat(facts.volume().isMigrating()).isFalse();
    // If it does not come to an end, the migration begins all the same.
    facts.nowMillis += MigrationPlanner.HAND_OVER_MILLIS;
    for (int i = 0; i < 3; i++) {
      facts.apply(MigrationPlanner::decide);
      facts.apply(MigrationPlanner::carryOut);
      facts.apply(PromotionPlanner::plan);
    }
    assertThat(facts.volume().spec().migrationNodeID()).isEqualTo("n1");
    for (int i = 1; i <= 3; i++) {
      Replica holder = facts.replica(MigrationFacts.r(i));
      assertThat(holder.status().isHolder()).isTrue();
      assertThat(holder.spec().isWanted()).as("it serves the volume").isTrue();
    }
  }

  /**
   * 2.7/2: a target whose migration is being ended is not attached (the ticket came back too soon).
   */
  @Test
  void aTicketThatComesBackWhileARollBackEndsIsNotSatisfied() {
    MigrationFacts facts = MigrationFacts.ready().nodes("n1", "", "n1", "n2");
    Draft draft = new Draft(facts.view());
    AttachmentPlanner.tell(draft, facts.volume());
    assertThat(
            draft.attachmentOf(facts.volume()).tickets().values().stream()
                .filter(ticket -> ticket.satisfied().isTrue())
                .map(ticket -> ticket.nodeID()))
        .containsExactly("n1");
  }

  /** M1: a directory that is about to change hands is not stood by for: nine would run. */
  @Test
  void aMigrationBeginsWhenTheDirectoriesHaveChangedHands() {
    MigrationFacts facts = MigrationFacts.attached().ticket("n1").ticket("n2");
    // 5.7/1: the process of an upgrade that stood by is the volume's now, the old one still serves.
    facts.replica(MigrationFacts.r(3), old -> old.with(old.spec().withEngine("", false)));
    Replica next = facts.clone(3, 1, O);
    facts.put(next.with(next.spec().withEngine(O, true)));
    assertThat(MigrationFacts.waits(facts.apply(MigrationPlanner::decide))).containsExactly("M1");
    facts.replica(
        MigrationFacts.c(3),
        now -> now.with(new Replica.Status(true, true, now.status().instance())));
    facts.remove(ObjectKind.REPLICA, MigrationFacts.r(3));
    assertThat(MigrationFacts.told(facts.apply(MigrationPlanner::decide)))
        .containsExactly("Starting migration");
  }

  /** 8/6: on a node that is down what stood by is fenced; nobody waits for it. */
  @Test
  void whatStoodByOnANodeThatIsDownGoes() {
    MigrationFacts facts = MigrationFacts.ready().nodes("n1", "", "n1", "n2").without("n2");
    facts.notReady("n2", Names.NODE_NOT_READY).process(G, InstanceView.State.UNKNOWN);
    facts.replicaProcess(MigrationFacts.c(2), InstanceView.State.UNKNOWN);
    facts.replica(
        MigrationFacts.r(2),
        own ->
            own.with(
                new Replica.Status(
                    true, true, MigrationFacts.instance(InstanceView.State.UNKNOWN))));
    for (int i = 0; i < 3; i++) {
      facts.apply(MigrationPlanner::carryOut);
      facts.apply(PromotionPlanner::plan);
    }
    assertThat(facts.has(ObjectKind.REPLICA, MigrationFacts.c(2))).isFalse();
    assertThat(facts.has(ObjectKind.REPLICA, MigrationFacts.r(2))).isTrue();
    assertThat(facts.volume().isMigrating()).isFalse();
  }

  /** 3.5/1, I9: whether one that cannot be seen still serves, its engine says. */
  @Test
  void whatHoldsADirectoryOnANodeThatIsDownGoesOnlyWhenItsEngineHasLostIt() {
    MigrationFacts facts = MigrationFacts.attached().ticket("n1");
    facts.replica(
        MigrationFacts.r(2),
        old ->
            old.with(old.spec().withEngine("", false))
                .with(
                    new Replica.Status(
                        true, true, MigrationFacts.instance(InstanceView.State.UNKNOWN))));
    Replica next = facts.clone(2, 1, O);
    facts.put(next.with(next.spec().withEngine(O, true)));
    facts.replicaProcess(MigrationFacts.c(2), InstanceView.State.UNKNOWN);
    facts.notReady("n2", Names.NODE_NOT_READY);
    cycle(facts);
    cycle(facts);
    assertThat(facts.has(ObjectKind.REPLICA, MigrationFacts.r(2))).as("it may serve").isTrue();
    assertThat(facts.replica(MigrationFacts.r(2)).spec().isWanted()).isTrue();
    facts.mode(O, 2, Optional.of(ReplicaMode.ERR));
    cycle(facts);
    cycle(facts);
    assertThat(facts.has(ObjectKind.REPLICA, MigrationFacts.r(2))).isFalse();
    assertThat(facts.has(ObjectKind.REPLICA, MigrationFacts.c(2))).isTrue();
  }

  /** K5: clients on both sides lose no write, and somebody is told. */
  @Test
  void clientsThatWriteOnBothSidesAreToldOfOnce() {
    MigrationFacts facts = MigrationFacts.ready();
    assertThat(MigrationFacts.told(takenBack(facts, O, MigrationFacts.G_ID)))
        .as("another start of it said that")
        .isEmpty();
    String told =
        "volume v is written to on both sides of its migration: v-e-0 on n1 has taken it back";
    Plan first = takenBack(facts, O, MigrationFacts.O_ID);
    assertThat(MigrationFacts.told(first)).containsExactly(told);
    assertThat(MigrationFacts.waits(first)).contains("K5");
    first.actions().forEach(facts::store);
    Plan second = takenBack(facts, O, MigrationFacts.O_ID);
    assertThat(MigrationFacts.told(second)).isEmpty();
    assertThat(MigrationFacts.waits(second)).contains("K5");
  }

  private static Plan takenBack(MigrationFacts facts, String engine, EngineId id) {
    ClusterView view = facts.view();
    Engine.Status said = facts.engine(engine).status();
    view.seen(
        engine,
        new EngineSeen(
            said.instance().pid(),
            Optional.of(id),
            "",
            true,
            said.generation(),
            "",
            said.endpoints(),
            said.replicas(),
            true));
    return MigrationFacts.plan(view, MigrationPlanner::carryOut);
  }

  /** #5992, P4: the guest has moved, and its engine is heard of a moment later than the record. */
  @Test
  void anOwnerThatHasNotSpokenYetIsNoReasonToTakeTheTicketBack() {
    MigrationFacts facts = MigrationFacts.ready().owner(MigrationFacts.G_ID).members(1, 2, 3);
    Plan plan = facts.apply(MigrationPlanner::carryOut);
    assertThat(MigrationFacts.waits(plan)).isEmpty();
    assertThat(plan.actions()).isEmpty();
    assertThat(MigrationPlanner.whyNotAvailable(new Draft(facts.view()), facts.volume(), "n2"))
        .isEmpty();
  }
}
