package io.longhorn.orchestration.decision;

import io.longhorn.api.cluster.ClusterObject;
import io.longhorn.api.cluster.ObjectKey;
import java.util.Collections;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * The whole cluster at one moment, as one plan sees it.
 *
 * @param nowMillis milliseconds since 1970
 * @param objects as they are stored
 * @param managers what was seen of instance managers, by name
 * @param engines what engines said, by name of the engine
 * @param isStopping whether the cluster is going down: every volume is to be detached, tickets
 *     notwithstanding
 */
public record ClusterView(
    long nowMillis,
    SortedMap<ObjectKey, ClusterObject> objects,
    SortedMap<String, ManagerSeen> managers,
    SortedMap<String, EngineSeen> engines,
    boolean isStopping) {
  /** Copies the maps. */
  public ClusterView {
    objects = Collections.unmodifiableSortedMap(new TreeMap<>(objects));
    managers = Collections.unmodifiableSortedMap(new TreeMap<>(managers));
    engines = Collections.unmodifiableSortedMap(new TreeMap<>(engines));
  }
}
