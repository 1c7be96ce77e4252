package io.longhorn.orchestration.daemon;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.api.VolumeId;
import io.longhorn.api.cluster.Membership;
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.VolumeRecordCodec;
import io.longhorn.api.wire.VolumeRecordCodec.Change;
import io.longhorn.api.wire.VolumeRecordCodec.Query;
import io.longhorn.orchestration.call.CallRefusal;
import io.longhorn.orchestration.store.ClusterStore;
import io.longhorn.orchestration.store.ClusterStore.Outcome;
import io.longhorn.orchestration.store.ClusterStore.Stored;
import java.util.Optional;

/**
 * Answers engines that read and change the record of their volume (authority <i>store</i>). Any
 * thread.
 */
final class MembershipCalls {
  private final ClusterStore store;

  MembershipCalls(ClusterStore store) {
    this.store = store;
  }

  /** RECORD_GET. */
  byte[] get(FieldReader request) {
    return answer(stored(Query.read(request).volume()));
  }

  /** RECORD_SET: durable when it is answered. */
  byte[] set(FieldReader request) {
    Change change = Change.read(request);
    Stored present = stored(change.volume()).orElseThrow(() -> missing(change.volume()));
    String name = present.object().name();
    Outcome outcome = store.put(new Membership(name, change.record()), change.expectedRevision());
    if (!outcome.isDone()) {
      // With what stands in the way: whoever lost need not ask again.
      throw new CallRefusal(
          IoError.CONFLICT, answer(store.get(new ObjectKey(ObjectKind.MEMBERSHIP, name))));
    }
    // The version of this change: another one may have followed already.
    return new VolumeRecordCodec.Stored(outcome.version(), Optional.of(change.record()))
        .write()
        .toBytes();
  }

  private Optional<Stored> stored(VolumeId volume) {
    for (Stored found : store.list(ObjectKind.VOLUME)) {
      if (found.object() instanceof Volume one && one.spec().id().equals(volume)) {
        return store.get(new ObjectKey(ObjectKind.MEMBERSHIP, one.name()));
      }
    }
    throw missing(volume);
  }

  private static VolumeException missing(VolumeId volume) {
    return new VolumeException(
        IoError.NOT_FOUND, "this cluster has no volume with the id " + volume);
  }

  private static byte[] answer(Optional<Stored> stored) {
    return stored
        .map(found ->
            new VolumeRecordCodec.Stored(
                found.version(), Optional.of(((Membership) found.object()).record())))
        .orElseGet(
            () -> new VolumeRecordCodec.Stored(VolumeRecordCodec.NO_REVISION, Optional.empty()))
        .write()
        .toBytes();
  }
}
