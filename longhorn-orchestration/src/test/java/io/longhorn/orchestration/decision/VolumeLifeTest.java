package io.longhorn.orchestration.decision;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.Volume.Robustness;
import io.longhorn.api.cluster.Volume.State;
import io.longhorn.api.cluster.VolumeAttachment;
import io.longhorn.orchestration.decision.ManagerSeen.Reach;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

/** What becomes of a volume, from its making to its end, while processes obey and fail. */
final class VolumeLifeTest {
  private static SmallCluster attached() {
    SmallCluster cluster = new SmallCluster(3);
    cluster.create("v", 3);
    cluster.attach("v", "node-1");
    cluster.settle();
    assertThat(cluster.volume("v").status().state()).isEqualTo(State.ATTACHED);
    return cluster;
  }

  private static List<String> reasons(SmallCluster cluster) {
    return cluster.told.stream().map(Action.Tell::reason).toList();
  }

  private static List<String> processes(SmallCluster cluster) {
    List<String> names = new ArrayList<>();
    cluster.hosts.values().forEach(host -> names.addAll(host.processes.keySet()));
    return names;
  }

  private static InstanceView.State stateOf(Replica replica) {
    return replica.status().instance().currentState();
  }

  @Test
  void aNewVolumeIsMadeThenDetachedThenAttachedWhereItsTicketSays() {
    SmallCluster cluster = new SmallCluster(3);
    cluster.create("v", 2);
    cluster.settle();
    assertThat(cluster.volume("v").status().state()).isEqualTo(State.DETACHED);
    assertThat(cluster.directories).hasSize(2);
    assertThat(processes(cluster)).as("processes").isEmpty();
    cluster.attach("v", "node-3");
    cluster.settle();
    Volume volume = cluster.volume("v");
    assertThat(volume.status().state()).isEqualTo(State.ATTACHED);
    assertThat(volume.status().robustness()).isEqualTo(Robustness.HEALTHY);
    assertThat(volume.status().currentNodeID()).isEqualTo("node-3");
    assertThat(volume.spec().nodeID()).isEqualTo("node-3");
    assertThat(volume.status().conditions()).isEmpty();
    assertThat(cluster.engine("v").spec().nodeID()).isEqualTo("node-3");
    assertThat(cluster.attachment("v").tickets().firstEntry().getValue().satisfied().isTrue())
        .isTrue();
    assertThat(reasons(cluster)).containsSubsequence("AttachSelected", "Healthy");
  }

  @Test
  void replicasStartBeforeTheEngineAndTheEngineStopsBeforeThem() {
    SmallCluster cluster = new SmallCluster(2);
    cluster.create("v", 2);
    cluster.settle();
    cluster.attach("v", "node-1");
    List<String> order = new ArrayList<>();
    drive(cluster, order);
    assertThat(order).startsWith("StartReplica", "StartReplica", "StartEngine");
    order.clear();
    cluster.detach("v");
    drive(cluster, order);
    assertThat(order)
        .filteredOn(action -> action.startsWith("Stop"))
        .containsExactly("StopInstance v-e-0", "StopInstance", "StopInstance");
    assertThat(order.indexOf("StopInstance")).isGreaterThan(order.indexOf("StopInstance v-e-0"));
    assertThat(cluster.volume("v").status().state()).isEqualTo(State.DETACHED);
    assertThat(cluster.volume("v").status().currentNodeID()).isEmpty();
  }

  /** Whoever waited for the first ticket was refused the second: the volume was still attaching. */
  @Test
  void aTicketIsNeverSatisfiedBeforeTheVolumeIsAttachedNorAfterIt() {
    SmallCluster cluster = new SmallCluster(2);
    cluster.create("v", 2);
    cluster.attach("v", "node-1");
    settleOneObjectAtATime(cluster);
    assertThat(cluster.attachment("v").tickets().values())
        .allMatch(ticket -> ticket.satisfied().isTrue());
    cluster.crash("node-1", "v-e-0");
    settleOneObjectAtATime(cluster);
    assertThat(cluster.volume("v").status().state()).isEqualTo(State.ATTACHED);
  }

  private static void settleOneObjectAtATime(SmallCluster cluster) {
    for (int i = 0; i < 100; i++) {
      Volume volume = cluster.volume("v");
      VolumeAttachment attachment = cluster.attachment("v");
      for (Action action : cluster.plan()) {
        switch (action) {
          case Action.Put(Volume next) -> volume = next;
          case Action.Put(VolumeAttachment next) -> attachment = next;
          default -> {}
        }
        String node =
            volume.status().state() == State.ATTACHED ? volume.status().currentNodeID() : "";
        assertThat(attachment.tickets().values())
            .as("after %s", action)
            .noneMatch(ticket -> ticket.satisfied().isTrue() && !ticket.nodeID().equals(node));
      }
      if (!cluster.round()) {
        return;
      }
    }
    throw new AssertionError("does not converge");
  }

  /** Settles, and lists what was done, a repeated action once; engines by name. */
  private static void drive(SmallCluster cluster, List<String> order) {
    List<Action> seen = new ArrayList<>();
    for (int i = 0; i < 100; i++) {
      for (Action action : cluster.plan()) {
        if (action instanceof Action.ProcessAction process && !seen.contains(action)) {
          seen.add(action);
          String engine =
              process.subject().contains("-e-") && !(action instanceof Action.StartEngine)
                  ? " " + process.subject()
                  : "";
          order.add(action.getClass().getSimpleName() + engine);
        }
      }
      if (!cluster.round()) {
        return;
      }
    }
    throw new AssertionError("does not converge");
  }

  @Test
  void aReplicaThatIsKilledIsStartedAgainAndSeenRunningWhileTheEngineStays() {
    SmallCluster cluster = attached();
    Replica replica = cluster.replicaOn("v", "node-2");
    String engine = cluster.engine("v").status().instance().uuid();
    cluster.crash("node-2", replica.name());
    cluster.round();
    assertThat(stateOf(cluster.replicaOn("v", "node-2"))).isEqualTo(InstanceView.State.ERROR);
    cluster.settle();
    assertThat(stateOf(cluster.replicaOn("v", "node-2"))).isEqualTo(InstanceView.State.RUNNING);
    assertThat(cluster.engine("v").status().instance().uuid()).isEqualTo(engine);
    assertThat(cluster.volume("v").status().robustness()).isEqualTo(Robustness.HEALTHY);
    assertThat(reasons(cluster)).containsSubsequence("ReplicaCrashed", "Degraded", "Healthy");
  }

  @Test
  void theInstanceManagerOfANodeWithoutTheEngineComesBackWithItsReplica() {
    SmallCluster cluster = attached();
    cluster.host("node-2").die();
    cluster.round();
    assertThat(cluster.manager("node-2").state()).isEqualTo(InstanceManager.State.ERROR);
    assertThat(cluster.node("node-2").ready().isTrue()).isFalse();
    cluster.settle();
    assertThat(cluster.volume("v").status().robustness()).isEqualTo(Robustness.HEALTHY);
    assertThat(stateOf(cluster.replicaOn("v", "node-2"))).isEqualTo(InstanceView.State.RUNNING);
    assertThat(cluster.volume("v").status().state()).isEqualTo(State.ATTACHED);
    assertThat(reasons(cluster)).doesNotContain("DetachedUnexpectedly");
  }

  @Test
  void aCrashedEngineIsDetachedAndAttachedAgain() {
    SmallCluster cluster = attached();
    String before = cluster.engine("v").status().instance().uuid();
    cluster.crash("node-1", "v-e-0");
    cluster.settle();
    assertThat(cluster.volume("v").status().state()).isEqualTo(State.ATTACHED);
    assertThat(cluster.volume("v").status().robustness()).isEqualTo(Robustness.HEALTHY);
    assertThat(cluster.engine("v").status().instance().uuid()).isNotEqualTo(before);
    assertThat(reasons(cluster))
        .containsSubsequence(
            "EngineCrashed", "DetachedUnexpectedly", "DetachSelected", "Detached", "Attached");
  }

  @Test
  void theInstanceManagerOfTheEngineTakesTheEngineWithItAndBothComeBack() {
    SmallCluster cluster = attached();
    cluster.host("node-1").die();
    cluster.settle();
    assertThat(cluster.volume("v").status().state()).isEqualTo(State.ATTACHED);
    assertThat(cluster.volume("v").status().robustness()).isEqualTo(Robustness.HEALTHY);
    assertThat(reasons(cluster))
        .containsSubsequence("InstanceManagerCrashed", "DetachedUnexpectedly", "Attached");
  }

  @Test
  void aReplicaThatCannotStartDoesNotKeepTheEngineWaiting() {
    SmallCluster cluster = new SmallCluster(3);
    cluster.create("v", 3);
    cluster.settle();
    cluster.attach("v", "node-1");
    String broken = cluster.replicaOn("v", "node-3").name();
    for (int i = 0; i < 50; i++) {
      cluster.round();
      SmallCluster.Child process = cluster.host("node-3").processes.get(broken);
      if (process != null) {
        process.end(ManagerSeen.State.ERROR, "its directory is damaged");
      }
    }
    assertThat(cluster.volume("v").status().state()).isEqualTo(State.ATTACHED);
    assertThat(cluster.volume("v").status().robustness()).isEqualTo(Robustness.DEGRADED);
  }

  @Test
  void aNodeThatIsOffDoesNotKeepTheEngineWaiting() {
    SmallCluster cluster = new SmallCluster(3);
    cluster.create("v", 3);
    cluster.settle();
    cluster.power("node-3", true);
    cluster.settle();
    assertThat(cluster.host("node-3").isAlive).isFalse();
    cluster.attach("v", "node-1");
    cluster.settle();
    assertThat(cluster.volume("v").status().state()).isEqualTo(State.ATTACHED);
    assertThat(cluster.volume("v").status().robustness()).isEqualTo(Robustness.DEGRADED);
    cluster.power("node-3", false);
    cluster.settle();
    assertThat(cluster.volume("v").status().robustness()).isEqualTo(Robustness.DEGRADED);
    // 7.5/3: it failed before it was ever in sync; it is tried again after a pause.
    cluster.nowMillis += 10_000;
    cluster.settle();
    assertThat(cluster.volume("v").status().robustness()).isEqualTo(Robustness.HEALTHY);
  }

  @Test
  void anEngineWhoseInstanceManagerIsFrozenIsLeftAlone() {
    // 7.2/1, 8/2
    SmallCluster cluster = attached();
    String before = cluster.engine("v").status().instance().uuid();
    cluster.host("node-1").isFrozen = true;
    cluster.settle();
    assertThat(cluster.engine("v").status().instance().currentState())
        .isEqualTo(InstanceView.State.UNKNOWN);
    assertThat(cluster.engine("v").spec().isWanted()).isTrue();
    assertThat(cluster.volume("v").status().robustness()).isEqualTo(Robustness.UNKNOWN);
    assertThat(cluster.volume("v").status().condition("Waiting"))
        .hasValueSatisfying(waits ->
            assertThat(waits.message()).startsWith("the engine on node-1 cannot be reached: "));
    cluster.thaw(cluster.host("node-1"));
    cluster.settle();
    assertThat(cluster.volume("v").status().conditions()).isEmpty();
    assertThat(cluster.volume("v").status().robustness()).isEqualTo(Robustness.HEALTHY);
    assertThat(cluster.engine("v").status().instance().uuid()).isEqualTo(before);
  }

  /** A ticket alone moves nothing that cannot be stopped: two engines would fight. */
  @Test
  void aVolumeWhoseEngineCannotBeReachedIsNotAttachedElsewhereUnlessItsNodeIsOff() {
    SmallCluster cluster = attached();
    cluster.host("node-1").isFrozen = true;
    cluster.settle();
    cluster.detach("v");
    cluster.attach("v", "node-2");
    cluster.settle();
    assertThat(cluster.volume("v").status().state()).isEqualTo(State.DETACHING);
    assertThat(cluster.volume("v").status().condition("Waiting"))
        .hasValueSatisfying(
            waits -> assertThat(waits.message()).isEqualTo("the engine is unknown"));
    cluster.power("node-1", true);
    cluster.settle();
    assertThat(cluster.volume("v").status().state()).isEqualTo(State.ATTACHED);
    assertThat(cluster.volume("v").status().currentNodeID()).isEqualTo("node-2");
    assertThat(cluster.volume("v").status().robustness()).isEqualTo(Robustness.DEGRADED);
    assertThat(reasons(cluster)).as("no crash").doesNotContain("EngineCrashed");
  }

  /** What a frozen instance manager was told is done when it thaws, wanted or not. */
  @Test
  void anEngineThatStartsTooLateOnAnotherNodeIsStopped() {
    SmallCluster cluster = new SmallCluster(3);
    cluster.create("v", 2);
    cluster.settle();
    cluster.attach("v", "node-3");
    while (!cluster.engine("v").spec().isWanted()) {
      cluster.nowMillis += 10;
      List<Action> plan = cluster.plan();
      cluster.store(plan);
      if (cluster.engine("v").spec().isWanted()) {
        cluster.host("node-3").isFrozen = true;
      }
      plan.stream()
          .filter(action -> action instanceof Action.ProcessAction)
          .forEach(action -> cluster.carryOut((Action.ProcessAction) action));
      cluster.advance();
    }
    assertThat(cluster.host("node-3").late).hasSize(1);
    cluster.detach("v");
    cluster.attach("v", "node-1");
    cluster.settle();
    cluster.thaw(cluster.host("node-3"));
    cluster.settle();
    assertThat(cluster.host("node-3").processes).isEmpty();
    assertThat(cluster.volume("v").status().currentNodeID()).isEqualTo("node-1");
    assertThat(cluster.volume("v").status().state()).isEqualTo(State.ATTACHED);
  }

  /** A new daemon has looked at nothing yet: that is no news of any node. */
  @Test
  void beforeAnybodyHasLookedNothingIsSaidAndNothingIsDone() {
    SmallCluster cluster = attached();
    assertThat(SmallCluster.plan(cluster.blankView())).isEmpty();
    assertThat(cluster.plan()).isEmpty();
  }

  /** A frozen instance manager can be killed and thawed although the daemon is a new one. */
  @Test
  void theProcessOfAnInstanceManagerThatDoesNotAnswerANewDaemonIsNotForgotten() {
    SmallCluster cluster = attached();
    long pid = cluster.manager("node-2").pid();
    assertThat(pid).isPositive();
    ClusterView view = cluster.view();
    view.seen("instance-manager-node-2", new ManagerSeen(Reach.UNREACHABLE, 0, new TreeMap<>()));
    cluster.store(SmallCluster.plan(view));
    assertThat(cluster.manager("node-2").state()).isEqualTo(InstanceManager.State.UNKNOWN);
    assertThat(cluster.manager("node-2").pid()).isEqualTo(pid);
  }

  @Test
  void aVolumeWithoutAnyReplicaInSyncIsNotCalledHealthy() {
    SmallCluster cluster = attached();
    cluster
        .hosts
        .values()
        .forEach(host ->
            List.copyOf(host.processes.keySet()).stream()
                .filter(name -> name.contains("-r-"))
                .forEach(name -> cluster.crash(host.node, name)));
    cluster.round();
    assertThat(cluster.volume("v").status().state()).isEqualTo(State.ATTACHED);
    assertThat(cluster.volume("v").status().robustness()).isEqualTo(Robustness.DEGRADED);
    assertThat(cluster.volume("v").status().condition("Waiting"))
        .hasValueSatisfying(waits -> assertThat(waits.reason()).isEqualTo("7.2/4"));
    cluster.settle();
    assertThat(cluster.volume("v").status().robustness()).isEqualTo(Robustness.HEALTHY);
  }

  @Test
  void aDeletedVolumeLeavesNothing() {
    SmallCluster cluster = attached();
    cluster.create("w", 2);
    cluster.settle();
    cluster.detach("v");
    cluster.settle();
    cluster.change("v", volume -> volume.deletedAt(cluster.nowMillis));
    cluster.settle();
    assertThat(cluster.volumes()).extracting(Volume::name).containsExactly("w");
    assertThat(cluster.directories).hasSize(2).allMatch(name -> name.startsWith("w-"));
    assertThat(processes(cluster)).isEmpty();
    assertThat(cluster.objects.keySet()).noneMatch(key -> key.name().startsWith("v"));
    assertThat(reasons(cluster)).contains("Deleted");
  }

  @Test
  void aVolumeWithTicketsIsDetachedBeforeItIsDeleted() {
    SmallCluster cluster = attached();
    cluster.change("v", volume -> volume.deletedAt(cluster.nowMillis));
    cluster.settle();
    assertThat(cluster.get(ObjectKind.VOLUME, "v")).isEmpty();
    assertThat(cluster.directories).isEmpty();
    assertThat(processes(cluster)).isEmpty();
  }

  /** A directory that is being made while it is deleted would be made again. */
  @Test
  void aDirectoryThatIsBeingMadeIsDeletedWhenItIsMade() {
    SmallCluster cluster = new SmallCluster(1);
    cluster.create("v", 1);
    String creation = Names.creation(cluster.replicaOn("v", "node-1"));
    while (!cluster.host("node-1").processes.containsKey(creation)) {
      List<Action> plan = cluster.plan();
      cluster.store(plan);
      plan.stream()
          .filter(action -> action instanceof Action.ProcessAction)
          .forEach(action -> cluster.carryOut((Action.ProcessAction) action));
    }
    cluster.change("v", volume -> volume.deletedAt(cluster.nowMillis));
    for (int i = 0; i < 5; i++) {
      List<Action> plan = cluster.plan();
      assertThat(plan).noneMatch(action -> action instanceof Action.DeleteDirectory);
      cluster.store(plan);
    }
    cluster.settle();
    assertThat(cluster.directories).isEmpty();
    assertThat(processes(cluster)).isEmpty();
    assertThat(cluster.get(ObjectKind.VOLUME, "v")).isEmpty();
  }

  @Test
  void aClusterThatGoesDownDetachesEverythingAndKeepsTheTickets() {
    SmallCluster cluster = attached();
    cluster.isStopping = true;
    cluster.settle();
    assertThat(cluster.volume("v").status().state()).isEqualTo(State.DETACHED);
    assertThat(cluster.attachment("v").tickets()).hasSize(1);
    assertThat(processes(cluster)).isEmpty();
    cluster.host("node-1").die();
    cluster.settle();
    assertThat(cluster.host("node-1").isAlive).as("started while going down").isFalse();
    cluster.isStopping = false;
    cluster.settle();
    assertThat(cluster.volume("v").status().state()).isEqualTo(State.ATTACHED);
  }

  /** Somebody who reads the events learns of a change whose plan was cut off by a conflict. */
  @Test
  void whatIsToldOfAnObjectComesRightAfterItsChange() {
    SmallCluster cluster = attached();
    cluster.crash("node-2", cluster.replicaOn("v", "node-2").name());
    cluster.crash("node-1", "v-e-0");
    List<Action> plan = cluster.plan();
    assertThat(plan).anyMatch(action -> action instanceof Action.Tell);
    for (int i = 0; i < plan.size(); i++) {
      if (plan.get(i) instanceof Action.Tell tell) {
        Action before = plan.get(i - 1);
        ObjectKey key =
            switch (before) {
              case Action.Put put -> put.object().key();
              case Action.Remove remove -> remove.key();
              case Action.Tell other -> other.about();
              case Action.ProcessAction process -> throw new AssertionError(process);
            };
        assertThat(key).as("%s after %s", tell, before).isEqualTo(tell.about());
      }
    }
  }
}
