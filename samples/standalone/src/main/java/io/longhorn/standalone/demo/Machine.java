package io.longhorn.standalone.demo;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.replica.LocalReplica;
import io.longhorn.api.replica.ReplicaOpener;
import io.longhorn.api.replica.ReplicaSpec;
import io.longhorn.replica.fault.PowerCut;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.random.RandomGenerator;

/** The machine whose power can be cut; knows which directory holds which replica. */
final class Machine implements ReplicaOpener, AutoCloseable {
  private final PowerCut power = new PowerCut();
  private final Map<Path, ReplicaId> replicas = new ConcurrentHashMap<>();

  @Override
  public void create(Path directory, ReplicaSpec spec) {
    power.create(directory, spec);
    replicas.put(directory, spec.replica());
  }

  @Override
  public LocalReplica open(Path directory, IoMode mode) {
    return power.open(directory, mode);
  }

  ReplicaId replicaIn(Path directory) {
    ReplicaId id = replicas.get(directory);
    if (id == null) {
      throw new IllegalArgumentException(directory + " holds no replica");
    }
    return id;
  }

  /** Returns how many changes of files were lost or torn. */
  int cutPower(RandomGenerator random) {
    return power.cut(random);
  }

  @Override
  public void close() {
    power.close();
  }
}
