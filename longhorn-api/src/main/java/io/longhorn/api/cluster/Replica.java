package io.longhorn.api.cluster;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FieldWriter;

/**
 * A replica of a volume: one directory on one node, and a process that serves it. While the volume
 * migrates or is upgraded there are two with one id and one directory: the one that is active, and
 * one that stands by to take the directory over.
 */
public record Replica(String name, Spec spec, Status status) implements ClusterObject {
  /**
   * What is wanted.
   *
   * @param volumeName whose copy it is
   * @param id written into its directory
   * @param nodeID where its directory is; empty while it has no place yet
   * @param diskID on which disk of the node
   * @param directory its path on that node
   * @param image what it runs from
   * @param isWanted whether it is to run ({@code desireState})
   * @param engineName the engine that it was made for
   * @param isActive whether it is the volume's, not one that a migration or an upgrade prepares
   * @param isEvictionRequested whether it has to leave its node or disk
   * @param health when it was well, and when it failed
   */
  public record Spec(
      String volumeName,
      ReplicaId id,
      String nodeID,
      String diskID,
      String directory,
      String image,
      boolean isWanted,
      String engineName,
      boolean isActive,
      boolean isEvictionRequested,
      Health health) {
    /** Wanted to run, or not. */
    public Spec withWanted(boolean wanted) {
      return new Spec(
          volumeName,
          id,
          nodeID,
          diskID,
          directory,
          image,
          wanted,
          engineName,
          isActive,
          isEvictionRequested,
          health);
    }

    /** Run from another image. */
    public Spec withImage(String next) {
      return new Spec(
          volumeName,
          id,
          nodeID,
          diskID,
          directory,
          next,
          isWanted,
          engineName,
          isActive,
          isEvictionRequested,
          health);
    }

    /** Of an engine, and the volume's own or not. */
    public Spec withEngine(String engine, boolean active) {
      return new Spec(
          volumeName,
          id,
          nodeID,
          diskID,
          directory,
          image,
          isWanted,
          engine,
          active,
          isEvictionRequested,
          health);
    }

    /** To leave its place, or not. */
    public Spec withEvictionRequested(boolean requested) {
      return new Spec(
          volumeName,
          id,
          nodeID,
          diskID,
          directory,
          image,
          isWanted,
          engineName,
          isActive,
          requested,
          health);
    }

    /** With what is known of its health. */
    public Spec withHealth(Health next) {
      return new Spec(
          volumeName,
          id,
          nodeID,
          diskID,
          directory,
          image,
          isWanted,
          engineName,
          isActive,
          isEvictionRequested,
          next);
    }
  }

  /**
   * What it is.
   *
   * @param isCreated whether its directory was made
   * @param isHolder whether its process holds the directory; one that stands by does not
   * @param instance its process
   */
  public record Status(boolean isCreated, boolean isHolder, InstanceView instance) {
    /** Nothing yet. */
    public static final Status NONE = new Status(false, false, InstanceView.NONE);
  }

  /**
   * When a replica was well and when it failed, in milliseconds since 1970; 0 is never. Two of the
   * four are memory: they are never cleared.
   *
   * @param healthyAtMillis when it came into sync; cleared when it has failed and is used again
   * @param lastHealthyAtMillis when it last came into sync
   * @param failedAtMillis since when it counts as failed; cleared when it is used again
   * @param lastFailedAtMillis when it last failed
   * @param rebuildRetryCount how often in a row its coming back failed
   */
  public record Health(
      long healthyAtMillis,
      long lastHealthyAtMillis,
      long failedAtMillis,
      long lastFailedAtMillis,
      int rebuildRetryCount) {
    /** Never seen in sync, never failed. */
    public static final Health NEW = new Health(0, 0, 0, 0, 0);

    /** Whether it counts as failed. */
    public boolean isFailed() {
      return failedAtMillis != 0;
    }

    /** Whether it has been in sync since it last failed. */
    public boolean isHealthy() {
      return healthyAtMillis != 0;
    }

    /** In sync from now on; what it failed before is over. */
    public Health healthy(long nowMillis) {
      return isHealthy() && !isFailed()
          ? this
          : new Health(nowMillis, nowMillis, 0, lastFailedAtMillis, 0);
    }

    /** Failed from now on; one that has failed already keeps its time. */
    public Health failed(long nowMillis) {
      return isFailed()
          ? this
          : new Health(
              healthyAtMillis, lastHealthyAtMillis, nowMillis, nowMillis, rebuildRetryCount);
    }

    /** To be used again after it failed. */
    public Health reused(boolean lastRebuildFailed) {
      return new Health(
          0,
          lastHealthyAtMillis,
          0,
          lastFailedAtMillis,
          lastRebuildFailed ? rebuildRetryCount + 1 : rebuildRetryCount);
    }

    /** Not counted as failed any more; whether it is in sync is for its engine to say. */
    public Health salvaged() {
      return new Health(
          healthyAtMillis, lastHealthyAtMillis, 0, lastFailedAtMillis, rebuildRetryCount);
    }

    FieldWriter write() {
      return new FieldWriter()
          .number(1, healthyAtMillis)
          .number(2, lastHealthyAtMillis)
          .number(3, failedAtMillis)
          .number(4, lastFailedAtMillis)
          .number(5, rebuildRetryCount);
    }

    static Health read(FieldReader in) {
      return new Health(in.number(1), in.number(2), in.number(3), in.number(4), in.intNumber(5));
    }
  }

  @Override
  public ObjectKind kind() {
    return ObjectKind.REPLICA;
  }

  /** Wanted to run, or not. */
  public Replica wanted(boolean isWanted) {
    return isWanted == spec.isWanted ? this : with(spec.withWanted(isWanted));
  }

  /** Wanted otherwise. */
  public Replica with(Spec next) {
    return new Replica(name, next, status);
  }

  /** Seen otherwise. */
  public Replica with(Status next) {
    return new Replica(name, spec, next);
  }

  @Override
  public FieldWriter write() {
    return new FieldWriter()
        .text(1, name)
        .text(2, spec.volumeName)
        .uuid(3, spec.id.uuid())
        .text(4, spec.nodeID)
        .text(5, spec.directory)
        .text(6, spec.image)
        .bool(7, spec.isWanted)
        .bool(8, status.isCreated)
        .nested(9, status.instance.write())
        .text(10, spec.diskID)
        .text(11, spec.engineName)
        .bool(12, spec.isActive)
        .bool(13, spec.isEvictionRequested)
        .nested(14, spec.health.write())
        .bool(15, status.isHolder);
  }

  static Replica read(FieldReader in) {
    // The first version had one engine for a volume and no second replica of one directory.
    boolean isFirst = !in.has(14);
    Spec spec =
        new Spec(
            in.text(2),
            new ReplicaId(in.uuid(3)),
            in.text(4),
            in.optionalText(10).orElse(Node.ONLY_DISK),
            in.text(5),
            in.text(6),
            in.bool(7),
            in.optionalText(11).orElse(""),
            isFirst || in.bool(12),
            in.bool(13),
            isFirst ? Health.NEW : Health.read(in.nested(14)));
    Status status = new Status(in.bool(8), in.bool(15), InstanceView.read(in.nested(9)));
    return new Replica(in.text(1), spec, status);
  }
}
