package io.longhorn.orchestration.decision.lifecycle;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.Volume.Robustness;
import io.longhorn.api.cluster.Volume.State;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.RecordStamp;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.orchestration.decision.Action;
import io.longhorn.orchestration.decision.Names;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Section 7.2: how the data of one volume is, in the eyes of the engine that owns it. */
final class RobustnessPlannerTest {
  private static StoredVolume world(State state, String spec, Robustness before) {
    StoredVolume world = new StoredVolume(state, spec, state == State.ATTACHED ? "node-1" : "-");
    world.healthyReplicas(InstanceView.State.RUNNING);
    world.cluster.change("v", volume -> volume.with(volume.status().with(before, 1)));
    return world;
  }

  private static Robustness planned(StoredVolume world) {
    world.plan(RobustnessPlanner::plan);
    return world.volume().status().robustness();
  }

  @ParameterizedTest
  @CsvSource({
    // rule, state, spec; engine, wanted, in sync; before -> robustness, told
    "7.2/1, ATTACHED,  node-1, UNKNOWN,  true,  0, HEALTHY,  UNKNOWN,  Unknown",
    "7.2/1, ATTACHED,  node-1, UNKNOWN,  true,  0, DEGRADED, UNKNOWN,  Unknown",
    "7.2/1, ATTACHED,  node-1, UNKNOWN,  true,  0, UNKNOWN,  UNKNOWN,  -",
    "7.2/1, ATTACHING, node-1, UNKNOWN,  true,  0, UNKNOWN,  UNKNOWN,  -",
    "7.2/2, ATTACHED,  node-1, RUNNING,  true,  3, HEALTHY,  HEALTHY,  -",
    "7.2/2, ATTACHED,  node-1, RUNNING,  true,  3, DEGRADED, HEALTHY,  Healthy",
    "7.2/2, ATTACHED,  node-1, RUNNING,  true,  3, UNKNOWN,  HEALTHY,  Healthy",
    "7.2/2, ATTACHED,  node-1, RUNNING,  true,  3, FAULTED,  HEALTHY,  Healthy",
    "7.2/2, ATTACHING, node-1, RUNNING,  true,  3, UNKNOWN,  HEALTHY,  Healthy",
    "7.2/3, ATTACHED,  node-1, RUNNING,  true,  2, HEALTHY,  DEGRADED, Degraded",
    "7.2/3, ATTACHED,  node-1, RUNNING,  true,  1, DEGRADED, DEGRADED, -",
    "7.2/3, ATTACHING, node-1, RUNNING,  true,  2, UNKNOWN,  DEGRADED, Degraded",
    // none in sync: what is written is held; to detach it would help nobody
    "7.2/3, ATTACHED,  node-1, RUNNING,  true,  0, HEALTHY,  DEGRADED, Degraded",
    "7.2/3, ATTACHING, node-1, RUNNING,  true,  0, UNKNOWN,  UNKNOWN,  -",
    "7.2/5, ATTACHED,  node-1, ERROR,    true,  0, HEALTHY,  FAULTED,  DetachedUnexpectedly",
    "7.2/5, ATTACHED,  node-1, ERROR,    true,  0, UNKNOWN,  FAULTED,  DetachedUnexpectedly",
    "7.2/5, ATTACHED,  node-1, ERROR,    true,  0, FAULTED,  FAULTED,  -",
    "7.2/5, ATTACHING, node-1, ERROR,    true,  0, UNKNOWN,  FAULTED,  DetachedUnexpectedly",
    // it could not start, and is started again: nothing was lost
    "7.2/5, ATTACHING, node-1, ERROR,    false, 0, UNKNOWN,  UNKNOWN,  -",
    "7.2/5, ATTACHED,  node-1, ERROR,    false, 0, HEALTHY,  HEALTHY,  -",
    "7.2/6, ATTACHED,  -,      RUNNING,  true,  3, HEALTHY,  UNKNOWN,  -",
    "7.2/6, ATTACHED,  -,      ERROR,    true,  0, FAULTED,  FAULTED,  -",
    "7.2/6, ATTACHED,  -,      ERROR,    true,  0, DEGRADED, UNKNOWN,  -",
    "7.2/6, ATTACHING, -,      STARTING, true,  0, UNKNOWN,  UNKNOWN,  -",
    "7.2/6, DETACHING, -,      STOPPING, false, 0, HEALTHY,  UNKNOWN,  -",
    "7.2/6, DETACHING, -,      STOPPING, false, 0, FAULTED,  FAULTED,  -",
    "7.2/6, DETACHING, node-1, ERROR,    false, 0, FAULTED,  FAULTED,  -",
    "7.2/6, DETACHED,  -,      STOPPED,  false, 0, DEGRADED, UNKNOWN,  -",
    "7.2/6, DETACHED,  -,      STOPPED,  false, 0, FAULTED,  FAULTED,  -",
    "7.2/6, CREATING,  -,      STOPPED,  false, 0, UNKNOWN,  UNKNOWN,  -",
    "7.2/6, DELETING,  -,      STOPPED,  false, 0, FAULTED,  FAULTED,  -",
    // I9: between two states of its process nothing is concluded
    "I9,    ATTACHED,  node-1, STARTING, true,  0, HEALTHY,  HEALTHY,  -",
    "I9,    ATTACHED,  node-1, STOPPED,  true,  0, DEGRADED, DEGRADED, -",
    "I9,    ATTACHED,  node-1, STOPPING, true,  0, HEALTHY,  HEALTHY,  -",
    "I9,    ATTACHING, node-1, STARTING, true,  0, UNKNOWN,  UNKNOWN,  -",
  })
  void row(
      String rule,
      State state,
      String spec,
      InstanceView.State engine,
      boolean isWanted,
      int inSync,
      Robustness before,
      Robustness expected,
      String told) {
    StoredVolume world = world(state, spec, before);
    world.engine(engine, isWanted, inSync);
    assertThat(planned(world)).as(rule).isEqualTo(expected);
    assertThat(world.told())
        .as("told when it changes")
        .isEqualTo(told.equals("-") ? List.of() : List.of(told));
    assertThat(world.plan(RobustnessPlanner::plan)).as("again").isEmpty();
  }

  /** 7.2/4: at the beginning somebody has to have the newest data; later is too late to ask. */
  @ParameterizedTest
  @CsvSource({
    // state, who has failed, who is in the record -> robustness
    "ATTACHING, '',      1 2 3, UNKNOWN",
    "ATTACHING, 1,       1 2 3, UNKNOWN",
    "ATTACHING, 1 2,     1 2 3, UNKNOWN",
    "ATTACHING, 1 2 3,   1 2 3, FAULTED",
    "ATTACHING, 1,       1,     FAULTED",
    "ATTACHING, 1 2,     1 2,   FAULTED",
    "ATTACHING, 2 3,     1,     UNKNOWN",
    "ATTACHED,  1 2 3,   1 2 3, UNKNOWN",
  })
  void withoutAnyReplicaThatHasTheNewestDataItIsFaulted(
      State state, String failed, String members, Robustness expected) {
    StoredVolume world = world(state, "node-1", Robustness.UNKNOWN);
    world.engine(InstanceView.State.STARTING, true, 0);
    world.record(-1, numbers(members));
    for (int node : numbers(failed)) {
      Replica replica = world.replica(node);
      world.cluster.put(replica.with(replica.spec().withHealth(replica.spec().health().failed(9))));
    }
    assertThat(planned(world)).isEqualTo(expected);
    assertThat(world.told())
        .isEqualTo(expected == Robustness.FAULTED ? List.of("Faulted") : List.of());
  }

  /**
   * 7.2/4, I9: who has taken the volume may serve from a replica that is thought lost. It may have
   * begun to since it was last heard of; that it has taken the volume, the record says.
   */
  @ParameterizedTest
  @CsvSource({
    // engine, wanted, owner of the record -> robustness
    "RUNNING, true,  0,  UNKNOWN",
    "UNKNOWN, true,  0,  UNKNOWN",
    "RUNNING, true,  -1, FAULTED",
    "RUNNING, true,  1,  FAULTED",
    // left from the last time
    "UNKNOWN, false, 0,  FAULTED",
    "ERROR,   true,  0,  FAULTED",
  })
  void whoHasTakenTheVolumeHasBegun(
      InstanceView.State state, boolean isWanted, int owner, Robustness expected) {
    StoredVolume world = world(State.ATTACHING, "node-1", Robustness.UNKNOWN);
    world.engine(state, isWanted, 0);
    world.record(owner, 1);
    Replica replica = world.replica(1);
    world.cluster.put(replica.with(replica.spec().withHealth(replica.spec().health().failed(9))));
    assertThat(planned(world)).isEqualTo(expected);
  }

  private static Integer[] numbers(String words) {
    return words.isEmpty()
        ? new Integer[0]
        : List.of(words.split(" ", -1)).stream().map(Integer::valueOf).toArray(Integer[]::new);
  }

  /** Where nobody has recorded anything, whoever has not failed may have it. */
  @Test
  void withoutARecordAnyReplicaWillDo() {
    StoredVolume world = world(State.ATTACHING, "node-1", Robustness.UNKNOWN);
    world.engine(InstanceView.State.STARTING, true, 0);
    world.cluster.objects.remove(
        new io.longhorn.api.cluster.ObjectKey(io.longhorn.api.cluster.ObjectKind.MEMBERSHIP, "v"));
    assertThat(planned(world)).isEqualTo(Robustness.UNKNOWN);
    for (Replica replica : world.cluster.replicas("v")) {
      world.cluster.put(replica.with(replica.spec().withHealth(replica.spec().health().failed(9))));
    }
    assertThat(planned(world)).isEqualTo(Robustness.FAULTED);
  }

  /**
   * While it migrates the owner counts (section 3 of the design): it is where the guest is, which
   * the control plane may not know. Once it is decided, who is to stay counts.
   */
  @ParameterizedTest
  @CsvSource({
    // owner; source, in sync; target, in sync; decided -> robustness
    "0, RUNNING, 3, RUNNING, 2, no,       HEALTHY",
    "0, ERROR,   0, RUNNING, 3, no,       FAULTED",
    "0, UNKNOWN, 0, RUNNING, 3, no,       UNKNOWN",
    "0, RUNNING, 3, ERROR,   0, no,       HEALTHY",
    "0, RUNNING, 2, UNKNOWN, 0, no,       DEGRADED",
    "1, RUNNING, 3, RUNNING, 2, no,       DEGRADED",
    "1, ERROR,   0, RUNNING, 3, no,       HEALTHY",
    "1, UNKNOWN, 0, RUNNING, 3, no,       HEALTHY",
    "1, RUNNING, 3, UNKNOWN, 0, no,       UNKNOWN",
    // who owned it is gone for sure, and the other one is a claimant
    "1, RUNNING, 3, ERROR,   0, no,       HEALTHY",
    "0, ERROR,   0, RUNNING, 3, confirm,  HEALTHY",
    "0, RUNNING, 3, ERROR,   0, confirm,  FAULTED",
    "1, ERROR,   0, RUNNING, 3, rollback, FAULTED",
    "1, RUNNING, 3, ERROR,   0, rollback, HEALTHY",
  })
  void theOwnerDecides(
      int owner,
      InstanceView.State source,
      int sourceInSync,
      InstanceView.State target,
      int targetInSync,
      String decided,
      Robustness expected) {
    StoredVolume world = world(State.ATTACHED, "node-1", Robustness.DEGRADED);
    world.engine(source, true, sourceInSync);
    world.engine(1, "node-2", false, target, true, targetInSync);
    world.record(owner, 1, 2, 3);
    world.cluster.change(
        "v",
        volume ->
            switch (decided) {
              case "confirm" ->
                  volume
                      .with(volume.spec().with("node-2", ""))
                      .with(volume.status().withNodes("node-2", "node-2"));
              case "rollback" ->
                  volume
                      .with(volume.spec().with("node-1", ""))
                      .with(volume.status().withNodes("node-1", "node-2"));
              default ->
                  volume
                      .with(volume.spec().with("node-1", "node-2"))
                      .with(volume.status().withNodes("node-1", "node-2"));
            });
    assertThat(planned(world)).isEqualTo(expected);
  }

  /** The guest has moved and its source has crashed: it stays attached, and says why. */
  @Test
  void whenTheSourceOfAMigrationIsGoneAndTheTargetOwnsTheVolumeThatIsSaid() {
    StoredVolume world = world(State.ATTACHED, "node-1", Robustness.HEALTHY);
    world.engine(InstanceView.State.ERROR, true, 0);
    world.engine(1, "node-2", false, InstanceView.State.RUNNING, true, 3);
    world.record(1, 1, 2, 3);
    world.cluster.change(
        "v",
        volume ->
            volume
                .with(volume.spec().with("node-1", "node-2"))
                .with(volume.status().withNodes("node-1", "node-2")));
    assertThat(planned(world)).isEqualTo(Robustness.HEALTHY);
    assertThat(world.volume().status().condition(Names.WAITING))
        .hasValueSatisfying(waits -> {
          assertThat(waits.reason()).isEqualTo("7.2/5");
          assertThat(waits.message())
              .isEqualTo(
                  "engine v-e-0 on node-1 is gone;"
                      + " engine v-e-1 on node-2 owns the volume and serves it");
        });
  }

  @Test
  void whenItBecameDegradedIsKeptUntilItIsSoAgain() {
    StoredVolume world = world(State.ATTACHED, "node-1", Robustness.HEALTHY);
    world.engine(InstanceView.State.RUNNING, true, 2);
    planned(world);
    assertThat(world.volume().status().lastDegradedAtMillis()).isEqualTo(StoredVolume.NOW);
    assertThat(world.cluster.told.stream().map(Action.Tell::message))
        .singleElement()
        .asString()
        .startsWith("volume v is degraded: v-r-")
        .endsWith(" (is copied)");
    world.cluster.nowMillis += 10;
    world.engine(InstanceView.State.RUNNING, true, 1);
    planned(world);
    world.engine(InstanceView.State.RUNNING, true, 3);
    planned(world);
    assertThat(world.volume().status().lastDegradedAtMillis()).isEqualTo(StoredVolume.NOW);
    world.engine(InstanceView.State.RUNNING, true, 2);
    planned(world);
    assertThat(world.volume().status().lastDegradedAtMillis()).isEqualTo(StoredVolume.NOW + 10);
  }

  /** A control plane that was just started has heard nothing yet: what was known holds. */
  @Test
  void anEngineThatHasNotSpokenYetChangesNothing() {
    StoredVolume world = world(State.ATTACHED, "node-1", Robustness.HEALTHY);
    Engine engine = world.engine(InstanceView.State.RUNNING, true, 3);
    world.cluster.put(
        engine.with(
            new Engine.Status(
                engine.status().instance(),
                engine.status().id(),
                false,
                0,
                "",
                List.of(),
                new java.util.TreeMap<>(),
                "")));
    assertThat(planned(world)).isEqualTo(Robustness.HEALTHY);
    Volume volume = world.volume();
    assertThat(volume.status().conditions()).isEmpty();
  }

  /** H2: what an engine said before it had the generation of the record says nothing of it. */
  @Test
  void whatAnEngineSaidBeforeItOwnedTheVolumeDoesNotCount() {
    StoredVolume world = world(State.ATTACHED, "node-1", Robustness.HEALTHY);
    world.engine(InstanceView.State.RUNNING, true, 1);
    VolumeRecord record = world.cluster.record("v");
    MembershipRecord membership = record.membership();
    world.cluster.record(
        "v",
        record
            .reserved(5, StoredVolume.engineId(0))
            .withMembership(
                membership.next(
                    new RecordStamp(5, membership.stamp().number() + 1), membership.members())));
    assertThat(planned(world)).isEqualTo(Robustness.HEALTHY);
    assertThat(world.told()).isEmpty();
  }
}
