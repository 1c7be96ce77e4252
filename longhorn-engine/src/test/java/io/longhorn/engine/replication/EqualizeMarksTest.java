package io.longhorn.engine.replication;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.IoError;
import io.longhorn.api.membership.RecordStamp;
import io.longhorn.api.memory.LoanPool;
import io.longhorn.engine.reconcile.IntentEffect;
import io.longhorn.engine.reconcile.IntentTracker;
import io.longhorn.engine.reconcile.RegionBits;
import io.longhorn.engine.reconcile.RegionMap;
import io.longhorn.engine.request.IoKind;
import io.longhorn.engine.request.IoRequest;
import io.longhorn.engine.request.VolumePort;
import java.util.Optional;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** When the marks of a range may go that members were made equal in. */
final class EqualizeMarksTest implements SteadySurroundings {
  private static final int SIZE = 256 << 10;
  private static final int BLOCK = 4096;
  private static final RecordStamp RECORD = new RecordStamp(3, 4);

  private final RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(1);
  private final ReplicationCore core =
      new ReplicationCore(SIZE, this, this, 0, new LoanPool(Long.MAX_VALUE));
  private final MemoryMember[] members = new MemoryMember[2];
  private final IntentTracker tracker = new IntentTracker(new RegionMap(SIZE, BLOCK), 1);

  @BeforeEach
  void openAfterACrashThatLeftOneWriteOnOneMember() {
    for (int i = 0; i < members.length; i++) {
      members[i] = new MemoryMember(i, SIZE);
      core.linked(i, members[i]);
    }
    members[0].volume[0] = 5;
    RegionBits marks = new RegionBits(SIZE / BLOCK);
    marks.set(0);
    tracker.known(marks);
    core.sets(3, 3, 0);
    core.open();
  }

  @Test
  void aFlushFromBeforeMembersWereMadeEqualDoesNotClearTheirMarks() {
    flush();
    members[1].carryOutOne(core, random);
    equalize();
    answerAll();
    assertThat(members[1].volume[0]).isEqualTo((byte) 5);
    assertThat(isCleared()).isFalse();
  }

  @Test
  void aFlushFromAfterThatDoes() {
    equalize();
    answerAll();
    flush();
    answerAll();
    assertThat(isCleared()).isTrue();
  }

  @Test
  void nothingIsWrittenWhereMembersAreEqualAlready() {
    flush();
    members[1].volume[0] = 5;
    equalize();
    answerAll();
    assertThat(isCleared()).isTrue();
  }

  @Test
  void whatALostMemberHadToWriteHasEnded() {
    equalize();
    while (members[0].waiting() > 0) {
      members[0].carryOutOne(core, random);
    }
    members[1].carryOutOne(core, random);
    members[1].loseAll();
    core.linkLost(1);
    core.sets(1, 1, 0);
    answerAll();
    flush();
    answerAll();
    assertThat(isCleared()).isTrue();
  }

  private void equalize() {
    core.equalize(0, BLOCK, (_, result, _) -> assertThat(result).isEqualTo(IoError.OK));
  }

  private void flush() {
    VolumePort port = core.openPort();
    IoRequest request = port.take(IoKind.FLUSH, 0, 0);
    request.onCompletion(port::release, null, 0);
    port.submit(request);
  }

  private void answerAll() {
    for (int turn = 0; turn < 4; turn++) {
      for (MemoryMember member : members) {
        while (member.waiting() > 0) {
          member.carryOutOne(core, random);
        }
      }
    }
  }

  /** Whether the first region is cleared within a few ticks without another FLUSH. */
  private boolean isCleared() {
    for (int tick = 0; tick < 5; tick++) {
      Optional<IntentEffect> effect = tracker.tick(true, RECORD);
      if (effect.isPresent()) {
        switch (effect.get()) {
          case IntentEffect.Flush _ -> {
            return false;
          }
          case IntentEffect.SetValidSince(RecordStamp stamp) ->
              tracker.validSinceStored(stamp, true);
          case IntentEffect.Clear(RegionBits regions) -> {
            return regions.test(0);
          }
        }
      }
    }
    return false;
  }

  @Override
  public void writeSent(long offset, int length) {
    tracker.writeSent(offset, length);
  }

  @Override
  public void writeEnded(long offset, int length) {
    tracker.writeEnded(offset, length);
  }

  @Override
  public long flushSent() {
    return tracker.flushSent();
  }

  @Override
  public void flushEnded(long number, boolean isDurable) {
    tracker.flushEnded(number, isDurable);
  }
}
