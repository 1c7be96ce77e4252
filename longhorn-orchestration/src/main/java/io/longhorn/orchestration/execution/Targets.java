package io.longhorn.orchestration.execution;

import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.InstanceManager;
import java.util.Collections;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * What there is to be looked at.
 *
 * @param managers every instance manager, by name
 * @param engines every engine that runs or is to, by name
 */
public record Targets(
    SortedMap<String, InstanceManager> managers, SortedMap<String, Engine> engines) {
  /** Copies the maps. */
  public Targets {
    managers = Collections.unmodifiableSortedMap(new TreeMap<>(managers));
    engines = Collections.unmodifiableSortedMap(new TreeMap<>(engines));
  }
}
