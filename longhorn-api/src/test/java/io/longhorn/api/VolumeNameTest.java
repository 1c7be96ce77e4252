package io.longhorn.api;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class VolumeNameTest {
  @ParameterizedTest
  @ValueSource(
      strings = {
        "a",
        "0",
        "pvc-2f1b6a1e-5d2f-4d0e-9d9f-0f5a7a3c9b11",
        "vol-1.data",
        "a.b.c",
        "a--b",
        "123456789012345678901234567890123456789012345678901234567890123",
      })
  void aNameOfTheClusterIsAVolumeName(String text) {
    assertThat(new VolumeName(text)).hasToString(text);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        " ",
        "A",
        "-a",
        "a-",
        ".a",
        "a.",
        "a..b",
        "a.-b",
        "a-.b",
        "a_b",
        "a/b",
        "../a",
        "a b",
        "a\n",
        "a\0",
        "ä",
        "1234567890123456789012345678901234567890123456789012345678901234",
      })
  void anythingElseIsRefusedWithWhatToUse(String text) {
    assertThatThrownBy(() -> new VolumeName(text))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("use 1 to 63 of a-z 0-9 - .");
  }

  @Test
  void aVeryLongNameIsNotRepeatedWhole() {
    assertThatThrownBy(() -> new VolumeName("a".repeat(1 << 20)))
        .satisfies(e -> assertThat(e.getMessage()).hasSizeLessThan(300));
  }

  @Test
  void namesAreOrderedAsText() {
    assertThat(new VolumeName("a")).isLessThan(new VolumeName("b"));
  }
}
