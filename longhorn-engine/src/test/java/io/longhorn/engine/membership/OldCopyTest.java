package io.longhorn.engine.membership;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.ProcessNonce;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.VolumeId;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.RecordStamp;
import io.longhorn.api.wire.ReplicaInfo;
import io.longhorn.engine.membership.MembershipEffect.AskPromise;
import io.longhorn.engine.membership.MembershipEffect.Disconnect;
import io.longhorn.engine.membership.MembershipEffect.MayReturn;
import io.longhorn.engine.membership.MembershipEffect.Opened;
import io.longhorn.engine.membership.MembershipEffect.StaysOut;
import io.longhorn.engine.membership.MembershipEffect.StoreRecord;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;
import org.junit.jupiter.api.Test;

/** A replica whose directory was put back from an old copy of itself. */
class OldCopyTest {
  private static final ReplicaId A = new ReplicaId(new UUID(0, 1));
  private static final ReplicaId B = new ReplicaId(new UUID(0, 2));
  private static final ReplicaId C = new ReplicaId(new UUID(0, 3));

  private static final MembershipRecord FIRST = MembershipRecord.ofNewVolume(List.of(A, B, C));
  private static final MembershipRecord OLD = next(FIRST, 1, A, B, C);
  private static final MembershipRecord NEW = next(OLD, 2, A, B, C);

  private final MembershipCore core =
      new MembershipCore(List.of(A, B, C), new Authority.Replicas(), MembershipTiming.DEFAULT);
  private final TreeMap<ReplicaId, MembershipRecord> records = new TreeMap<>();
  private final List<MembershipEffect> seen = new ArrayList<>();
  private long now = 1;

  private static MembershipRecord next(MembershipRecord before, long generation, ReplicaId... set) {
    return before.next(
        new RecordStamp(generation, before.stamp().number() + 1), new TreeSet<>(List.of(set)));
  }

  private static ReplicaInfo info(ReplicaId id, long promised, MembershipRecord record) {
    return new ReplicaInfo(
        1,
        new VolumeId(new UUID(1, 1)),
        id,
        1 << 20,
        "replicas",
        promised,
        record,
        0,
        new ProcessNonce(id.uuid()),
        true,
        RecordStamp.NONE,
        65_536,
        0,
        1,
        64);
  }

  /** Replicas promise and store whatever they are asked. */
  private void step(MembershipEvent event) {
    for (MembershipEffect effect : core.step(event)) {
      seen.add(effect);
      switch (effect) {
        case AskPromise(ReplicaId id, long generation) ->
            step(
                new MembershipEvent.Promised(
                    now, id, generation, info(id, generation, records.get(id))));
        case StoreRecord(ReplicaId id, MembershipRecord record) -> {
          records.put(id, record);
          step(new MembershipEvent.RecordStored(now, id, record.stamp()));
        }
        default -> {}
      }
    }
  }

  private void answers(ReplicaId id, long promised, MembershipRecord record) {
    records.put(id, record);
    step(new MembershipEvent.ReplicaAnswered(now, id, info(id, promised, record)));
  }

  private void timePasses() {
    now += 3_000_000_000L;
    step(new MembershipEvent.Tick(now));
  }

  private List<ReplicaId> asked() {
    return seen.stream()
        .filter(AskPromise.class::isInstance)
        .map(each -> ((AskPromise) each).replica())
        .toList();
  }

  private boolean staysOut(ReplicaId id) {
    return seen.stream()
        .anyMatch(each ->
            each instanceof StaysOut(ReplicaId out, String why)
                && out.equals(id)
                && why.contains("old copy of itself"));
  }

  @Test
  void anOldCopyBesideTwoThatWentOnIsNoMemberAnyMore() {
    answers(A, 2, NEW);
    answers(B, 2, NEW);
    answers(C, 1, OLD);
    assertThat(seen).anyMatch(each -> each instanceof Disconnect(ReplicaId id, _) && id.equals(C));
    answers(C, 1, OLD);
    timePasses();
    timePasses();
    assertThat(staysOut(C)).isTrue();
    assertThat(asked()).containsExactly(A, B);
    assertThat(core.readableMembers()).containsExactly(A, B);
    assertThat(records.get(A).memberUntil()).containsEntry(C, 2L);
  }

  @Test
  void twoOldCopiesDoNotOpenTheVolumeWhileTheOneThatWentOnAnswers() {
    answers(A, 1, OLD);
    answers(C, 2, NEW);
    answers(B, 1, OLD);
    answers(A, 1, OLD);
    answers(B, 1, OLD);
    timePasses();
    timePasses();
    assertThat(asked()).isEmpty();
    assertThat(core.state()).isInstanceOf(MembershipState.Looking.class);
  }

  @Test
  void itDoesNotReturnInALaterSessionEither() {
    MembershipRecord without = next(NEW, 3, A, B);
    answers(A, 4, next(without, 4, A, B));
    answers(B, 4, next(without, 4, A, B));
    answers(C, 1, OLD);
    answers(C, 1, OLD);
    timePasses();
    assertThat(seen).anyMatch(Opened.class::isInstance).noneMatch(MayReturn.class::isInstance);
    assertThat(staysOut(C)).isTrue();
  }

  @Test
  void aReplicaThatWasAwayReturns() {
    MembershipRecord without = next(NEW, 3, A, B);
    answers(A, 4, next(without, 4, A, B));
    answers(B, 4, next(without, 4, A, B));
    answers(C, 2, NEW);
    timePasses();
    assertThat(seen)
        .anyMatch(each -> each instanceof MayReturn(ReplicaId id, _) && id.equals(C))
        .noneMatch(StaysOut.class::isInstance);
  }

  @Test
  void aReplicaThatPromisedAfterItsHelloIsWelcomeWithTheNextOne() {
    answers(C, 1, OLD);
    answers(A, 2, NEW);
    answers(B, 2, NEW);
    answers(C, 2, OLD);
    timePasses();
    assertThat(staysOut(C)).isFalse();
    assertThat(core.readableMembers()).containsExactly(A, B, C);
  }
}
