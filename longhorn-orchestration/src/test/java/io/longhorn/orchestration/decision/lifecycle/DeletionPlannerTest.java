package io.longhorn.orchestration.decision.lifecycle;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.cluster.Condition;
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.Volume.State;
import io.longhorn.orchestration.decision.Action;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.decision.SmallCluster;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The last row of 7.1: how a volume ends, and what keeps it from ending. */
final class DeletionPlannerTest {
  private static SmallCluster deleted() {
    SmallCluster cluster = new SmallCluster(3);
    cluster.create("v", 3);
    cluster.attach("v", "node-1");
    cluster.settle();
    cluster.detach("v");
    cluster.settle();
    cluster.change("v", volume -> volume.deletedAt(cluster.nowMillis));
    return cluster;
  }

  private static Condition waits(SmallCluster cluster) {
    return cluster.volume("v").status().condition(Names.WAITING).orElseThrow();
  }

  /** 7.1/18: only what is closed is taken apart. */
  @ParameterizedTest
  @CsvSource({
    "CREATING, false",
    "ATTACHING, false",
    "ATTACHED, false",
    "DETACHING, false",
    "DETACHED, true",
    "DELETING, true",
  })
  void itIsClosedFirst(State state, boolean isBegun) {
    StoredVolume world = new StoredVolume(state, "-", "-");
    world.cluster.change("v", volume -> volume.deletedAt(5));
    world.plan(DeletionPlanner::plan);
    assertThat(world.volume().status().state()).isEqualTo(isBegun ? State.DELETING : state);
    StoredVolume kept = new StoredVolume(state, "-", "-");
    assertThat(kept.plan(DeletionPlanner::plan)).as("nobody asked for it").isEmpty();
  }

  /** 7.1/18: whatever is cut off goes on, for the volume goes last. */
  @Test
  void theVolumeGoesLast() {
    SmallCluster cluster = deleted();
    List<Action> last = List.of();
    for (int i = 0; i < 50 && cluster.get(ObjectKind.VOLUME, "v").isPresent(); i++) {
      last = cluster.plan();
      cluster.round();
    }
    List<ObjectKey> removed =
        last.stream()
            .filter(action -> action instanceof Action.Remove)
            .map(action -> ((Action.Remove) action).key())
            .toList();
    assertThat(removed.getLast()).isEqualTo(new ObjectKey(ObjectKind.VOLUME, "v"));
    assertThat(cluster.objects.keySet()).noneMatch(key -> key.name().startsWith("v"));
    assertThat(cluster.directories).isEmpty();
    assertThat(cluster.told).extracting(Action.Tell::reason).contains("Deleted");
  }

  /** 7.1/18, 8/6: what nobody can reach is deleted when somebody can. */
  @Test
  void aReplicaThatCannotBeReachedKeepsIt() {
    SmallCluster cluster = deleted();
    cluster.host("node-3").isFrozen = true;
    cluster.settle();
    assertThat(cluster.volume("v").status().state()).isEqualTo(State.DELETING);
    assertThat(cluster.replicas("v"))
        .extracting(one -> one.spec().nodeID())
        .containsExactly("node-3");
    assertThat(waits(cluster).reason()).isEqualTo("7.1/18");
    assertThat(waits(cluster).message()).endsWith(" on node-3 is not deleted");
    cluster.thaw(cluster.host("node-3"));
    cluster.settle();
    assertThat(cluster.get(ObjectKind.VOLUME, "v")).isEmpty();
  }

  /** 7.1/18: a node that the cluster does not have any more has taken its disks with it. */
  @Test
  void aReplicaOfANodeThatIsGoneKeepsNobody() {
    SmallCluster cluster = deleted();
    cluster.objects.remove(cluster.node("node-3").key());
    cluster.objects.remove(cluster.manager("node-3").key());
    cluster.hosts.remove("node-3");
    cluster.settle();
    assertThat(cluster.get(ObjectKind.VOLUME, "v")).isEmpty();
  }

  /**
   * 7.1/18: an engine that was fenced and never seen to end would be nobody's if its volume were
   * gone. A control plane that has begun since knows of it only by its object.
   */
  @ParameterizedTest
  @CsvSource({
    "false, instance-manager-node-3 still has a process of it",
    "true,  v-e-0 on node-3 may still run",
  })
  void anEngineThatMayStillRunKeepsIt(boolean isRestarted, String message) {
    SmallCluster cluster = new SmallCluster(3);
    cluster.create("v", 2);
    cluster.attach("v", "node-3");
    cluster.settle();
    cluster.host("node-3").isFrozen = true;
    cluster.kube.put(
        "node-3",
        new io.longhorn.orchestration.decision.NodeSeen(
            io.longhorn.orchestration.decision.NodeSeen.Kube.UNKNOWN, cluster.nowMillis, false));
    cluster.settle();
    cluster.detach("v");
    cluster.settle();
    assertThat(cluster.volume("v").status().state()).as("fenced").isEqualTo(State.DETACHED);
    if (isRestarted) {
      cluster.restart();
    }
    cluster.change("v", volume -> volume.deletedAt(cluster.nowMillis));
    cluster.settle();
    Volume volume = cluster.volume("v");
    assertThat(volume.status().state()).isEqualTo(State.DELETING);
    assertThat(cluster.replicas("v")).isEmpty();
    assertThat(waits(cluster).message()).isEqualTo(message);
    cluster.thaw(cluster.host("node-3"));
    cluster.kube.clear();
    cluster.kube.put(
        "node-3",
        new io.longhorn.orchestration.decision.NodeSeen(
            io.longhorn.orchestration.decision.NodeSeen.Kube.TRUE, cluster.nowMillis, true));
    cluster.settle();
    assertThat(cluster.get(ObjectKind.VOLUME, "v")).isEmpty();
    assertThat(cluster.host("node-3").processes).isEmpty();
  }

  /**
   * A directory that is asked for and not made yet is made, then deleted: the one way that ends.
   */
  @Test
  void whatWasNeverMadeIsMadeFirst() {
    SmallCluster cluster = new SmallCluster(2);
    cluster.create("v", 2);
    cluster.change("v", volume -> volume.deletedAt(cluster.nowMillis));
    cluster.settle();
    assertThat(cluster.get(ObjectKind.VOLUME, "v")).isEmpty();
    assertThat(cluster.directories).isEmpty();
    assertThat(cluster.objects.values()).noneMatch(object -> object instanceof Replica);
  }
}
