package io.longhorn.orchestration.store;

import io.longhorn.api.cluster.ClusterObject;
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.ObjectKind;
import java.util.List;
import java.util.Optional;
import java.util.TreeMap;

/**
 * A cluster's objects in memory: for tests, the simulator, and clusters that need not outlive a
 * JVM.
 */
public final class MemoryClusterStore implements ClusterStore {
  private final ObjectTable table = new ObjectTable((_, _, _) -> {}, new TreeMap<>(), 0);

  /** An empty store. */
  public MemoryClusterStore() {}

  @Override
  public Optional<Stored> get(ObjectKey key) {
    return table.get(key);
  }

  @Override
  public List<Stored> list(ObjectKind kind) {
    return table.list(kind);
  }

  @Override
  public Outcome put(ClusterObject object, long expected) {
    return table.put(object, expected);
  }

  @Override
  public Outcome delete(ObjectKey key, long expected) {
    return table.delete(key, expected);
  }

  @Override
  public long revision() {
    return table.revision();
  }

  @Override
  public Watch watch() {
    return table.watch();
  }

  @Override
  public void close() {
    table.close(() -> {});
  }
}
