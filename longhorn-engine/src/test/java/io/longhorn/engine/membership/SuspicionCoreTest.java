package io.longhorn.engine.membership;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.engine.membership.SuspicionCore.Kind;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

final class SuspicionCoreTest {
  private static final long MS = 1_000_000L;

  private final SuspicionCore core = new SuspicionCore();
  private final long[] answers = new long[8];
  private final long[] syncs = new long[8];

  SuspicionCoreTest() {
    Arrays.fill(answers, SuspicionCore.NONE);
    Arrays.fill(syncs, SuspicionCore.NONE);
  }

  /** Turns every 50 ms up to the time. */
  private int suspectsAt(long fromMillis, long toMillis) {
    for (long at = fromMillis; at <= toMillis; at += 50) {
      core.turned(at * MS);
    }
    return core.suspects(toMillis * MS, 0b111, answers, syncs);
  }

  @Test
  void aMemberIsSuspectedAfterASecondIfAnotherAnsweredALaterRequest() {
    answers[2] = 1000 * MS;
    core.answered(0, Kind.ANSWER, 1500 * MS, 1501 * MS);
    assertThat(suspectsAt(1000, 1950)).isZero();
    assertThat(suspectsAt(2000, 2000)).isEqualTo(0b100);
  }

  @Test
  void nobodyIsSuspectedWhileNobodyAnswersLaterRequests() {
    answers[0] = 1000 * MS;
    answers[2] = 1000 * MS;
    core.answered(1, Kind.ANSWER, 900 * MS, 1400 * MS);
    assertThat(suspectsAt(1000, 9000)).isZero();
  }

  @Test
  void deadlinesRestartWhenTheLoopStoodStill() {
    answers[2] = 1000 * MS;
    core.answered(0, Kind.ANSWER, 1500 * MS, 1501 * MS);
    core.turned(1000 * MS);
    core.turned(8000 * MS);
    assertThat(core.suspects(8000 * MS, 0b111, answers, syncs)).isZero();
    assertThat(suspectsAt(8050, 8950)).isZero();
    assertThat(suspectsAt(9000, 9000)).isEqualTo(0b100);
  }

  @Test
  void aSlowMemberHasALaterDeadlineUpToTheCeiling() {
    for (int i = 0; i < 20; i++) {
      core.answered(2, Kind.ANSWER, 1000 * MS, (1000 + (i % 2 == 0 ? 1200 : 200)) * MS);
    }
    assertThat(core.deadlineNanos(2, Kind.ANSWER)).isEqualTo(SuspicionCore.CEILING_NANOS);
    assertThat(core.deadlineNanos(0, Kind.ANSWER)).isEqualTo(SuspicionCore.FLOOR_NANOS);
    core.reset(2);
    assertThat(core.deadlineNanos(2, Kind.ANSWER)).isEqualTo(SuspicionCore.FLOOR_NANOS);
  }

  @Test
  void aFlushMayTakeLongerThanAnAnswer() {
    syncs[2] = 1000 * MS;
    core.answered(0, Kind.ANSWER, 1500 * MS, 1501 * MS);
    assertThat(suspectsAt(1000, 10_950)).isZero();
    assertThat(suspectsAt(11_000, 11_000)).isEqualTo(0b100);
  }

  @Test
  void statisticsFollowMeanAndDeviation() {
    SuspicionCore.LatencyStatistics statistics = new SuspicionCore.LatencyStatistics();
    assertThat(statistics.unusualNanos()).isZero();
    statistics.sample(1000);
    assertThat(statistics.unusualNanos()).isEqualTo(1000 + 8 * 500);
    for (int i = 0; i < 200; i++) {
      statistics.sample(1000);
    }
    assertThat(statistics.unusualNanos()).isBetween(1000L, 1100L);
    statistics.sample(-5);
    assertThat(statistics.unusualNanos()).isGreaterThan(2000);
  }
}
