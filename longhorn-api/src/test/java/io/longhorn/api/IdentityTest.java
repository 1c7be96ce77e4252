package io.longhorn.api;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Locale;
import java.util.UUID;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Replica, engine, volume and process identities: one shape, one order. */
final class IdentityTest {
  private static final String TEXT = "0f8fad5b-d9cb-469f-a165-70867728950e";

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "0f8fad5b",
        "0f8fad5bd9cb469fa16570867728950e",
        "{0f8fad5b-d9cb-469f-a165-70867728950e}",
        "0f8fad5b-d9cb-469f-a165-70867728950e ",
        "0f8fad5b-d9cb-469f-a165-7086772895 0e",
        "0f8fad5b-d9cb-469f-a165-70867728950g",
        "0f8fad5b_d9cb_469f_a165_70867728950e",
        // As long as a UUID, and taken by UUID.fromString: dashes elsewhere, signs, other digits.
        "f8fad5b-d9cb-469f-a165-070867728950e",
        "0f8fad5b-d9cb-469f-a165-+0867728950e",
        "0f8fad5b-d9cb-469f-a165-7086772895\u0660e",
        "1-1-1-1-0000000000000000000000000001",
      })
  void onlyTheUsualShapeIsAnIdentity(String text) {
    for (Function<String, Object> parse : PARSERS) {
      assertThatThrownBy(() -> parse.apply(text))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("8-4-4-4-12");
    }
  }

  @Test
  void anIdentityPrintsAsItParses() {
    assertThat(PARSERS).allSatisfy(parse -> assertThat(parse.apply(TEXT)).hasToString(TEXT));
    assertThat(ReplicaId.parse(TEXT.toUpperCase(Locale.ROOT))).isEqualTo(ReplicaId.parse(TEXT));
  }

  /** UUID.compareTo is signed: it puts ffff… before 0000…. */
  @ParameterizedTest
  @MethodSource("ascending")
  void orderIsThatOfUnsignedNumbers(UUID lower, UUID higher) {
    assertThat(new ReplicaId(lower)).isLessThan(new ReplicaId(higher));
    assertThat(new EngineId(lower)).isLessThan(new EngineId(higher));
    assertThat(new VolumeId(lower)).isLessThan(new VolumeId(higher));
    assertThat(new ProcessNonce(lower)).isLessThan(new ProcessNonce(higher));
    assertThat(new ReplicaId(higher)).isGreaterThan(new ReplicaId(lower));
    assertThat(new ReplicaId(lower)).isEqualByComparingTo(new ReplicaId(lower));
  }

  static Stream<Object[]> ascending() {
    List<UUID> ids =
        List.of(
            new UUID(0, 0),
            new UUID(0, 1),
            new UUID(0, Long.MAX_VALUE),
            new UUID(0, Long.MIN_VALUE),
            new UUID(0, -1),
            new UUID(1, 0),
            new UUID(Long.MAX_VALUE, -1),
            new UUID(Long.MIN_VALUE, 0),
            new UUID(-1, -1));
    return Stream.iterate(0, i -> i + 1)
        .limit(ids.size() - 1L)
        .map(i -> new Object[] {ids.get(i), ids.get(i + 1)});
  }

  private static final List<Function<String, Object>> PARSERS =
      List.of(ReplicaId::parse, EngineId::parse, VolumeId::parse, ProcessNonce::parse);
}
