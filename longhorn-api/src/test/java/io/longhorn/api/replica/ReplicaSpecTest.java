package io.longhorn.api.replica;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.VolumeId;
import io.longhorn.api.VolumeName;
import io.longhorn.api.membership.MembershipRecord;
import java.util.List;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class ReplicaSpecTest {
  private static final ReplicaId R1 = new ReplicaId(new UUID(0, 1));
  private static final ReplicaId R2 = new ReplicaId(new UUID(0, 2));

  private static ReplicaSpec spec(ReplicaId replica, long sizeBytes, String authority) {
    return new ReplicaSpec(
        new VolumeId(new UUID(1, 1)),
        new VolumeName("v"),
        replica,
        sizeBytes,
        authority,
        MembershipRecord.ofNewVolume(List.of(R1)));
  }

  @ParameterizedTest
  @ValueSource(longs = {4096, 8192, 1L << 40, ReplicaSpec.MAX_SIZE_BYTES})
  void aVolumeIsWholeBlocksUpTo64TiB(long sizeBytes) {
    assertThat(spec(R1, sizeBytes, "replicas").sizeBytes()).isEqualTo(sizeBytes);
  }

  @ParameterizedTest
  @ValueSource(longs = {0, -4096, 4095, 4097, (64L << 40) + 4096, Long.MIN_VALUE, Long.MAX_VALUE})
  void anyOtherSizeIsRefusedWithWhatToUse(long sizeBytes) {
    assertThatThrownBy(() -> spec(R1, sizeBytes, "replicas"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("use a multiple of 4096");
  }

  @Test
  void theRecordNamesTheReplica() {
    assertThatThrownBy(() -> spec(R2, 4096, "replicas"))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void theAuthorityHasItsShape() {
    assertThat(spec(R1, 4096, "store:a").authority()).isEqualTo("store:a");
    assertThatThrownBy(() -> spec(R1, 4096, "a".repeat(5000)))
        .isInstanceOf(IllegalArgumentException.class);
  }
}
