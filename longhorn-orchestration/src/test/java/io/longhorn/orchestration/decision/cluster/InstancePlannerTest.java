package io.longhorn.orchestration.decision.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.EngineId;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.orchestration.decision.Action;
import io.longhorn.orchestration.decision.ClusterView;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.EngineSeen;
import io.longhorn.orchestration.decision.ManagerSeen;
import io.longhorn.orchestration.decision.Settings;
import io.longhorn.orchestration.decision.SmallCluster;
import io.longhorn.orchestration.decision.control.ControlCore;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Section 6.2, what follows from it: where a process is looked for, when one is started. */
final class InstancePlannerTest {
  private static final String ENGINE = "v-e-0";

  private static SmallCluster detached() {
    SmallCluster cluster = new SmallCluster(3);
    cluster.create("v", 3);
    return cluster.settle();
  }

  /** Words are the state, and whether it counts as started. */
  private static InstanceView instance(SmallCluster cluster, String node, String words) {
    String[] parts = words.split(" ");
    InstanceView.State state = InstanceView.State.valueOf(parts[0]);
    boolean isStarted = parts.length > 1;
    return state == InstanceView.State.STOPPED
        ? InstanceView.NONE
        : new InstanceView(state, isStarted, cluster.manager(node).name(), "u", 5, "");
  }

  private static void put(SmallCluster cluster, String words, boolean isWanted, boolean isEngine) {
    InstanceView instance = instance(cluster, "node-1", words);
    Engine engine = cluster.engine("v");
    Replica replica = cluster.replicaOn("v", "node-1");
    if (isEngine) {
      cluster.put(
          engine
              .with(engine.spec().on("node-1", "").withWanted(isWanted))
              .with(engine.status().with(instance)));
    } else {
      cluster.put(replica.wanted(isWanted).with(new Replica.Status(true, false, instance)));
    }
  }

  private static String asked(SmallCluster cluster) {
    Draft draft = new Draft(cluster.view());
    InstancePlanner.act(draft, "v");
    List<Action> actions = draft.plan().actions();
    return actions.stream()
        .filter(Action.ProcessAction.class::isInstance)
        .map(action -> action.getClass().getSimpleName())
        .collect(Collectors.joining(" "));
  }

  @ParameterizedTest
  @CsvSource({
    // rule, engine or replica, what is known of it, wanted; what is asked for
    "6.2/11, engine,  STOPPED,         true,  StartEngine",
    "6.2/11, engine,  STOPPED,         false, ''",
    "6.2/11, engine,  ERROR,           true,  StartEngine",
    "6.2/11, engine,  ERROR started,   true,  ''",
    "6.2/11, engine,  UNKNOWN started, true,  ''",
    "6.2/11, engine,  UNKNOWN,         true,  ''",
    "6.2/11, engine,  STARTING,        true,  ''",
    "6.2/11, engine,  STOPPING,        true,  ''",
    "6.2/11, replica, STOPPED,         true,  StartReplica",
    "6.2/11, replica, STOPPED,         false, ''",
    "6.2/11, replica, ERROR started,   true,  StartReplica",
    "6.2/11, replica, UNKNOWN started, true,  ''",
    "6.2/11, replica, STARTING,        true,  ''",
    "6.2/11, replica, STOPPING,        true,  ''",
  })
  void startedIsWhatDoesNotRun(
      String rule, String kind, String known, boolean isWanted, String expected) {
    SmallCluster cluster = detached();
    put(cluster, known, isWanted, kind.equals("engine"));
    assertThat(asked(cluster)).as(rule).isEqualTo(expected);
  }

  @ParameterizedTest
  @CsvSource({
    "6.2/11, engine,  RUNNING, false",
    "6.2/11, engine,  STOPPED, true",
    "6.2/11, replica, RUNNING, false",
    "6.2/11, replica, ERROR,   true",
  })
  void nothingIsStartedThatMayRunElsewhere(
      String rule, String kind, ManagerSeen.State there, boolean isStarted) {
    // #6552: one engine alive in two instance managers
    SmallCluster cluster = detached();
    boolean isEngine = kind.equals("engine");
    put(cluster, "STOPPED", true, isEngine);
    String name = isEngine ? ENGINE : cluster.replicaOn("v", "node-1").name();
    cluster.host("node-2").processes.put(name, cluster.child(there));
    assertThat(asked(cluster))
        .as(rule)
        .isEqualTo(
            isStarted
                ? "Start" + (isEngine ? "Engine" : "Replica") + " ForgetInstance"
                : "StopInstance");
  }

  /** H1, H3, #10495: two processes that have the same files open, and each its own idea of them. */
  @Test
  void whatIsStartedBesideAnotherOfItsDirectoryStandsBy() {
    SmallCluster cluster = detached();
    cluster.attach("v", "node-1");
    cluster.settle();
    Replica own = cluster.replicaOn("v", "node-2");
    cluster.put(
        new Replica(
            own.name() + "-1",
            own.spec().withEngine("v-e-1", false),
            new Replica.Status(true, false, InstanceView.NONE)));
    Draft draft = new Draft(cluster.view());
    InstancePlanner.act(draft, "v");
    assertThat(draft.plan().actions())
        .singleElement()
        .satisfies(action -> {
          Action.StartReplica start = (Action.StartReplica) action;
          assertThat(start.replica().name()).isEqualTo(own.name() + "-1");
          assertThat(start.isStandby()).isTrue();
        });
    // Alone it has its directory to itself.
    cluster.crash("node-2", own.name());
    cluster.objects.remove(own.key());
    cluster.put(
        new Replica(
            own.name() + "-1", own.spec(), new Replica.Status(true, false, InstanceView.NONE)));
    Draft alone = new Draft(cluster.view());
    InstancePlanner.act(alone, "v");
    assertThat(alone.plan().actions())
        .filteredOn(Action.StartReplica.class::isInstance)
        .singleElement()
        .satisfies(action -> assertThat(((Action.StartReplica) action).isStandby()).isFalse());
  }

  @Test
  void whatNoObjectWantsIsStoppedWhereverItRuns() {
    // #6552
    SmallCluster cluster = detached();
    cluster.host("node-3").processes.put(ENGINE, cluster.child(ManagerSeen.State.RUNNING));
    assertThat(asked(cluster)).isEqualTo("StopInstance");
    cluster.host("node-3").processes.put(ENGINE, cluster.child(ManagerSeen.State.STOPPED));
    assertThat(asked(cluster)).isEqualTo("ForgetInstance");
    cluster.host("node-3").processes.remove(ENGINE);
    cluster.host("node-3").processes.put("w-e-0", cluster.child(ManagerSeen.State.RUNNING));
    assertThat(asked(cluster)).as("of another volume").isEmpty();
  }

  /** A start that was on its way while the volume was deleted. */
  @ParameterizedTest
  @CsvSource({
    "gone-e-0,                 RUNNING,  StopInstance",
    "gone-e-0,                 STARTING, StopInstance",
    "gone-e-0,                 STOPPING, ''",
    "gone-e-0,                 ERROR,    ForgetInstance",
    "gone-r-00000001,          RUNNING,  StopInstance",
    // it ends by itself
    "gone-r-00000001-delete,   RUNNING,  ''",
    "gone-r-00000001-delete,   STOPPED,  ForgetInstance",
    // whose is it?
    "something,                RUNNING,  ''",
    "something,                STOPPED,  ForgetInstance",
    "v-e-0,                    RUNNING,  ''",
  })
  void whatBelongsToNoVolumeIsStopped(String name, ManagerSeen.State state, String asked) {
    SmallCluster cluster = detached();
    cluster.host("node-3").processes.put(name, cluster.child(state));
    assertThat(
            ControlCore.planCluster(cluster.view()).actions().stream()
                .filter(Action.ProcessAction.class::isInstance)
                .map(action -> action.getClass().getSimpleName())
                .collect(Collectors.joining(" ")))
        .isEqualTo(asked);
  }

  @Test
  void anEngineIsBelievedOnlyAsTheProcessThatItIs() {
    // #9216: who answers under the name may be another start of it
    SmallCluster cluster = detached();
    cluster.attach("v", "node-1");
    cluster.settle();
    Engine before = cluster.engine("v");
    ClusterView view = cluster.view();
    EngineSeen said = view.engine(ENGINE).orElseThrow();
    view.seen(
        ENGINE,
        new EngineSeen(
            said.pid() + 1,
            Optional.of(new EngineId(new UUID(8, 77))),
            said.image(),
            false,
            said.generation() + 1,
            "",
            List.of(),
            said.replicas()));
    Draft draft = new Draft(view);
    InstancePlanner.observe(draft, "v");
    assertThat(draft.engineOf(cluster.volume("v"))).hasValue(before);
  }

  /**
   * What the instance manager has that had the engine, what another one of the node has under the
   * same uuid, who owns the volume; then what is known of the engine and where, and what is asked.
   */
  @ParameterizedTest
  @CsvSource({
    // as long as the one before has it, it is there, whatever the other one has
    "6.2/12, RUNNING, none,             it,       RUNNING default, ''",
    "6.2/12, RUNNING, STARTING,         it,       RUNNING default, ''",
    "6.2/12, RUNNING, RUNNING,          another,  RUNNING default, ''",
    "6.2/12, frozen,  RUNNING,          another,  UNKNOWN default, ''",
    "6.2/12, RUNNING, ERROR,            it,       RUNNING default, ForgetInstance",
    // then where the other one is, once that has said so
    "6.2/12, none,    RUNNING,          another,  RUNNING next,    ''",
    "6.2/12, ERROR,   RUNNING,          another,  RUNNING next,    ForgetInstance",
    "6.2/12, dead,    RUNNING,          another,  RUNNING next,    ''",
    "6.2/12, dead,    STARTING,         it,       RUNNING default, ''",
    "6.2/12, none,    STARTING,         another,  RUNNING default, ''",
    "6.2/12, none,    STARTING frozen,  another,  UNKNOWN default, ''",
    "6.2/12, none,    none unseen,      another,  RUNNING default, ''",
    "6.2/12, none,    none frozen,      another,  UNKNOWN default, ''",
    // nobody has it
    "6.2/12, none,    none frozen,      it,       ERROR default,   ''",
    "6.2/12, none,    none,             another,  ERROR default,   ''",
    "6.2/12, ERROR,   none,             it,       ERROR default,   ''",
    "6.2/12, none,    other RUNNING,    another,  ERROR default,   StopInstance",
    "6.2/12, dead,    none,             it,       ERROR default,   ''",
  })
  void anEngineIsWhereAProcessOfTheSameStartIs(
      String rule, String before, String after, String owner, String known, String asked) {
    SmallCluster cluster = detached();
    cluster.addImage("next");
    cluster.attach("v", "node-1");
    cluster.settle();
    cluster.put(Settings.setting(Settings.Key.DEFAULT_INSTANCE_MANAGER_IMAGE, "next"));
    cluster.settle();
    SmallCluster.Host one = cluster.host("node-1");
    SmallCluster.Host other =
        cluster.otherHosts.values().stream()
            .filter(host -> host.node.equals("node-1"))
            .findFirst()
            .orElseThrow();
    SmallCluster.Child process = one.processes.get(ENGINE);
    List<String> words = List.of(after.split(" "));
    if (!words.contains("none")) {
      other.processes.put(
          ENGINE,
          words.contains("other")
              ? cluster.child(ManagerSeen.State.RUNNING)
              : cluster.another(process, ManagerSeen.State.valueOf(words.getFirst())));
    }
    cluster.view();
    other.isFrozen = words.contains("frozen");
    one.isFrozen = before.equals("frozen");
    switch (before) {
      case "dead" -> one.die();
      case "none" -> one.processes.remove(ENGINE);
      case "ERROR" -> process.end(ManagerSeen.State.ERROR, "killed by signal 9");
      default -> {}
    }
    if (owner.equals("another")) {
      VolumeRecord record = cluster.record("v");
      EngineId id = new EngineId(new UUID(8, 77));
      cluster.record("v", record.reserved(record.reservedGeneration() + 1, id));
    }
    ClusterView view = cluster.view();
    if (words.contains("unseen")) {
      view.seen(other.manager, ManagerSeen.NOT_YET);
    }
    Draft draft = new Draft(view);
    InstanceManagerPlanner.plan(draft);
    InstancePlanner.observe(draft, "v");
    InstanceView now = draft.engineOf(cluster.volume("v")).orElseThrow().status().instance();
    String where = now.instanceManagerName().equals(one.manager) ? " default" : " next";
    assertThat(now.currentState() + where).as(rule).isEqualTo(known);
    InstancePlanner.act(draft, "v");
    assertThat(
            draft.plan().actions().stream()
                .filter(Action.ManagerAction.class::isInstance)
                .map(Action.ManagerAction.class::cast)
                .filter(action -> action.subject().equals(ENGINE))
                .map(action -> action.getClass().getSimpleName())
                .collect(Collectors.joining(" ")))
        .isEqualTo(asked);
  }

  @Test
  void whatRunsWhereItIsNotWantedCountsAsCrashed() {
    // 6.2/10
    SmallCluster cluster = detached();
    cluster.attach("v", "node-1");
    cluster.settle();
    Engine engine = cluster.engine("v");
    cluster.put(engine.with(engine.spec().on("node-2", "")));
    Draft draft = new Draft(cluster.view());
    InstancePlanner.observe(draft, "v");
    cluster.store(draft.plan().actions());
    InstanceView now = cluster.engine("v").status().instance();
    assertThat(now.currentState()).isEqualTo(InstanceView.State.ERROR);
    assertThat(now.isStarted()).isTrue();
    assertThat(now.message()).isEqualTo("it runs in instance-manager-node-1 and belongs on node-2");
    assertThat(cluster.told.getLast().reason()).isEqualTo("EngineCrashed");
  }

  @ParameterizedTest
  @CsvSource({
    // what the engine says, whether it upgrades, whether it counts as crashed
    "over,   false, true",
    "over,   true,  false",
    "fenced, false, false",
    "owner,  false, false",
  })
  void oneThatCanNeverServeAgainCountsAsCrashed(
      String state, boolean isUpgrading, boolean isCrashed) {
    // 6.2/10: given up with its node and back with it, after it saw that nobody names it any more
    SmallCluster cluster = detached();
    cluster.attach("v", "node-1");
    cluster.settle();
    if (isUpgrading) {
      Volume volume = cluster.volume("v");
      cluster.put(volume.with(volume.spec().withImage("next")));
    }
    ClusterView view = cluster.view();
    EngineSeen said = view.engine(ENGINE).orElseThrow();
    view.seen(
        ENGINE,
        new EngineSeen(
            said.pid(),
            said.id(),
            said.image(),
            said.isServing(),
            said.generation(),
            state,
            said.endpoints(),
            said.replicas()));
    Draft draft = new Draft(view);
    InstancePlanner.observe(draft, "v");
    InstanceView now = draft.engineOf(cluster.volume("v")).orElseThrow().status().instance();
    assertThat(now.currentState() == InstanceView.State.ERROR && now.isStarted())
        .isEqualTo(isCrashed);
  }
}
