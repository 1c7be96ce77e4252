package io.longhorn.standalone.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class SizeTest {

  @ParameterizedTest
  @CsvSource({
    "4096, 4096",
    "0, 0",
    "1B, 1",
    "2K, 2048",
    "2Ki, 2048",
    "2KiB, 2048",
    "2KB, 2000",
    "512M, 536870912",
    "512mib, 536870912",
    "10GiB, 10737418240",
    "10 GiB, 10737418240",
    "1GB, 1000000000",
    "64TiB, 70368744177664",
  })
  void aNumberAndAUnitAreBytes(String text, long bytes) {
    assertThat(Size.parse(text)).isEqualTo(bytes);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "GiB", "-1", "1.5GiB", "10XiB", "1 0", "0x10", "10GiB/s"})
  void whatIsNoSizeIsRefusedWithAnExample(String text) {
    assertThatThrownBy(() -> Size.parse(text))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "size '"
                + text
                + "': use a number and B, KiB, MiB, GiB or TiB, for example"
                + " 10GiB");
  }

  @Test
  void whatDoesNotFitIsRefused() {
    assertThatThrownBy(() -> Size.parse("99999999TiB"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("more than there can be");
    assertThatThrownBy(() -> Size.parse("9999999999999999999"))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @ParameterizedTest
  @CsvSource({
    "0, 0 B",
    "1023, 1023 B",
    "1024, 1 KiB",
    "1536, 1.5 KiB",
    "268435456, 256 MiB",
    "10737418240, 10 GiB",
    "70368744177664, 64 TiB",
    "1125899906842624, 1024 TiB",
  })
  void sizesArePrintedInTheLargestUnit(long bytes, String text) {
    assertThat(Size.text(bytes)).isEqualTo(text);
  }

  @ParameterizedTest
  @ValueSource(longs = {0, 4096, 1536, 256L << 20, 10L << 30, 64L << 40})
  void whatIsPrintedExactlyIsReadBack(long bytes) {
    String text = Size.text(bytes);
    assertThat(text.contains(".") || Size.parse(text) == bytes).isTrue();
  }
}
