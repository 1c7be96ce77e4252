package io.longhorn.orchestration.decision.volume;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.cluster.Condition;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.Volume.Robustness;
import io.longhorn.api.cluster.Volume.State;
import io.longhorn.api.cluster.VolumeAttachment;
import io.longhorn.orchestration.decision.Action;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.decision.SmallCluster;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Sections 2.4, 2.5 and 2.7, as far as a volume has one node at a time. */
final class AttachmentPlannerTest {
  /** {@code nodes}: of the tickets, named t1, t2, …; "-" for none. */
  private static SmallCluster cluster(
      State state, Robustness robustness, String spec, String current, String nodes) {
    SmallCluster cluster = new SmallCluster(3);
    cluster.create("v", 3);
    cluster.change(
        "v",
        volume ->
            volume
                .with(volume.spec().withNodeID(text(spec)))
                .with(volume.status().with(state, text(current)).with(robustness, 1)));
    if (!nodes.equals("-")) {
      int number = 0;
      for (String node : nodes.split(" ", -1)) {
        cluster.attach("v", node, "t" + ++number);
      }
    }
    return cluster;
  }

  private static String text(String word) {
    return word.equals("-") ? "" : word;
  }

  private static Volume planned(SmallCluster cluster) {
    cluster.nowMillis = 9;
    Draft draft = new Draft(cluster.blankView());
    AttachmentPlanner.plan(draft, cluster.volume("v"));
    List<Action> plan = draft.plan().actions();
    boolean isChanged = !draft.volume("v").orElseThrow().equals(cluster.volume("v"));
    assertThat(plan).hasSize(isChanged ? 2 : 0);
    cluster.store(plan);
    return cluster.volume("v");
  }

  @ParameterizedTest
  @CsvSource({
    // state, robustness, spec.nodeID, current, tickets for, spec.nodeID then, rule
    "ATTACHED,  HEALTHY,  node-1, node-1, node-1,        node-1, A5",
    "ATTACHED,  DEGRADED, node-1, node-1, node-1 node-1, node-1, A5 one of them is enough",
    "ATTACHED,  UNKNOWN,  node-1, node-1, node-1,        node-1, A5 not seen is not gone",
    "ATTACHED,  FAULTED,  node-1, node-1, node-1,        -,      A1",
    "ATTACHED,  HEALTHY,  node-1, node-1, -,             -,      A3",
    "ATTACHED,  HEALTHY,  node-1, node-1, node-2,        -,      A3",
    "ATTACHING, UNKNOWN,  node-1, -,      -,             -,      A3",
    "DETACHING, UNKNOWN,  -,      node-1, node-1,        -,      A0 and B0",
    "ATTACHED,  HEALTHY,  -,      node-1, node-1,        -,      A0 and B0",
    "CREATING,  UNKNOWN,  -,      -,      node-1,        -,      B0",
    "DETACHED,  UNKNOWN,  -,      node-1, node-1,        -,      B0",
    "DETACHED,  FAULTED,  -,      -,      node-1,        -,      B1",
    "DETACHED,  UNKNOWN,  -,      -,      -,             -,      B4",
    "DETACHED,  UNKNOWN,  -,      -,      node-2,        node-2, B5",
    "DETACHED,  UNKNOWN,  -,      -,      node-3 node-2, node-3, B5 the smallest id",
  })
  void row(
      State state,
      Robustness robustness,
      String spec,
      String current,
      String nodes,
      String expected,
      String rule) {
    SmallCluster cluster = cluster(state, robustness, spec, current, nodes);
    assertThat(planned(cluster).spec().nodeID()).as(rule).isEqualTo(text(expected));
    if (!text(spec).equals(text(expected))) {
      assertThat(cluster.told)
          .singleElement()
          .satisfies(tell ->
              assertThat(tell.message())
                  .isEqualTo(
                      text(expected).isEmpty()
                          ? "volume v is selected to detach from " + spec
                          : "volume v is selected to attach to " + expected));
    }
  }

  @Test
  void aDeletedVolumeIsDetachedAndNotAttached() {
    SmallCluster attached =
        cluster(State.ATTACHED, Robustness.HEALTHY, "node-1", "node-1", "node-1");
    attached.change("v", volume -> volume.deletedAt(3));
    assertThat(planned(attached).spec().nodeID()).isEmpty();
    SmallCluster detached = cluster(State.DETACHED, Robustness.UNKNOWN, "-", "-", "node-1");
    detached.change("v", volume -> volume.deletedAt(3));
    assertThat(planned(detached).spec().nodeID()).isEmpty();
  }

  @Test
  void aClusterThatGoesDownDetachesAndDoesNotAttach() {
    SmallCluster attached =
        cluster(State.ATTACHED, Robustness.HEALTHY, "node-1", "node-1", "node-1");
    attached.isStopping = true;
    assertThat(planned(attached).spec().nodeID()).isEmpty();
    SmallCluster detached = cluster(State.DETACHED, Robustness.UNKNOWN, "-", "-", "node-1");
    detached.isStopping = true;
    assertThat(planned(detached).spec().nodeID()).isEmpty();
  }

  @ParameterizedTest
  @CsvSource({
    // state, current, ticket for, satisfied, reason
    "ATTACHED,  node-1, node-1, true,  Attached",
    "ATTACHED,  node-1, node-2, false, Waiting",
    "ATTACHING, -,      node-1, false, Waiting",
    "DETACHING, node-1, node-1, false, Waiting",
    "DETACHED,  -,      node-1, false, Waiting",
  })
  void aTicketIsSatisfiedWhereTheVolumeIsAttached(
      State state, String current, String node, boolean isSatisfied, String reason) {
    SmallCluster cluster = cluster(state, Robustness.UNKNOWN, "node-1", current, node);
    Condition told = satisfied(cluster);
    assertThat(told.isTrue()).isEqualTo(isSatisfied);
    assertThat(told.reason()).isEqualTo(reason);
    assertThat(told.message().isEmpty()).isEqualTo(isSatisfied);
  }

  @Test
  void aTicketThatWaitsSaysWhatItsVolumeWaitsFor() {
    SmallCluster cluster = cluster(State.ATTACHING, Robustness.UNKNOWN, "node-1", "-", "node-1");
    cluster.nowMillis = 9;
    Draft draft = new Draft(cluster.blankView());
    draft.waits(cluster.volume("v"), Names.WAITING, "7.1/open", "r is starting");
    AttachmentPlanner.tell(draft, cluster.volume("v"));
    cluster.store(draft, "v");
    Condition told = cluster.attachment("v").tickets().firstEntry().getValue().satisfied();
    assertThat(told.reason()).isEqualTo("7.1/open");
    assertThat(told.message()).isEqualTo("r is starting");
    assertThat(told.sinceMillis()).isEqualTo(9);
  }

  private static Condition satisfied(SmallCluster cluster) {
    cluster.nowMillis = 9;
    Draft draft = new Draft(cluster.blankView());
    AttachmentPlanner.tell(draft, cluster.volume("v"));
    cluster.store(draft.plan().actions());
    VolumeAttachment attachment = cluster.attachment("v");
    return attachment.tickets().firstEntry().getValue().satisfied();
  }
}
