package io.longhorn.api.membership;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.longhorn.api.EngineId;
import io.longhorn.api.ReplicaId;
import java.util.List;
import java.util.Optional;
import java.util.TreeSet;
import java.util.UUID;
import org.junit.jupiter.api.Test;

final class VolumeRecordTest {
  private static final ReplicaId A = new ReplicaId(new UUID(0, 1));
  private static final ReplicaId B = new ReplicaId(new UUID(0, 2));
  private static final EngineId ENGINE = new EngineId(new UUID(1, 1));

  private static final VolumeRecord NEW =
      VolumeRecord.ofNewVolume(MembershipRecord.ofNewVolume(List.of(A, B)));

  @Test
  void aNewVolumeIsNobodysAndNoGenerationIsTaken() {
    assertThat(NEW.owner()).isEmpty();
    assertThat(NEW.reservedGeneration()).isZero();
    assertThat(NEW.phase()).isEqualTo(VolumeRecord.Phase.NONE);
    assertThat(NEW.isOwnedBy(ENGINE, 0)).isFalse();
  }

  @Test
  void aGenerationIsTakenByOneEngineAndOnlyAHigherOneFollows() {
    VolumeRecord taken = NEW.reserved(3, ENGINE);
    assertThat(taken.isOwnedBy(ENGINE, 3)).isTrue();
    assertThat(taken.isOwnedBy(ENGINE, 2)).isFalse();
    assertThat(taken.isOwnedBy(new EngineId(new UUID(1, 2)), 3)).isFalse();
    assertThat(taken.membership()).isEqualTo(NEW.membership());
    assertThatThrownBy(() -> taken.reserved(3, ENGINE))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void aMembershipOfAGenerationThatNobodyTookCannotBe() {
    MembershipRecord next = NEW.membership().next(new RecordStamp(4, 2), new TreeSet<>(List.of(A)));
    VolumeRecord taken = NEW.reserved(3, ENGINE);
    assertThatThrownBy(() -> taken.withMembership(next))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("reserved generation 3");
    assertThat(NEW.reserved(4, ENGINE).withMembership(next).membership()).isEqualTo(next);
  }

  @Test
  void whoMayClaimIsNamedAndNothingElseOfTheRecordChanges() {
    VolumeRecord taken = NEW.reserved(3, ENGINE);
    TreeSet<EngineId> both = new TreeSet<>(List.of(ENGINE, new EngineId(new UUID(1, 2))));
    VolumeRecord named = taken.named(both, VolumeRecord.Phase.MIGRATING);
    assertThat(named.claimants()).isEqualTo(both);
    assertThat(named.phase()).isEqualTo(VolumeRecord.Phase.MIGRATING);
    assertThat(named.named(taken.claimants(), taken.phase())).isEqualTo(taken);
  }

  @Test
  void twoMayClaimAndNoMore() {
    TreeSet<EngineId> three = new TreeSet<>();
    for (int i = 0; i < 3; i++) {
      three.add(new EngineId(new UUID(1, i)));
    }
    assertThatThrownBy(() ->
            new VolumeRecord(
                NEW.membership(), 0, Optional.empty(), three, VolumeRecord.Phase.MIGRATING))
        .isInstanceOf(IllegalArgumentException.class);
  }
}
