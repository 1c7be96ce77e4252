package io.longhorn.orchestration.decision.volume;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.EngineId;
import io.longhorn.api.ReplicaMode;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.Volume.State;
import io.longhorn.orchestration.decision.Capability;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.decision.Plan;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What tickets mean for a migration: table 2.6, alone and in every combination. */
final class MigrationDecisionTest {
  private static final String START = "Starting migration";
  private static final String CONFIRM = "Confirming migration";
  private static final String WAIT = "Waiting to confirm migration until migration engine is ready";
  private static final String ROLL_BACK = "Rolling back migration";
  private static final String CANCEL = "Cancelling migration for detached volume...";
  private static final String GIVE_UP = "Detaching volume for attempted migration to down node";

  private static String text(String word) {
    return word.equals("-") ? "" : word;
  }

  private static String line(String word) {
    return switch (word) {
      case "start" -> START;
      case "confirm" -> CONFIRM;
      case "wait" -> WAIT;
      case "back" -> ROLL_BACK;
      case "cancel" -> CANCEL;
      case "up" -> GIVE_UP;
      default -> throw new IllegalArgumentException(word);
    };
  }

  private static List<String> lines(String words) {
    return words.equals("-")
        ? List.of()
        : List.of(words.split(" ", -1)).stream().map(MigrationDecisionTest::line).toList();
  }

  /** Tickets: nodes; with "!" one with other parameters, with "~" one that is a person's. */
  private static void tickets(MigrationFacts facts, String words) {
    facts.without("n1").without("n2");
    if (!words.equals("-")) {
      for (String word : words.split(" ", -1)) {
        String node = word.substring(0, 2);
        String type = word.endsWith("~") ? "longhorn-api" : "csi-attacher";
        facts.ticket("t-" + node, type, node, word.endsWith("!"));
      }
    }
  }

  /** How the two engines, the record and the target's node are. */
  private static void situation(MigrationFacts facts, String words) {
    for (String word : words.split(" ", -1)) {
      switch (word) {
        case "ready" -> {}
        case "moved" -> facts.owner(MigrationFacts.G_ID);
        case "lost-owner" -> facts.owner(new EngineId(new UUID(8, 77)));
        case "o-unknown" -> facts.process(MigrationFacts.O, InstanceView.State.UNKNOWN);
        case "o-error" -> facts.process(MigrationFacts.O, InstanceView.State.ERROR);
        case "g-unknown" -> facts.process(MigrationFacts.G, InstanceView.State.UNKNOWN);
        case "g-error" -> facts.process(MigrationFacts.G, InstanceView.State.ERROR);
        case "g-gone" -> facts.remove(ObjectKind.ENGINE, MigrationFacts.G);
        case "g-unnamed" ->
            facts.record(record ->
                MigrationFacts.with(record, List.of(MigrationFacts.O_ID), record.phase()));
        case "g-unlinked" -> facts.mode(MigrationFacts.G, 3, Optional.of(ReplicaMode.WO));
        case "g-silent" -> facts.mode(MigrationFacts.G, 3, Optional.empty());
        case "c3-stopped" -> facts.replicaProcess(MigrationFacts.c(3), InstanceView.State.STOPPED);
        case "r3-left" ->
            facts
                .members(1, 2)
                .mode(MigrationFacts.O, 3, Optional.of(ReplicaMode.ERR))
                .mode(MigrationFacts.G, 3, Optional.of(ReplicaMode.ERR))
                .remove(ObjectKind.REPLICA, MigrationFacts.c(3));
        case "down" -> facts.notReady("n2", Names.NODE_NOT_READY);
        case "deleted" -> facts.remove(ObjectKind.NODE, "n2");
        case "trouble" -> facts.notReady("n2", "KubernetesNodePressure");
        default -> throw new IllegalArgumentException(word);
      }
    }
  }

  @ParameterizedTest
  @CsvSource({
    // N, M, cN, cM, tickets, situation, N then, M then, told, rule
    "-,  n2, n1, n2, n1 n2, ready,            -,  -,  cancel,  C0",
    "-,  n2, n1, n2, n2,    ready,            -,  -,  cancel,  C0 whatever tickets say",
    "-,  n2, -,  -,  n1 n2, ready,            -,  -,  cancel,  C0 before the target was known",
    "-,  -,  n1, n2, n1 n2, ready,            -,  -,  -,       C0'",
    "-,  -,  -,  -,  n1 n2, ready,            -,  -,  -,       C0'",
    "n1, n2, n1, -,  n1 n2, ready,            n1, n2, -,       C2",
    "n1, n2, n1, -,  n2,    ready,            n1, n2, -,       C2 nothing to confirm yet",
    "n1, n2, n1, -,  n1,    ready,            n1, -,  back,    C2 C8",
    "n1, n2, n1, n2, n1 n2, ready,            n1, n2, -,       C3",
    "n1, n2, n1, n2, n1 n2, down,             n1, n2, -,       C3 no doubt ends it",
    "n1, n2, n1, n2, n1 n2, moved o-error,    n1, n2, -,       C3 the target owns",
    "n1, n2, n1, n2, n2,    down g-unknown,   -,  -,  wait up, C5 C4",
    "n1, n2, n1, n2, n2,    deleted g-gone,   -,  -,  wait up, C5 C4 deleted",
    "n1, n2, n1, n2, n2,    down,             -,  -,  up,      C4 it still answers",
    "n1, n2, n1, n2, -,     down g-unknown,   -,  -,  wait up, C4 before C8",
    "n1, n2, n1, n2, n2,    moved down g-unknown, n1, n2, wait, C5 no doubt stops the owner (I9)",
    "n1, n2, n1, n2, n2,    moved down,       n2, -,  confirm, C7 the owner still answers",
    "n1, n2, n1, n2, n2,    moved down g-error, -, -, wait up, C4 it has crashed",
    "n1, n2, n1, n2, -,     moved down g-unknown, -, -, wait up, C4 nobody wants it there",
    "n1, n2, n1, n2, n2,    trouble,          n2, -,  confirm, C7 it answers: no reason to wait",
    "n1, n2, n1, n2, n2,    trouble g-error,  n1, n2, wait,    C5 trouble is not down",
    "n1, n2, n1, n2, n2,    g-error,          n1, n2, wait,    C5",
    "n1, n2, n1, n2, n2,    g-gone,           n1, n2, wait,    C5",
    "n1, n2, n1, n2, n2,    g-unknown,        n1, n2, wait,    C5",
    "n1, n2, n1, n2, n2,    g-unnamed,        n1, n2, wait,    C5 it may not claim",
    "n1, n2, n1, n2, n2,    g-unlinked,       n1, n2, wait,    C5 all members (H2)",
    "n1, n2, n1, n2, n2,    g-silent,         n1, n2, wait,    C5 all members (H2)",
    "n1, n2, n1, n2, n2,    c3-stopped,       n1, n2, wait,    C5 what stands by",
    "n1, n2, n1, n2, n2,    o-unknown,        n1, n2, wait,    C5 the owner's fate (6.1)",
    "n1, n2, n1, n2, n2,    o-error,          n1, n2, wait,    C5 A1 comes first (2.2)",
    "n1, n2, n1, n2, n2,    moved g-unknown,  n1, n2, wait,    C5 the owner's fate",
    "n1, n2, n1, n2, -,     g-error,          n1, -,  back,    C8 nobody waits",
    "n1, n2, n1, n2, -,     o-unknown,        n1, -,  back,    C8 nobody waits",
    "n1, n2, n1, n2, n2,    ready,            n2, -,  confirm, C7",
    "n1, n2, n1, n2, n2,    r3-left,          n2, -,  confirm, C7 degraded (#2805)",
    "n1, n2, n1, n2, n2,    moved,            n2, -,  confirm, C7 the target owns",
    "n1, n2, n1, n2, n2,    moved o-error,    n2, -,  confirm, C7 the source is not needed",
    "n1, n2, n1, n2, n2,    moved o-unknown,  n2, -,  confirm, C7 the source is not needed",
    "n1, n2, n1, n2, n2,    lost-owner,       n1, n2, wait,    C5 the source takes it back first",
    "n1, n2, n1, n2, n1! n2, ready,           n2, -,  confirm, C7 that ticket does not fit",
    "n1, n2, n1, n2, n1~ n2, ready,           n2, -,  confirm, C7 not a workload's",
    "n1, n2, n1, n2, -,     ready,            n2, -,  confirm, C7 both are gone",
    "n1, n2, n1, n2, n1,    ready,            n1, -,  back,    C8",
    "n1, n2, n1, n2, n1,    down g-unknown,   n1, -,  back,    C8 never depends on the target",
    "n1, n2, n1, n2, n1,    o-unknown,        n1, -,  back,    C8 nor on the owner (6.2)",
    "n1, n2, n1, n2, n1 n2!, ready,           n1, -,  back,    C8 that ticket does not fit",
    "n2, -,  n2, n2, n2,    ready,            n2, -,  -,       confirmed and not over",
    "n2, -,  n2, n2, -,     ready,            n2, -,  -,       confirmed: not again",
    "n2, -,  n2, n2, -,     down g-unknown,   n2, -,  -,       confirmed: not given up",
    "n1, -,  n1, n2, n1,    ready,            n1, -,  -,       rolled back and not over",
    "n1, -,  n1, n2, n2,    ready,            n1, -,  -,       rolled back: not confirmed",
    "n1, -,  n1, n2, n1 n2, ready,            n1, -,  -,       rolled back: not begun again yet",
  })
  void row(
      String node,
      String migration,
      String current,
      String currentMigration,
      String tickets,
      String situation,
      String nodeThen,
      String migrationThen,
      String told,
      String rule) {
    MigrationFacts facts =
        MigrationFacts.ready()
            .nodes(text(node), text(migration), text(current), text(currentMigration));
    tickets(facts, tickets);
    situation(facts, situation);
    Plan plan = facts.apply(MigrationPlanner::decide);
    assertThat(facts.volume().spec().nodeID()).as(rule).isEqualTo(text(nodeThen));
    assertThat(facts.volume().spec().migrationNodeID()).as(rule).isEqualTo(text(migrationThen));
    assertThat(MigrationFacts.told(plan)).as(rule).isEqualTo(lines(told));
    assertThat(MigrationFacts.waits(plan)).as(rule).hasSize(told.startsWith("wait") ? 1 : 0);
    assertThat(MigrationFacts.told(facts.plan(MigrationPlanner::decide)))
        .as("%s: told once", rule)
        .isEmpty();
  }

  @ParameterizedTest
  @CsvSource({
    // tickets, state, cN, node n2, what else, begun, waits, rule
    "n1 n2,   ATTACHED,  n1, ready,   -,         true,  -,   C1",
    "n1,      ATTACHED,  n1, ready,   -,         false, -,   C1 nobody wants it elsewhere",
    "n2,      ATTACHED,  n1, ready,   -,         false, -,   C1 nobody wants it here",
    "n1 n2~,  ATTACHED,  n1, ready,   -,         false, -,   C1 a person's does not count",
    "n1~ n2,  ATTACHED,  n1, ready,   -,         false, -,   C1 a person's does not count",
    "n1! n2,  ATTACHED,  n1, ready,   -,         false, -,   C1 that does not fit",
    "n1 n2!,  ATTACHED,  n1, ready,   -,         false, -,   C1 C8 would end it at once",
    "n1 n2,   ATTACHING, -,  ready,   -,         false, -,   C1 not attached yet",
    "n1 n2,   DETACHING, n1, ready,   -,         false, -,   C1 not attached any more",
    "n1 n2,   ATTACHED,  n3, ready,   -,         false, -,   C1 not where it is wanted",
    "n1 n2,   ATTACHED,  n1, down,    -,         false, C1w, C1w #13109",
    "n1 n2,   ATTACHED,  n1, trouble, -,         false, C1w, C1w not ready is enough",
    "n1 n2,   ATTACHED,  n1, deleted, -,         false, C1w, C1w",
    "n1 n2,   ATTACHED,  n1, ready,   upgrading, false, M1,  M1 #7833",
    "n1 n2,   ATTACHED,  n1, ready,   unable,    false, C1,  C1 never planned",
    "n1 n2,   ATTACHED,  n1, ready,   plain,     false, -,   M0 not migratable",
  })
  void start(
      String tickets,
      State state,
      String current,
      String target,
      String what,
      boolean isBegun,
      String waits,
      String rule) {
    MigrationFacts facts = MigrationFacts.attached().nodes("n1", "", text(current), "");
    facts.state(state);
    tickets(facts, tickets);
    situation(facts, target);
    switch (what) {
      case "-" -> {}
      case "upgrading" -> facts.volume(volume -> volume.with(volume.spec().withImage("next")));
      case "unable" -> facts.capabilities.remove(Capability.MIGRATION);
      case "plain" -> facts.volume(MigrationDecisionTest::plain);
      default -> throw new IllegalArgumentException(what);
    }
    Plan plan = facts.apply(MigrationPlanner::decide);
    assertThat(facts.volume().spec().migrationNodeID()).as(rule).isEqualTo(isBegun ? "n2" : "");
    assertThat(facts.volume().spec().nodeID()).as(rule).isEqualTo("n1");
    assertThat(MigrationFacts.told(plan)).as(rule).isEqualTo(isBegun ? List.of(START) : List.of());
    assertThat(MigrationFacts.waits(plan))
        .as(rule)
        .isEqualTo(waits.equals("-") ? List.of() : List.of(waits));
    assertThat(plan.lookAgainMillis())
        .as("%s: C1w looks again in 10 s", rule)
        .isEqualTo(waits.equals("C1w") ? facts.nowMillis + 10_000 : Long.MAX_VALUE);
  }

  private static Volume plain(Volume volume) {
    Volume.Spec spec = volume.spec();
    return volume.with(
        Volume.Spec.of(spec.id(), spec.sizeBytes(), spec.numberOfReplicas(), false, spec.image())
            .withNodeID(spec.nodeID()));
  }

  /** Rule C5: a wait says since when it lasts, and what for. */
  @Test
  void confirmationThatWaitsSaysSinceWhenAndWhatFor() {
    MigrationFacts facts = MigrationFacts.ready().without("n1");
    facts.process(MigrationFacts.G, InstanceView.State.ERROR);
    facts.apply(MigrationPlanner::decide);
    facts.nowMillis += 5_000;
    facts.apply(MigrationPlanner::decide);
    assertThat(facts.volume().status().condition(Names.MIGRATION))
        .hasValueSatisfying(why -> {
          assertThat(why.reason()).isEqualTo("C5");
          assertThat(why.message()).isEqualTo(WAIT + ": v-e-1 is error: killed");
          assertThat(why.sinceMillis()).isEqualTo(1_000);
        });
  }

  /**
   * Longhorn #8735, #3206, #3401: two sources of truth, and nothing happens. Here every state of
   * the four fields, the tickets, both engines and the target's node has a decision that stands:
   * taken again it is the same, and it never leaves the webhook's bounds (2.2/3).
   */
  @Test
  void everyStateHasOneDecisionThatStands() {
    int states = 0;
    for (String node : List.of("-", "n1", "n2")) {
      for (String migration : List.of("-", "n2")) {
        for (String currentMigration : List.of("-", "n2")) {
          for (String tickets : List.of("-", "n1", "n2", "n1 n2", "n1 n2!", "n1! n2")) {
            for (String engines :
                List.of("ready", "moved", "g-error", "g-unknown", "o-unknown", "o-error")) {
              for (String target : List.of("ready", "down", "trouble")) {
                for (State state : State.values()) {
                  MigrationFacts facts =
                      MigrationFacts.ready()
                          .nodes(text(node), text(migration), "n1", text(currentMigration))
                          .state(state);
                  tickets(facts, tickets);
                  situation(facts, engines);
                  situation(facts, target);
                  String where =
                      String.join(", ", node, migration, currentMigration, tickets, engines)
                          + ", "
                          + target
                          + ", "
                          + state;
                  assertStands(facts, where);
                  states++;
                }
              }
            }
          }
        }
      }
    }
    assertThat(states).isEqualTo(3 * 2 * 2 * 6 * 6 * 3 * State.values().length);
  }

  private static void assertStands(MigrationFacts facts, String where) {
    Volume before = facts.volume();
    Plan plan = facts.plan(MigrationPlanner::decide);
    assertThat(facts.plan(MigrationPlanner::decide)).as(where).isEqualTo(plan);
    facts.apply(MigrationPlanner::decide);
    Volume.Spec spec = facts.volume().spec();
    String target = before.status().currentMigrationNodeID();
    if (!spec.migrationNodeID().equals(before.spec().migrationNodeID())) {
      assertThat(spec.migrationNodeID().isEmpty() || target.isEmpty()).as(where).isTrue();
    }
    if (!spec.nodeID().equals(before.spec().nodeID())) {
      // Rule C4 or C7: from the one to the other, or nowhere; never anywhere else.
      assertThat(spec.migrationNodeID()).as(where).isEmpty();
      assertThat(spec.nodeID()).as(where).isIn("", target);
      assertThat(before.spec().migrationNodeID()).as(where).isNotEmpty();
    }
    Plan again = facts.apply(MigrationPlanner::decide);
    assertThat(MigrationFacts.told(again)).as("%s: decided once", where).isEmpty();
    assertThat(facts.volume().spec()).as("%s: decided once", where).isEqualTo(spec);
  }

  /** 10.3/5: what came and went between two looks was never there. */
  @Test
  void aTicketThatIsDeletedAndMadeAgainChangesNothing() {
    MigrationFacts facts = MigrationFacts.ready();
    facts.without("n2").ticket("n2").without("n1").ticket("n1");
    Draft draft = new Draft(facts.view());
    MigrationPlanner.decide(draft, facts.volume());
    assertThat(draft.plan().actions()).isEmpty();
  }
}
