package io.longhorn.orchestration.decision.volume;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.cluster.Condition;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.Volume.Robustness;
import io.longhorn.api.cluster.Volume.State;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.orchestration.decision.Action;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.decision.SmallCluster;
import java.util.ArrayList;
import java.util.List;
import java.util.SortedSet;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * 10.3/4: migrations that begin, are confirmed, rolled back or cancelled, cut off after every
 * single write (Rule 1.2). The control plane dies there, something else happens, another one goes
 * on: every such run ends with one engine that owns the volume, three whole replicas and nothing
 * left over; and where nothing else happens, it ends as the run that was not cut off.
 */
final class MigrationCutTest {
  private static final String OLD = "node-1";
  private static final String NEW = "node-2";
  private static final String THIRD = "node-3";
  private static final int MOST_ROUNDS = 300;
  private static final long LONGEST_PAUSE_MILLIS = 60_000;

  /** Each cut with each event takes two minutes; without this each cut has a third of them. */
  private static final boolean IS_EVERYTHING = Boolean.getBoolean("cuts.everything");

  /** What is cut. */
  enum Story {
    /** From the second ticket until the target is ready. */
    BEGIN,
    /** C7, M4 to M8. */
    CONFIRM,
    /** The same; the guest was there first. */
    CONFIRM_MOVED,
    /** C8, M5 to M8. */
    ROLL_BACK,
    /** The same; the guest was at the target. */
    ROLL_BACK_MOVED,
    /** A1, C0, M3 to M8: the source dies. */
    CANCEL,
    /** Both tickets go in the same instant (10.3/5). */
    BOTH_GO
  }

  /** What happens at the cut, before the next control plane looks. */
  enum Then {
    NOTHING,
    OLD_CRASHES,
    NEW_CRASHES,
    THIRD_CRASHES,
    OLD_TICKET_GOES,
    NEW_TICKET_GOES,
    ALL_TICKETS_GO,
    TICKETS_COME_BACK,
    GUEST_MOVES
  }

  @ParameterizedTest
  @CsvSource({
    "BEGIN,           12, C1 M11 M14 P11 P16",
    "CONFIRM,         12, C7 M4 M5 M6 M7 M8",
    "CONFIRM_MOVED,   12, C7 M4 M5 M6 M7 M8",
    "ROLL_BACK,       8,  C8 M5 M6 M7 M8",
    "ROLL_BACK_MOVED, 8,  C8 M5 M6 M7 M8",
    "CANCEL,          12, A1 C0 M3 M5 M6 M7 M8",
    "BOTH_GO,         12, C7 A3",
  })
  void cutAnywhereAndWhateverHappensThen(Story story, int cutsAtLeast, String rules) {
    String whole = new Run(story).whole();
    int cuts = 0;
    int pairs = 0;
    int round = 0;
    Run uncut = new Run(story);
    do {
      int writes = uncut.copy().writes();
      for (int cut = 0; cut <= writes; cut++) {
        for (Then then : Then.values()) {
          if (then != Then.NOTHING && !IS_EVERYTHING && ++pairs % 3 != 0) {
            continue;
          }
          String where =
              story + ", cut in round " + round + " after " + cut + " writes, then " + then;
          Run run = uncut.copy();
          run.cut(cut, then, where);
          run.assertWhole(where);
          if (then == Then.NOTHING) {
            assertThat(run.ended).as(where).isEqualTo(whole);
          }
        }
        cuts++;
      }
      round++;
    } while (uncut.cluster.round());
    assertThat(cuts).as(rules).isGreaterThanOrEqualTo(cutsAtLeast);
  }

  /** 10.3/5: a ticket that goes and comes back while it is being acted on, at every moment. */
  @Test
  void aTicketThatComesBackAtAnyMomentIsServedInTheEnd() {
    for (String ticket : List.of(OLD, NEW)) {
      for (int rounds = 0; rounds < 12; rounds++) {
        Run run = new Run(Story.BEGIN);
        run.settle("before");
        run.cluster.detach("v", ticket);
        for (int i = 0; i < rounds; i++) {
          run.cluster.round();
        }
        run.attachCsi(ticket);
        String where = ticket + " comes back after " + rounds + " rounds";
        run.settle(where);
        assertThat(run.cluster.attachment("v").tickets().values())
            .as(where)
            .hasSize(2)
            .allMatch(one -> one.satisfied().isTrue());
        run.assertWhole(where);
      }
    }
  }

  /** 10.3/5: two tickets that were both there before anything was attached. */
  @Test
  void twoTicketsOfTheSameInstantAreRefusedUntilOneIsGone() {
    // B3; W2 does not let the second one in, but what is stored is looked at anyway
    Run run = new Run();
    run.attachCsi(OLD);
    run.attachCsi(NEW);
    run.settle("both");
    assertThat(run.cluster.volume("v").status().state()).isEqualTo(State.DETACHED);
    assertThat(run.cluster.volume("v").status().condition(Names.MIGRATION).map(Condition::reason))
        .hasValue("B3");
    run.cluster.detach("v", OLD);
    run.settle("one");
    assertThat(run.cluster.volume("v").status().currentNodeID()).isEqualTo(NEW);
    run.assertWhole("one");
  }

  /** One run of a story. */
  private static final class Run {
    private final SmallCluster cluster;
    private final SortedSet<String> directories = new TreeSet<>();
    private String ended = "";

    private Run(SmallCluster cluster) {
      this.cluster = cluster;
    }

    /** A volume that nobody wants yet. */
    Run() {
      this(new SmallCluster(3));
      settle("nodes");
      cluster.create("v", 3, true);
      settle("created");
      directories.addAll(cluster.directories);
    }

    Run(Story story) {
      this();
      attachCsi(OLD);
      settle("attached");
      attachCsi(NEW);
      if (story == Story.BEGIN) {
        return;
      }
      settle("ready");
      if (story == Story.CONFIRM_MOVED || story == Story.ROLL_BACK_MOVED) {
        cluster.claim("v-e-1");
        settle("moved");
      }
      switch (story) {
        case CONFIRM, CONFIRM_MOVED -> cluster.detach("v", OLD);
        case ROLL_BACK, ROLL_BACK_MOVED -> cluster.detach("v", NEW);
        case CANCEL -> cluster.host(OLD).die();
        case BOTH_GO -> cluster.detach("v");
        case BEGIN -> {}
      }
    }

    /** One that goes on by itself from where this one is. */
    private Run copy() {
      Run copy = new Run(cluster.copy());
      copy.directories.addAll(directories);
      return copy;
    }

    private void attachCsi(String node) {
      cluster.nowMillis++;
      cluster.attachCsi("v", node);
    }

    private static List<Action> writes(List<Action> plan) {
      return plan.stream()
          .filter(action -> action instanceof Action.Put || action instanceof Action.Remove)
          .toList();
    }

    /** How much the plan of the next round writes. */
    private int writes() {
      return writes(cluster.plan()).size();
    }

    /** What it ends with when nothing disturbs it. */
    private String whole() {
      settle("whole");
      assertWhole("whole");
      return ended;
    }

    private void cut(int cut, Then then, String where) {
      cluster.nowMillis += 10;
      // What comes after is not stored, and nothing is asked of anybody.
      cluster.store(writes(cluster.plan()).subList(0, cut));
      happen(then);
      settle(where);
    }

    private void happen(Then then) {
      switch (then) {
        case NOTHING -> {}
        case OLD_CRASHES -> cluster.host(OLD).die();
        case NEW_CRASHES -> cluster.host(NEW).die();
        case THIRD_CRASHES -> cluster.host(THIRD).die();
        case OLD_TICKET_GOES -> cluster.detach("v", OLD);
        case NEW_TICKET_GOES -> cluster.detach("v", NEW);
        case ALL_TICKETS_GO -> cluster.detach("v");
        case TICKETS_COME_BACK -> {
          attachCsi(OLD);
          attachCsi(NEW);
        }
        case GUEST_MOVES -> {
          boolean mayClaim =
              cluster.record("v").claimants().size() == 2
                  && cluster.engines("v").stream().anyMatch(this::isTargetUp);
          if (mayClaim) {
            cluster.claim("v-e-1");
          }
        }
      }
    }

    private boolean isTargetUp(Engine engine) {
      return engine.name().equals("v-e-1")
          && cluster.hosts.values().stream()
              .map(host -> host.processes.get(engine.name()))
              .anyMatch(process -> process != null && process.isRunning());
    }

    /** Until nothing is left to plan, and time alone changes nothing either. */
    private void settle(String where) {
      int rounds = 0;
      for (int i = 0; i < 3; i++) {
        while (cluster.round()) {
          always(where);
          assertThat(++rounds).as(where).isLessThan(MOST_ROUNDS);
        }
        cluster.nowMillis += LONGEST_PAUSE_MILLIS;
      }
    }

    /** What holds after every round. */
    private void always(String where) {
      assertThat(cluster.directories).as("%s: directories", where).containsAll(directories);
      if (cluster.get(ObjectKind.VOLUME, "v").isEmpty()) {
        return;
      }
      assertThat(cluster.engines("v").stream().filter(engine -> engine.spec().isActive()).count())
          .as("%s: #4827, #6642: engines that are the volume's", where)
          .isLessThanOrEqualTo(1);
      assertThat(cluster.engines("v")).as(where).hasSizeLessThanOrEqualTo(2);
      assertThat(cluster.replicas("v")).as(where).hasSizeLessThanOrEqualTo(9);
      for (ReplicaId id : cluster.record("v").membership().members()) {
        assertThat(cluster.replicas("v").stream().map(replica -> replica.spec().id()))
            .as("%s: who names directory %s", where, id)
            .contains(id);
      }
    }

    /** One engine where the tickets want it, or none; whole; nothing left over. */
    private void assertWhole(String where) {
      Volume volume = cluster.volume("v");
      boolean isMigrating = !volume.status().currentMigrationNodeID().isEmpty();
      List<Engine> engines = cluster.engines("v");
      assertThat(engines).as(where).hasSize(isMigrating ? 2 : 1);
      assertThat(engines.stream().filter(engine -> engine.spec().isActive())).as(where).hasSize(1);
      List<Replica> own =
          cluster.replicas("v").stream().filter(replica -> replica.spec().isActive()).toList();
      assertThat(own).as(where).hasSize(3);
      assertThat(own.stream().map(replica -> replica.spec().id()).distinct()).as(where).hasSize(3);
      List<Replica> others =
          cluster.replicas("v").stream().filter(replica -> !replica.spec().isActive()).toList();
      if (isMigrating) {
        // A directory may not have changed hands yet after the migration before (3.5).
        assertThat(others.stream().filter(one -> !one.status().isHolder())).as(where).hasSize(3);
      } else {
        assertThat(others).as(where).isEmpty();
      }
      assertThat(cluster.directories).as(where).isEqualTo(directories);
      VolumeRecord record = cluster.record("v");
      int nodes = cluster.attachment("v").tickets().size();
      switch (volume.status().state()) {
        case ATTACHED -> {
          assertThat(nodes).as(where).isPositive();
          assertThat(volume.status().robustness()).as(where).isEqualTo(Robustness.HEALTHY);
          assertThat(record.claimants()).as(where).hasSize(isMigrating ? 2 : 1);
          assertThat(record.phase())
              .as(where)
              .isEqualTo(isMigrating ? VolumeRecord.Phase.MIGRATING : VolumeRecord.Phase.NONE);
          assertThat(volume.status().conditions().stream().map(Condition::reason))
              .as("%s: 7.2/5 the source crashed, and the target owns the volume", where)
              .isSubsetOf(isMigrating ? List.of("7.2/5") : List.of());
          assertThat(isMigrating).as("%s: two tickets, two sides", where).isEqualTo(nodes == 2);
          assertThat(cluster.attachment("v").tickets())
              .as(where)
              .containsKey(volume.status().currentNodeID());
        }
        case DETACHED -> {
          assertThat(isMigrating).as(where).isFalse();
          assertThat(record.phase()).as(where).isEqualTo(VolumeRecord.Phase.NONE);
          // Rule B3: a person decides.
          assertThat(nodes).as(where).isIn(0, 2);
        }
        default -> throw new AssertionError(where + ": " + volume);
      }
      assertThat(processes()).as(where).containsExactlyInAnyOrderElementsOf(wanted());
      ended = summary(volume, engines, own);
    }

    private List<String> processes() {
      List<String> running = new ArrayList<>();
      cluster.hosts.values().forEach(host -> running.addAll(host.processes.keySet()));
      return running;
    }

    private List<String> wanted() {
      List<String> wanted = new ArrayList<>();
      // One that crashed while the other owns the volume stays as it is until that is decided.
      cluster.engines("v").stream()
          .filter(engine -> engine.spec().isWanted() && engine.status().instance().mayRun())
          .forEach(engine -> wanted.add(engine.name()));
      cluster.replicas("v").stream()
          .filter(replica -> replica.spec().isWanted())
          .forEach(replica -> wanted.add(replica.name()));
      return wanted;
    }

    private static String summary(Volume volume, List<Engine> engines, List<Replica> own) {
      return volume.spec().nodeID()
          + "/"
          + volume.spec().migrationNodeID()
          + "/"
          + volume.status().currentNodeID()
          + "/"
          + volume.status().currentMigrationNodeID()
          + " "
          + volume.status().state()
          + " "
          + engines.stream().map(Engine::name).toList()
          + " "
          + own.stream().map(Replica::name).toList();
    }
  }
}
