package io.longhorn.orchestration.decision.replica;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.Replica.Health;
import io.longhorn.orchestration.decision.ManagerSeen;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.decision.Plan;
import io.longhorn.orchestration.decision.Settings;
import io.longhorn.orchestration.decision.cluster.DrainRule;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Section 8, rule 5: whose instance managers may be ended for a drain. */
final class DrainRuleTest {
  @ParameterizedTest
  @CsvSource({
    // node-2 is drained, it has replica 2 of 3. What is the matter; may it, by policy:
    // block-if-contains-last-replica, block-for-eviction,
    // block-for-eviction-if-contains-last-replica,
    // allow-if-replica-is-stopped, always-allow
    "8/5, nothing,                            true,  false, true,  true,  true",
    "8/5, its replica has gone,               true,  true,  true,  true,  true",
    "8/5, an engine runs there,               false, false, false, false, false",
    "8/5, an engine has ended there,          true,  false, true,  true,  true",
    "8/5, it is the last,                     false, false, false, false, true",
    "8/5, it is the last and stopped,         false, false, false, true,  true",
    "8/5, the others are on cordoned nodes,   false, false, false, false, true",
    "8/5, the others are on nodes not ready,  false, false, false, false, true",
    "8/5, the others have failed,             false, false, false, false, true",
    "8/5, one other is on a node that stays,  true,  false, true,  true,  true",
    "8/5, it has failed itself,               true,  false, true,  true,  true",
    "8/5, it is the last but was never used,  true,  false, true,  true,  true",
  })
  void whetherItMayBeDrained(
      String rule,
      String what,
      boolean byDefault,
      boolean forEviction,
      boolean forEvictionOfLast,
      boolean ifStopped,
      boolean always) {
    List<String> policies =
        List.of(
            "block-if-contains-last-replica",
            "block-for-eviction",
            "block-for-eviction-if-contains-last-replica",
            "allow-if-replica-is-stopped",
            "always-allow");
    List<Boolean> expected = List.of(byDefault, forEviction, forEvictionOfLast, ifStopped, always);
    for (int i = 0; i < policies.size(); i++) {
      ReplicaWorld world = world(what).set(Settings.Key.NODE_DRAIN_POLICY, policies.get(i));
      assertThat(DrainRule.whyNot(world.draft(), "node-2").isEmpty())
          .as(rule + " " + what + ", " + policies.get(i))
          .isEqualTo(expected.get(i));
    }
  }

  private static ReplicaWorld world(String what) {
    ReplicaWorld world = ReplicaWorld.of(3, 3);
    world.node("node-2", now -> now.withCordon(true));
    switch (what) {
      case "nothing" -> assertThat(world.replicas()).hasSize(3);
      case "its replica has gone" -> world.drop(world.replica(2));
      case "an engine runs there" -> world.seen("node-2", "w-e-3", ManagerSeen.State.RUNNING);
      case "an engine has ended there" -> world.seen("node-2", "w-e-3", ManagerSeen.State.STOPPED);
      case "it is the last" -> world.members(2);
      case "it is the last and stopped" -> {
        world.members(2);
        world.instance(2, InstanceView.State.STOPPED, "");
      }
      case "the others are on cordoned nodes" -> {
        world.node("node-1", now -> now.withCordon(true));
        world.node("node-3", now -> now.withCordon(true));
      }
      case "the others are on nodes not ready" -> {
        world.notReady("node-1", "ManagerPodDown");
        world.notReady("node-3", Names.NODE_NOT_READY);
      }
      case "the others have failed" -> {
        for (int i = 1; i <= 3; i += 2) {
          world.replicaSpec(i, spec -> spec.withHealth(spec.health().failed(9)));
        }
      }
      case "one other is on a node that stays" -> world.node("node-1", now -> now.withCordon(true));
      case "it has failed itself" -> world.fail(2, 5);
      case "it is the last but was never used" -> {
        world.members(2);
        world.replicaSpec(2, spec -> spec.withHealth(Health.NEW));
      }
      default -> throw new AssertionError(what);
    }
    return world;
  }

  @Test
  void whyACordonedNodeIsNotDrainedIsInThePlan() {
    ReplicaWorld world = world("it is the last");
    world.node("node-1", now -> now.withCordon(false));
    Plan plan = world.planAll(DrainRule::plan);
    assertThat(plan.reasons()).hasSize(1);
    assertThat(plan.reasons().getFirst().about()).isEqualTo(world.node("node-2").key());
    assertThat(plan.reasons().getFirst().what().reason()).isEqualTo("8/5");
    assertThat(plan.reasons().getFirst().what().message())
        .isEqualTo("replica " + ReplicaWorld.name(2) + " is the last one in sync that stays");
    world.node("node-2", now -> now.withCordon(false));
    assertThat(world.planAll(DrainRule::plan).reasons()).as("not drained").isEmpty();
  }

  @Test
  void issue2639And4103And7873AnInstanceManagerWithoutAnythingDoesNotBlockADrain() {
    ReplicaWorld world = ReplicaWorld.ofNodes(2);
    world.node("node-2", now -> now.withCordon(true));
    assertThat(DrainRule.whyNot(world.draft(), "node-2")).isEmpty();
  }

  @Test
  void ofTwoNodesThatAreDrainedAtOnceNeitherCountsOnTheOther() {
    ReplicaWorld world = ReplicaWorld.of(2, 2);
    world.node("node-1", now -> now.withCordon(true));
    world.node("node-2", now -> now.withCordon(true));
    assertThat(DrainRule.whyNot(world.draft(), "node-1")).isPresent();
    assertThat(DrainRule.whyNot(world.draft(), "node-2")).isPresent();
  }
}
