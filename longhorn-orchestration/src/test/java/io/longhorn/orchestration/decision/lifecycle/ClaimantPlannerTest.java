package io.longhorn.orchestration.decision.lifecycle;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.EngineId;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.Volume.State;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.api.membership.VolumeRecord.Phase;
import io.longhorn.orchestration.decision.Action;
import java.util.List;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Section 9 of the data path: who may take a generation of a volume that one engine has opened. */
final class ClaimantPlannerTest {
  private static final EngineId OWN = StoredVolume.engineId(0);
  private static final EngineId OTHER = StoredVolume.engineId(1);

  private static StoredVolume world(Phase phase, EngineId... claimants) {
    StoredVolume world = new StoredVolume(State.ATTACHED, "node-1", "node-1");
    world.engine(InstanceView.State.RUNNING, true, 3);
    world.record(0, 1, 2, 3);
    VolumeRecord record = world.cluster.record("v");
    world.cluster.record(
        "v",
        new VolumeRecord(
            record.membership(),
            record.reservedGeneration(),
            record.owner(),
            new TreeSet<>(List.of(claimants)),
            phase));
    return world;
  }

  @Test
  void theOnlyEngineIsTheOnlyClaimant() {
    for (StoredVolume world :
        List.of(world(Phase.NONE), world(Phase.NONE, OTHER), world(Phase.MIGRATING, OWN, OTHER))) {
      VolumeRecord before = world.cluster.record("v");
      world.plan(ClaimantPlanner::plan);
      VolumeRecord record = world.cluster.record("v");
      assertThat(record.claimants()).containsExactly(OWN);
      assertThat(record.phase()).isEqualTo(Phase.NONE);
      assertThat(record.membership()).isEqualTo(before.membership());
      assertThat(record.owner()).isEqualTo(before.owner());
      assertThat(record.reservedGeneration()).isEqualTo(before.reservedGeneration());
      assertThat(world.plan(ClaimantPlanner::plan)).as("again").isEmpty();
    }
  }

  /** An upgrade that waits until the volume is attached waited for ever: nobody could open it. */
  @Test
  void whoOpensAVolumeThatIsToBeUpgradedIsNamed() {
    StoredVolume world = world(Phase.NONE);
    world.cluster.change(
        "v",
        volume ->
            volume
                .with(volume.spec().withImage("next"))
                .with(volume.status().with(State.ATTACHING, "")));
    world.plan(ClaimantPlanner::plan);
    assertThat(world.cluster.record("v").claimants()).containsExactly(OWN);
  }

  /** One that could not be reached claimed when the volume was on its way to another node. */
  @Test
  void nobodyMayTakeAVolumeThatIsDetached() {
    StoredVolume world = world(Phase.NONE, OWN);
    world.engine(InstanceView.State.STOPPED, false, 0);
    world.cluster.change(
        "v",
        volume ->
            volume
                .with(volume.spec().withNodeID(""))
                .with(volume.status().with(State.DETACHING, "node-1")));
    assertThat(world.plan(ClaimantPlanner::plan)).as("not yet").isEmpty();
    world.cluster.change("v", volume -> volume.with(volume.status().with(State.DETACHED, "")));
    VolumeRecord before = world.cluster.record("v");
    world.plan(ClaimantPlanner::plan);
    assertThat(world.cluster.record("v"))
        .isEqualTo(
            new VolumeRecord(
                before.membership(),
                before.reservedGeneration(),
                before.owner(),
                new TreeSet<>(),
                Phase.NONE));
    assertThat(world.plan(ClaimantPlanner::plan)).as("again").isEmpty();
  }

  @ParameterizedTest
  @CsvSource({
    "swapping",
    "migrating",
    "ending",
    "deleted",
    "two",
    "stopped",
    "unknown",
    "unwanted",
    "silent",
    "recordless",
  })
  void whileOthersSaySoOrItIsNotCertainNothingIsChanged(String what) {
    StoredVolume world = world(what.equals("swapping") ? Phase.SWAPPING : Phase.NONE, OTHER);
    switch (what) {
      case "migrating" ->
          world.cluster.change(
              "v", volume -> volume.with(volume.spec().withMigrationNodeID("node-2")));
      case "ending" ->
          world.cluster.change(
              "v", volume -> volume.with(volume.status().withNodes("node-1", "node-2")));
      case "deleted" -> world.cluster.change("v", volume -> volume.deletedAt(4));
      case "two" -> world.engine(1, "node-2", false, InstanceView.State.RUNNING, true, 3);
      case "stopped" -> world.engine(InstanceView.State.STOPPED, true, 0);
      case "unknown" -> world.engine(InstanceView.State.UNKNOWN, true, 0);
      case "unwanted" -> world.engine(InstanceView.State.RUNNING, false, 3);
      case "silent" -> {
        var engine = world.cluster.engine("v");
        var said = engine.status();
        world.cluster.put(
            engine.with(
                new io.longhorn.api.cluster.Engine.Status(
                    said.instance(),
                    java.util.Optional.empty(),
                    true,
                    1,
                    "",
                    List.of(),
                    said.replicas(),
                    "")));
      }
      case "recordless" ->
          world.cluster.objects.remove(
              new io.longhorn.api.cluster.ObjectKey(
                  io.longhorn.api.cluster.ObjectKind.MEMBERSHIP, "v"));
      default -> {}
    }
    List<Action> plan = world.plan(ClaimantPlanner::plan);
    assertThat(plan).isEmpty();
  }
}
