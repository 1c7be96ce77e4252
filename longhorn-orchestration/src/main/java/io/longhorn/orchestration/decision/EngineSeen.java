package io.longhorn.orchestration.decision;

import io.longhorn.api.EngineId;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.cluster.Engine;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * What an engine last said of itself.
 *
 * @param pid of the process that said it
 * @param id of this start of it; empty if it does not say
 * @param image what it runs from; empty if it does not say: then what it was started from
 * @param isServing whether I/O goes on
 * @param generation of its session
 * @param state what membership is doing, in words
 * @param endpoints URIs for clients
 * @param replicas what it says of each replica
 * @param hasTakenBack whether it has taken the volume back from another engine for a write: clients
 *     write on both sides of a migration
 */
public record EngineSeen(
    long pid,
    Optional<EngineId> id,
    String image,
    boolean isServing,
    long generation,
    String state,
    List<String> endpoints,
    SortedMap<ReplicaId, Engine.Member> replicas,
    boolean hasTakenBack) {
  /** What {@link #state} is of one that may not have the volume any more, for ever. */
  public static final String OVER = "over";

  /** What an engine says that has no other beside it. */
  public EngineSeen(
      long pid,
      Optional<EngineId> id,
      String image,
      boolean isServing,
      long generation,
      String state,
      List<String> endpoints,
      SortedMap<ReplicaId, Engine.Member> replicas) {
    this(pid, id, image, isServing, generation, state, endpoints, replicas, false);
  }

  /** Whether it can never serve again. */
  public boolean isOver() {
    return state.equals(OVER);
  }

  /** Copies the collections. */
  public EngineSeen {
    endpoints = List.copyOf(endpoints);
    replicas = Collections.unmodifiableSortedMap(new TreeMap<>(replicas));
  }
}
