package io.longhorn.orchestration.decision.volume;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.ReplicaMode;
import io.longhorn.api.cluster.Condition;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.Volume.Upgrade;
import io.longhorn.api.cluster.Volume.Upgrade.Phase;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.orchestration.decision.Action;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.decision.SmallCluster;
import io.longhorn.orchestration.decision.SwapSeen;
import io.longhorn.orchestration.decision.UpgradeFacts;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Sections 5.4 and 5.5: what becomes of one volume in one plan of the upgrade. */
final class UpgradePlannerTest {
  private static final long BEGAN = 500;

  /** One upgrade that has begun, of the image that the volume is to run from. */
  private static void begun(SmallCluster cluster, Phase phase, int attempts) {
    cluster.change(
        "v",
        volume ->
            volume.with(
                volume
                    .status()
                    .with(
                        volume.status().currentImage(),
                        new Upgrade(
                            phase,
                            volume.spec().image(),
                            attempts,
                            attempts > 0 ? "before" : "",
                            BEGAN,
                            cluster.nowMillis))));
  }

  private static List<Action> plan(SmallCluster cluster) {
    Draft draft = new Draft(cluster.view());
    UpgradePlanner.observe(draft, cluster.volume("v"));
    UpgradePlanner.plan(draft, draft.volume("v").orElseThrow());
    return cluster.store(draft, "v");
  }

  /** {@code 1:RUNNING 2:STARTING:v3 3:ERROR}: who stands by on which node, in which state. */
  private static void standbys(SmallCluster cluster, String words) {
    for (String word : words.strip().split(" +", -1)) {
      if (!word.equals("-")) {
        String[] parts = word.split(":", -1);
        UpgradeFacts.standby(
            cluster, "node-" + parts[0], parts.length > 2 ? parts[2] : "v2", parts[1]);
      }
    }
  }

  private static void engine(SmallCluster cluster, String words) {
    for (String word : words.strip().split(" +", -1)) {
      String[] parts = word.split("=", -1);
      switch (parts[0]) {
        case "-" -> {}
        case "spec" -> {
          Engine engine = cluster.engine("v");
          TreeSet<String> names = new TreeSet<>();
          cluster.replicas("v").stream()
              .filter(replica -> !replica.spec().isActive())
              .forEach(replica -> names.add(replica.name()));
          cluster.put(engine.with(engine.spec().withImage(parts[1], names)));
        }
        case "runs" -> UpgradeFacts.engineRuns(cluster, parts[1]);
        case "modes" -> {
          List<ReplicaMode> modes = new ArrayList<>();
          for (String mode : parts[1].split(",", -1)) {
            modes.add(ReplicaMode.valueOf(mode));
          }
          UpgradeFacts.modes(cluster, modes.toArray(ReplicaMode[]::new));
        }
        case "silent" -> UpgradeFacts.modes(cluster);
        case "phase" -> {
          VolumeRecord record = cluster.record("v");
          cluster.record(
              "v",
              new VolumeRecord(
                  record.membership(),
                  record.reservedGeneration(),
                  record.owner(),
                  record.claimants(),
                  VolumeRecord.Phase.valueOf(parts[1])));
        }
        default -> throw new AssertionError(word);
      }
    }
  }

  /** What the plan made of it, in one line. */
  private static String outcome(SmallCluster cluster, List<Action> plan) {
    Volume volume = cluster.volume("v");
    List<String> words = new ArrayList<>();
    words.add(volume.status().condition(Names.UPGRADE).map(Condition::reason).orElse("-"));
    words.add(volume.status().upgrade().phase().name().toLowerCase(Locale.ROOT));
    words.add(volume.spec().image() + "/" + volume.status().currentImage());
    Engine engine = cluster.engine("v");
    words.add(engine.spec().image() + "+" + engine.spec().upgradedReplicas().size());
    words.add(cluster.record("v").phase().name().toLowerCase(Locale.ROOT));
    StringBuilder replicas = new StringBuilder();
    for (Replica replica : cluster.replicas("v")) {
      replicas
          .append(replicas.isEmpty() ? "" : ",")
          .append(replica.spec().isActive() ? "A" : "s")
          .append(replica.spec().image().replace("default", "1").replace("v", ""))
          .append(replica.spec().isWanted() ? "" : "x");
    }
    words.add(replicas.toString());
    words.addAll(
        UpgradeFacts.asked(plan).stream().map(name -> name.split(" ", -1)[0]).distinct().toList());
    return String.join(" ", words);
  }

  private static String one(String line) {
    return line.strip().replaceAll(" +", " ");
  }

  /**
   * Outcome: what it waits for, phase of the upgrade, image wanted/current, the engine's image and
   * how many replicas it is to use from then on, phase of the record, replicas by name (A active, s
   * stands by, image, x not wanted), what is asked of processes. Each replica comes before who
   * stands by for it.
   */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        // rule | what is different | who stands by | the engine | outcome
        // Rule U7: for each that is in sync one that stands by is made.
        "U7 | spec=v2 | - | - | U7 preparing v2/default default+0 none A1,s2,A1,s2,A1,s2",
        "U7 | spec=v2 | 2:STARTING | - | U7 preparing v2/default default+0 none A1,s2,A1,s2,A1,s2",
        "U7 | spec=v2 | 1:RUNNING 2:RUNNING | - | U7 preparing v2/default default+0 none A1,s2,A1,s2,A1,s2",
        "U7 | spec=v2 | 1:RUNNING 2:RUNNING 3:STARTING | - | U7 preparing v2/default default+0 none A1,s2,A1,s2,A1,s2",
        "U7 | spec=v2 | 1:RUNNING 2:RUNNING 3:ERROR | - | U7 preparing v2/default default+0 none A1,s2,A1,s2,A1,s2",
        "U7 | spec=v2 | 1:RUNNING 2:RUNNING 3:UNKNOWN | - | U7 preparing v2/default default+0 none A1,s2,A1,s2,A1,s2",
        // Rule U7: only when as many as the volume is to have are in sync, as the engine says now.
        "U7 | spec=v2 | - | silent | U7 preparing v2/default default+0 none A1,A1,A1",
        "U7 | spec=v2 | - | modes=RW,RW,WO | U7 preparing v2/default default+0 none A1,A1,A1",
        // Rule U8: all of them run: the engine is to run from it, and may take the volume.
        "U8 | spec=v2 | 1:RUNNING 2:RUNNING 3:RUNNING | - | 5.5 switching v2/default v2+3 swapping A1,s2,A1,s2,A1,s2 SwapEngine",
        "U8 | spec=v2 | 1:RUNNING 2:RUNNING 3:RUNNING | spec=v2 phase=SWAPPING | 5.5 switching v2/default v2+3 swapping A1,s2,A1,s2,A1,s2 SwapEngine",
        "U8 | spec=v2 | 1:RUNNING 2:RUNNING 3:RUNNING | phase=MIGRATING | U8 preparing v2/default v2+3 migrating A1,s2,A1,s2,A1,s2",
        // 5.8/4: one that stands by is gone, before and after U8: the others wait, it is made anew.
        "5.8/4 | spec=v2 | 1:RUNNING 2:RUNNING | spec=v2 phase=SWAPPING | U7 preparing v2/default v2+2 swapping A1,s2,A1,s2,A1,s2",
        "5.8/4 | spec=v2 | 1:RUNNING 2:RUNNING 3:ERROR | spec=v2 phase=SWAPPING | U7 preparing v2/default v2+3 swapping A1,s2,A1,s2,A1,s2",
        // Rule U9: it runs from it: who stood by is the volume's.
        "U9 | spec=v2 | 1:RUNNING 2:RUNNING 3:RUNNING | spec=v2 phase=SWAPPING runs=v2 | - none v2/v2 v2+0 none s1,A2,s1,A2,s1,A2",
        // Rule U9, whatever the volume is like by then.
        "U9 | spec=v2 data=DEGRADED | 1:RUNNING 2:RUNNING 3:RUNNING | spec=v2 phase=SWAPPING runs=v2 | - none v2/v2 v2+0 none s1,A2,s1,A2,s1,A2",
        "U9 | spec=v2 data=UNKNOWN | 1:RUNNING 2:RUNNING 3:RUNNING | spec=v2 phase=SWAPPING runs=v2 | - none v2/v2 v2+0 none s1,A2,s1,A2,s1,A2",
        // Rule U9: where nobody stands by it stays as it is, and is started from it the next time.
        "U9 | spec=v2 | 1:RUNNING 2:RUNNING | spec=v2 phase=SWAPPING runs=v2 | - none v2/v2 v2+0 none s1,A2,s1,A2,A2",
        "U9 | spec=v2 | - | spec=v2 phase=SWAPPING runs=v2 | - none v2/v2 v2+0 none A2,A2,A2",
        // Rule U9: rolled back when it had happened already: first what happened, then back again.
        "U9 | - | 1:RUNNING 2:RUNNING 3:RUNNING | spec=v2 phase=SWAPPING runs=v2 | U7 preparing default/v2 v2+0 none s1,A2,s1,A2,s1,A2",
        // Rule U1: rolled back: the engine stays, who stood by has no job.
        "U1 | - | 1:RUNNING 2:RUNNING 3:RUNNING | spec=v2 phase=SWAPPING | - none default/default default+0 none A1,s2,A1,s2,A1,s2",
        "U1 | - | 1:RUNNING | spec=v2 | - none default/default default+0 none A1,s2,A1,A1",
        // Rule U2: nothing is left of it but a phase.
        "U2 | - | - | phase=SWAPPING | - none default/default default+0 none A1,A1,A1",
        "U2 | - | - | phase=MIGRATING | - none default/default default+0 migrating A1,A1,A1",
        "U2 | - | - | - | - none default/default default+0 none A1,A1,A1",
        // Rule U4: degraded: it waits, and what is there stays.
        "U4 | spec=v2 data=DEGRADED | - | - | U4 preparing v2/default default+0 none A1,A1,A1",
        "U4 | spec=v2 data=DEGRADED | 1:RUNNING 2:RUNNING 3:RUNNING | - | U4 preparing v2/default default+0 none A1,s2,A1,s2,A1,s2",
        "U4 | spec=v2 data=DEGRADED | 1:RUNNING 2:RUNNING 3:RUNNING | spec=v2 phase=SWAPPING | U4 preparing v2/default v2+3 swapping A1,s2,A1,s2,A1,s2",
        // Rule U5: neither attached nor detached, or nobody knows.
        "U5 | spec=v2 state=ATTACHING | - | - | U5 waiting v2/default default+0 none A1,A1,A1",
        "U5 | spec=v2 state=DETACHING | - | - | U5 waiting v2/default default+0 none A1,A1,A1",
        "U5 | spec=v2 state=CREATING | - | - | U5 waiting v2/default default+0 none A1,A1,A1",
        "U5 | spec=v2 data=UNKNOWN | - | - | U5 preparing v2/default default+0 none A1,A1,A1",
        "U5 | spec=v2 data=FAULTED | - | - | U5 preparing v2/default default+0 none A1,A1,A1",
        // Rule U6: not while it is attached.
        "U6 | spec=v2 not=v2@node-3 | - | - | U6 waiting v2/default default+0 none A1,A1,A1",
        "U6 | spec=v2 not=default@node-3 | - | - | U6 waiting v2/default default+0 none A1,A1,A1",
        "U6 | spec=v2 gone=v2 | - | - | U6 waiting v2/default default+0 none A1,A1,A1",
        "U6 | spec=v2 commit=v2/commit-default | - | - | U6 waiting v2/default default+0 none A1,A1,A1",
        "U6 | spec=v2 api=v2/3/2 | - | - | U6 waiting v2/default default+0 none A1,A1,A1",
        "U6 | spec=v2 api=default/2/1 | - | - | U6 waiting v2/default default+0 none A1,A1,A1",
        "U6 | spec=v2 format=v2/3/2 | - | - | U6 waiting v2/default default+0 none A1,A1,A1",
        "U6 | spec=v2 strict-local | - | - | U6 waiting v2/default default+0 none A1,A1,A1",
        "U6 | spec=v2 cannot=LIVE_UPGRADE | - | - | U6 waiting v2/default default+0 none A1,A1,A1",
        "U6 | spec=v2 api=v2/2/1 | - | - | U7 preparing v2/default default+0 none A1,s2,A1,s2,A1,s2",
        "U6 | spec=v2 commit=v2/commit-default set=allow-live-engine-upgrade-on-same-image-commit:true | - | - | U7 preparing v2/default default+0 none A1,s2,A1,s2,A1,s2",
        // Rule U0: a migration goes on: a request that slipped in is refused (#7833).
        "U0 | spec=v2 engines=2 | - | - | - none default/default default+0 none A1,A1,A1",
        "U0 | spec=v2 cM=node-2 | - | - | - none default/default default+0 none A1,A1,A1",
        "U0 | engines=2 | - | - | - none default/default default+0 none A1,A1,A1",
        // Rule U4: who stands by for nobody, for another image, or one more than one: not kept.
        "U4 | spec=v2 | 1:RUNNING:v3 | - | U7 preparing v2/default default+0 none A1,s3x,A1,s2,A1,s2",
        "U4 | spec=v2 | 1:RUNNING 1:RUNNING | - | U7 preparing v2/default default+0 none A1,s2,s2x,A1,s2,A1,s2",
        "U4 | spec=v2 | 1:STARTING 1:RUNNING | - | U7 preparing v2/default default+0 none A1,s2x,s2,A1,s2,A1,s2",
        // A third image was asked for meanwhile.
        "U7 | spec=v3 | 1:RUNNING 2:RUNNING 3:RUNNING | spec=v2 phase=SWAPPING | U7 preparing v3/default default+0 swapping A1,s2x,A1,s2x,A1,s2x",
        // Being deleted, it is not upgraded any more.
        "U0 | spec=v2 deleted | - | - | - none v2/default default+0 none A1,A1,A1",
      })
  void oneStep(String rule, String facts, String standbys, String engine, String outcome) {
    SmallCluster cluster = UpgradeFacts.with(UpgradeFacts.attached(), facts);
    standbys(cluster, standbys);
    engine(cluster, engine);
    List<Action> plan = plan(cluster);
    assertThat(outcome(cluster, plan)).as(rule).isEqualTo(one(outcome));
    // The next one has nothing to add: what it asks of processes it asks again.
    List<Action> again = plan(cluster);
    assertThat(again.stream().filter(action -> !(action instanceof Action.ProcessAction)))
        .as("%s: applied, nothing is left to plan", rule)
        .isEmpty();
    assertThat(UpgradeFacts.asked(again)).isEqualTo(UpgradeFacts.asked(plan));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        // Rule U3: detached: all at once, whatever a live one had come to.
        "U3 | spec=v2 | - | - | - none v2/v2 v2+0 none A2x,A2x,A2x",
        "U3 | spec=v2 | 1:STOPPED 2:STOPPED | spec=v2 phase=SWAPPING | - none v2/v2 v2+0 none A2x,s2,A2x,s2,A2x",
        "U3 | spec=v2 strict-local commit=v2/commit-default api=v2/3/2 | - | - | - none v2/v2 v2+0 none A2x,A2x,A2x",
        "U3 | spec=v2 cannot=LIVE_UPGRADE not=v2@node-1 | - | - | - none v2/v2 v2+0 none A2x,A2x,A2x",
        // Not from what is not there, or would not read the data; it can be attached all the same.
        "U3 | spec=v2 gone=v2 | - | spec=v2 phase=SWAPPING | U3 waiting v2/default default+0 none A1x,A1x,A1x",
        "U3 | spec=v2 format=v2/3/2 | - | - | U3 waiting v2/default default+0 none A1x,A1x,A1x",
        // Rule U2: whatever a plan that was cut off has left, everything starts from one image.
        "U2 | - | - | spec=v2 | - none default/default default+0 none A1x,A1x,A1x",
      })
  void offline(String rule, String facts, String standbys, String engine, String outcome) {
    SmallCluster cluster = UpgradeFacts.with(UpgradeFacts.detached(), facts);
    standbys(cluster, standbys);
    engine(cluster, engine);
    List<Action> plan = plan(cluster);
    assertThat(outcome(cluster, plan)).as(rule).isEqualTo(one(outcome));
    assertThat(plan(cluster)).as("applied, nothing is left to plan").isEmpty();
  }

  @Test
  void offlineReplicasOfAnotherImageFollow() {
    // U2
    SmallCluster cluster = UpgradeFacts.detached();
    Replica one = cluster.replicaOn("v", "node-2");
    cluster.put(one.with(one.spec().withImage("v3")));
    plan(cluster);
    assertThat(cluster.replicaOn("v", "node-2").spec().image()).isEqualTo("default");
  }

  @Test
  void whatStandsByIsStartedByTheDefaultInstanceManagerAndSaysNothingOfHowTheOtherWas() {
    // U7, #12311
    SmallCluster cluster = UpgradeFacts.attached();
    Replica own = cluster.replicaOn("v", "node-2");
    Replica.Health worn = new Replica.Health(7, 7, 0, 5, 3);
    cluster.put(own.with(own.spec().withHealth(worn).withEvictionRequested(true)));
    UpgradeFacts.want(cluster, "v2");
    plan(cluster);
    Replica made =
        cluster.replicas("v").stream()
            .filter(one -> one.name().equals(own.name() + "-1"))
            .findFirst()
            .orElseThrow();
    assertThat(made.spec())
        .isEqualTo(
            new Replica.Spec(
                "v",
                own.spec().id(),
                "node-2",
                own.spec().diskID(),
                own.spec().directory(),
                "v2",
                true,
                "v-e-0",
                false,
                false,
                Replica.Health.NEW));
    assertThat(made.status()).isEqualTo(new Replica.Status(true, false, made.status().instance()));
    assertThat(made.status().instance().instanceManagerName()).isEmpty();
  }

  @Test
  void theSwitchIsAskedOfTheInstanceManagerThatHasTheProcess() {
    // Rule 5.5: whatever image it is of; not of the default one.
    SmallCluster cluster = UpgradeFacts.with(UpgradeFacts.attached(), "spec=v2");
    standbys(cluster, "1:RUNNING 2:RUNNING 3:RUNNING");
    cluster.put(
        io.longhorn.orchestration.decision.Settings.setting(
            io.longhorn.orchestration.decision.Settings.Key.DEFAULT_INSTANCE_MANAGER_IMAGE, "v2"));
    Action.SwapEngine swap =
        plan(cluster).stream()
            .filter(Action.SwapEngine.class::isInstance)
            .map(Action.SwapEngine.class::cast)
            .findFirst()
            .orElseThrow();
    assertThat(swap.manager().name()).isEqualTo(SmallCluster.managerName("node-1"));
    assertThat(swap.next()).isEqualTo(swap.manager());
    assertThat(swap.image().name()).isEqualTo("v2");
    assertThat(swap.replicas()).isEqualTo(cluster.replicas("v"));
    assertThat(swap.engine()).isEqualTo(cluster.engine("v"));
  }

  @Test
  void nobodyIsAskedWhileThatInstanceManagerIsOutOfReach() {
    // Rule 5.5
    SmallCluster cluster = UpgradeFacts.with(UpgradeFacts.attached(), "spec=v2");
    standbys(cluster, "1:RUNNING 2:RUNNING 3:RUNNING");
    cluster.host("node-1").isFrozen = true;
    List<Action> plan = plan(cluster);
    assertThat(UpgradeFacts.asked(plan)).isEmpty();
    assertThat(cluster.volume("v").status().condition(Names.UPGRADE).orElseThrow().message())
        .isEqualTo("instance-manager-node-1 cannot be reached");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        // setting | image of instance managers | the default one | where it goes, or what it waits
        // for
        "false | v2      | runs   | instance-manager-node-1",
        "false | v2      | frozen | instance-manager-node-1",
        "true  | default | runs   | instance-manager-node-1",
        "true  | v2      | runs   | instance-manager-df721ea1",
        "true  | v2      | frozen | 5.5/1: instance-manager-df721ea1 cannot be reached",
        "true  | v2      | gone   | 5.5/1: instance-manager-df721ea1 cannot be reached",
        "true  | v3      | -      | 5.5/1: the default instance manager cannot be reached",
      })
  void theSettingSaysInWhichInstanceManagerTheOtherProcessIs(
      boolean isSet, String managers, String byDefault, String outcome) {
    SmallCluster cluster =
        UpgradeFacts.with(
            UpgradeFacts.attached(), "set=default-instance-manager-image:v2 spec=default");
    cluster.settle();
    SmallCluster.Host host =
        cluster.otherHosts.values().stream()
            .filter(one -> one.node.equals("node-1"))
            .findFirst()
            .orElseThrow();
    UpgradeFacts.with(
        cluster,
        "spec=v2 set=default-instance-manager-image:"
            + managers
            + " set=engine-upgrade-to-default-instance-manager:"
            + isSet);
    standbys(cluster, "1:RUNNING 2:RUNNING 3:RUNNING");
    host.isFrozen = byDefault.equals("frozen");
    if (byDefault.equals("gone")) {
      host.die();
    }
    Optional<Action.SwapEngine> swap =
        plan(cluster).stream()
            .filter(Action.SwapEngine.class::isInstance)
            .map(Action.SwapEngine.class::cast)
            .findFirst();
    swap.ifPresent(
        asked -> assertThat(asked.manager().name()).isEqualTo(SmallCluster.managerName("node-1")));
    assertThat(
            swap.map(asked -> asked.next().name())
                .orElseGet(() ->
                    cluster
                        .volume("v")
                        .status()
                        .condition(Names.UPGRADE)
                        .map(waits -> waits.reason() + ": " + waits.message())
                        .orElse("-")))
        .isEqualTo(outcome);
  }

  @Test
  void anEngineThatDoesNotOwnTheVolumeHasNotSwitched() {
    // U9: the process runs, but what it writes counts only when it owns the volume.
    SmallCluster cluster = UpgradeFacts.with(UpgradeFacts.attached(), "spec=v2");
    standbys(cluster, "1:RUNNING 2:RUNNING 3:RUNNING");
    engine(cluster, "spec=v2 phase=SWAPPING runs=v2");
    VolumeRecord record = cluster.record("v");
    cluster.record(
        "v",
        record.reserved(
            record.reservedGeneration() + 1,
            new io.longhorn.api.EngineId(new java.util.UUID(1, 1))));
    plan(cluster);
    assertThat(cluster.volume("v").status().currentImage()).isEqualTo("default");
    assertThat(cluster.replicas("v").stream().filter(one -> one.spec().isActive()))
        .allMatch(one -> one.spec().image().equals("default"));
  }

  @Test
  void oneWhoseOtherIsGoneIsTheVolumesIfItsDataIs() {
    // U4, #7012
    SmallCluster cluster = UpgradeFacts.with(UpgradeFacts.attached(), "spec=v2 data=DEGRADED");
    standbys(cluster, "1:RUNNING 2:RUNNING 3:RUNNING");
    Replica own = cluster.replicaOn("v", "node-2");
    cluster.objects.remove(own.key());
    plan(cluster);
    assertThat(cluster.replicaOn("v", "node-2").name()).isEqualTo(own.name() + "-1");
    assertThat(cluster.replicaOn("v", "node-2").spec().image()).isEqualTo("v2");
  }

  @Test
  void oneWhoseOtherIsGoneGoesIfItsDataIsNotTheVolumes() {
    // U4, #7012
    SmallCluster cluster = UpgradeFacts.with(UpgradeFacts.attached(), "spec=v2 data=DEGRADED");
    standbys(cluster, "1:RUNNING 2:RUNNING 3:RUNNING");
    Replica own = cluster.replicaOn("v", "node-2");
    cluster.objects.remove(own.key());
    VolumeRecord record = cluster.record("v");
    TreeSet<io.longhorn.api.ReplicaId> others = new TreeSet<>(record.membership().members());
    others.remove(own.spec().id());
    cluster.record(
        "v",
        record.withMembership(
            record
                .membership()
                .next(
                    new io.longhorn.api.membership.RecordStamp(record.reservedGeneration(), 9),
                    others)));
    plan(cluster);
    assertThat(cluster.replicas("v"))
        .filteredOn(one -> one.name().equals(own.name() + "-1"))
        .singleElement()
        .matches(one -> !one.spec().isWanted() && !one.spec().isActive());
  }

  // ---- tries ------------------------------------------------------------------------------------

  @ParameterizedTest
  @CsvSource({
    // tries before, limit; which try the report is of; tries now, phase, image wanted
    "0, 5, 1, 1, SWITCHING, v2",
    "3, 5, 4, 4, SWITCHING, v2",
    // 5.8/3: after as many as the setting says it is rolled back; 0 is never
    "4, 5, 5, 5, ROLLED_BACK, default",
    "0, 1, 1, 1, ROLLED_BACK, default",
    "4, 0, 5, 5, SWITCHING, v2",
    "900, 0, 901, 901, SWITCHING, v2",
    // a report of an earlier try, or of a later one, says nothing of this one
    "3, 5, 3, 3, SWITCHING, v2",
    "3, 5, 5, 3, SWITCHING, v2",
  })
  void aSwitchThatFailsIsCounted(
      int before, int limit, int reported, int after, Phase phase, String wanted) {
    SmallCluster cluster = UpgradeFacts.with(UpgradeFacts.attached(), "spec=v2");
    UpgradeFacts.with(cluster, "set=engine-upgrade-attempt-limit:" + limit);
    standbys(cluster, "1:RUNNING 2:RUNNING 3:RUNNING");
    begun(cluster, Phase.SWITCHING, before);
    engine(cluster, "spec=v2 phase=SWAPPING");
    cluster.swaps.put("v-e-0", new SwapSeen(BEGAN, reported, "no backend"));
    List<Action> plan = plan(cluster);
    Volume volume = cluster.volume("v");
    assertThat(volume.status().upgrade().attempts()).isEqualTo(after);
    assertThat(volume.status().upgrade().phase()).isEqualTo(phase);
    assertThat(volume.spec().image()).isEqualTo(wanted);
    assertThat(volume.status().upgrade().lastError())
        .isEqualTo(after > before ? "no backend" : "before");
    boolean isBack = phase == Phase.ROLLED_BACK;
    assertThat(cluster.engine("v").spec().image()).isEqualTo(wanted);
    assertThat(cluster.record("v").phase())
        .as("a switch that is late is not let in")
        .isEqualTo(isBack ? VolumeRecord.Phase.NONE : VolumeRecord.Phase.SWAPPING);
    assertThat(UpgradeFacts.asked(plan)).hasSize(isBack ? 0 : 1);
    assertThat(cluster.told.stream().map(Action.Tell::reason).toList())
        .endsWith(
            isBack
                ? new String[] {"UpgradeTryFailed", "UpgradeRolledBack"}
                : after > before ? new String[] {"UpgradeTryFailed"} : new String[0]);
    assertThat(plan(cluster).stream().filter(action -> !(action instanceof Action.ProcessAction)))
        .as("it is counted once")
        .isEmpty();
  }

  @Test
  void aReportOfAnEarlierUpgradeSaysNothing() {
    SmallCluster cluster = UpgradeFacts.with(UpgradeFacts.attached(), "spec=v2");
    standbys(cluster, "1:RUNNING 2:RUNNING 3:RUNNING");
    begun(cluster, Phase.SWITCHING, 0);
    cluster.swaps.put("v-e-0", new SwapSeen(BEGAN - 1, 1, "no backend"));
    plan(cluster);
    assertThat(cluster.volume("v").status().upgrade().attempts()).isZero();
  }

  @ParameterizedTest
  @CsvSource({
    // what it waits for, phase; how long; whether that was a try that failed
    "U4, data=DEGRADED, PREPARING, 599999, 0",
    "U4, data=DEGRADED, PREPARING, 600000, 1",
    "U5, data=UNKNOWN, PREPARING, 600000, 1",
    "U7, -, PREPARING, 599999, 0",
    "U7, -, PREPARING, 600000, 1",
    // U6: for the volume to be detached it may wait as long as it takes
    "U6, cannot=LIVE_UPGRADE, WAITING, 600000000, 0",
    "U5, state=ATTACHING, WAITING, 600000000, 0",
  })
  void noProgressIsAFailureToo(String rule, String facts, Phase phase, long millis, int failed) {
    SmallCluster cluster = UpgradeFacts.with(UpgradeFacts.attached(), "spec=v2 " + facts);
    UpgradeFacts.modes(cluster, ReplicaMode.RW, ReplicaMode.RW, ReplicaMode.WO);
    plan(cluster);
    assertThat(cluster.volume("v").status().upgrade().phase()).isEqualTo(phase);
    cluster.nowMillis += millis;
    plan(cluster);
    Upgrade upgrade = cluster.volume("v").status().upgrade();
    assertThat(upgrade.attempts()).isEqualTo(failed);
    assertThat(cluster.volume("v").status().condition(Names.UPGRADE).orElseThrow().reason())
        .isEqualTo(rule);
    if (failed == 1) {
      assertThat(upgrade.lastError()).startsWith("no progress: ");
      plan(cluster);
      assertThat(cluster.volume("v").status().upgrade()).as("counted once").isEqualTo(upgrade);
    }
  }

  @Test
  void timeAloneBringsThePlanBack() {
    SmallCluster cluster = UpgradeFacts.with(UpgradeFacts.attached(), "spec=v2");
    Draft draft = new Draft(cluster.view());
    UpgradePlanner.plan(draft, cluster.volume("v"));
    assertThat(draft.plan().lookAgainMillis())
        .isEqualTo(cluster.nowMillis + UpgradePlanner.STUCK_MILLIS);
  }

  @Test
  void whatAPersonRollsBackIsSaid() {
    // 5.8/1
    SmallCluster cluster = UpgradeFacts.with(UpgradeFacts.attached(), "spec=v2");
    begun(cluster, Phase.SWITCHING, 2);
    UpgradeFacts.want(cluster, "default");
    plan(cluster);
    assertThat(cluster.volume("v").status().upgrade())
        .isEqualTo(new Upgrade(Phase.ROLLED_BACK, "v2", 2, "before", 0, 0));
    assertThat(cluster.told.getLast())
        .isEqualTo(
            new Action.Tell(
                cluster.volume("v").key(),
                true,
                "UpgradeRolledBack",
                "volume v stays with image default: the upgrade to v2 was rolled back after 2"
                    + " failed tries, the last one: before"));
    assertThat(plan(cluster)).isEmpty();
  }

  @Test
  void askedForAgainItBeginsAnew() {
    SmallCluster cluster = UpgradeFacts.with(UpgradeFacts.attached(), "spec=v2");
    begun(cluster, Phase.ROLLED_BACK, 5);
    plan(cluster);
    Upgrade upgrade = cluster.volume("v").status().upgrade();
    assertThat(upgrade)
        .isEqualTo(new Upgrade(Phase.PREPARING, "v2", 0, "", cluster.nowMillis, cluster.nowMillis));
  }
}
