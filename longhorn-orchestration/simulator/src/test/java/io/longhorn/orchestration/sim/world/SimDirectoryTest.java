package io.longhorn.orchestration.sim.world;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.VolumeId;
import io.longhorn.api.membership.MembershipRecord;
import java.util.List;
import java.util.UUID;
import org.junit.jupiter.api.Test;

/** Who is a source of data after a crash (E3). */
final class SimDirectoryTest {
  private static final long FIRST = 1;
  private static final long SECOND = 2;
  private static final long THIRD = 3;

  private static SimDirectory equalWithFirst() {
    ReplicaId id = new ReplicaId(new UUID(1, 1));
    SimDirectory directory =
        new SimDirectory(
            "/d", new VolumeId(new UUID(2, 2)), id, 4, MembershipRecord.ofNewVolume(List.of(id)));
    directory.take(FIRST);
    directory.equalProcess = FIRST;
    return directory;
  }

  @Test
  void whoFollowsInGoodOrderHasRunAsLong() {
    SimDirectory directory = equalWithFirst();
    directory.leave(SECOND);
    directory.take(SECOND);
    assertThat(directory.isContinuous(SECOND)).isTrue();
    directory.leave(THIRD);
    directory.take(THIRD);
    assertThat(directory.isContinuous(THIRD)).isTrue();
  }

  /** It handed over what had lost its power, and its successor was taken for one that had not. */
  @Test
  void whoFollowsOneThatWasStartedAfterwardsHasNotRunAsLong() {
    SimDirectory directory = equalWithFirst();
    directory.leave(0);
    directory.take(SECOND);
    assertThat(directory.isContinuous(SECOND)).isFalse();
    directory.leave(THIRD);
    directory.take(THIRD);
    assertThat(directory.isContinuous(THIRD)).isFalse();
  }

  @Test
  void whoTakesItInsteadOfTheOneItWasGivenToDoesNotFollow() {
    SimDirectory directory = equalWithFirst();
    directory.leave(SECOND);
    directory.take(THIRD);
    assertThat(directory.isContinuous(THIRD)).isFalse();
    directory.leave(0);
    directory.take(SECOND);
    assertThat(directory.isContinuous(SECOND)).isFalse();
  }
}
