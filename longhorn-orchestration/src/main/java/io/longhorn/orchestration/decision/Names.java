package io.longhorn.orchestration.decision;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.cluster.Replica;

/** How objects and processes are called; from these names alone they are found again. */
public final class Names {
  /** What every cluster's first engine image is called. */
  public static final String DEFAULT_IMAGE = "default";

  private static final int ID_DIGITS = 8;

  private Names() {}

  /** The engine of a volume, the number counting engines from 0. */
  public static String engine(String volume, int number) {
    return volume + "-e-" + number;
  }

  /** A replica of a volume. */
  public static String replica(String volume, ReplicaId id) {
    return volume + "-r-" + id.toString().substring(0, ID_DIGITS);
  }

  /** The instance manager of a node. */
  public static String instanceManager(String node) {
    return "instance-manager-" + node;
  }

  /** The process that makes a replica's directory. */
  public static String creation(Replica replica) {
    return replica.name() + "-create";
  }

  /** The process that deletes a replica's directory. */
  public static String deletion(Replica replica) {
    return replica.name() + "-delete";
  }
}
