package io.longhorn.engine.reconcile;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.ProcessNonce;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.VolumeId;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.RecordStamp;
import io.longhorn.api.wire.LayerList;
import io.longhorn.api.wire.ReplicaInfo;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class ReturnCoreTest {
  private static final int REGION = 65_536;
  private static final long SIZE = 8L * REGION;
  private static final ReplicaId R1 = new ReplicaId(new UUID(0, 1));
  private static final ReplicaId R2 = new ReplicaId(new UUID(0, 2));
  private static final RecordStamp LEFT = new RecordStamp(4, 9);

  private final RegionMap regions = new RegionMap(SIZE, REGION);

  private static ReplicaInfo info(ReplicaId id, long size, RecordStamp validSince) {
    return new ReplicaInfo(
        1,
        new VolumeId(new UUID(7, 7)),
        id,
        size,
        "replicas",
        5,
        MembershipRecord.ofNewVolume(List.of(R1, R2)),
        0,
        new ProcessNonce(id.uuid()),
        true,
        validSince,
        REGION,
        0,
        1,
        64);
  }

  private ReturnCore core(
      long size, RecordStamp own, RecordStamp members, boolean wasMember, OptionalInt equalHead) {
    TreeMap<ReplicaId, RecordStamp> left = new TreeMap<>();
    if (wasMember) {
      left.put(R2, LEFT);
    }
    MembershipRecord record =
        new MembershipRecord(new RecordStamp(5, 10), new TreeSet<>(List.of(R1)), left);
    TreeMap<ReplicaId, ReplicaInfo> infos = new TreeMap<>();
    infos.put(R1, info(R1, SIZE, members));
    return new ReturnCore(regions, info(R2, size, own), infos, record, equalHead);
  }

  private ReturnCore core() {
    return core(OptionalInt.of(1));
  }

  private ReturnCore core(OptionalInt equalHead) {
    return core(SIZE, new RecordStamp(1, 2), new RecordStamp(4, 8), true, equalHead);
  }

  private static String say(List<ReturnEffect> effects) {
    List<String> words = new ArrayList<>();
    for (ReturnEffect effect : effects) {
      words.add(
          switch (effect) {
            case ReturnEffect.ReadLayers _ -> "layers";
            case ReturnEffect.ReplaySnapshot(long operation, var spec) ->
                "snapshot " + operation + " " + spec.name() + " head " + spec.newHead();
            case ReturnEffect.Receive _ -> "receive";
            case ReturnEffect.ReadBits _ -> "bits";
            case ReturnEffect.Copy(int layer, long offset, int length) ->
                "copy " + layer + ":" + offset / REGION + (length == REGION ? "" : " " + length);
            case ReturnEffect.MergeBits(RegionBits bits) -> "merge " + bits.cardinality();
            case ReturnEffect.SetValidSince(RecordStamp stamp) -> "since " + stamp;
            case ReturnEffect.Flush _ -> "flush";
            case ReturnEffect.MarkEqual _ -> "mark";
            case ReturnEffect.Join _ -> "join";
            case ReturnEffect.StayOut(String why) -> why;
          });
    }
    return String.join(", ", words);
  }

  private static LayerList chain(int... ids) {
    List<LayerList.Layer> layers = new ArrayList<>();
    for (int i = 0; i < ids.length; i++) {
      boolean isHead = i == ids.length - 1;
      layers.add(
          new LayerList.Layer(
              ids[i],
              i == 0 ? 0 : ids[i - 1],
              isHead ? 0 : 100 + ids[i],
              isHead ? "" : "s" + ids[i],
              0,
              true));
    }
    return new LayerList(layers);
  }

  private RegionBits bits(int... marked) {
    RegionBits bits = new RegionBits(regions.count());
    for (int region : marked) {
      bits.set(region);
    }
    return bits;
  }

  @Test
  void aReplicaIsMadeEqualAndJoinsInThisOrder() {
    ReturnCore core = core();
    assertThat(core.isReceiving()).isFalse();
    assertThat(say(core.step(new ReturnEvent.Began()))).isEqualTo("layers");
    assertThat(say(core.step(new ReturnEvent.LayersRead(chain(1), chain(1))))).isEqualTo("receive");
    assertThat(say(core.step(new ReturnEvent.Receiving(bits(1, 2), 1)))).isEqualTo("bits");
    assertThat(core.isReceiving()).isTrue();
    assertThat(say(core.step(new ReturnEvent.BitsRead(bits(2, 5))))).isEmpty();
    assertThat(say(core.step(new ReturnEvent.Budget(1 << 20))))
        .isEqualTo("copy 1:1, copy 1:2, copy 1:5");
    core.step(new ReturnEvent.Copied());
    core.step(new ReturnEvent.Copied());
    assertThat(say(core.step(new ReturnEvent.Copied()))).isEqualTo("merge 2");
    assertThat(say(core.step(new ReturnEvent.Merged()))).isEqualTo("since (4,8)");
    assertThat(say(core.step(new ReturnEvent.ValidSinceStored()))).isEqualTo("flush");
    assertThat(say(core.step(new ReturnEvent.Flushed()))).isEqualTo("mark");
    assertThat(say(core.step(new ReturnEvent.Marked()))).isEqualTo("join");
    assertThat(core.progressPermille()).isEqualTo(1000);
  }

  @Test
  void missedSnapshotsAreRepeatedAndLayersComparedUpwardFromItsOldHead() {
    ReturnCore core = core(OptionalInt.of(2));
    core.step(new ReturnEvent.Began());
    assertThat(say(core.step(new ReturnEvent.LayersRead(chain(1, 2, 5, 6), chain(1, 2)))))
        .isEqualTo("snapshot 102 s2 head 5");
    assertThat(say(core.step(new ReturnEvent.Replayed(102)))).isEqualTo("snapshot 105 s5 head 6");
    assertThat(say(core.step(new ReturnEvent.Replayed(105)))).isEqualTo("receive");
    core.step(new ReturnEvent.Receiving(bits(3), 6));
    core.step(new ReturnEvent.BitsRead(bits()));
    assertThat(say(core.step(new ReturnEvent.Budget(1 << 20))))
        .isEqualTo("copy 2:3, copy 5:3, copy 6:3");
  }

  @Test
  void afterAnAttemptThatBrokeOffTheLayerThatWasLastEqualIsTheLowest() {
    ReturnCore core = core(OptionalInt.of(1));
    core.step(new ReturnEvent.Began());
    assertThat(say(core.step(new ReturnEvent.LayersRead(chain(1, 2, 5), chain(1, 2)))))
        .isEqualTo("snapshot 102 s2 head 5");
    core.step(new ReturnEvent.Replayed(102));
    core.step(new ReturnEvent.Receiving(bits(3), 5));
    core.step(new ReturnEvent.BitsRead(bits()));
    assertThat(say(core.step(new ReturnEvent.Budget(1 << 20))))
        .isEqualTo("copy 1:3, copy 2:3, copy 5:3");
  }

  @Test
  void anEngineThatDidNotSeeItLeaveComparesEveryLayer() {
    ReturnCore core = core(OptionalInt.empty());
    core.step(new ReturnEvent.Began());
    core.step(new ReturnEvent.LayersRead(chain(1, 2, 5), chain(1, 2, 5)));
    core.step(new ReturnEvent.Receiving(bits(3), 5));
    core.step(new ReturnEvent.BitsRead(bits()));
    assertThat(say(core.step(new ReturnEvent.Budget(1 << 20))))
        .isEqualTo("copy 1:3, copy 2:3, copy 5:3");
  }

  @Test
  void aSnapshotTakenMeanwhileIsRepeatedTooAndTheOldHeadStaysTheLowestLayer() {
    ReturnCore core = core();
    core.step(new ReturnEvent.Began());
    core.step(new ReturnEvent.LayersRead(chain(1, 2), chain(1)));
    core.step(new ReturnEvent.Replayed(101));
    assertThat(say(core.step(new ReturnEvent.Receiving(bits(3), 4)))).isEqualTo("layers");
    assertThat(say(core.step(new ReturnEvent.LayersRead(chain(1, 2, 4), chain(1, 2)))))
        .isEqualTo("snapshot 102 s2 head 4");
    core.step(new ReturnEvent.Replayed(102));
    core.step(new ReturnEvent.Receiving(bits(3), 4));
    core.step(new ReturnEvent.BitsRead(bits()));
    assertThat(say(core.step(new ReturnEvent.Budget(1 << 20))))
        .isEqualTo("copy 1:3, copy 2:3, copy 4:3");
  }

  @Test
  void copiesAreBoundedInNumberAndByTheBudgetAndFailedOnesComeAgain() {
    ReturnCore core = core();
    core.step(new ReturnEvent.Began());
    core.step(new ReturnEvent.LayersRead(chain(1), chain(1)));
    core.step(new ReturnEvent.Receiving(bits(0, 1, 2, 3, 4, 5, 6), 1));
    core.step(new ReturnEvent.BitsRead(bits()));
    assertThat(say(core.step(new ReturnEvent.Budget(REGION + 1)))).isEqualTo("copy 1:0, copy 1:1");
    assertThat(say(core.step(new ReturnEvent.Copied()))).isEmpty();
    assertThat(say(core.step(new ReturnEvent.CopyFailed(new ReturnEffect.Copy(1, REGION, REGION)))))
        .isEmpty();
    assertThat(say(core.step(new ReturnEvent.Budget(Long.MAX_VALUE))))
        .isEqualTo("copy 1:1, copy 1:2, copy 1:3, copy 1:4");
    assertThat(core.progressPermille()).isBetween(500, 900);
    assertThat(core.remainingBytes()).isEqualTo(2L * REGION);
    for (int i = 0; i < 5; i++) {
      core.step(new ReturnEvent.Copied());
    }
    assertThat(say(core.step(new ReturnEvent.Copied()))).isEqualTo("merge 7");
  }

  @Test
  void withoutMarksThereIsNothingToCopy() {
    ReturnCore core = core();
    core.step(new ReturnEvent.Began());
    core.step(new ReturnEvent.LayersRead(chain(1), chain(1)));
    core.step(new ReturnEvent.Receiving(bits(), 1));
    assertThat(say(core.step(new ReturnEvent.BitsRead(bits())))).isEqualTo("merge 0");
  }

  @ParameterizedTest
  @CsvSource({
    "524288, 1, 2, 4, 9, true, layers",
    "524288, 1, 2, 5, 1, true, the members know what was written only since record (5;1)",
    "524288, 4, 10, 4, 8, true, its own marks are complete only since record (4;10)",
    "524288, 1, 2, 4, 8, false, it was never a member",
    "458752, 1, 2, 4, 8, true, it has 458752 bytes",
  })
  void marksAreUsedOnlyIfTheyReachBackFarEnough(
      long size,
      long ownGeneration,
      long ownNumber,
      long generation,
      long number,
      boolean wasMember,
      String expected) {
    ReturnCore core =
        core(
            size,
            new RecordStamp(ownGeneration, ownNumber),
            new RecordStamp(generation, number),
            wasMember,
            OptionalInt.of(1));
    assertThat(say(core.step(new ReturnEvent.Began()))).contains(expected.replace(';', ','));
  }

  @ParameterizedTest
  @CsvSource({"1 2 5, 1 3", "1 2, 1 2 5", "2, 1"})
  void aChainThatIsNoBeginningOfTheMembersNeedsARebuild(String members, String own) {
    ReturnCore core = core();
    core.step(new ReturnEvent.Began());
    assertThat(say(core.step(new ReturnEvent.LayersRead(chain(ids(members)), chain(ids(own))))))
        .startsWith("needs a rebuild: its chain");
  }

  private static int[] ids(String text) {
    return List.of(text.split(" ", -1)).stream().mapToInt(Integer::parseInt).toArray();
  }
}
