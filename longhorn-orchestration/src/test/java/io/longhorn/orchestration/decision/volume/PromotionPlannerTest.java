package io.longhorn.orchestration.decision.volume;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.ReplicaMode;
import io.longhorn.api.cluster.Condition;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.membership.RecordStamp;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.orchestration.decision.Action;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.decision.SmallCluster;
import io.longhorn.orchestration.decision.UpgradeFacts;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Section 3.5 and what comes before it: who stood by takes over, who is not needed goes. */
final class PromotionPlannerTest {
  /**
   * After the flags were changed: on each of the first nodes one that had the directory (without a
   * job, its process {@code state}, or no object at all for {@code -}), and the volume's own, made
   * from v2, in {@code state} and holding the directory or not.
   */
  private static void directory(SmallCluster cluster, int node, String before, String now) {
    Replica old = cluster.replicaOn("v", "node-" + node);
    Replica next = UpgradeFacts.standby(cluster, "node-" + node, "v2", "RUNNING");
    cluster.put(set(next.with(next.spec().withEngine("v-e-0", true)), now));
    if (before.equals("-")) {
      cluster.objects.remove(old.key());
    } else {
      cluster.put(set(old.with(old.spec().withEngine("", false)), before));
    }
  }

  private static Replica set(Replica replica, String words) {
    boolean isHolder = words.startsWith("H");
    InstanceView.State state = InstanceView.State.valueOf(isHolder ? words.substring(1) : words);
    InstanceView before = replica.status().instance();
    return replica.with(
        new Replica.Status(
            true,
            isHolder,
            new InstanceView(
                state,
                state != InstanceView.State.STOPPED,
                before.instanceManagerName(),
                before.uuid(),
                before.pid(),
                "")));
  }

  private static List<Action> plan(SmallCluster cluster) {
    Draft draft = new Draft(cluster.view());
    PromotionPlanner.plan(draft, cluster.volume("v"));
    return cluster.store(draft, "v");
  }

  private static String one(SmallCluster cluster, int node) {
    StringBuilder line = new StringBuilder();
    for (Replica replica : cluster.replicas("v")) {
      if (replica.spec().nodeID().equals("node-" + node)) {
        line.append(line.isEmpty() ? "" : ",")
            .append(replica.spec().isActive() ? "A" : "s")
            .append(replica.spec().isWanted() ? "" : "x");
      }
    }
    return line.toString();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        // rule | what is different | modes | node-1: before, now | node-2 | node-3 | which is
        // promoted | what becomes of them
        // Rule 5.7/1: one at a time, in the order of their names.
        "5.7/1 | - | RW,RW,RW | HRUNNING RUNNING | HRUNNING RUNNING | HRUNNING RUNNING | 1 | s,A s,A s,A",
        "5.7/1 | - | RW,RW,RW | RUNNING HRUNNING | HRUNNING RUNNING | HRUNNING RUNNING | 2 | sx,A s,A s,A",
        "5.7/1 | - | RW,RW,RW | RUNNING HRUNNING | RUNNING HRUNNING | HRUNNING RUNNING | 3 | sx,A sx,A s,A",
        "5.7/1 | - | RW,RW,RW | RUNNING HRUNNING | RUNNING HRUNNING | RUNNING HRUNNING | - | sx,A sx,A sx,A",
        "5.7/1 | - | RW,RW,RW | - HRUNNING | - HRUNNING | - HRUNNING | - | A A A",
        // Rule 5.7/2: the next one only when the one before is in sync again.
        "5.7/2 | - | WO,RW,RW | RUNNING HRUNNING | HRUNNING RUNNING | HRUNNING RUNNING | - | sx,A s,A s,A",
        "5.7/2 | - | ERR,RW,RW | RUNNING HRUNNING | HRUNNING RUNNING | HRUNNING RUNNING | - | sx,A s,A s,A",
        // Rule 5.7/1: one that does not run, or is out of reach, is not waited for.
        "5.7/1 | - | ERR,RW,RW | - ERROR | HRUNNING RUNNING | HRUNNING RUNNING | 2 | A s,A s,A",
        "5.7/1 | - | ERR,RW,RW | HUNKNOWN UNKNOWN | HRUNNING RUNNING | HRUNNING RUNNING | 2 | s,A s,A s,A",
        // Rule 5.7/1: a directory that nobody holds any more comes first: it is out until then.
        "5.7/1 | - | RW,RW,ERR | HRUNNING RUNNING | HRUNNING RUNNING | ERROR RUNNING | 3 | s,A s,A sx,A",
        "5.7/1 | - | RW,RW,ERR | HRUNNING RUNNING | HRUNNING RUNNING | - RUNNING | 3 | s,A s,A A",
        // Rule 5.7/2: while it comes back it is left alone.
        "5.7/2 | - | WO,RW,RW | HRUNNING RUNNING | HRUNNING RUNNING | HRUNNING RUNNING | 2 | s,A s,A s,A",
        // Rule 5.7/2: the last one in sync is not touched.
        "5.7/2 | - | RW,ERR,ERR | HRUNNING RUNNING | - ERROR | - ERROR | - | s,A A A",
        // Rule 5.7/1: it is not there yet: who has it goes on.
        "5.7/1 | - | RW,RW,RW | HRUNNING STARTING | HRUNNING STOPPED | HRUNNING ERROR | - | s,A s,A s,A",
        "5.7/1 | data=DEGRADED | RW,RW,ERR | HRUNNING RUNNING | HRUNNING RUNNING | - ERROR | 1 | s,A s,A A",
        // Rule 5.7/1: not while the engines are not settled.
        "5.7/1 | state=DETACHING | RW,RW,RW | HRUNNING RUNNING | HRUNNING RUNNING | HRUNNING RUNNING | - | s,A s,A s,A",
        "5.7/1 | state=ATTACHING | RW,RW,RW | HRUNNING RUNNING | HRUNNING RUNNING | HRUNNING RUNNING | - | s,A s,A s,A",
        "5.7/1 | M=node-2 | RW,RW,RW | HRUNNING RUNNING | HRUNNING RUNNING | HRUNNING RUNNING | - | s,A s,A s,A",
        "5.7/1 | cM=node-2 | RW,RW,RW | HRUNNING RUNNING | HRUNNING RUNNING | HRUNNING RUNNING | - | s,A s,A s,A",
        "5.7/1 | engines=2 | RW,RW,RW | HRUNNING RUNNING | HRUNNING RUNNING | HRUNNING RUNNING | - | s,A s,A s,A",
        // Rule 5.7/1: what an earlier upgrade left is seen to although the next one goes on.
        "5.7/1 | spec=v3 | RW,RW,RW | RUNNING HRUNNING | HRUNNING RUNNING | HRUNNING RUNNING | 2 | sx,A s,A s,A",
        // Rule 5.7/1: detached, nobody serves any more.
        "5.7/1 | state=DETACHED | ERR,ERR,ERR | HUNKNOWN STOPPED | STOPPED STOPPED | - STOPPED | - | sx,A sx,A A",
        // Rule 8/6: out of reach, who has it keeps it until it is known.
        "5.7/1 | - | RW,RW,ERR | HRUNNING RUNNING | HRUNNING RUNNING | HUNKNOWN ERROR | 1 | s,A s,A s,A",
        "5.7/1 | deleted | RW,RW,RW | RUNNING HRUNNING | RUNNING HRUNNING | RUNNING HRUNNING | - | s,A s,A s,A",
      })
  void oneStep(
      String rule,
      String facts,
      String modes,
      String one,
      String two,
      String three,
      String promoted,
      String outcome) {
    SmallCluster cluster = UpgradeFacts.with(UpgradeFacts.attached(), facts);
    List<ReplicaMode> said = new ArrayList<>();
    for (String mode : modes.split(",", -1)) {
      said.add(ReplicaMode.valueOf(mode));
    }
    UpgradeFacts.modes(cluster, said.toArray(ReplicaMode[]::new));
    List<String> nodes = List.of(one, two, three);
    for (int i = 0; i < nodes.size(); i++) {
      String[] parts = nodes.get(i).split(" ", -1);
      directory(cluster, i + 1, parts[0], parts[1]);
    }
    List<Action> plan = plan(cluster);
    List<Integer> asked =
        plan.stream()
            .filter(Action.PromoteReplica.class::isInstance)
            .map(Action.PromoteReplica.class::cast)
            .map(promote -> promote.standby().spec().nodeID())
            .map(node -> Integer.parseInt(node.substring("node-".length())))
            .toList();
    assertThat(asked)
        .as(rule)
        .isEqualTo(promoted.equals("-") ? List.of() : List.of(Integer.parseInt(promoted)));
    assertThat(one(cluster, 1) + " " + one(cluster, 2) + " " + one(cluster, 3)).isEqualTo(outcome);
    assertThat(cluster.volume("v").status().conditions().stream().map(Condition::type).toList())
        .as("what it waits for is said as long as it does")
        .isSubsetOf(Names.REPLICAS);
  }

  @ParameterizedTest
  @CsvSource({
    // state of who had it; whether the object goes
    "STOPPED, true",
    "ERROR, true",
    "RUNNING, false",
    "STOPPING, false",
    "UNKNOWN, false",
    "STARTING, false",
  })
  void anObjectGoesWhenItsProcessHas(InstanceView.State state, boolean isGone) {
    // 3.5/1
    SmallCluster cluster = UpgradeFacts.attached();
    directory(cluster, 1, state.name(), "HRUNNING");
    String name =
        cluster.replicas("v").stream()
            .filter(replica -> !replica.spec().isActive())
            .findFirst()
            .orElseThrow()
            .name();
    plan(cluster);
    assertThat(cluster.get(ObjectKind.REPLICA, name)).as("first it is asked to stop").isPresent();
    List<Action> plan = plan(cluster);
    assertThat(cluster.get(ObjectKind.REPLICA, name).isEmpty()).isEqualTo(isGone);
    assertThat(UpgradeFacts.asked(plan))
        .as("its directory is another one's (#7396, #5632)")
        .isEmpty();
  }

  @ParameterizedTest
  @CsvSource({
    // what is different; the engine it stands by for; whether it stays
    // U1: rolled back, nobody needs it any more
    "-, v-e-0, false",
    "spec=v2, v-e-0, true",
    "spec=v2, '', false",
    "engines=2, v-e-1, true",
    // #7833: what an upgrade that was refused had made
    "engines=2, v-e-0, false",
    "cM=node-2 engines=2, v-e-1, true",
    "engines=2, v-e-7, false",
  })
  void whoHasAJobStays(String facts, String engine, boolean stays) {
    // 3.5/1
    SmallCluster cluster = UpgradeFacts.with(UpgradeFacts.attached(), facts);
    Replica standby = UpgradeFacts.standby(cluster, "node-2", "v2", "RUNNING");
    cluster.put(standby.with(standby.spec().withEngine(engine, false)));
    plan(cluster);
    assertThat(one(cluster, 2)).isEqualTo(stays ? "A,s" : "A,sx");
  }

  // ---- the directory ----------------------------------------------------------------------------

  private static void forget(SmallCluster cluster, ReplicaId id) {
    VolumeRecord record = cluster.record("v");
    TreeSet<ReplicaId> others = new TreeSet<>(record.membership().members());
    others.remove(id);
    cluster.record(
        "v",
        record.withMembership(
            record.membership().next(new RecordStamp(record.reservedGeneration(), 9), others)));
  }

  @ParameterizedTest
  @CsvSource({
    // flags of the two objects of one directory; is a member; flags in the end; is deleted
    // 3.5/3, #7396: a plan cut off between the two leaves none of its own, or two.
    "s, s, true, sx A, false",
    "A, A, true, sx A, false",
    // 3.5/3, #7396: the only object of a directory whose data is the volume's is the volume's.
    "s, -, true, A, false",
    "-, s, true, A, false",
    // 3.5/2: of one whose data is not, the directory goes with the last object.
    "s, -, false, sx, true",
    "-, s, false, sx, true",
    // 3.5/2, #5632: not while another object names it
    "s, s, false, sx sx, false",
    "A, s, false, A sx, false",
    "s, A, true, sx A, false",
  })
  void aDirectorySurvives(
      String first, String second, boolean isMember, String flags, boolean isDeleted) {
    SmallCluster cluster = UpgradeFacts.attached();
    Replica own = cluster.replicaOn("v", "node-2");
    Replica other = UpgradeFacts.standby(cluster, "node-2", "default", "STOPPED");
    cluster.host("node-2").processes.clear();
    flag(cluster, own, first);
    flag(cluster, other, second);
    if (!isMember) {
      forget(cluster, own.spec().id());
    }
    List<Action> plan = plan(cluster);
    assertThat(one(cluster, 2).replace(',', ' ')).isEqualTo(flags);
    assertThat(UpgradeFacts.asked(plan).stream().anyMatch(name -> name.startsWith("Delete")))
        .isEqualTo(isDeleted);
  }

  private static void flag(SmallCluster cluster, Replica replica, String word) {
    if (word.equals("-")) {
      cluster.objects.remove(replica.key());
      return;
    }
    Engine engine = cluster.engine("v");
    boolean isActive = word.equals("A");
    // The later one is the one that was made for what the volume runs from.
    boolean isOld = !replica.name().endsWith("-1");
    Replica stopped =
        replica.with(replica.spec().withEngine(isOld && !isActive ? "" : engine.name(), isActive));
    cluster.put(
        stopped
            .with(stopped.spec().withImage(isOld ? "v3" : "default"))
            .with(new Replica.Status(true, false, InstanceView.NONE)));
  }
}
