package io.longhorn.orchestration.decision.volume;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.Node;
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.Volume.AccessMode;
import io.longhorn.api.cluster.Volume.Robustness;
import io.longhorn.api.cluster.Volume.State;
import io.longhorn.orchestration.decision.Action;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.Plan;
import io.longhorn.orchestration.decision.Settings;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Who asks for a volume, and with what (2.1, 2.3, 2.4, 2.5, 2.7). */
final class AttachmentTicketsTest {
  private static String text(String word) {
    return word.equals("-") ? "" : word;
  }

  /** Words are type@node, with "!" for one without a frontend; ids are t1, t2, … */
  private static void tickets(MigrationFacts facts, String words) {
    if (words.equals("-")) {
      return;
    }
    int number = 0;
    for (String word : words.split(" ", -1)) {
      String type = word.substring(0, word.indexOf('@'));
      String node = word.substring(word.indexOf('@') + 1).replace("!", "");
      facts.ticket("t" + ++number, type, node, word.endsWith("!"));
    }
  }

  private static Volume kind(Volume volume, String kind) {
    Volume.Spec spec = volume.spec();
    boolean isMigratable = kind.equals("migratable");
    AccessMode mode = kind.equals("plain") ? AccessMode.RWO : AccessMode.RWX;
    return volume.with(
        new Volume.Spec(
            spec.id(),
            spec.sizeBytes(),
            spec.numberOfReplicas(),
            isMigratable,
            mode,
            spec.image(),
            spec.nodeID(),
            spec.migrationNodeID(),
            spec.isFrontendDisabled(),
            spec.staleReplicaTimeoutMinutes(),
            spec.placement()));
  }

  @ParameterizedTest
  @CsvSource({
    // kind, robustness, M, cM, tickets (attached to n1), it is detached, rule
    "plain,      HEALTHY, -,  -,  longhorn-api@n1,                      false, A5",
    "plain,      HEALTHY, -,  -,  csi-attacher@n1,                      false, A5",
    "plain,      HEALTHY, -,  -,  whoever@n1,                           false, A5 any kind",
    "plain,      FAULTED, -,  -,  csi-attacher@n1,                      true,  A1",
    "plain,      UNKNOWN, -,  -,  csi-attacher@n1,                      false, A5 doubt (I9)",
    "plain,      HEALTHY, -,  -,  -,                                    true,  A3",
    "plain,      HEALTHY, -,  -,  csi-attacher@n2,                      true,  A3",
    "plain,      HEALTHY, -,  -,  csi-attacher@n1!,                     true,  A3 not so",
    "plain,      HEALTHY, -,  -,  csi-attacher@n1! longhorn-api@n1,     false, A5 one fits",
    "plain,      HEALTHY, -,  -,  snapshot@n1 csi-attacher@n2,          true,  A4",
    "plain,      HEALTHY, -,  -,  backup@n1 csi-attacher@n2,            true,  A4",
    "plain,      HEALTHY, -,  -,  snapshot@n1 backup@n1 share-manager@n2, true, A4",
    "plain,      HEALTHY, -,  -,  snapshot@n1 longhorn-api@n2,          true,  A4",
    "plain,      HEALTHY, -,  -,  snapshot@n1 snapshot@n2,              false, A5 no workload",
    "plain,      HEALTHY, -,  -,  snapshot@n1 eviction@n2,              false, A5 no workload",
    "plain,      HEALTHY, -,  -,  snapshot@n1 csi-attacher@n1,          false, A5 nobody elsewhere",
    "plain,      HEALTHY, -,  -,  snapshot@n1 csi-attacher@n1 csi-attacher@n2, false, A5",
    "plain,      HEALTHY, -,  -,  clone@n1 csi-attacher@n2,             false, A5 its copy",
    "plain,      HEALTHY, -,  -,  eviction@n1 csi-attacher@n2,          false, A5",
    "plain,      HEALTHY, -,  -,  rebuilding@n1 csi-attacher@n2,        false, A5",
    "migratable, HEALTHY, n2, n2, -,                                    false, A2",
    "migratable, HEALTHY, n2, -,  -,                                    false, A2",
    "migratable, HEALTHY, -,  n2, -,                                    false, A2 the end too",
    "migratable, FAULTED, n2, n2, csi-attacher@n1 csi-attacher@n2,      true,  A1 before A2",
    "migratable, HEALTHY, -,  -,  -,                                    true,  A3",
    "plain,      HEALTHY, n2, n2, -,                                    true,  A3 not migratable",
    "shared,     HEALTHY, -,  -,  csi-attacher@n1,                      true,  A3 of a share",
    "shared,     HEALTHY, -,  -,  csi-attacher@n2 share-manager@n1,     false, A5 who stands in",
  })
  void detach(
      String kind,
      Robustness robustness,
      String migration,
      String currentMigration,
      String tickets,
      boolean isDetached,
      String rule) {
    MigrationFacts facts =
        MigrationFacts.attached()
            .nodes("n1", text(migration), "n1", text(currentMigration))
            .robustness(robustness)
            .volume(volume -> kind(volume, kind));
    tickets(facts, tickets);
    Plan plan = facts.apply(AttachmentPlanner::plan);
    assertThat(facts.volume().spec().nodeID()).as(rule).isEqualTo(isDetached ? "" : "n1");
    assertThat(MigrationFacts.told(plan))
        .as(rule)
        .isEqualTo(isDetached ? List.of("volume v is selected to detach from n1") : List.of());
  }

  /** The levels of Rule 2.1 are the numbers behind B2. */
  @ParameterizedTest
  @CsvSource({
    // kind, state, cN, cM, robustness, tickets, attached to, without frontend, waits, rule
    "plain,      DETACHED, -, -, UNKNOWN, csi-attacher@n1,                  n1, false, -, B5",
    "plain,      DETACHED, -, -, UNKNOWN, snapshot@n1!,                     n1, true,  -, B5 as asked",
    "plain,      DETACHED, -, -, UNKNOWN, csi-attacher@n2 csi-attacher@n1,  n2, false, -, B5 by id",
    "plain,      DETACHED, -, -, UNKNOWN, csi-attacher@n2 longhorn-api@n1,  n1, false, -, B2 1000",
    "plain,      DETACHED, -, -, UNKNOWN, longhorn-api@n2 restore@n1,       n1, false, -, B2 2000",
    "plain,      DETACHED, -, -, UNKNOWN, longhorn-api@n2 expansion@n1,     n1, false, -, B2 2000",
    "plain,      DETACHED, -, -, UNKNOWN, eviction@n2 csi-attacher@n1,      n1, false, -, B2 900",
    "plain,      DETACHED, -, -, UNKNOWN, backup@n2 share-manager@n1,       n1, false, -, B2 900",
    "plain,      DETACHED, -, -, UNKNOWN, clone@n2 salvage@n1,              n1, false, -, B2 900",
    "plain,      DETACHED, -, -, UNKNOWN, whoever@n2 rebuilding@n1,         n1, false, -, B2 800",
    "plain,      DETACHED, -, -, UNKNOWN, whoever@n2 bim-ds@n1,             n1, false, -, B2 800",
    "plain,      DETACHED, -, -, UNKNOWN, whoever@n2,                       n2, false, -, B2 0",
    "plain,      DETACHED, -, -, UNKNOWN, -,                                -,  false, -, B4",
    "plain,      DETACHED, -, -, FAULTED, csi-attacher@n1,                  -,  false, B1, B1",
    "plain,      DETACHED, -, -, FAULTED, -,                                -,  false, -, B1 B4",
    "plain,      DETACHING, n1, -, UNKNOWN, csi-attacher@n1,                -,  false, -, B0",
    "plain,      CREATING, -, -, UNKNOWN, csi-attacher@n1,                  -,  false, -, B0",
    "migratable, DETACHED, -, n2, UNKNOWN, csi-attacher@n1,                 -,  false, -, B0 #11479",
    "migratable, DETACHED, -, -, UNKNOWN, csi-attacher@n1,                  n1, false, -, B5",
    "migratable, DETACHED, -, -, UNKNOWN, csi-attacher@n1 csi-attacher@n2,  -,  false, B3, B3",
    "migratable, DETACHED, -, -, UNKNOWN, csi-attacher@n1 csi-attacher@n1,  n1, false, -, B3 one node",
    "migratable, DETACHED, -, -, UNKNOWN, csi-attacher@n1 csi-attacher@n2 longhorn-api@n3, n3, false, -, B2 before B3",
    "migratable, DETACHED, -, -, UNKNOWN, csi-attacher@n1 snapshot@n2,      n1, false, -, B2 before B3",
    "shared,     DETACHED, -, -, UNKNOWN, csi-attacher@n1,                  -,  false, -, B2 of a share",
    "shared,     DETACHED, -, -, UNKNOWN, csi-attacher@n1 share-manager@n2, n2, false, -, B2 of a share",
  })
  void attach(
      String kind,
      State state,
      String current,
      String currentMigration,
      Robustness robustness,
      String tickets,
      String node,
      boolean isFrontendDisabled,
      String waits,
      String rule) {
    MigrationFacts facts =
        MigrationFacts.attached()
            .nodes("", "", text(current), text(currentMigration))
            .state(state)
            .robustness(robustness)
            .volume(volume -> kind(volume, kind));
    tickets(facts, tickets);
    Plan plan = facts.apply(AttachmentPlanner::plan);
    assertThat(facts.volume().spec().nodeID()).as(rule).isEqualTo(text(node));
    assertThat(facts.volume().spec().isFrontendDisabled()).as(rule).isEqualTo(isFrontendDisabled);
    assertThat(MigrationFacts.waits(plan))
        .as(rule)
        .isEqualTo(waits.equals("-") ? List.of() : List.of(waits));
    if (!node.equals("-")) {
      assertThat(MigrationFacts.told(plan))
          .as(rule)
          .containsExactly("volume v is selected to attach to " + node);
    }
  }

  @Test
  void aRefusalToChooseIsToldOnceAndSaysSinceWhen() {
    // B3
    MigrationFacts facts = MigrationFacts.attached().nodes("", "", "", "").state(State.DETACHED);
    facts.robustness(Robustness.UNKNOWN).ticket("n2").ticket("n1");
    String line =
        "Volume migration between n2 and n1 failed; detach volume from extra node to resume";
    assertThat(MigrationFacts.told(facts.apply(AttachmentPlanner::plan)))
        .as("in the order in which they were made")
        .containsExactly(line);
    facts.nowMillis += 60_000;
    assertThat(MigrationFacts.told(facts.apply(AttachmentPlanner::plan))).isEmpty();
    assertThat(facts.volume().status().conditions())
        .singleElement()
        .satisfies(why -> {
          assertThat(why.reason()).isEqualTo("B3");
          assertThat(why.message()).isEqualTo(line);
          assertThat(why.sinceMillis()).isEqualTo(1_000);
        });
  }

  /** Rule 2.3: what is asked for by hand may be given up by a setting. */
  @ParameterizedTest
  @CsvSource({
    // type, n1 is cordoned, setting, tickets left, told, rule
    "longhorn-api, true,  false, 1, 1, 2.3 an event",
    "longhorn-api, true,  true,  0, 1, 2.3 it goes, and the volume is detached (A3)",
    "longhorn-api, false, true,  1, 0, 2.3 not cordoned",
    "csi-attacher, true,  true,  1, 0, 2.3 only a person's",
    "snapshot,     true,  true,  1, 0, 2.3 only a person's",
  })
  void cordon(String type, boolean isCordoned, boolean isSet, int left, int told, String rule) {
    MigrationFacts facts = MigrationFacts.attached().ticket("t", type, "n1", false);
    Node node = (Node) facts.objects.get(new ObjectKey(ObjectKind.NODE, "n1"));
    facts.put(node.withCordon(isCordoned));
    facts.put(
        Settings.setting(
            Settings.Key.DETACH_MANUALLY_ATTACHED_WHEN_CORDONED, Boolean.toString(isSet)));
    Plan plan = facts.apply(AttachmentPlanner::plan);
    assertThat(facts.attachment().tickets()).as(rule).hasSize(left);
    assertThat(MigrationFacts.told(plan)).as(rule).hasSize(told);
    assertThat(facts.volume().spec().nodeID()).as(rule).isEqualTo(left == 0 ? "" : "n1");
    assertThat(
            facts.apply(AttachmentPlanner::plan).actions().stream()
                .filter(Action.Tell.class::isInstance))
        .as("%s: told once", rule)
        .isEmpty();
  }

  @ParameterizedTest
  @CsvSource({
    // kind, N, M, cN, cM, state, target is, ticket, satisfied, reason, rule
    "migratable, n1, -,  n1, -,  ATTACHED,  -,     csi-attacher@n1,  true,  Attached, 2.7/3",
    "migratable, n1, -,  n1, -,  ATTACHED,  -,     longhorn-api@n1,  true,  Attached, 2.7/3",
    "migratable, n1, -,  n1, -,  ATTACHED,  -,     csi-attacher@n1!, false, AttachedWithIncompatibleParameters, 2.7/3",
    "migratable, n1, -,  n1, -,  ATTACHED,  -,     csi-attacher@n2,  false, Waiting, 2.7/3",
    "migratable, n1, -,  -,  -,  ATTACHING, -,     csi-attacher@n1,  false, Waiting, 2.7/3",
    "migratable, -,  -,  n1, -,  DETACHING, -,     csi-attacher@n1,  false, Waiting, 2.7/3",
    "migratable, n1, n2, n1, n2, ATTACHED,  ready, csi-attacher@n1,  true,  Attached, 2.7/3 the source",
    "migratable, n1, n2, n1, n2, ATTACHED,  ready, csi-attacher@n2,  true,  Attached, 2.7/2 the target",
    "migratable, n1, n2, n1, n2, ATTACHED,  ready, csi-attacher@n2!, false, Waiting, 2.7/2 does not fit",
    "migratable, n1, n2, n1, n2, ATTACHED,  ready, longhorn-api@n2,  false, Waiting, 2.7/2 not a workload's",
    "migratable, n1, n2, n1, n2, ATTACHED,  down,  csi-attacher@n2,  false, Waiting, 2.7/2 not ready",
    "migratable, n1, n2, n1, -,  ATTACHED,  ready, csi-attacher@n2,  false, Waiting, 2.7/2 not yet",
    "migratable, n1, -,  n1, n2, ATTACHED,  ready, csi-attacher@n2,  false, Waiting, 2.7/3 rolled back",
    "migratable, n2, -,  n2, n2, ATTACHED,  ready, csi-attacher@n2,  true,  Attached, 2.7/3 confirmed",
    "migratable, n2, -,  n2, n2, ATTACHED,  ready, csi-attacher@n1,  false, Waiting, 2.7/3 confirmed",
    "shared,     n1, -,  n1, -,  ATTACHED,  -,     csi-attacher@n1,  false, NotShared, 2.7/1 of a share",
  })
  void satisfied(
      String kind,
      String node,
      String migration,
      String current,
      String currentMigration,
      State state,
      String target,
      String ticket,
      boolean isSatisfied,
      String reason,
      String rule) {
    MigrationFacts facts =
        (target.equals("-") ? MigrationFacts.attached() : MigrationFacts.ready())
            .nodes(text(node), text(migration), text(current), text(currentMigration))
            .state(state)
            .volume(volume -> kind(volume, kind));
    if (target.equals("down")) {
      facts.process(MigrationFacts.G, InstanceView.State.UNKNOWN);
    }
    facts.without("n1").without("n2");
    tickets(facts, ticket);
    Draft draft = new Draft(facts.view());
    AttachmentPlanner.tell(draft, facts.volume());
    var told = draft.attachmentOf(facts.volume()).tickets().firstEntry().getValue().satisfied();
    assertThat(told.isTrue()).as(rule).isEqualTo(isSatisfied);
    assertThat(told.reason()).as(rule).isEqualTo(reason);
  }

  /** A ticket that waits says what for: of a migration first, for that is what it waits for. */
  @Test
  void aTicketThatWaitsForAMigrationSaysWhatThatWaitsFor() {
    // 2.7/2, M15
    MigrationFacts facts =
        MigrationFacts.ready().replicaProcess(MigrationFacts.c(3), InstanceView.State.STARTING);
    Plan plan =
        facts.plan((draft, volume) -> {
          MigrationPlanner.carryOut(draft, volume);
          AttachmentPlanner.tell(draft, volume);
        });
    plan.actions().forEach(facts::store);
    var told = facts.attachment().tickets().get("n2").satisfied();
    assertThat(told.reason()).isEqualTo("M15");
    assertThat(told.message()).isEqualTo(MigrationFacts.c(3) + " is starting");
  }
}
