package io.longhorn.engine.reconcile;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.ReplicaId;
import java.util.ArrayList;
import java.util.List;
import java.util.SortedSet;
import java.util.UUID;
import org.junit.jupiter.api.Test;

final class ReconcileCoreTest {
  private static final int REGION = 65_536;
  private static final ReplicaId R1 = new ReplicaId(new UUID(0, 1));
  private static final ReplicaId R2 = new ReplicaId(new UUID(0, 2));
  private static final ReplicaId R3 = new ReplicaId(new UUID(0, 3));

  private final RegionMap regions = new RegionMap(16L * REGION, REGION);
  private ReconcileCore core = new ReconcileCore(regions);

  private static String say(List<ReconcileEffect> effects) {
    List<String> words = new ArrayList<>();
    for (ReconcileEffect effect : effects) {
      words.add(
          switch (effect) {
            case ReconcileEffect.ReadBits(ReplicaId id) -> "read " + digit(id);
            case ReconcileEffect.BitsKnown(RegionBits union) -> "known " + union.cardinality();
            case ReconcileEffect.PreferSources(SortedSet<ReplicaId> from, boolean mayHaveLost) -> {
              StringBuilder text = new StringBuilder("from ");
              from.forEach(id -> text.append(digit(id)));
              yield text.append(mayHaveLost ? " or less" : "").toString();
            }
            case ReconcileEffect.Flush(ReplicaId id) -> "flush " + digit(id);
            case ReconcileEffect.MarkEqual(ReplicaId id) -> "mark " + digit(id);
            case ReconcileEffect.Reconciled _ -> "reconciled";
          });
    }
    return String.join(", ", words);
  }

  private static long digit(ReplicaId id) {
    return id.uuid().getLeastSignificantBits();
  }

  private String step(ReconcileEvent event) {
    return say(core.step(event));
  }

  private static ReconcileEvent.Member member(ReplicaId id, boolean isContinuous) {
    return new ReconcileEvent.Member(id, isContinuous);
  }

  private ReconcileEvent bits(ReplicaId id, int... marked) {
    RegionBits bits = new RegionBits(regions.count());
    for (int region : marked) {
      bits.set(region);
    }
    return new ReconcileEvent.BitsRead(id, bits);
  }

  private boolean isUnreconciled(int region) {
    return core.isUnreconciled((long) region * REGION, 4096);
  }

  private ReconcileCore.Chunk chunk() {
    return core.nextChunk().orElseThrow();
  }

  @Test
  void theUnionOfMarksIsMadeEqualFromMembersThatRanAndThenAllAreMarked() {
    assertThat(isUnreconciled(0)).isTrue();
    assertThat(
            step(
                new ReconcileEvent.Began(
                    List.of(member(R1, true), member(R2, false), member(R3, true)), false)))
        .isEqualTo("read 1, read 2, read 3, from 13");
    assertThat(step(bits(R1, 1))).isEmpty();
    assertThat(isUnreconciled(7)).isTrue();
    assertThat(core.nextChunk()).isEmpty();
    assertThat(step(bits(R2, 1, 4))).isEmpty();
    assertThat(step(bits(R3))).isEqualTo("known 2");
    assertThat(isUnreconciled(7)).isFalse();
    assertThat(isUnreconciled(1)).isTrue();
    assertThat(isUnreconciled(4)).isTrue();
    assertThat(core.isUnreconciled(3L * REGION + 4096, REGION)).isTrue();
    ReconcileCore.Chunk first = chunk();
    ReconcileCore.Chunk second = chunk();
    assertThat(core.nextChunk()).isEmpty();
    assertThat(first.offset()).isEqualTo(REGION);
    assertThat(second.offset()).isEqualTo(4L * REGION);
    assertThat(step(new ReconcileEvent.ChunkEqual(second))).isEmpty();
    assertThat(isUnreconciled(4)).isFalse();
    assertThat(step(new ReconcileEvent.ChunkEqual(first))).isEqualTo("flush 2");
    assertThat(core.mayFlush()).isTrue();
    assertThat(step(new ReconcileEvent.Flushed(R2))).isEqualTo("mark 1, mark 2, mark 3");
    assertThat(core.isReconciling()).isTrue();
    assertThat(step(new ReconcileEvent.Marked(R1))).isEmpty();
    assertThat(step(new ReconcileEvent.Marked(R3))).isEmpty();
    assertThat(step(new ReconcileEvent.Marked(R2))).isEqualTo("from 123, reconciled");
    assertThat(core.isReconciling()).isFalse();
  }

  @Test
  void withoutMarksAndAfterAReleaseThereIsOnlyTheMarkToMove() {
    step(new ReconcileEvent.Began(List.of(member(R1, false), member(R2, true)), true));
    step(bits(R1, 1, 2));
    assertThat(step(bits(R2))).isEqualTo("known 2, flush 1");
    assertThat(step(new ReconcileEvent.Flushed(R1))).isEqualTo("mark 1, mark 2");
    assertThat(isUnreconciled(1)).isFalse();
    step(new ReconcileEvent.Marked(R1));
    assertThat(step(new ReconcileEvent.Marked(R2))).isEqualTo("from 12, reconciled");
  }

  @Test
  void ifNoMemberRanAnyIsASourceAndItIsSaid() {
    assertThat(step(new ReconcileEvent.Began(List.of(member(R1, false), member(R2, false)), false)))
        .endsWith("from 12 or less");
  }

  @Test
  void aSourceThatLeavesIsReplacedAndItsBitsAreNotAwaited() {
    step(new ReconcileEvent.Began(List.of(member(R1, true), member(R2, false)), false));
    step(bits(R2, 3));
    assertThat(step(new ReconcileEvent.MemberLeft(R1))).isEqualTo("from 2 or less, known 1");
  }

  @Test
  void whoLeavesIsNotWaitedForToFlush() {
    step(new ReconcileEvent.Began(List.of(member(R1, true), member(R2, false)), false));
    step(bits(R1));
    assertThat(step(bits(R2))).isEqualTo("known 0, flush 2");
    assertThat(step(new ReconcileEvent.MemberLeft(R2))).isEqualTo("from 1, mark 1");
  }

  @Test
  void aChunkThatFailedIsTriedAgainLater() {
    step(new ReconcileEvent.Began(List.of(member(R1, true), member(R2, true)), false));
    step(bits(R1, 3));
    step(bits(R2));
    ReconcileCore.Chunk chunk = chunk();
    step(new ReconcileEvent.ChunkFailed(chunk));
    assertThat(core.nextChunk()).isEmpty();
    step(new ReconcileEvent.Retry());
    assertThat(chunk()).isEqualTo(chunk);
  }

  @Test
  void aWriteThatFailedMakesItsRangeUnreconciledAlsoWhileItIsMadeEqual() {
    step(new ReconcileEvent.Began(List.of(member(R1, true), member(R2, true)), false));
    step(bits(R1, 3));
    step(bits(R2));
    ReconcileCore.Chunk chunk = chunk();
    core.unreconciled(3L * REGION, 4096);
    step(new ReconcileEvent.ChunkEqual(chunk));
    assertThat(isUnreconciled(3)).isTrue();
    step(new ReconcileEvent.Retry());
    step(new ReconcileEvent.ChunkEqual(chunk()));
    step(new ReconcileEvent.Marked(R1));
    step(new ReconcileEvent.Marked(R2));
    assertThat(core.isReconciling()).isFalse();
    core.unreconciled(5L * REGION, 4096);
    assertThat(core.isReconciling()).isTrue();
    assertThat(core.remainingRegions()).isEqualTo(1);
    step(new ReconcileEvent.Retry());
    assertThat(step(new ReconcileEvent.ChunkEqual(chunk()))).isEmpty();
    assertThat(core.isReconciling()).isFalse();
  }

  @Test
  void largeRegionsAreCutToChunksAndFinishedWithTheLastOne() {
    RegionMap large = new RegionMap((1L << 20) + 4096, 1 << 19);
    core = new ReconcileCore(large);
    step(new ReconcileEvent.Began(List.of(member(R1, true)), false));
    RegionBits all = new RegionBits(large.count());
    all.set(1);
    all.set(2);
    step(new ReconcileEvent.BitsRead(R1, all));
    List<ReconcileCore.Chunk> chunks = new ArrayList<>();
    for (var next = core.nextChunk(); next.isPresent(); next = core.nextChunk()) {
      chunks.add(next.get());
    }
    assertThat(chunks).hasSize(5);
    assertThat(chunks.getLast().length()).isEqualTo(4096);
    for (int i = 1; i < 4; i++) {
      step(new ReconcileEvent.ChunkEqual(chunks.get(i)));
    }
    assertThat(core.isUnreconciled(1 << 19, 4096)).isTrue();
    step(new ReconcileEvent.ChunkEqual(chunks.get(0)));
    assertThat(core.isUnreconciled(1 << 19, 4096)).isFalse();
    assertThat(core.isUnreconciled(1 << 20, 4096)).isTrue();
    assertThat(step(new ReconcileEvent.ChunkEqual(chunks.get(4)))).isEqualTo("mark 1");
  }

  @Test
  void chunksOfAnEarlierOpeningCountForNothing() {
    step(new ReconcileEvent.Began(List.of(member(R1, true)), false));
    step(bits(R1, 3));
    ReconcileCore.Chunk old = chunk();
    step(new ReconcileEvent.Began(List.of(member(R1, true)), false));
    step(bits(R1, 3));
    ReconcileCore.Chunk now = chunk();
    step(new ReconcileEvent.ChunkEqual(old));
    assertThat(isUnreconciled(3)).isTrue();
    assertThat(step(new ReconcileEvent.ChunkEqual(now))).isEqualTo("mark 1");
  }

  @Test
  void aFlushWaitsWhileAMemberThatDidNotRunIsNotEqual() {
    assertThat(core.mayFlush()).isFalse();
    step(new ReconcileEvent.Began(List.of(member(R1, true), member(R2, false)), false));
    step(bits(R1, 3));
    step(bits(R2));
    assertThat(core.mayFlush()).isFalse();
    step(new ReconcileEvent.MemberLeft(R2));
    assertThat(core.mayFlush()).isTrue();
    step(new ReconcileEvent.Began(List.of(member(R1, true), member(R2, true)), false));
    assertThat(core.mayFlush()).isTrue();
  }
}
