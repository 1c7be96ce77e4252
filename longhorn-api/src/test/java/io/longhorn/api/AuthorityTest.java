package io.longhorn.api;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class AuthorityTest {
  @ParameterizedTest
  @ValueSource(strings = {"replicas", "store:a", "store:0f8fad5b-d9cb-469f-a165-70867728950e"})
  void theReplicasOrOneStoreKeepTheRecord(String text) {
    assertThat(Authority.requireValid(text)).isEqualTo(text);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "Replicas", "store", "store:", "store:-a", "store:a b", "store:a\n"})
  void nobodyElseDoes(String text) {
    assertThatThrownBy(() -> Authority.requireValid(text))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("use 'replicas' or 'store:'");
  }

  @ParameterizedTest
  @ValueSource(ints = {Authority.MAX_LENGTH + 1, 1 << 20})
  void tooLongIsRefusedInALineOfBoundedLength(int length) {
    String text = "store:" + "a".repeat(length - 6);
    assertThatThrownBy(() -> Authority.requireValid(text))
        .satisfies(e -> assertThat(e.getMessage()).hasSizeLessThan(400));
    assertThat(Authority.requireValid(text.substring(0, Authority.MAX_LENGTH))).isNotEmpty();
  }
}
