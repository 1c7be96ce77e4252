package io.longhorn.orchestration.decision.lifecycle;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.cluster.Condition;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Replica.Health;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.Volume.Robustness;
import io.longhorn.api.cluster.Volume.State;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.decision.SmallCluster;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Section 7.1: one volume, as it is stored, and what becomes of it in one plan. */
final class LifecyclePlannerTest {
  private static void plan(StoredVolume world) {
    world.plan(LifecyclePlanner::plan);
  }

  private static boolean wantsReplicas(SmallCluster cluster) {
    List<Boolean> wanted =
        cluster.replicas("v").stream().map(replica -> replica.spec().isWanted()).toList();
    assertThat(wanted.stream().distinct()).as("all or none").hasSize(1);
    return wanted.getFirst();
  }

  @ParameterizedTest
  @CsvSource({
    // rule, spec, current, state; engine, wanted; replicas, wanted
    //   -> state, current; engine, replicas wanted
    "7.1/2,  -, -,      ATTACHED,  RUNNING,  true,  RUNNING,  true,  DETACHING, -,      false, true",
    "7.1/2,  -, -,      ATTACHING, STARTING, true,  RUNNING,  true,  DETACHING, -,      false, true",
    "7.1/2,  -, -,      ATTACHING, STOPPED,  false, STARTING, true,  DETACHING, -,      false, false",
    "7.1/2,  -, -,      ATTACHING, ERROR,    true,  RUNNING,  true,  DETACHING, -,      false, true",
    "7.1/3,  -, -,      DETACHING, STOPPING, false, RUNNING,  true,  DETACHING, -,      false, true",
    "7.1/3,  -, -,      DETACHING, STOPPED,  false, RUNNING,  true,  DETACHING, -,      false, false",
    "7.1/3,  -, -,      DETACHING, STOPPED,  false, STOPPING, false, DETACHING, -,      false, false",
    "7.1/3,  -, -,      DETACHING, STOPPED,  false, STOPPED,  false, DETACHED,  -,      false, false",
    "7.1/4,  -, -,      DETACHED,  STOPPED,  false, STOPPED,  false, DETACHED,  -,      false, false",
    "7.1/4,  -, -,      DETACHED,  RUNNING,  true,  RUNNING,  true,  DETACHING, -,      false, true",
    "7.1/4,  -, -,      DETACHED,  RUNNING,  false, STOPPED,  false, DETACHING, -,      false, false",
    "7.1/5,  -, node-1, ATTACHED,  RUNNING,  true,  RUNNING,  true,  DETACHING, node-1, false, true",
    "7.1/5,  -, node-1, ATTACHED,  UNKNOWN,  true,  UNKNOWN,  true,  DETACHING, node-1, false, true",
    "7.1/5,  -, node-1, ATTACHING, RUNNING,  true,  RUNNING,  true,  DETACHING, node-1, false, true",
    "7.1/5,  -, node-1, DETACHED,  RUNNING,  true,  RUNNING,  true,  DETACHING, node-1, false, true",
    "7.1/5,  -, node-1, DETACHED,  STOPPED,  false, STOPPED,  false, DETACHED,  -,      false, false",
    "7.1/6,  -, node-1, DETACHING, STOPPING, false, RUNNING,  true,  DETACHING, node-1, false, true",
    "7.1/6,  -, node-1, DETACHING, UNKNOWN,  false, RUNNING,  true,  DETACHING, node-1, false, true",
    "7.1/6,  -, node-1, DETACHING, STOPPED,  false, RUNNING,  true,  DETACHING, node-1, false, false",
    "7.1/6,  -, node-1, DETACHING, ERROR,    false, RUNNING,  true,  DETACHING, node-1, false, false",
    "7.1/6,  -, node-1, DETACHING, STOPPED,  false, STOPPING, false, DETACHING, node-1, false, false",
    "7.1/6,  -, node-1, DETACHING, STOPPED,  false, ERROR,    false, DETACHED,  -,      false, false",
    "7.1/6,  -, node-1, DETACHING, STOPPED,  false, UNKNOWN,  false, DETACHED,  -,      false, false",
    "7.1/6,  -, node-1, DETACHING, STOPPED,  false, STOPPED,  false, DETACHED,  -,      false, false",
    "7.1/7,  node-1, -, ATTACHED,  RUNNING,  true,  RUNNING,  true,  DETACHING, -,      false, true",
    "7.1/8,  node-1, -, DETACHING, STOPPING, false, RUNNING,  true,  DETACHING, -,      false, true",
    "7.1/8,  node-1, -, DETACHING, STOPPED,  false, STOPPED,  false, DETACHED,  -,      false, false",
    "7.1/10, node-1, -, DETACHED,  STOPPED,  false, STOPPED,  false, ATTACHING, -,      false, true",
    "7.1/11, node-1, -, ATTACHING, STOPPED,  false, STARTING, true,  ATTACHING, -,      false, true",
    "7.1/11, node-1, -, ATTACHING, STOPPED,  false, RUNNING,  true,  ATTACHING, -,      true,  true",
    "7.1/11, node-1, -, ATTACHING, STOPPED,  false, ERROR,    true,  ATTACHING, -,      false, true",
    "7.1/11, node-1, -, ATTACHING, STARTING, true,  RUNNING,  true,  ATTACHING, -,      true,  true",
    "7.1/11, node-1, -, ATTACHING, RUNNING,  true,  RUNNING,  true,  ATTACHED,  node-1, true,  true",
    "7.1/11, node-1, -, ATTACHING, RUNNING,  true,  STARTING, true,  ATTACHING, -,      true,  true",
    "7.1/11, node-1, -, ATTACHING, ERROR,    true,  STARTING, true,  ATTACHING, -,      true,  true",
    "7.1/11, node-1, -, ATTACHING, UNKNOWN,  true,  RUNNING,  true,  ATTACHING, -,      true,  true",
    "7.1/12, node-1, node-1, ATTACHED,  RUNNING, true,  RUNNING, true,  ATTACHED,  node-1, true, true",
    "7.1/12, node-1, node-1, ATTACHED,  RUNNING, true,  STOPPED, false, ATTACHED,  node-1, true, true",
    "7.1/12, node-1, node-1, ATTACHED,  UNKNOWN, true,  UNKNOWN, true,  ATTACHED,  node-1, true, true",
    "7.1/12, node-1, node-1, ATTACHED,  ERROR,   true,  RUNNING, true,  ATTACHED,  node-1, true, true",
    "7.1/13, node-1, node-1, ATTACHING, RUNNING, true,  RUNNING, true,  DETACHING, node-1, false, true",
    "7.1/13, node-1, node-1, DETACHED,  RUNNING, true,  RUNNING, true,  DETACHING, node-1, false, true",
    "7.1/13, node-1, node-1, DETACHED,  STOPPED, false, STOPPED, false, DETACHED,  -,      false, false",
    "7.1/14, node-1, node-1, DETACHING, STOPPED, false, RUNNING, true,  DETACHING, node-1, false, false",
    "7.1/14, node-1, node-1, DETACHING, STOPPED, false, STOPPED, false, DETACHED,  -,      false, false",
    "7.1/16, node-2, node-1, ATTACHED,  RUNNING, true,  RUNNING, true,  DETACHING, node-1, false, true",
    "7.1/17, node-2, node-1, ATTACHING, RUNNING, true,  RUNNING, true,  DETACHING, node-1, false, true",
    "7.1/17, node-2, node-1, DETACHED,  STOPPED, false, STOPPED, false, DETACHED,  -,      false, false",
    "7.1/17, node-2, node-1, DETACHING, STOPPED, false, RUNNING, true,  DETACHING, node-1, false, false",
    // begun for one node and wanted on another: what runs there goes first
    "7.1/11, node-2, -, ATTACHING, RUNNING,  true,  RUNNING,  true,  DETACHING, -,      false, true",
    "7.1/18, -, -,      DELETING,  STOPPED,  false, STOPPED,  false, DELETING,  -,      false, false",
  })
  void row(
      String rule,
      String spec,
      String current,
      State state,
      InstanceView.State engine,
      boolean isEngineWanted,
      InstanceView.State replicas,
      boolean areReplicasWanted,
      State expected,
      String currentThen,
      boolean wantsEngine,
      boolean wantsReplicas) {
    StoredVolume world = new StoredVolume(state, spec, current);
    world.engine(engine, isEngineWanted, StoredVolume.REPLICAS);
    world.replicas(replicas, areReplicasWanted, Health.NEW);
    plan(world);
    Volume.Status status = world.volume().status();
    assertThat(status.state()).as(rule).isEqualTo(expected);
    assertThat(status.currentNodeID()).isEqualTo(StoredVolume.text(currentThen));
    assertThat(world.cluster.engine("v").spec().isWanted()).as("engine").isEqualTo(wantsEngine);
    assertThat(wantsReplicas(world.cluster)).as("replicas").isEqualTo(wantsReplicas);
    assertThat(status.condition(Names.WAITING).isPresent())
        .as("who waits says for what")
        .isEqualTo(
            expected == State.DETACHING
                || expected == State.ATTACHING
                || (expected == State.ATTACHED && engine == InstanceView.State.UNKNOWN));
    assertThat(world.told())
        .as("told when it happens")
        .containsExactlyElementsOf(
            state == expected || (expected != State.ATTACHED && expected != State.DETACHED)
                ? List.of()
                : List.of(expected == State.ATTACHED ? "Attached" : "Detached"));
  }

  /** 7.1/15: the guest has moved, or does: nothing of it is stopped, whoever is the volume's. */
  @ParameterizedTest
  @CsvSource({
    // spec, current, migrating to, migratable -> state
    "node-2, node-1, node-2, true,  ATTACHED",
    "node-2, node-1, -,      true,  DETACHING",
    "node-2, node-1, node-2, false, DETACHING",
    "-,      node-1, node-2, true,  DETACHING",
  })
  void whatIsConfirmedIsServedAllTheWhile(
      String spec, String current, String migrating, boolean isMigratable, State expected) {
    StoredVolume world = new StoredVolume(State.ATTACHED, spec, current);
    world.healthyReplicas(InstanceView.State.RUNNING);
    Engine source = world.engine(InstanceView.State.RUNNING, true, 3);
    Engine target = world.engine(1, "node-2", false, InstanceView.State.RUNNING, true, 3);
    world.cluster.change(
        "v",
        volume ->
            volume
                .with(
                    Volume.Spec.of(
                            volume.spec().id(), 1 << 20, 3, isMigratable, Names.DEFAULT_IMAGE)
                        .withNodeID(StoredVolume.text(spec)))
                .with(
                    volume
                        .status()
                        .withNodes(StoredVolume.text(current), StoredVolume.text(migrating))));
    plan(world);
    assertThat(world.volume().status().state()).isEqualTo(expected);
    assertThat(world.volume().status().currentNodeID()).as("M4's to change").isEqualTo(current);
    if (expected == State.ATTACHED) {
      assertThat(world.cluster.engines("v")).containsExactly(source, target);
    } else {
      assertThat(world.cluster.engines("v"))
          .as("both engines are stopped")
          .noneMatch(engine -> engine.spec().isWanted());
    }
  }

  /** 7.1/3: replicas, those that stand by too, only when no engine runs any more. */
  @Test
  void everyEngineStopsBeforeAnyReplica() {
    StoredVolume world = new StoredVolume(State.DETACHING, "-", "node-1");
    world.healthyReplicas(InstanceView.State.RUNNING);
    Replica own = world.replica(2);
    Replica standby =
        new Replica(
            own.name() + "-1",
            own.spec().withEngine("v-e-1", false).withHealth(Health.NEW),
            own.status());
    world.cluster.put(standby);
    world.engine(InstanceView.State.STOPPED, false, 0);
    world.engine(1, "node-2", false, InstanceView.State.STOPPING, false, 0);
    plan(world);
    assertThat(wantsReplicas(world.cluster)).isTrue();
    world.engine(1, "node-2", false, InstanceView.State.STOPPED, false, 0);
    plan(world);
    assertThat(wantsReplicas(world.cluster)).isFalse();
    assertThat(world.cluster.replicas("v")).hasSize(4);
    assertThat(world.volume().status().condition(Names.WAITING).orElseThrow().reason())
        .isEqualTo("7.1/3");
  }

  /** 7.1/3: all five fields are empty before it is detached. */
  @Test
  void aMigrationThatIsNotEndedYetKeepsItFromBeingDetached() {
    StoredVolume world = new StoredVolume(State.DETACHING, "-", "node-1");
    world.cluster.change("v", volume -> volume.with(volume.status().withNodes("node-1", "node-2")));
    plan(world);
    assertThat(world.volume().status().state()).isEqualTo(State.DETACHING);
    assertThat(world.volume().status().condition(Names.WAITING).orElseThrow().reason())
        .isEqualTo("M8");
    world.cluster.change("v", volume -> volume.with(volume.status().withNodes("node-1", "")));
    plan(world);
    assertThat(world.volume().status().state()).isEqualTo(State.DETACHED);
  }

  /** 7.1/3, trap 15: on a node that is down it is fenced by the next generation, not assumed. */
  @ParameterizedTest
  @CsvSource({
    // ready, reason -> state
    "true,  KubeletReady,              DETACHING",
    "false, InstanceManagerNotRunning, DETACHING",
    "false, ManagerPodDown,            DETACHING",
    "false, KubernetesNodeNotReady,    DETACHED",
    "false, KubernetesNodeGone,        DETACHED",
  })
  void anEngineOutOfReachCountsAsStoppedOnlyWhereTheNodeIsDown(
      boolean isReady, String reason, State expected) {
    StoredVolume world = new StoredVolume(State.DETACHING, "-", "node-1");
    world.engine(InstanceView.State.UNKNOWN, false, 0);
    world.ready("node-1", isReady, reason);
    plan(world);
    assertThat(world.volume().status().state()).isEqualTo(expected);
  }

  /**
   * 7.1/10: one that was out of reach when its volume was detached is not the next start: it may
   * have lost the volume for ever, or run from an image that is not the volume's any more.
   */
  @Test
  void whatIsLeftOfTheLastStartEndsFirst() {
    StoredVolume world = new StoredVolume(State.DETACHING, "-", "node-1");
    world.healthyReplicas(InstanceView.State.STOPPED);
    world.engine(InstanceView.State.UNKNOWN, false, 0);
    world.down("node-1");
    plan(world);
    assertThat(world.volume().status().state()).isEqualTo(State.DETACHED);
    assertThat(world.cluster.engine("v").status().instance().mayRun()).as("remembered").isTrue();
    world.ready("node-1", true, "KubeletReady");
    world.cluster.change("v", volume -> volume.with(volume.spec().withNodeID("node-1")));
    plan(world);
    world.healthyReplicas(InstanceView.State.RUNNING);
    plan(world);
    assertThat(world.cluster.engine("v").spec().isWanted()).isFalse();
    assertThat(world.volume().status().condition(Names.WAITING).orElseThrow().message())
        .contains("left from before");
    world.engine(InstanceView.State.RUNNING, false, 3);
    plan(world);
    assertThat(world.cluster.engine("v").spec().isWanted()).isFalse();
    world.engine(InstanceView.State.STOPPED, false, 0);
    plan(world);
    assertThat(world.cluster.engine("v").spec().isWanted()).isTrue();
  }

  /** 7.1/10, trap 15. */
  @Test
  void whatIsOutOfReachElsewhereIsNotWaitedFor() {
    StoredVolume world = new StoredVolume(State.DETACHED, "node-2", "-");
    world.healthyReplicas(InstanceView.State.RUNNING);
    world.engine(InstanceView.State.UNKNOWN, false, 0);
    plan(world);
    assertThat(world.cluster.engine("v").spec().isWanted()).isTrue();
    assertThat(world.cluster.engine("v").spec().nodeID()).isEqualTo("node-2");
    assertThat(world.cluster.engine("v").status().instance()).isEqualTo(InstanceView.NONE);
  }

  /** 7.1/1, 7.1/9: made first, wherever it is wanted. */
  @ParameterizedTest
  @CsvSource({"-", "node-1"})
  void aVolumeIsMadeWhenEveryDirectoryIs(String spec) {
    StoredVolume world = new StoredVolume(State.CREATING, spec, "-");
    for (Replica replica : world.cluster.replicas("v")) {
      world.cluster.put(replica.with(Replica.Status.NONE));
    }
    for (Replica replica : world.cluster.replicas("v")) {
      plan(world);
      assertThat(world.volume().status().state()).isEqualTo(State.CREATING);
      assertThat(world.volume().status().condition(Names.WAITING).orElseThrow().message())
          .isEqualTo("the directory of " + replica.name() + " is not made yet");
      world.cluster.put(replica.with(new Replica.Status(true, false, InstanceView.NONE)));
    }
    plan(world);
    assertThat(world.volume().status().state()).isEqualTo(State.DETACHED);
    assertThat(world.volume().status().conditions()).isEmpty();
    assertThat(world.told()).as("it was never attached").isEmpty();
  }

  /** 7.1/1. */
  @Test
  void anEngineThatWasLostIsMadeAgain() {
    StoredVolume world = new StoredVolume(State.DETACHED, "-", "-");
    Engine engine = world.cluster.engine("v");
    world.cluster.objects.remove(engine.key());
    plan(world);
    assertThat(world.cluster.engine("v").spec().isActive()).isTrue();
    assertThat(world.cluster.engine("v").spec().isWanted()).isFalse();
  }

  // ---- what opening waits for, and what not -----------------------------------------------------

  /** 7.1/10: one of the three is another way; the engine waits for it, or does without. */
  @ParameterizedTest
  @CsvSource({
    // third: state, wanted, failed; its manager, since; its node -> engine wanted, third failed
    "STOPPED,  false, false, RUNNING,  0,      up,   false, false",
    "STOPPED,  true,  false, RUNNING,  0,      up,   false, false",
    "STARTING, true,  false, RUNNING,  0,      up,   false, false",
    "ERROR,    false, false, RUNNING,  0,      up,   false, false",
    "STOPPING, false, false, RUNNING,  0,      up,   false, false",
    "STOPPED,  false, true,  RUNNING,  0,      up,   true,  true",
    "STOPPED,  false, false, STARTING, 99999,  up,   false, false",
    "STOPPED,  false, false, STARTING, 70001,  up,   false, false",
    "STOPPED,  false, false, STARTING, 70000,  up,   true,  true",
    "STOPPED,  false, false, STOPPED,  99999,  up,   false, false",
    "STOPPED,  false, false, STOPPED,  70000,  up,   true,  true",
    "STOPPED,  false, false, ERROR,    99999,  up,   true,  true",
    "UNKNOWN,  true,  false, UNKNOWN,  99999,  up,   true,  true",
    "STOPPED,  false, false, UNKNOWN,  99999,  up,   true,  true",
    "STOPPED,  false, false, RUNNING,  0,      down, true,  true",
    "STOPPED,  false, false, RUNNING,  0,      gone, true,  true",
    "RUNNING,  true,  false, UNKNOWN,  99999,  up,   true,  false",
  })
  void opening(
      InstanceView.State state,
      boolean isWanted,
      boolean hasFailed,
      InstanceManager.State manager,
      long since,
      String node,
      boolean wantsEngine,
      boolean isFailed) {
    StoredVolume world = new StoredVolume(State.ATTACHING, "node-1", "-");
    world.healthyReplicas(InstanceView.State.RUNNING);
    Replica third = world.replica(3);
    Health health = third.spec().health();
    world.cluster.put(
        third
            .with(
                third
                    .spec()
                    .withWanted(isWanted)
                    .withHealth(hasFailed ? health.failed(5_000) : health))
            .with(new Replica.Status(true, false, StoredVolume.process(state, isWanted))));
    world.cluster.put(
        SmallCluster.manager("node-3", manager, 42).with(manager, 42, since).with(manager, 42, 0));
    InstanceManager there = world.cluster.manager("node-3");
    world.cluster.put(
        new InstanceManager(
            there.name(),
            "node-3",
            there.type(),
            there.image(),
            there.address(),
            manager,
            42,
            since));
    switch (node) {
      case "down" -> world.down("node-3");
      case "gone" -> world.cluster.objects.remove(world.cluster.node("node-3").key());
      default -> {}
    }
    plan(world);
    assertThat(world.cluster.engine("v").spec().isWanted()).isEqualTo(wantsEngine);
    Replica then = world.replica(3);
    assertThat(then.spec().health().isFailed()).as("failed").isEqualTo(isFailed);
    assertThat(world.told()).hasSize(isFailed && !hasFailed ? 1 : 0);
    if (isFailed) {
      assertThat(then.spec().isWanted()).as("what has failed comes back later").isFalse();
    }
    if (!wantsEngine) {
      assertThat(world.volume().status().condition(Names.WAITING).orElseThrow())
          .satisfies(waits -> assertThat(waits.reason()).isEqualTo("7.1/11"))
          .satisfies(waits -> assertThat(waits.message()).contains(then.name()));
    }
  }

  /** 7.1/10: it looks again by itself when it will not wait any longer. */
  @Test
  void anInstanceManagerThatDoesNotStartIsWaitedForSoLongAndNotLonger() {
    StoredVolume world = new StoredVolume(State.ATTACHING, "node-1", "-");
    world.manager("node-3", InstanceManager.State.STARTING);
    assertThat(world.lookAgain(LifecyclePlanner::plan))
        .isEqualTo(StoredVolume.NOW + LifecyclePlanner.MANAGER_START_MILLIS);
  }

  /** What is left of the last time ends first: how it ends is no failure of the next. */
  @ParameterizedTest
  @CsvSource({"ERROR", "STOPPING", "RUNNING"})
  void aReplicaThatIsBeingStoppedIsNotWantedAgainBeforeItHas(InstanceView.State state) {
    StoredVolume world = new StoredVolume(State.DETACHED, "node-1", "-");
    world.replicas(state, false, Health.NEW.healthy(1));
    plan(world);
    assertThat(wantsReplicas(world.cluster)).isFalse();
    world.replicas(InstanceView.State.STOPPED, false, Health.NEW.healthy(1));
    plan(world);
    assertThat(wantsReplicas(world.cluster)).isTrue();
  }

  /** 7.1/10: of another image than the volume runs from, it would not understand the others. */
  @Test
  void onlyReplicasOfItsImageAreStarted() {
    StoredVolume world = new StoredVolume(State.DETACHED, "node-1", "-");
    Replica second = world.replica(2);
    world.cluster.put(second.with(second.spec().withImage("other")));
    plan(world);
    assertThat(world.replica(1).spec().isWanted()).isTrue();
    assertThat(world.replica(2).spec().isWanted()).isFalse();
  }

  /** 7.1/11: without a frontend nothing is served to anybody; with one, it is not before. */
  @ParameterizedTest
  @CsvSource({
    "true, true, ATTACHED",
    "true, false, ATTACHED",
    "false, true, ATTACHED",
    "false, false, ATTACHING"
  })
  void itIsAttachedWhenItsFrontendIsThereIfItIsToHaveOne(
      boolean isDisabled, boolean hasEndpoint, State expected) {
    StoredVolume world = new StoredVolume(State.ATTACHING, "node-1", "-");
    world.healthyReplicas(InstanceView.State.RUNNING);
    Engine engine = world.engine(InstanceView.State.RUNNING, true, 3);
    Engine.Status said = engine.status();
    world.cluster.put(
        engine.with(
            new Engine.Status(
                said.instance(),
                said.id(),
                true,
                1,
                "",
                hasEndpoint ? said.endpoints() : List.of(),
                said.replicas(),
                said.currentImage())));
    world.cluster.change(
        "v", volume -> volume.with(volume.spec().withFrontendDisabled(isDisabled)));
    plan(world);
    assertThat(world.volume().status().state()).isEqualTo(expected);
    assertThat(world.volume().status().isFrontendDisabled())
        .isEqualTo(isDisabled && expected == State.ATTACHED);
  }

  /** The engine listens where the ticket says; once that is gone it stays as it was. */
  @Test
  void theAddressIsTheTickets() {
    StoredVolume world = new StoredVolume(State.ATTACHING, "node-1", "-");
    world.healthyReplicas(InstanceView.State.RUNNING);
    world.cluster.attach("v", "node-2");
    Condition waits = new Condition("Satisfied", false, "", "", 0);
    world.cluster.put(
        world
            .cluster
            .attachment("v")
            .with(
                new io.longhorn.api.cluster.VolumeAttachment.Ticket(
                    "t", "longhorn-api", "node-1", "tcp:127.0.0.1:1", false, 0, waits)));
    plan(world);
    assertThat(world.cluster.engine("v").spec().nbd()).isEqualTo("tcp:127.0.0.1:1");
    world.cluster.detach("v");
    plan(world);
    assertThat(world.cluster.engine("v").spec().nbd()).isEqualTo("tcp:127.0.0.1:1");
  }

  // ---- attached ---------------------------------------------------------------------------------

  /** 7.1/12: what has failed is not started by this planner; what was added is. */
  @ParameterizedTest
  @CsvSource({
    // failed, used by the engine -> wanted
    "false, true,  true",
    "true,  true,  false",
    "false, false, false",
    "true,  false, false",
  })
  void whatItsEngineIsToUseIsStarted(boolean hasFailed, boolean isUsed, boolean expected) {
    StoredVolume world = new StoredVolume(State.ATTACHED, "node-1", "node-1");
    world.healthyReplicas(InstanceView.State.RUNNING);
    Engine engine = world.engine(InstanceView.State.RUNNING, true, 2);
    Replica third = world.replica(3);
    Health health = Health.NEW.healthy(1);
    world.cluster.put(
        third
            .with(third.spec().withWanted(false).withHealth(hasFailed ? health.failed(2) : health))
            .with(new Replica.Status(true, false, InstanceView.NONE)));
    if (!isUsed) {
      java.util.TreeSet<String> two =
          new java.util.TreeSet<>(List.of(world.replica(1).name(), world.replica(2).name()));
      world.cluster.put(engine.with(engine.spec().withReplicas(two)));
    }
    plan(world);
    assertThat(world.replica(3).spec().isWanted()).isEqualTo(expected);
    assertThat(world.cluster.engine("v").spec().replicas())
        .as("left as it is")
        .hasSize(isUsed ? 0 : 2);
  }

  /** I9: whatever nobody can say of what serves a volume, it goes on being wanted as it is. */
  @ParameterizedTest
  @CsvSource({
    "UNKNOWN, HEALTHY",
    "UNKNOWN, DEGRADED",
    "UNKNOWN, UNKNOWN",
    "STARTING, UNKNOWN",
    "RUNNING, UNKNOWN",
    "STOPPING, HEALTHY",
  })
  void doubtDoesNotStopTheOwner(InstanceView.State state, Robustness robustness) {
    StoredVolume world = new StoredVolume(State.ATTACHED, "node-1", "node-1");
    world.healthyReplicas(InstanceView.State.RUNNING);
    Engine engine = world.engine(state, true, 3);
    world.cluster.change(
        "v", volume -> volume.with(volume.status().with(robustness, StoredVolume.NOW)));
    world.down("node-1");
    world.manager("node-1", InstanceManager.State.UNKNOWN);
    List<Replica> replicas = world.cluster.replicas("v");
    plan(world);
    assertThat(world.cluster.engine("v")).isEqualTo(engine);
    assertThat(world.cluster.replicas("v")).isEqualTo(replicas);
    assertThat(world.volume().status().state()).isEqualTo(State.ATTACHED);
    assertThat(world.volume().status().robustness()).isEqualTo(robustness);
  }

  /** I9: while it is being opened nobody may have seen yet that its engine owns it, and serves. */
  @ParameterizedTest
  @CsvSource({
    // engine: state, wanted; replicas fail
    "RUNNING,  true,  false",
    "STARTING, true,  false",
    "UNKNOWN,  true,  false",
    "STOPPED,  true,  true",
    "STOPPED,  false, true",
  })
  void doubtAboutReplicasIsNoFailureOnceTheirEngineIsStarted(
      InstanceView.State state, boolean isWanted, boolean isFailed) {
    StoredVolume world = new StoredVolume(State.ATTACHING, "node-1", "-");
    world.engine(state, isWanted, 0);
    world.replicas(
        InstanceView.State.UNKNOWN, true, Health.NEW.healthy(StoredVolume.HEALTHY_SINCE));
    for (String node : world.cluster.hosts.keySet()) {
      world.manager(node, InstanceManager.State.UNKNOWN);
    }
    plan(world);
    assertThat(world.cluster.replicas("v"))
        .allMatch(replica -> replica.spec().health().isFailed() == isFailed)
        .allMatch(replica -> replica.spec().isWanted() != isFailed);
    assertThat(world.cluster.engine("v").spec().isWanted()).isEqualTo(isWanted);
  }

  /** 7.1/10: once its engine has taken it nothing is waited for, so nobody has to fail for that. */
  @ParameterizedTest
  @CsvSource({"0, false", "-1, true"})
  void whoCannotBeStartedDoesNotFailOnceTheVolumeIsTaken(int owner, boolean isFailed) {
    StoredVolume world = new StoredVolume(State.ATTACHING, "node-1", "-");
    world.healthyReplicas(InstanceView.State.STOPPED);
    world.engine(InstanceView.State.RUNNING, true, 0);
    world.record(owner, 1, 2, 3);
    world.down("node-2");
    plan(world);
    assertThat(world.replica(2).spec().health().isFailed()).isEqualTo(isFailed);
    assertThat(world.replica(2).spec().isWanted()).isNotEqualTo(isFailed);
  }

  /** 7.1/11: an engine that serves has somebody to serve from, whether he can be seen or not. */
  @ParameterizedTest
  @CsvSource({"1, ATTACHED", "0, ATTACHING"})
  void whatServesIsAttachedAlsoIfNobodyCanSeeItsReplicas(int inSync, State then) {
    StoredVolume world = new StoredVolume(State.ATTACHING, "node-1", "-");
    world.replicas(
        InstanceView.State.UNKNOWN, true, Health.NEW.healthy(StoredVolume.HEALTHY_SINCE));
    world.engine(InstanceView.State.RUNNING, true, inSync);
    world.manager("node-2", InstanceManager.State.UNKNOWN);
    world.manager("node-3", InstanceManager.State.UNKNOWN);
    plan(world);
    assertThat(world.volume().status().state()).isEqualTo(then);
  }

  /** 7.2/4: held I/O is said for as long as it lasts, of the engine that owns the volume. */
  @Test
  void ioThatIsHeldIsSaid() {
    StoredVolume world = new StoredVolume(State.ATTACHED, "node-1", "node-1");
    world.engine(InstanceView.State.RUNNING, true, 0);
    plan(world);
    assertThat(world.volume().status().condition(Names.WAITING))
        .hasValueSatisfying(waits -> {
          assertThat(waits.reason()).isEqualTo("7.2/4");
          assertThat(waits.message()).isEqualTo("I/O is held: held");
        });
    world.engine(1, "node-2", false, InstanceView.State.RUNNING, true, 3);
    world.record(1, 1, 2, 3);
    plan(world);
    assertThat(world.volume().status().conditions()).as("the owner serves").isEmpty();
  }

  /** Close says that nobody knows how the data is, unless it is known to be faulted. */
  @ParameterizedTest
  @CsvSource({
    "HEALTHY, UNKNOWN",
    "DEGRADED, UNKNOWN",
    "UNKNOWN, UNKNOWN",
    "FAULTED, FAULTED",
  })
  void whatIsClosedIsUnknown(Robustness before, Robustness expected) {
    StoredVolume world = new StoredVolume(State.ATTACHED, "-", "node-1");
    world.engine(InstanceView.State.RUNNING, true, 3);
    world.cluster.change("v", volume -> volume.with(volume.status().with(before, 1)));
    plan(world);
    assertThat(world.volume().status().robustness()).isEqualTo(expected);
  }

  @Test
  void aVolumeWithoutAnActiveEngineIsLeftToWhoMadeTwo() {
    StoredVolume world = new StoredVolume(State.ATTACHED, "node-1", "node-1");
    Engine engine = world.engine(InstanceView.State.RUNNING, true, 3);
    world.cluster.put(engine.with(engine.spec().withActive(false)));
    assertThat(world.plan(LifecyclePlanner::plan)).isEmpty();
    assertThat(world.cluster.get(ObjectKind.ENGINE, "v-e-0")).isPresent();
  }
}
