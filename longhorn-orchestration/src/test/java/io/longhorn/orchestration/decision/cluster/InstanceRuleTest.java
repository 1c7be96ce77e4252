package io.longhorn.orchestration.decision.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.InstanceView.State;
import io.longhorn.orchestration.decision.ManagerSeen;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Section 6.2, row by row, and where it is left. */
final class InstanceRuleTest {
  private static InstanceManager manager(InstanceManager.State state) {
    return new InstanceManager(
        "im", "n", InstanceManager.Type.ALL_IN_ONE, "default", "unix:/m", state, 7, 0);
  }

  private static InstanceView before(State state, boolean isStarted) {
    boolean hasProcess = state != State.STOPPED;
    return new InstanceView(
        state, isStarted, hasProcess ? "im" : "", hasProcess ? "a" : "", hasProcess ? 5 : 0, "");
  }

  private static ManagerSeen.@Nullable Instance seen(String text) {
    String[] words = text.split(" ", 2);
    return text.equals("missing")
        ? null
        : new ManagerSeen.Instance(ManagerSeen.State.valueOf(words[0]), words[1], 5, "why");
  }

  @ParameterizedTest
  @CsvSource({
    // rule, instance manager, before, started, wanted, what it has, result, started
    "6.2/1, UNKNOWN,  RUNNING,  true,  true,  missing, UNKNOWN, true",
    "6.2/1, UNKNOWN,  STARTING, false, true,  missing, UNKNOWN, false",
    "6.2/1, UNKNOWN,  UNKNOWN,  true,  true,  missing, UNKNOWN, true",
    "6.2/2, UNKNOWN,  STOPPED,  false, true,  missing, STOPPED, false",
    "6.2/2, UNKNOWN,  STOPPED,  false, false, missing, STOPPED, false",
    "6.2/2, UNKNOWN,  ERROR,    false, false, missing, STOPPED, false",
    // not wanted any more, and nobody saw it stop: Longhorn says stopped
    "6.2/1, UNKNOWN,  RUNNING,  true,  false, missing, UNKNOWN, true",
    "6.2/1, UNKNOWN,  STOPPING, true,  false, missing, UNKNOWN, true",
    "6.2/3, STOPPED,  RUNNING,  true,  true,  missing, ERROR,   true",
    "6.2/3, STOPPED,  RUNNING,  true,  false, missing, STOPPED, false",
    "6.2/3, ERROR,    RUNNING,  true,  true,  missing, ERROR,   true",
    "6.2/3, ERROR,    UNKNOWN,  true,  true,  missing, ERROR,   true",
    "6.2/3, ERROR,    RUNNING,  true,  false, missing, STOPPED, false",
    "6.2/3, ERROR,    STARTING, false, true,  missing, STOPPED, false",
    "6.2/4, STARTING, RUNNING,  true,  true,  missing, ERROR,   true",
    "6.2/4, STARTING, RUNNING,  true,  false, missing, STOPPED, false",
    "6.2/5, RUNNING,  RUNNING,  true,  true,  missing, ERROR,   true",
    "6.2/5, RUNNING,  RUNNING,  true,  false, missing, STOPPED, false",
    "6.2/5, RUNNING,  STOPPED,  false, true,  missing, STOPPED, false",
    "6.2/6, RUNNING,  STOPPED,  false, true,  STARTING a, STARTING, false",
    "6.2/6, RUNNING,  STARTING, false, true,  RUNNING a,  RUNNING,  true",
    "6.2/6, RUNNING,  UNKNOWN,  true,  true,  RUNNING a,  RUNNING,  true",
    "6.2/7, RUNNING,  RUNNING,  true,  true,  STOPPING a, ERROR,    true",
    "6.2/7, RUNNING,  RUNNING,  true,  true,  STOPPED a,  ERROR,    true",
    "6.2/8, RUNNING,  RUNNING,  true,  true,  ERROR a,    ERROR,    true",
    "6.2/6, RUNNING,  RUNNING,  true,  false, RUNNING a,  RUNNING,  false",
    "6.2/7, RUNNING,  RUNNING,  true,  false, STOPPING a, STOPPING, false",
    "6.2/7, RUNNING,  STOPPING, false, false, STOPPED a,  STOPPED,  false",
    "6.2/8, RUNNING,  STOPPING, false, false, ERROR a,    ERROR,    false",
    "6.2/8, RUNNING,  STARTING, false, true,  ERROR a,    ERROR,    false",
    "6.2/7, RUNNING,  STARTING, false, true,  STOPPED a,  STOPPED,  false",
    // another start than the one that ran: that one has crashed
    "6.2/9, RUNNING,  RUNNING,  true,  true,  RUNNING b,  ERROR,    true",
    "6.2/9, RUNNING,  UNKNOWN,  true,  true,  STARTING b, ERROR,    true",
    // and of one that did not run yet, it is simply the one there is
    "6.2/9, RUNNING,  STARTING, false, true,  RUNNING b,  RUNNING,  true",
  })
  void row(
      String rule,
      InstanceManager.State manager,
      State before,
      boolean wasStarted,
      boolean isWanted,
      String seen,
      State expected,
      boolean isStarted) {
    for (boolean mayRestart : new boolean[] {false, true}) {
      InstanceView now =
          InstanceRule.derive(
              before(before, wasStarted), isWanted, mayRestart, manager(manager), seen(seen));
      assertThat(now.currentState()).as(rule).isEqualTo(expected);
      assertThat(now.isStarted()).as(rule).isEqualTo(isStarted);
      assertThat(InstanceRule.derive(now, isWanted, false, manager(manager), seen(seen)))
          .as("derived again")
          .isEqualTo(now);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "RUNNING, true, true, UNKNOWN",
    "RUNNING, true, false, STOPPED",
    "STOPPED, false, true, STOPPED",
  })
  void withoutAnInstanceManager(
      State before, boolean wasStarted, boolean isWanted, State expected) {
    assertThat(
            InstanceRule.derive(before(before, wasStarted), isWanted, true, null, null)
                .currentState())
        .isEqualTo(expected);
  }

  /** Regression: a replica that was started again after a crash was shown as crashed for ever. */
  @ParameterizedTest
  @CsvSource({
    "STARTING b, STARTING, false",
    "RUNNING b,  RUNNING,  true",
    "ERROR b,    ERROR,    false",
    "ERROR a,    ERROR,    true",
    "missing,    ERROR,    true",
  })
  void aReplicaMayBeStartedAgainAfterACrash(String seen, State expected, boolean isStarted) {
    InstanceView now =
        InstanceRule.derive(
            before(State.ERROR, true),
            true,
            true,
            manager(InstanceManager.State.RUNNING),
            seen(seen));
    assertThat(now.currentState()).isEqualTo(expected);
    assertThat(now.isStarted()).isEqualTo(isStarted);
  }

  @Test
  void anEngineThatHasCrashedStaysSoUntilItIsNotWantedAnyMore() {
    InstanceView crashed = before(State.ERROR, true);
    InstanceManager manager = manager(InstanceManager.State.RUNNING);
    assertThat(InstanceRule.derive(crashed, true, false, manager, seen("RUNNING b")))
        .satisfies(now -> assertThat(now.currentState()).isEqualTo(State.ERROR))
        .satisfies(now -> assertThat(now.uuid()).isEqualTo("a"));
    assertThat(InstanceRule.derive(crashed, false, false, manager, null))
        .isEqualTo(InstanceView.NONE);
  }

  @Test
  void aCrashSaysWhyAndWhere() {
    InstanceView ran = before(State.RUNNING, true);
    assertThat(
            InstanceRule.derive(ran, true, true, manager(InstanceManager.State.ERROR), null)
                .message())
        .isEqualTo("im crashed");
    assertThat(
            InstanceRule.derive(ran, true, true, manager(InstanceManager.State.RUNNING), null)
                .message())
        .isEqualTo("its process is gone from im");
    assertThat(
            InstanceRule.derive(
                    ran, true, true, manager(InstanceManager.State.RUNNING), seen("ERROR a"))
                .message())
        .isEqualTo("why");
  }
}
