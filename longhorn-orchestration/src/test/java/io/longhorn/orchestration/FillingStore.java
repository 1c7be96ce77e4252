package io.longhorn.orchestration;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.api.cluster.ClusterObject;
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.orchestration.store.ClusterStore;
import io.longhorn.orchestration.store.MemoryClusterStore;
import io.longhorn.orchestration.store.Watch;
import java.util.List;
import java.util.Optional;

/** A store that fails when it is told to, as one on a full disk does; and somebody else's hand. */
final class FillingStore implements ClusterStore {
  private final ClusterStore base = new MemoryClusterStore();
  int changesLeft = Integer.MAX_VALUE;

  /** Called before each change, once. */
  Runnable beforeChange = () -> {};

  private void change() {
    if (changesLeft-- <= 0) {
      throw new VolumeException(IoError.ENOSPC, "no space left");
    }
    Runnable once = beforeChange;
    beforeChange = () -> {};
    once.run();
  }

  /** Stores it whatever is there. */
  void force(ClusterObject object) {
    base.put(object, base.get(object.key()).map(Stored::version).orElse(ABSENT));
  }

  @Override
  public Optional<Stored> get(ObjectKey key) {
    return base.get(key);
  }

  @Override
  public List<Stored> list(ObjectKind kind) {
    return base.list(kind);
  }

  @Override
  public Outcome put(ClusterObject object, long expected) {
    change();
    return base.put(object, expected);
  }

  @Override
  public Outcome delete(ObjectKey key, long expected) {
    change();
    return base.delete(key, expected);
  }

  @Override
  public long revision() {
    return base.revision();
  }

  @Override
  public Watch watch() {
    return base.watch();
  }

  @Override
  public void close() {
    base.close();
  }
}
