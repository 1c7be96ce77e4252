package io.longhorn.engine.reconcile;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.membership.RecordStamp;
import java.util.Optional;
import org.junit.jupiter.api.Test;

final class IntentTrackerTest {
  private static final int REGION = 65_536;
  private static final RecordStamp RECORD = new RecordStamp(3, 7);

  private final RegionMap regions = new RegionMap(64L * REGION - 4096, REGION);
  private IntentTracker tracker = new IntentTracker(regions, 1);

  private String tick(boolean mayClear) {
    Optional<IntentEffect> effect = tracker.tick(mayClear, RECORD);
    return effect
        .map(each ->
            switch (each) {
              case IntentEffect.Flush _ -> "flush";
              case IntentEffect.SetValidSince(RecordStamp stamp) -> "since " + stamp;
              case IntentEffect.Clear(RegionBits regions) -> "clear " + text(regions);
            })
        .orElse("");
  }

  private static String text(RegionBits bits) {
    StringBuilder text = new StringBuilder();
    for (int i = bits.nextSet(0); i >= 0; i = bits.nextSet(i + 1)) {
      text.append(text.isEmpty() ? "" : ",").append(i);
    }
    return text.toString();
  }

  private void write(int region) {
    tracker.writeSent((long) region * REGION, 4096);
    tracker.writeEnded((long) region * REGION, 4096);
  }

  private void flush() {
    tracker.flushEnded(tracker.flushSent(), true);
  }

  /** Ticks up to the clearing: validSince first, the marks after it is stored. */
  private String tickToClear() {
    String effect = tick(true);
    if (effect.startsWith("since")) {
      tracker.validSinceStored(RECORD, true);
      effect = tick(true);
    }
    return effect;
  }

  @Test
  void aMarkGoesAfterAFlushATickOfRestAndTheStamp() {
    write(5);
    flush();
    assertThat(tick(true)).isEmpty();
    assertThat(tick(true)).isEqualTo("since (3,7)");
    assertThat(tick(true)).isEmpty();
    tracker.validSinceStored(RECORD, true);
    assertThat(tick(true)).isEqualTo("clear 5");
    assertThat(tick(true)).isEmpty();
    tracker.cleared(true);
    assertThat(tracker.markedRegions()).isZero();
    assertThat(tick(true)).isEmpty();
  }

  @Test
  void anIdleVolumeFlushesForItselfAndABusyOneNowAndThen() {
    write(5);
    assertThat(tick(true)).isEmpty();
    assertThat(tick(true)).isEqualTo("flush");
    int ticks = 0;
    for (; ticks < 100; ticks++) {
      write(6);
      if (tick(true).equals("flush")) {
        break;
      }
    }
    assertThat(ticks + 1).isEqualTo(IntentTracker.BUSY_FLUSH_TICKS);
  }

  @Test
  void aWriteDuringOrAfterTheFlushKeepsTheMark() {
    write(1);
    write(2);
    write(3);
    long flush = tracker.flushSent();
    write(2);
    tracker.flushEnded(flush, true);
    write(3);
    assertThat(tick(true)).isEmpty();
    assertThat(tickToClear()).isEqualTo("clear 1");
  }

  @Test
  void aWriteUnderWaySinceBeforeTheFlushKeepsTheMark() {
    write(1);
    tracker.writeSent(2L * REGION, 4096);
    flush();
    assertThat(tick(true)).isEmpty();
    assertThat(tickToClear()).isEqualTo("clear 1");
    tracker.cleared(true);
    tracker.writeEnded(2L * REGION, 4096);
    assertThat(tick(true)).isEqualTo("flush");
    flush();
    assertThat(tick(true)).isEmpty();
    assertThat(tick(true)).isEqualTo("clear 2");
  }

  @Test
  void aFlushThatFailedCountsForNothing() {
    write(1);
    tracker.flushEnded(tracker.flushSent(), false);
    assertThat(tick(true)).isEmpty();
    assertThat(tick(true)).isEqualTo("flush");
  }

  @Test
  void nothingIsClearedWhileTheSetIsNotCompleteNorByAFlushFromBefore() {
    write(1);
    flush();
    assertThat(tick(false)).isEmpty();
    assertThat(tick(false)).isEmpty();
    assertThat(tick(true)).isEqualTo("flush");
    flush();
    tracker.membersChanged();
    assertThat(tick(true)).isEqualTo("flush");
  }

  @Test
  void aWriteWhileItsMarkIsClearedLeavesItKnown() {
    write(1);
    write(2);
    flush();
    tick(true);
    assertThat(tickToClear()).isEqualTo("clear 1,2");
    write(2);
    tracker.cleared(true);
    assertThat(tracker.isMarked(1)).isFalse();
    assertThat(tracker.isMarked(2)).isTrue();
  }

  @Test
  void aClearingThatAMemberDidNotAnswerLeavesMarksKnown() {
    write(1);
    flush();
    tick(true);
    assertThat(tickToClear()).isEqualTo("clear 1");
    tracker.cleared(false);
    assertThat(tracker.isMarked(1)).isTrue();
  }

  @Test
  void marksFoundAtOpeningAreKnown() {
    RegionBits found = new RegionBits(64);
    found.set(9);
    tracker.known(found);
    assertThat(text(tracker.marks())).isEqualTo("9");
    assertThat(tick(true)).isEqualTo("flush");
  }

  @Test
  void aWriteOverSeveralRegionsMarksEach() {
    tracker.writeSent(3L * REGION - 4096, 2 * REGION);
    assertThat(text(tracker.marks())).isEqualTo("2,3,4");
  }

  @Test
  void whatReplicasMarkAtOnceIsMarkedRestsAndIsClearedTogether() {
    tracker = new IntentTracker(regions, 4);
    write(6);
    tracker.writeSent(63L * REGION, 4096);
    assertThat(text(tracker.marks())).isEqualTo("4,5,6,7,60,61,62,63");
    write(12);
    flush();
    write(13);
    assertThat(tick(true)).isEmpty();
    assertThat(tickToClear())
        .as("not what is under way, nor written since")
        .isEqualTo("clear 4,5,6,7");
    write(4);
    tracker.cleared(true);
    assertThat(tracker.isMarked(7)).as("marked again with region 4").isTrue();
    assertThat(tick(true)).isEmpty();
    tracker.writeEnded(63L * REGION, 4096);
    flush();
    assertThat(tick(true)).isEmpty();
    assertThat(tick(true)).isEqualTo("clear 4,5,6,7,12,13,14,15,60,61,62,63");
  }
}
