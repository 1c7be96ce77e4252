package io.longhorn.orchestration.sim;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeId;
import io.longhorn.api.cluster.Membership;
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FieldWriter;
import io.longhorn.api.wire.FrameType;
import io.longhorn.api.wire.VolumeRecordCodec.Change;
import io.longhorn.api.wire.VolumeRecordCodec.Query;
import io.longhorn.api.wire.VolumeRecordCodec.Stored;
import io.longhorn.orchestration.sim.volume.RecordFrames;
import io.longhorn.orchestration.sim.volume.World;
import io.longhorn.orchestration.sim.world.SimKnobs;
import io.longhorn.orchestration.sim.world.SimNetwork;
import io.longhorn.orchestration.sim.world.SimScheduler;
import io.longhorn.orchestration.sim.world.SimTrace;
import io.longhorn.orchestration.store.ClusterStore;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * What answers engines that read and change the record of their volume, as a daemon does: real
 * compare-and-set. A call may be late, or lost on its way there or back.
 */
final class SimRecords implements World.RecordService {
  private final SimScheduler scheduler;
  private final SimKnobs knobs;
  private final SimStore store;
  private final TreeMap<VolumeId, String> names = new TreeMap<>();
  private @Nullable SimNetwork network;
  private boolean isDown;

  SimRecords(SimScheduler scheduler, SimKnobs knobs, SimStore store) {
    this.scheduler = scheduler;
    this.knobs = knobs;
    this.store = store;
    store.listen((key, object) -> {
      if (object instanceof Volume volume) {
        names.put(volume.spec().id(), volume.name());
      }
    });
  }

  void connect(SimNetwork between) {
    network = between;
  }

  /** Nobody answers, or somebody does again. */
  void down(boolean down) {
    isDown = down;
  }

  @Override
  public Optional<VolumeRecord> record(String volume) {
    return store.find(ObjectKind.MEMBERSHIP, volume, Membership.class).map(Membership::record);
  }

  private boolean isReached(String node) {
    SimNetwork between = network;
    return !isDown
        && between != null
        && between.isConnected(node, SimTrace.CONTROL)
        && !scheduler.happens(knobs.loseStoreCallOneOf);
  }

  @Override
  public void call(String fromNode, byte[] request, Consumer<byte[]> answer) {
    scheduler.after(
        knobs.store.pick(scheduler),
        () -> {
          if (!isReached(fromNode)) {
            return;
          }
          byte[] reply = RecordFrames.answer(request, this::serve);
          scheduler.after(
              knobs.store.pick(scheduler),
              () -> {
                if (isReached(fromNode)) {
                  answer.accept(reply);
                }
              });
        });
  }

  private RecordFrames.Answer serve(FrameType type, FieldReader fields) {
    if (type == FrameType.RECORD_GET) {
      String name = names.getOrDefault(Query.read(fields).volume(), "");
      return get(name, IoError.OK);
    }
    Change change = Change.read(fields);
    String name = names.getOrDefault(change.volume(), "");
    if (name.isEmpty()) {
      return new RecordFrames.Answer(IoError.NOT_FOUND, new FieldWriter());
    }
    ClusterStore.Outcome outcome =
        store.put(new Membership(name, change.record()), change.expectedRevision());
    return outcome.isDone()
        ? new RecordFrames.Answer(
            IoError.OK, new Stored(outcome.version(), Optional.of(change.record())).write())
        : get(name, IoError.CONFLICT);
  }

  private RecordFrames.Answer get(String name, IoError how) {
    if (name.isEmpty()) {
      return new RecordFrames.Answer(IoError.NOT_FOUND, new FieldWriter());
    }
    Optional<ClusterStore.Stored> found = store.get(new ObjectKey(ObjectKind.MEMBERSHIP, name));
    return found.isEmpty()
        ? new RecordFrames.Answer(IoError.NOT_FOUND, new FieldWriter())
        : new RecordFrames.Answer(
            how,
            new Stored(
                    found.get().version(),
                    Optional.of(((Membership) found.get().object()).record()))
                .write());
  }
}
