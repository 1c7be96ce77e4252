package io.longhorn.engine.replication;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.IoError;
import io.longhorn.api.memory.LoanPool;
import io.longhorn.engine.request.IoKind;
import io.longhorn.engine.request.IoRequest;
import io.longhorn.engine.request.VolumePort;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class CompareOpTest implements SteadySurroundings {
  private static final int SIZE = 256 << 10;
  private static final int CHUNK = IoRequest.CHUNK_BYTES;

  /** What one comparison found. */
  private record Found(IoError result, int members, int differing, int damaged) {}

  private final RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(1);
  private final ReplicationCore core =
      new ReplicationCore(SIZE, this, this, 0, new LoanPool(Long.MAX_VALUE));
  private final MemoryMember[] members = new MemoryMember[3];
  private final List<Found> found = new ArrayList<>();

  @BeforeEach
  void openWithThreeEqualMembers() {
    for (int i = 0; i < members.length; i++) {
      members[i] = new MemoryMember(i, SIZE);
      Arrays.fill(members[i].volume, (byte) 5);
      core.linked(i, members[i]);
    }
    core.sets(7, 7, 0);
    core.open();
  }

  private void compare(long first) {
    core.compare(
        first,
        CHUNK,
        (result, count, differing, damaged) ->
            found.add(new Found(result, count, differing, damaged)));
  }

  private void answerAll() {
    for (MemoryMember member : members) {
      while (member.waiting() > 0) {
        member.carryOutOne(core, random);
      }
    }
  }

  @Test
  void equalMembersAreFoundEqual() {
    compare(0);
    answerAll();
    assertThat(found).containsExactly(new Found(IoError.OK, 3, 0, 0));
    assertThat(core.lent()).isZero();
    assertThat(core.underWay()).isZero();
  }

  @Test
  void eachBlockThatDiffersOnAnyMemberCountsOnce() {
    members[0].volume[CHUNK + 4095]++;
    members[2].volume[CHUNK + 4096]++;
    members[1].volume[CHUNK + 4097]++;
    compare(0);
    compare(CHUNK);
    answerAll();
    assertThat(found)
        .containsExactly(new Found(IoError.OK, 3, 0, 0), new Found(IoError.OK, 3, 2, 0));
  }

  @Test
  void aDamagedBlockIsCountedAndNotMended() {
    members[1].damaged[3] = true;
    compare(0);
    answerAll();
    assertThat(found).containsExactly(new Found(IoError.OK, 3, 0, 1));
    assertThat(members[1].damaged[3]).isTrue();
  }

  @Test
  void itWaitsForAWriteThatOverlapsAndSeesAllOfIt() {
    VolumePort port = core.openPort();
    IoRequest write = port.take(IoKind.WRITE, 8192, 4096);
    write.onCompletion(port::release, null, 0);
    port.submit(write);
    compare(0);
    members[0].carryOutOne(core, random);
    assertThat(found).isEmpty();
    assertThat(members[0].waiting()).as("nothing is read while they differ").isZero();
    answerAll();
    answerAll();
    assertThat(found).containsExactly(new Found(IoError.OK, 3, 0, 0));
  }

  @Test
  void aMemberThatIsLostMeanwhileIsLeftOut() {
    members[2].volume[0]++;
    compare(0);
    members[2].loseAll();
    core.linkLost(2);
    answerAll();
    assertThat(found).containsExactly(new Found(IoError.OK, 2, 0, 0));
    assertThat(core.lent()).isZero();
  }

  @Test
  void withoutAnyMemberItFails() {
    compare(0);
    for (int i = 0; i < members.length; i++) {
      members[i].loseAll();
      core.linkLost(i);
    }
    assertThat(found).containsExactly(new Found(IoError.DISCONNECTED, 0, 0, 0));
    assertThat(core.lent()).isZero();
    assertThat(core.underWay()).isZero();
  }
}
