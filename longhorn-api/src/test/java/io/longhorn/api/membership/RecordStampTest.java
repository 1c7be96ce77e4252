package io.longhorn.api.membership;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class RecordStampTest {
  @ParameterizedTest
  @CsvSource({
    "0,0, 0,1",
    "0,9, 1,0",
    "1,2, 1,3",
    "1,9223372036854775807, 2,0",
    "9223372036854775806,5, 9223372036854775807,0",
  })
  void theHigherGenerationIsNewerThenTheHigherNumber(
      long olderGeneration, long olderNumber, long newerGeneration, long newerNumber) {
    RecordStamp older = new RecordStamp(olderGeneration, olderNumber);
    RecordStamp newer = new RecordStamp(newerGeneration, newerNumber);
    assertThat(newer.isNewerThan(older)).isTrue();
    assertThat(older.isNewerThan(newer)).isFalse();
    assertThat(older).isLessThan(newer);
  }

  @Test
  void aStampIsNotNewerThanItself() {
    RecordStamp stamp = new RecordStamp(3, 4);
    assertThat(stamp.isNewerThan(new RecordStamp(3, 4))).isFalse();
    assertThat(stamp).isEqualByComparingTo(new RecordStamp(3, 4)).hasToString("(3,4)");
  }

  @Test
  void everyRecordIsNewerThanNone() {
    assertThat(new RecordStamp(0, 1).isNewerThan(RecordStamp.NONE)).isTrue();
  }

  @ParameterizedTest
  @CsvSource({"-1,0", "0,-1"})
  void partsAreNotNegative(long generation, long number) {
    assertThatThrownBy(() -> new RecordStamp(generation, number))
        .isInstanceOf(IllegalArgumentException.class);
  }
}
