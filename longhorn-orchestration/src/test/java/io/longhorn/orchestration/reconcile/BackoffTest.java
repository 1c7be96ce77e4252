package io.longhorn.orchestration.reconcile;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

final class BackoffTest {
  private final Backoff backoff = new Backoff();

  /** Times at which it may be tried, if it is asked every millisecond. */
  private List<Long> tries(long until) {
    List<Long> tries = new ArrayList<>();
    for (long now = 0; now <= until; now++) {
      if (backoff.mayTry("x", now)) {
        tries.add(now);
      }
    }
    return tries;
  }

  @Test
  void theFirstIsAtOnceThenPausesDoubleUpToALimit() {
    assertThat(tries(46_000))
        .containsExactly(0L, 500L, 1_500L, 3_500L, 7_500L, 15_500L, 25_500L, 35_500L, 45_500L);
  }

  @Test
  void afterAWhileItIsAsIfNothingHadBeen() {
    tries(7_500);
    long quiet = 7_500 + Backoff.FORGOTTEN_MILLIS + 1;
    assertThat(backoff.mayTry("x", quiet)).isTrue();
    assertThat(backoff.mayTry("x", quiet + Backoff.FIRST_MILLIS - 1)).isFalse();
    assertThat(backoff.mayTry("x", quiet + Backoff.FIRST_MILLIS)).isTrue();
  }

  @Test
  void onesSubjectIsNoneOfAnothers() {
    assertThat(backoff.mayTry("x", 0)).isTrue();
    assertThat(backoff.mayTry("y", 1)).isTrue();
    assertThat(backoff.mayTry("x", 2)).isFalse();
  }

  @Test
  void whatWentWellIsForgotten() {
    tries(7_500);
    backoff.forget("x");
    assertThat(backoff.mayTry("x", 7_501)).isTrue();
    assertThat(backoff.mayTry("x", 8_001)).isTrue();
    backoff.forget("never tried");
  }

  @Test
  void itSaysWhenItMayBeTried() {
    assertThat(backoff.nextMillis("x", 0)).as("never tried").isZero();
    assertThat(backoff.mayTry("x", 100)).isTrue();
    assertThat(backoff.nextMillis("x", 200)).isEqualTo(600);
    assertThat(backoff.nextMillis("y", 200)).as("another").isEqualTo(200);
    backoff.tried("x", 600);
    assertThat(backoff.nextMillis("x", 600)).isEqualTo(1_600);
  }

  @Test
  void aClockThatIsSetBackHoldsNothingUp() {
    assertThat(backoff.mayTry("x", 1_000_000)).isTrue();
    assertThat(backoff.mayTry("x", 5)).isTrue();
    assertThat(backoff.mayTry("x", 6)).isFalse();
  }
}
