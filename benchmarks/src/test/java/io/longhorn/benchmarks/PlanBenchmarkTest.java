package io.longhorn.benchmarks;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.orchestration.decision.Action;
import io.longhorn.orchestration.decision.ClusterView;
import io.longhorn.orchestration.decision.Plan;
import io.longhorn.orchestration.decision.control.ControlCore;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What the benchmark does is what it says, in a cluster of which no figure is wanted. */
final class PlanBenchmarkTest {
  private static final int VOLUMES = 200;
  private static final int NODES = 10;

  private final PlanBenchmark benchmark = new PlanBenchmark();
  private final PlanBenchmark.Cluster cluster = new PlanBenchmark.Cluster();

  PlanBenchmarkTest() {
    cluster.volumes = VOLUMES;
    cluster.nodes = NODES;
    cluster.fill();
  }

  private static List<Action> actions(List<Plan> plans) {
    return plans.stream().flatMap(plan -> plan.actions().stream()).toList();
  }

  @Test
  void atRestNothingIsPlannedHoweverOftenOneLooks() {
    assertThat(actions(ControlCore.planAll(ManyVolumes.of(VOLUMES, NODES)))).isEmpty();
    assertThat(benchmark.fullPass(cluster)).hasSize(1 + VOLUMES);
    assertThat(actions(benchmark.fullPass(cluster))).isEmpty();
    assertThat(benchmark.cluster(cluster).actions()).isEmpty();
  }

  @Test
  void aTicketThatIsGoneIsAPlanForOneVolume() {
    List<Plan> plans = benchmark.ticketTakenAwayAndBack(cluster);
    assertThat(plans).as("one volume, and nothing else, twice").hasSize(2);
    assertThat(plans.getFirst().actions()).isNotEmpty();
    assertThat(plans.getLast().actions()).as("and it is as before").isEmpty();
  }

  @Test
  void anEngineThatIsGoneIsAPlanForItsVolume() {
    List<Plan> plans = benchmark.engineGoneAndBack(cluster);
    assertThat(actions(plans)).anyMatch(action -> action instanceof Action.Tell);
    assertThat(plans.getLast().actions()).as("and it is as before").isEmpty();
  }

  @Test
  void whatIsSettledHasWhatItIsCounted() {
    ClusterView view = ManyVolumes.of(VOLUMES, NODES);
    assertThat(view.volumeNames()).hasSize(VOLUMES);
    assertThat(view.enginesOf(ManyVolumes.volume(7))).hasSize(1);
    assertThat(view.replicasOf(ManyVolumes.volume(7))).hasSize(3);
  }
}
