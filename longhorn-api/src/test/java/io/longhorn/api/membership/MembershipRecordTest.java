package io.longhorn.api.membership;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.entry;

import io.longhorn.api.ReplicaId;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class MembershipRecordTest {
  private static final ReplicaId R1 = replica(1);
  private static final ReplicaId R2 = replica(2);
  private static final ReplicaId R3 = replica(3);
  private static final ReplicaId R4 = replica(4);

  private static final MembershipRecord NEW_VOLUME =
      MembershipRecord.ofNewVolume(List.of(R3, R1, R2));

  private static ReplicaId replica(long number) {
    return new ReplicaId(new UUID(0, number));
  }

  private static SortedSet<ReplicaId> set(ReplicaId... ids) {
    return new TreeSet<>(List.of(ids));
  }

  private static RecordStamp stamp(long generation, long number) {
    return new RecordStamp(generation, number);
  }

  @Test
  void aNewVolumeHasAllItsReplicasInSync() {
    assertThat(NEW_VOLUME.stamp()).isEqualTo(stamp(0, 1));
    assertThat(NEW_VOLUME.members()).containsExactly(R1, R2, R3);
    assertThat(NEW_VOLUME.leftAt()).isEmpty();
  }

  @Test
  void aReplicaThatLeavesIsStampedWithTheRecordThatLeavesItOut() {
    MembershipRecord degraded = NEW_VOLUME.next(stamp(1, 2), set(R1, R3));
    assertThat(degraded.members()).containsExactly(R1, R3);
    assertThat(degraded.leftAt()).containsExactly(entry(R2, stamp(1, 2)));
  }

  @Test
  void theGenerationOfTheLastRecordThatNamedAReplicaIsKeptAsLongAsItIsOut() {
    MembershipRecord served = NEW_VOLUME.next(stamp(4, 2), set(R1, R2, R3));
    MembershipRecord without = served.next(stamp(6, 3), set(R1, R3)).next(stamp(7, 4), set(R1, R3));
    assertThat(without.memberUntil()).containsExactly(entry(R2, 4L));
    assertThat(without.namedIn(R2)).isEqualTo(4);
    assertThat(without.namedIn(R1)).isEqualTo(7);
    assertThat(without.namedIn(R4)).isZero();
    assertThat(without.next(stamp(7, 5), set(R1, R2, R3)).memberUntil()).isEmpty();
    assertThatThrownBy(() ->
            new MembershipRecord(
                stamp(1, 2), set(R1), new TreeMap<>(), new TreeMap<>(Map.of(R2, 1L))))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("has not left");
  }

  @Test
  void aReplicaThatHadLeftKeepsItsStamp() {
    MembershipRecord alone = NEW_VOLUME.next(stamp(1, 2), set(R1, R3)).next(stamp(1, 3), set(R3));
    assertThat(alone.leftAt()).containsExactly(entry(R1, stamp(1, 3)), entry(R2, stamp(1, 2)));
    assertThat(alone.next(stamp(5, 4), set(R3)).leftAt()).isEqualTo(alone.leftAt());
  }

  @Test
  void aReplicaThatIsAMemberAgainLosesItsStampAndGetsANewOneWhenItLeavesAgain() {
    MembershipRecord degraded = NEW_VOLUME.next(stamp(1, 2), set(R1, R3));
    MembershipRecord whole = degraded.next(stamp(1, 3), set(R1, R2, R3));
    assertThat(whole.leftAt()).isEmpty();
    assertThat(whole.next(stamp(2, 4), set(R1)).leftAt())
        .containsExactly(entry(R2, stamp(2, 4)), entry(R3, stamp(2, 4)));
  }

  @Test
  void aReplicaThatWasNeverConfiguredMayBecomeAMember() {
    MembershipRecord grown = NEW_VOLUME.next(stamp(1, 2), set(R1, R2, R3, R4));
    assertThat(grown.members()).containsExactly(R1, R2, R3, R4);
    assertThat(grown.leftAt()).isEmpty();
  }

  @Test
  void membersAndTheAbsentTogetherAreAlwaysTheConfiguredReplicas() {
    MembershipRecord record = NEW_VOLUME;
    for (int number = 2; number < 50; number++) {
      SortedSet<ReplicaId> next = set(replica(1 + number % 3));
      if (number % 2 == 0) {
        next.add(replica(1 + number / 2 % 3));
      }
      record = record.next(stamp(number / 7, number), next);
      TreeSet<ReplicaId> all = new TreeSet<>(record.members());
      all.addAll(record.leftAt().keySet());
      assertThat(all).containsExactly(R1, R2, R3);
    }
  }

  @ParameterizedTest
  @CsvSource({"0,1", "0,0"})
  void whatIsNotNewerDoesNotFollow(long generation, long number) {
    assertThatThrownBy(() -> NEW_VOLUME.next(stamp(generation, number), set(R1)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("does not follow (0,1)");
  }

  @Test
  void aRecordWithoutMembersOrWithTooManyReplicasIsNone() {
    assertThatThrownBy(() -> NEW_VOLUME.next(stamp(1, 2), set()))
        .isInstanceOf(IllegalArgumentException.class);
    List<ReplicaId> many = new ArrayList<>();
    for (int i = 0; i < MembershipRecord.MAX_REPLICAS; i++) {
      many.add(replica(i));
    }
    assertThat(MembershipRecord.ofNewVolume(many).members()).hasSize(8);
    many.add(replica(99));
    assertThatThrownBy(() -> MembershipRecord.ofNewVolume(many))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void aReplicaIsNamedOnceAndIsAMemberOrAbsent() {
    assertThatThrownBy(() -> MembershipRecord.ofNewVolume(List.of(R1, R2, R1)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("twice");
    TreeMap<ReplicaId, RecordStamp> leftAt = new TreeMap<>();
    leftAt.put(R1, stamp(0, 1));
    assertThatThrownBy(() -> new MembershipRecord(stamp(1, 2), set(R1, R2), leftAt))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("is a member and has left");
  }

  @Test
  void nobodyLeavesAfterTheRecordThatSaysSo() {
    TreeMap<ReplicaId, RecordStamp> leftAt = new TreeMap<>();
    leftAt.put(R2, stamp(1, 2));
    assertThat(new MembershipRecord(stamp(1, 2), set(R1), leftAt).leftAt()).hasSize(1);
    assertThatThrownBy(() -> new MembershipRecord(stamp(1, 1), set(R1), leftAt))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("after the record");
  }

  @Test
  void collectionsAreCopiedAndCannotBeChanged() {
    SortedSet<ReplicaId> members = set(R1);
    MembershipRecord record = NEW_VOLUME.next(stamp(1, 2), members);
    members.add(R2);
    assertThat(record.members()).containsExactly(R1);
    assertThatThrownBy(() -> record.members().add(R2))
        .isInstanceOf(UnsupportedOperationException.class);
    assertThatThrownBy(() -> record.leftAt().clear())
        .isInstanceOf(UnsupportedOperationException.class);
  }

  /** A TreeSet made of a sorted set keeps that set's order. */
  @Test
  void theOrderIsThatOfTheIdsWhateverOrderTheyCameIn() {
    SortedSet<ReplicaId> descending = new TreeSet<>(Comparator.reverseOrder());
    descending.addAll(List.of(R1, R2));
    TreeMap<ReplicaId, RecordStamp> leftAt = new TreeMap<>(Comparator.reverseOrder());
    leftAt.put(R3, stamp(0, 1));
    leftAt.put(R4, stamp(0, 1));
    MembershipRecord record = new MembershipRecord(stamp(1, 2), descending, leftAt);
    assertThat(record.members()).containsExactly(R1, R2);
    assertThat(record.leftAt().keySet()).containsExactly(R3, R4);
  }
}
