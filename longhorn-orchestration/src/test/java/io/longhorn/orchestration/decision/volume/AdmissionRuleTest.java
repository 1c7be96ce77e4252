package io.longhorn.orchestration.decision.volume;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.cluster.Condition;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.Volume.Placement;
import io.longhorn.api.cluster.Volume.Placement.DataLocality;
import io.longhorn.api.cluster.Volume.State;
import io.longhorn.api.cluster.VolumeAttachment.Ticket;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Section 2.2. */
final class AdmissionRuleTest {
  private static Ticket ticket(String id, String type, String node) {
    Condition waiting = new Condition("Satisfied", false, "Waiting", "", 1);
    return new Ticket(id, type, node, "", false, 1, waiting);
  }

  private static Volume plain(Volume volume) {
    Volume.Spec spec = volume.spec();
    return volume.with(
        Volume.Spec.of(spec.id(), spec.sizeBytes(), spec.numberOfReplicas(), false, spec.image()));
  }

  @ParameterizedTest
  @CsvSource({
    // migratable, state, CSI tickets there, new one: type and node, refusal contains, rule
    "true,  DETACHED,  -,     csi-attacher, n1, -,               W1",
    "true,  CREATING,  -,     csi-attacher, n1, -,               W1 whatever the state",
    "true,  DETACHING, -,     csi-attacher, n1, -,               W1 whatever the state",
    "true,  DETACHED,  n1,    csi-attacher, n1, -,               W1 one node, another id",
    "true,  DETACHED,  n1,    csi-attacher, n2, once it is attached, W2",
    "true,  ATTACHING, n1,    csi-attacher, n2, once it is attached, W2",
    "true,  DETACHING, n1,    csi-attacher, n2, once it is attached, W2",
    "true,  CREATING,  n1,    csi-attacher, n2, once it is attached, W2",
    "true,  ATTACHED,  n1,    csi-attacher, n2, -,               W3",
    "true,  ATTACHED,  n1 n2, csi-attacher, n2, -,               W3 one of the two, another id",
    "true,  ATTACHED,  n1 n2, csi-attacher, n3, more than two nodes, W4",
    "true,  DETACHED,  n1 n2, csi-attacher, n3, more than two nodes, W4",
    "true,  ATTACHED,  n1 n2, longhorn-api, n3, -,               W4 counts workloads",
    "false, ATTACHED,  n1 n2, csi-attacher, n3, -,               W1 nobody migrates",
  })
  void tickets(
      boolean isMigratable,
      State state,
      String there,
      String type,
      String node,
      String refusal,
      String rule) {
    MigrationFacts facts = MigrationFacts.attached().state(state);
    if (!isMigratable) {
      facts.volume(AdmissionRuleTest::plain);
    }
    if (!there.equals("-")) {
      List.of(there.split(" ", -1)).forEach(facts::ticket);
    }
    var found =
        AdmissionRule.refusal(facts.volume(), facts.attachment(), ticket("new", type, node));
    if (refusal.equals("-")) {
      assertThat(found).as(rule).isEmpty();
    } else {
      assertThat(found).as(rule).hasValueSatisfying(line -> assertThat(line).contains(refusal));
    }
  }

  /** The line of the seed's scenario 4, in the words of Longhorn up to 1.10.0. */
  @ParameterizedTest
  @CsvSource({"n3, volume v: cannot attach migratable volume to more than two nodes"})
  void theRefusalOfAThirdNodeIsTheSeeds(String node, String line) {
    // W4
    MigrationFacts facts = MigrationFacts.ready();
    assertThat(
            AdmissionRule.refusal(
                facts.volume(), facts.attachment(), ticket(node, "csi-attacher", node)))
        .hasValue(line);
  }

  @ParameterizedTest
  @CsvSource({
    // locality, node, refused, rule
    "STRICT_LOCAL, n1, false, 2.2/1 where its replica is",
    "STRICT_LOCAL, n9, true,  2.2/1 where it has none",
    "BEST_EFFORT,  n9, false, 2.2/1 only strict-local is bound",
    "DISABLED,     n9, false, 2.2/1 only strict-local is bound",
  })
  void strictLocal(DataLocality locality, String node, boolean isRefused, String rule) {
    MigrationFacts facts = MigrationFacts.attached();
    Placement placement =
        new Placement(
            locality,
            Placement.ANYWHERE.nodeTags(),
            Placement.ANYWHERE.diskTags(),
            Placement.Choice.IGNORED,
            Placement.Choice.IGNORED,
            Placement.Choice.IGNORED);
    facts.volume(volume -> volume.with(volume.spec().with(1, 0, placement)));
    assertThat(
            AdmissionRule.refusal(
                    facts.volume(), facts.replicas(), ticket("t", "csi-attacher", node))
                .isPresent())
        .as(rule)
        .isEqualTo(isRefused);
  }

  @ParameterizedTest
  @CsvSource({
    // migratable, engines there, may have one more, rule
    "true,  0, true,  2.2/2",
    "true,  1, true,  2.2/2 two sides of a migration",
    "true,  2, false, 2.2/2 never three",
    "false, 0, true,  2.2/2",
    "false, 1, false, 2.2/2",
  })
  void engines(boolean isMigratable, int there, boolean mayBe, String rule) {
    MigrationFacts facts = MigrationFacts.ready();
    if (!isMigratable) {
      facts.volume(AdmissionRuleTest::plain);
    }
    List<Engine> engines = new ArrayList<>();
    for (int i = 0; i < there; i++) {
      engines.add(facts.engine(MigrationFacts.O));
    }
    assertThat(AdmissionRule.mayHaveOneMore(facts.volume(), engines)).as(rule).isEqualTo(mayBe);
  }
}
