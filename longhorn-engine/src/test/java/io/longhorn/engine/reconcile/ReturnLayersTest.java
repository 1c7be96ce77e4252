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
import java.util.Map;
import java.util.OptionalInt;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;
import org.junit.jupiter.api.Test;

/** Which layers a replica that returns is compared in. */
class ReturnLayersTest {
  private static final ReplicaId MEMBER = new ReplicaId(new UUID(1, 1));
  private static final ReplicaId RETURNED = new ReplicaId(new UUID(1, 2));
  private static final RegionMap REGIONS = new RegionMap(1 << 20, 64 << 10);
  private static final LayerList ONE_LAYER = chain(1);
  private static final LayerList THREE_LAYERS = chain(3);

  @Test
  void aFirstAttemptComparesFromItsHeadUpward() {
    assertThat(comparedLayers(OptionalInt.of(1), ONE_LAYER)).containsExactly(1, 2, 3);
    assertThat(comparedLayers(OptionalInt.of(3), THREE_LAYERS)).containsExactly(3);
  }

  @Test
  void anAttemptAfterOneThatRepeatedSnapshotsAndBrokeOffComparesWhatWasItsHeadBefore() {
    assertThat(comparedLayers(OptionalInt.of(1), THREE_LAYERS)).containsExactly(1, 2, 3);
    assertThat(comparedLayers(OptionalInt.of(2), THREE_LAYERS)).containsExactly(2, 3);
  }

  @Test
  void anEngineThatDidNotSeeItLeaveComparesEveryLayer() {
    assertThat(comparedLayers(OptionalInt.empty(), THREE_LAYERS)).containsExactly(1, 2, 3);
  }

  /**
   * The member that was asked stopped answering and left the set: the replica that was on its way
   * back stayed out for ever.
   */
  @Test
  void anAttemptWhoseSourceIsLostBeforeItToldItsChainAsksAnother() {
    ReturnCore core = core(OptionalInt.of(1), ONE_LAYER);
    assertThat(core.step(new ReturnEvent.Began())).containsExactly(new ReturnEffect.ReadLayers());
    assertThat(core.step(new ReturnEvent.Budget(1))).isEmpty();
    assertThat(core.step(new ReturnEvent.LayersLost())).isEmpty();
    assertThat(core.step(new ReturnEvent.Budget(1))).containsExactly(new ReturnEffect.ReadLayers());
    assertThat(core.step(new ReturnEvent.Budget(1))).isEmpty();
    assertThat(core.step(new ReturnEvent.LayersRead(THREE_LAYERS, ONE_LAYER)).getFirst())
        .isInstanceOf(ReturnEffect.ReplaySnapshot.class);
  }

  /** Layers 1 to {@code layers}, each sealed by the operation of its number, except the head. */
  private static LayerList chain(int layers) {
    List<LayerList.Layer> list = new ArrayList<>();
    for (int id = 1; id <= layers; id++) {
      boolean isHead = id == layers;
      list.add(
          new LayerList.Layer(id, id - 1, isHead ? 0 : id, isHead ? "" : "s" + id, 0, !isHead));
    }
    return new LayerList(list);
  }

  private static ReplicaInfo info(ReplicaId id, MembershipRecord record, LayerList chain) {
    int head = chain.layers().getLast().id();
    return new ReplicaInfo(
        1,
        new VolumeId(new UUID(7, 7)),
        id,
        REGIONS.sizeBytes(),
        "replicas",
        1,
        record,
        0,
        new ProcessNonce(new UUID(8, 8)),
        true,
        new RecordStamp(0, 1),
        REGIONS.regionBytes(),
        head - 1,
        head,
        16);
  }

  /** One region is marked; each layer is one copy of it. */
  private static List<Integer> comparedLayers(OptionalInt lastEqualHead, LayerList own) {
    ReturnCore core = core(lastEqualHead, own);
    core.step(new ReturnEvent.Began());
    return compared(core, own);
  }

  private static ReturnCore core(OptionalInt lastEqualHead, LayerList own) {
    MembershipRecord record =
        new MembershipRecord(
            new RecordStamp(1, 2),
            new TreeSet<>(List.of(MEMBER)),
            new TreeMap<>(Map.of(RETURNED, new RecordStamp(1, 2))));
    TreeMap<ReplicaId, ReplicaInfo> members = new TreeMap<>();
    members.put(MEMBER, info(MEMBER, record, THREE_LAYERS));
    return new ReturnCore(REGIONS, info(RETURNED, record, own), members, record, lastEqualHead);
  }

  private static List<Integer> compared(ReturnCore core, LayerList own) {
    List<ReturnEffect> effects = core.step(new ReturnEvent.LayersRead(THREE_LAYERS, own));
    while (effects.getFirst() instanceof ReturnEffect.ReplaySnapshot replay) {
      effects = core.step(new ReturnEvent.Replayed(replay.operation()));
    }
    RegionBits marked = new RegionBits(REGIONS.count());
    marked.set(3);
    core.step(new ReturnEvent.Receiving(marked, 3));
    core.step(new ReturnEvent.BitsRead(new RegionBits(REGIONS.count())));
    effects = core.step(new ReturnEvent.Budget(Long.MAX_VALUE));
    return effects.stream().map(effect -> ((ReturnEffect.Copy) effect).layer()).toList();
  }
}
