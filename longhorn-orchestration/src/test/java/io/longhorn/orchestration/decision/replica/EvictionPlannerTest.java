package io.longhorn.orchestration.decision.replica;

import static io.longhorn.orchestration.decision.replica.ReplicaWorld.NOW;
import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.ReplicaMode;
import io.longhorn.api.cluster.Condition;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.Node;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.VolumeAttachment.Ticket;
import io.longhorn.orchestration.decision.Capability;
import io.longhorn.orchestration.decision.Plan;
import io.longhorn.orchestration.decision.Settings;
import io.longhorn.orchestration.decision.volume.CleanupPlanner;
import io.longhorn.orchestration.decision.volume.EvictionPlanner;
import io.longhorn.orchestration.decision.volume.RebuildPlanner;
import io.longhorn.orchestration.decision.volume.ReplenishPlanner;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Section 7.7: who has to leave, and how a volume goes on meanwhile. */
final class EvictionPlannerTest {
  private static Plan plan(ReplicaWorld world) {
    return world.plan(EvictionPlanner::plan);
  }

  private static String evicted(ReplicaWorld world) {
    return String.join(
        " ",
        world.replicas().stream()
            .filter(replica -> replica.spec().isEvictionRequested())
            .map(replica -> replica.name().substring(replica.name().length() - 1))
            .toList());
  }

  @ParameterizedTest
  @CsvSource({
    // policy; what is the matter with node-2; who has to leave
    "7.7/1, block-if-contains-last-replica, nothing,                       ''",
    "7.7/1, block-if-contains-last-replica, eviction of the node,          2",
    "7.7/1, block-if-contains-last-replica, eviction of the disk,          2",
    "7.7/2, block-if-contains-last-replica, cordoned,                      ''",
    "7.7/2, block-for-eviction,             cordoned,                      2",
    "7.7/1, block-for-eviction,             nothing,                       ''",
    "7.7/2, block-for-eviction-if-contains-last-replica, cordoned,         ''",
    "7.7/2, block-for-eviction-if-contains-last-replica, cordoned and it is the last, 2",
    "7.7/2, block-for-eviction-if-contains-last-replica, cordoned and the others are cordoned, 1 2 3",
    "7.7/2, allow-if-replica-is-stopped,    cordoned and it is the last,   ''",
    "7.7/2, always-allow,                   cordoned and it is the last,   ''",
    "7.7/2, block-for-eviction-if-contains-last-replica, cordoned and it is not in sync, ''",
  })
  void whoHasToLeave(String rule, String policy, String what, String expected) {
    ReplicaWorld world = ReplicaWorld.of(4, 3).set(Settings.Key.NODE_DRAIN_POLICY, policy);
    switch (what) {
      case "nothing" -> assertThat(world.node("node-2").isCordoned()).isFalse();
      case "eviction of the node" -> world.node("node-2", now -> now.withScheduling(false, true));
      case "eviction of the disk" -> world.disk("node-2", EvictionPlannerTest::evicting);
      case "cordoned" -> world.node("node-2", now -> now.withCordon(true));
      case "cordoned and it is the last" -> {
        world.node("node-2", now -> now.withCordon(true));
        world.fail(1, 5);
        world.fail(3, 5);
      }
      case "cordoned and the others are cordoned" -> {
        for (int i = 1; i <= 3; i++) {
          world.node("node-" + i, now -> now.withCordon(true));
        }
      }
      case "cordoned and it is not in sync" -> {
        world.node("node-2", now -> now.withCordon(true));
        world.fail(2, 5);
      }
      default -> throw new AssertionError(what);
    }
    plan(world);
    assertThat(evicted(world)).as(rule + " " + policy + ", " + what).isEqualTo(expected);
    assertThat(plan(world).actions()).as("applied").isEmpty();
    // When the matter is over, it may stay.
    for (int i = 1; i <= 3; i++) {
      world.node("node-" + i, now -> now.withCordon(false).withScheduling(true, false));
    }
    world.disk("node-2", disk -> Node.Disk.of(disk.id(), disk.path()));
    plan(world);
    assertThat(evicted(world)).as("over").isEmpty();
  }

  private static Node.Disk evicting(Node.Disk disk) {
    return new Node.Disk(disk.id(), disk.path(), false, true, 0, 0, 0, disk.tags(), true);
  }

  // ---- the ticket -------------------------------------------------------------------------------

  @ParameterizedTest
  @CsvSource({
    // The volume is detached, replica 1 has to leave. What else? Where it is attached for that
    "7.7/5, nothing,                             node-2",
    "7.7/5, nobody has to leave,                 ''",
    "7.7/5, somebody has it attached,            ''",
    "7.7/5, there is no place for another one,   ''",
    "7.7/5, another one is being filled,         node-2",
    "7.7/5, none can be filled here,             ''",
    "7.7/5, the cluster goes down,               ''",
    "7.7/5, only the one that leaves is well,    node-1",
    "7.7/5, no node of it is ready,              ''",
    "7.7/5, the volume is being deleted,         ''",
  })
  void aDetachedVolumeIsAttachedForIt(String rule, String what, String expected) {
    ReplicaWorld world = ReplicaWorld.of(4, 3);
    world.status(now -> now.with(Volume.State.DETACHED, ""));
    world.spec(spec -> spec.withNodeID(""));
    world.node("node-1", now -> now.withScheduling(false, true));
    switch (what) {
      case "nothing" -> assertThat(world.attachment().tickets()).isEmpty();
      case "nobody has to leave" -> world.node("node-1", now -> now.withScheduling(true, false));
      case "somebody has it attached" -> world.put(world.attachment().with(ticket("node-3")));
      case "there is no place for another one" -> world.node("node-4", now -> now.withCordon(true));
      case "another one is being filled" -> {
        world.node("node-4", now -> now.withCordon(true));
        world.addReplica(4, "node-4");
      }
      case "none can be filled here" -> world.without(Capability.REBUILD);
      case "the cluster goes down" -> world.isStopping = true;
      case "only the one that leaves is well" -> {
        world.fail(2, 5);
        world.fail(3, 5);
      }
      case "no node of it is ready" -> {
        for (int i = 1; i <= 3; i++) {
          world.notReady("node-" + i, "ManagerPodDown");
        }
      }
      case "the volume is being deleted" -> world.volume(now -> now.deletedAt(4));
      default -> throw new AssertionError(what);
    }
    plan(world);
    Ticket ticket = world.attachment().tickets().get(EvictionPlanner.TICKET);
    assertThat(ticket == null ? "" : ticket.nodeID()).as(rule + " " + what).isEqualTo(expected);
    assertThat(plan(world).actions()).as("applied").isEmpty();
  }

  private static Ticket ticket(String node) {
    return new Ticket(
        "csi-1",
        "csi-attacher",
        node,
        "",
        false,
        NOW,
        new Condition("Satisfied", false, "Waiting", "", NOW));
  }

  @Test
  void whoeverElseWantsTheVolumeHasIt() {
    ReplicaWorld world = ReplicaWorld.of(4, 3);
    world.spec(spec -> spec.withNodeID(""));
    world.status(now -> now.with(Volume.State.DETACHED, ""));
    world.node("node-1", now -> now.withScheduling(false, true));
    plan(world);
    assertThat(world.attachment().tickets()).containsOnlyKeys("eviction");
    assertThat(world.attachment().tickets().get("eviction").type()).isEqualTo("eviction");
    world.put(world.attachment().with(ticket("node-3")));
    plan(world);
    assertThat(world.attachment().tickets()).containsOnlyKeys("csi-1");
  }

  // ---- the whole way ----------------------------------------------------------------------------

  @Test
  void oneMoreIsMadeAndFilledBeforeTheOneThatLeavesIsTakenAway() {
    // 7.7/3, 7.7/4
    ReplicaWorld world = ReplicaWorld.of(4, 3);
    world.node("node-2", now -> now.withScheduling(false, true));
    round(world);
    Replica made = world.fresh().getFirst();
    assertThat(made.spec().nodeID()).isEqualTo("node-4");
    assertThat(world.replica(2).spec().isWanted()).as("the old one serves").isTrue();
    world.put(made.with(world.running("node-4")));
    round(world);
    assertThat(world.engine().spec().replicas()).contains(made.name(), ReplicaWorld.name(2));
    // It is filled.
    TreeSet<ReplicaId> all = new TreeSet<>();
    world.replicas().forEach(replica -> all.add(replica.spec().id()));
    world.says(made.spec().id(), ReplicaMode.RW, "", 1000);
    world.members(all);
    world.put(
        made.with(made.spec().withHealth(made.spec().health().healthy(NOW)))
            .with(world.running("node-4")));
    round(world);
    assertThat(world.engine().spec().replicas())
        .containsExactlyInAnyOrder(ReplicaWorld.name(1), ReplicaWorld.name(3), made.name());
    world.saysNothingOf(2);
    all.remove(ReplicaWorld.id(2));
    world.members(all);
    round(world);
    assertThat(world.replica(2).spec().isWanted()).isFalse();
    world.instance(2, InstanceView.State.STOPPED, "");
    assertThat(ReplicaWorld.done(round(world))).isEqualTo("DeleteDirectory");
  }

  @Test
  void theOnlyReplicaOfAVolumeMovesToo() {
    ReplicaWorld world = ReplicaWorld.of(2, 1);
    world.node("node-1", now -> now.withScheduling(false, true));
    round(world);
    assertThat(world.fresh()).hasSize(1);
    assertThat(world.replica(1).spec().isWanted()).isTrue();
    assertThat(world.engine().spec().replicas()).as("nobody is left out").isEmpty();
  }

  private static Plan round(ReplicaWorld world) {
    return world.planAll(draft -> {
      EvictionPlanner.plan(draft, draft.volume(ReplicaWorld.VOLUME).orElseThrow());
      ReplenishPlanner.plan(draft, draft.volume(ReplicaWorld.VOLUME).orElseThrow());
      RebuildPlanner.plan(draft, draft.volume(ReplicaWorld.VOLUME).orElseThrow());
      CleanupPlanner.plan(draft, draft.volume(ReplicaWorld.VOLUME).orElseThrow());
    });
  }
}
