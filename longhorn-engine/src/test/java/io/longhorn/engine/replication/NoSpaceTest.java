package io.longhorn.engine.replication;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.IoError;
import io.longhorn.api.memory.LoanPool;
import io.longhorn.engine.request.IoKind;
import io.longhorn.engine.request.IoRequest;
import io.longhorn.engine.request.VolumePort;
import java.util.ArrayList;
import java.util.List;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Members whose disks are full, and what the client is told. */
final class NoSpaceTest implements SteadySurroundings {
  private static final int SIZE = 256 << 10;
  private static final int BLOCK = 4096;

  private final RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(1);
  private final ReplicationCore core =
      new ReplicationCore(SIZE, this, this, 0, new LoanPool(Long.MAX_VALUE));
  private final MemoryMember[] members = new MemoryMember[3];
  private final List<Integer> failed = new ArrayList<>();
  private final List<Long> unequal = new ArrayList<>();
  private final List<IoError> results = new ArrayList<>();

  @BeforeEach
  void open() {
    for (int i = 0; i < members.length; i++) {
      members[i] = new MemoryMember(i, SIZE);
      core.linked(i, members[i]);
    }
  }

  private void run(IoKind kind) {
    VolumePort port = core.openPort();
    IoRequest request = port.take(kind, 0, BLOCK);
    request.onCompletion(
        done -> {
          results.add(done.error());
          port.release(done);
        },
        null,
        0);
    port.submit(request);
    answerAll();
  }

  private void answerAll() {
    for (MemoryMember member : members) {
      while (member.waiting() > 0) {
        member.carryOutOne(core, random);
      }
    }
  }

  @Test
  void aMemberWithoutSpaceFailsWhileOthersHaveSomeAndTheWriteWaitsForTheSetWithoutIt() {
    core.sets(7, 7, 0);
    core.open();
    members[1].writesAnswer = IoError.ENOSPC;
    run(IoKind.WRITE);
    assertThat(failed).containsExactly(1);
    assertThat(results).isEmpty();
    core.linkLost(1);
    core.sets(5, 5, 0);
    assertThat(results).containsExactly(IoError.OK);
  }

  @Test
  void withoutSpaceAnywhereTheClientIsToldAndNobodyFails() {
    core.sets(7, 7, 0);
    core.open();
    for (MemoryMember member : members) {
      member.writesAnswer = IoError.ENOSPC;
    }
    run(IoKind.WRITE);
    assertThat(results).containsExactly(IoError.ENOSPC);
    assertThat(failed).isEmpty();
    assertThat(unequal).containsExactly(0L);
  }

  @Test
  void oneThatReturnsAndHasNoSpaceForAWriteFailsInsteadOfJoiningWithoutIt() {
    core.sets(3, 3, 4);
    core.open();
    members[2].writesAnswer = IoError.ENOSPC;
    run(IoKind.WRITE);
    assertThat(results).containsExactly(IoError.OK);
    assertThat(failed).containsExactly(2);
  }

  @Test
  void oneThatFailedIsNoSourceFromThatMomentOn() {
    core.sets(7, 7, 0);
    core.open();
    members[1].writesAnswer = IoError.EIO;
    run(IoKind.WRITE);
    core.sets(5, 7, 0);
    for (int i = 0; i < 6; i++) {
      VolumePort port = core.openPort();
      IoRequest read = port.take(IoKind.READ, 2L * BLOCK, BLOCK);
      read.onCompletion(port::release, null, 0);
      port.submit(read);
      assertThat(members[1].waiting()).isZero();
    }
    answerAll();
  }

  @Override
  public void memberFailed(int slot, IoError error, String what) {
    failed.add(slot);
  }

  @Override
  public void unreconciled(long offset, int length) {
    unequal.add(offset);
  }
}
