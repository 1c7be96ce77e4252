package io.longhorn.orchestration.decision;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.Volume.Robustness;
import io.longhorn.api.cluster.Volume.State;
import io.longhorn.api.membership.VolumeRecord;
import java.util.ArrayList;
import java.util.List;
import java.util.SortedSet;
import java.util.TreeSet;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Upgrades and roll-backs, cut off after every single write (Rule 1.2, 3.5/3, #7396, #5632): the
 * control plane dies there, something else happens, another one goes on. Every such run ends on one
 * image, whole, and no directory with data is ever without an object that names it.
 */
final class UpgradeCutTest {
  private static final int MOST_ROUNDS = 200;

  /** What happens at the cut, before the next control plane looks. */
  enum Then {
    NOTHING(1),
    ENGINE_CRASHES(1),
    MANAGER_OF_ENGINE_CRASHES(3),
    MANAGER_OF_REPLICA_CRASHES(1),
    WHO_STANDS_BY_CRASHES(1),
    IS_DETACHED(2),
    IS_ROLLED_BACK(1),
    ANOTHER_IMAGE_IS_WANTED(3);

    /** Every so many cuts: what is much like another one is not tried everywhere. */
    private final int stride;

    Then(int stride) {
      this.stride = stride;
    }
  }

  /** What is cut. */
  enum Story {
    /** There. */
    UPGRADE,
    /** There, and back from the moment that the switch is asked for. */
    ROLLBACK_BEFORE,
    /** There, and back from the moment that it has happened. */
    ROLLBACK_AFTER
  }

  @ParameterizedTest
  @EnumSource(Then.class)
  void anUpgrade(Then then) {
    // U7, U8, U9, 5.7/1
    assertThat(cutEverywhere(Story.UPGRADE, then)).isGreaterThan(30 / then.stride);
  }

  @ParameterizedTest
  @EnumSource(Then.class)
  void aRollbackBeforeTheSwitch(Then then) {
    // U1
    assertThat(cutEverywhere(Story.ROLLBACK_BEFORE, then)).isGreaterThan(20 / then.stride);
  }

  @ParameterizedTest
  @EnumSource(Then.class)
  void aRollbackAfterTheSwitch(Then then) {
    // U1, U9
    assertThat(cutEverywhere(Story.ROLLBACK_AFTER, then)).isGreaterThan(60 / then.stride);
  }

  /** How many cuts there are. */
  private static int cutEverywhere(Story story, Then then) {
    int cuts = 0;
    int round = 0;
    Run uncut = new Run(story);
    do {
      int writes = uncut.copy().writes();
      for (int cut = 0; cut <= writes; cut += then.stride) {
        String where =
            story + ", cut in round " + round + " after " + cut + " writes, then " + then;
        uncut.copy().run(cut, then, where);
        cuts++;
      }
      round++;
    } while (uncut.round());
    return cuts;
  }

  /** One run of a story. */
  private static final class Run {
    private final Story story;
    private final SmallCluster cluster;
    private final SortedSet<String> directories = new TreeSet<>();
    private boolean isTurned;

    Run(Story story) {
      this(story, UpgradeFacts.attached());
      directories.addAll(cluster.directories);
      UpgradeFacts.want(cluster, "v2");
      cluster.isSwapSlow = story == Story.ROLLBACK_BEFORE;
    }

    private Run(Story story, SmallCluster cluster) {
      this.story = story;
      this.cluster = cluster;
    }

    /** One that goes on by itself from where this one is. */
    private Run copy() {
      Run copy = new Run(story, cluster.copy());
      copy.directories.addAll(directories);
      copy.isTurned = isTurned;
      return copy;
    }

    private static List<Action> writes(List<Action> plan) {
      return plan.stream()
          .filter(action -> action instanceof Action.Put || action instanceof Action.Remove)
          .toList();
    }

    private boolean round() {
      turn();
      return cluster.round();
    }

    /** The person changes their mind, once. */
    private void turn() {
      boolean isTime =
          switch (story) {
            case UPGRADE -> false;
            case ROLLBACK_BEFORE -> cluster.swapping.containsKey("v-e-0");
            case ROLLBACK_AFTER -> cluster.volume("v").status().currentImage().equals("v2");
          };
      if (isTime && !isTurned) {
        isTurned = true;
        UpgradeFacts.want(cluster, "default");
      }
    }

    /** How much the plan of the next round writes. */
    private int writes() {
      turn();
      return writes(cluster.plan()).size();
    }

    private void run(int cut, Then then, String where) {
      turn();
      cluster.nowMillis += 10;
      // Cut off: what comes after is not stored, and nothing is asked of anybody.
      cluster.store(writes(cluster.plan()).subList(0, cut));
      String wanted = happen(then);
      cluster.isSwapSlow = false;
      int rounds = 0;
      while (cluster.round()) {
        always(where);
        assertThat(++rounds).as(where).isLessThan(MOST_ROUNDS);
      }
      if (cluster.volume("v").status().state() == State.DETACHED) {
        cluster.attach("v", "node-1");
        rounds = 0;
        while (cluster.round()) {
          always(where);
          assertThat(++rounds).as(where).isLessThan(MOST_ROUNDS);
        }
      }
      assertThat(cluster.volume("v").spec().image()).as(where).isEqualTo(wanted);
      assertIsWhole(wanted, where);
    }

    /** What the volume is wanted to run from after that. */
    private String happen(Then then) {
      switch (then) {
        case NOTHING -> {}
        case ENGINE_CRASHES -> crash("node-1", "v-e-0");
        case MANAGER_OF_ENGINE_CRASHES -> cluster.host("node-1").die();
        case MANAGER_OF_REPLICA_CRASHES -> cluster.host("node-2").die();
        case WHO_STANDS_BY_CRASHES ->
            List.copyOf(cluster.host("node-2").processes.keySet()).stream()
                .filter(name -> cluster.process("node-2", name).isStandby)
                .forEach(name -> crash("node-2", name));
        case IS_DETACHED -> cluster.detach("v");
        case IS_ROLLED_BACK -> UpgradeFacts.want(cluster, "default");
        case ANOTHER_IMAGE_IS_WANTED -> UpgradeFacts.want(cluster, "v3");
      }
      return cluster.volume("v").spec().image();
    }

    private void crash(String node, String name) {
      if (!cluster.process(node, name).isOver()) {
        cluster.crash(node, name);
      }
    }

    private void always(String where) {
      assertThat(cluster.directories).as("%s: directories", where).containsAll(directories);
      for (ReplicaId id : cluster.record("v").membership().members()) {
        List<String> named =
            cluster.replicas("v").stream()
                .filter(replica -> replica.spec().id().equals(id))
                .map(Replica::name)
                .toList();
        assertThat(named).as("%s: who names directory %s", where, id).isNotEmpty();
      }
    }

    private void assertIsWhole(String image, String where) {
      Volume volume = cluster.volume("v");
      assertThat(volume.status().currentImage()).as(where).isEqualTo(image);
      assertThat(volume.status().robustness()).as(where).isEqualTo(Robustness.HEALTHY);
      assertThat(volume.status().conditions()).as(where).isEmpty();
      assertThat(volume.status().upgrade().isUnderWay()).as(where).isFalse();
      assertThat(cluster.engine("v").spec().image()).as(where).isEqualTo(image);
      assertThat(cluster.engine("v").status().currentImage()).as(where).isEqualTo(image);
      assertThat(cluster.engine("v").spec().upgradedReplicas()).as(where).isEmpty();
      assertThat(cluster.record("v").phase()).as(where).isEqualTo(VolumeRecord.Phase.NONE);
      assertThat(cluster.record("v").membership().members()).as(where).hasSize(3);
      List<Replica> replicas = cluster.replicas("v");
      assertThat(replicas)
          .as(where)
          .hasSize(3)
          .allMatch(one -> one.spec().isActive() && one.status().isHolder())
          .allMatch(one -> one.spec().image().equals(image))
          .allMatch(one -> one.spec().engineName().equals("v-e-0"));
      assertThat(cluster.directories).as(where).isEqualTo(directories);
      List<String> processes = new ArrayList<>();
      cluster.allHosts().forEach(host -> processes.addAll(host.processes.keySet()));
      List<String> known = new ArrayList<>(replicas.stream().map(Replica::name).toList());
      known.add("v-e-0");
      assertThat(processes).as(where).containsExactlyInAnyOrderElementsOf(known);
      assertThat(cluster.objects.keySet().stream().map(ObjectKey::name))
          .as(where)
          .doesNotContain("v-e-1");
    }
  }
}
