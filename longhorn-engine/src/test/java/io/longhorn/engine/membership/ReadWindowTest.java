package io.longhorn.engine.membership;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

final class ReadWindowTest {
  private static final long START = -5_000_000_000L;
  private static final long WINDOW = ReadWindow.READ_WINDOW_NANOS;

  private final ReadWindow window = new ReadWindow();

  @Test
  void readsNeedAnAnswerOfEveryRequiredMemberToARequestSentWithinTheWindow() {
    window.answered(0, START);
    assertThat(window.mayServeReads(START, 0b11)).isFalse();
    window.answered(1, START + WINDOW / 2);
    assertThat(window.mayServeReads(START + WINDOW - 1, 0b11)).isTrue();
    assertThat(window.mayServeReads(START + WINDOW, 0b11)).isFalse();
    assertThat(window.mayServeReads(START + WINDOW, 0b10)).isTrue();
    window.answered(0, START + WINDOW / 2);
    assertThat(window.mayServeReads(START + WINDOW, 0b11)).isTrue();
  }

  @Test
  void anAnswerToAnOlderRequestShortensNothing() {
    window.answered(0, START + 10);
    window.answered(0, START);
    assertThat(window.mayServeReads(START + WINDOW + 9, 1)).isTrue();
  }

  @Test
  void aSessionThatEndedCountsForNothing() {
    window.answered(0, START);
    window.answered(1, START);
    window.ended(1);
    assertThat(window.mayServeReads(START, 0b11)).isFalse();
    assertThat(window.mayServeReads(START, 0b01)).isTrue();
    window.endedAll();
    assertThat(window.mayServeReads(START, 0b01)).isFalse();
  }

  @Test
  void withoutRequiredMembersNothingIsServed() {
    assertThat(window.mayServeReads(START, 0)).isFalse();
  }

  @Test
  void membersThatWereNotHeardForAWhileNeedAPing() {
    window.answered(0, START);
    window.answered(1, START + 500);
    assertThat(window.needsPing(START + 1000, 0b111, 600)).isEqualTo(0b101);
  }
}
