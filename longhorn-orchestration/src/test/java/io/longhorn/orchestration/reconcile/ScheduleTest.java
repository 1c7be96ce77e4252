package io.longhorn.orchestration.reconcile;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

final class ScheduleTest {
  private final Schedule schedule = new Schedule();

  @Test
  void whatIsDueIsTakenOnce() {
    schedule.put("a", 10);
    schedule.put("b", 20);
    assertThat(schedule.takeDue(9)).isEmpty();
    assertThat(schedule.takeDue(10)).containsExactly("a");
    assertThat(schedule.takeDue(10)).isEmpty();
    assertThat(schedule.nextMillis()).isEqualTo(20);
    assertThat(schedule.takeDue(100)).containsExactly("b");
    assertThat(schedule.nextMillis()).isEqualTo(Long.MAX_VALUE);
  }

  @Test
  void theLastTimeThatWasSaidCounts() {
    schedule.put("a", 10);
    schedule.put("a", 30);
    schedule.put("b", 30);
    assertThat(schedule.takeDue(29)).isEmpty();
    schedule.put("a", 5);
    assertThat(schedule.nextMillis()).isEqualTo(5);
    schedule.put("a", Long.MAX_VALUE);
    assertThat(schedule.takeDue(30)).containsExactly("b");
  }
}
