package io.longhorn.orchestration.decision;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.cluster.Replica;
import java.util.List;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What belongs to what is found from names alone: a stray process has nothing else. */
final class NamesTest {
  @ParameterizedTest
  @CsvSource({
    "v-e-0, v, 0",
    "v-e-17, v, 17",
    "a-e-1-e-2, a-e-1, 2",
    "a-r-01234567-e-2, a-r-01234567, 2",
    "v-r-0123abcd, v, -1",
    "v-r-0123abcd-1, v, -1",
    "v-r-0123abcd-12, v, -1",
    "v-r-0123abcd-create, v, -1",
    "v-r-0123abcd-1-delete, v, -1",
    "a-e-1-r-0123abcd, a-e-1, -1",
    "a-r-01234567-r-0123abcd, a-r-01234567, -1",
    // names of nothing
    "v, '', -1",
    "v-e-, '', -1",
    "-e-1, '', -1",
    "v-e-x, '', -1",
    "v-e-1-create, '', -1",
    "v-e-1234567890, '', -1",
    "v-r-0123abc, '', -1",
    "v-r-0123abcg, '', -1",
    "v-r-0123ABCD, '', -1",
    "v-r-0123abcd-, '', -1",
    "v-r-0123abcd-x, '', -1",
    "v-r-0123abcde, '', -1",
    "-r-0123abcd, '', -1",
    "instance-manager-r-0123abcd, instance-manager, -1",
  })
  void whatAProcessBelongsTo(String instance, String volume, int number) {
    assertThat(Names.volumeOf(instance)).isEqualTo(volume);
    assertThat(Names.numberOf(instance)).isEqualTo(number);
  }

  @Test
  void theNamesThatAreMadeAreFoundAgain() {
    ReplicaId id = new ReplicaId(new UUID(0x0123_abcd_0000_0000L, 1));
    Replica first = replica(Names.replica("v-r-1", id), id);
    Replica standby = replica(Names.standby(first, List.of(first)), id);
    Replica second = replica(Names.standby(first, List.of(first, standby)), id);
    assertThat(List.of(first.name(), standby.name(), second.name()))
        .containsExactly("v-r-1-r-0123abcd", "v-r-1-r-0123abcd-1", "v-r-1-r-0123abcd-2");
    assertThat(Names.standby(first, List.of(first, second))).as("a gap").isEqualTo(standby.name());
    assertThat(Names.standby(standby, List.of(standby, second)))
        .as("of one that stands by itself")
        .isEqualTo("v-r-1-r-0123abcd-3");
    for (Replica one : List.of(first, standby, second)) {
      assertThat(Names.volumeOf(one.name())).isEqualTo("v-r-1");
      assertThat(Names.volumeOf(Names.creation(one))).isEqualTo("v-r-1");
      assertThat(Names.volumeOf(Names.deletion(one))).isEqualTo("v-r-1");
    }
    assertThat(Names.volumeOf(Names.engine("v-r-1", 3))).isEqualTo("v-r-1");
    assertThat(Names.numberOf(Names.engine("v-r-1", 3))).isEqualTo(3);
  }

  private static Replica replica(String name, ReplicaId id) {
    return new Replica(
        name,
        new Replica.Spec(
            "v-r-1",
            id,
            "n",
            "d",
            "/d/replicas/" + name,
            "i",
            false,
            "e",
            true,
            false,
            Replica.Health.NEW),
        Replica.Status.NONE);
  }
}
