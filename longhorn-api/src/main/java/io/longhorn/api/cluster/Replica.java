package io.longhorn.api.cluster;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FieldWriter;

/** A replica of a volume: one directory on one node. */
public record Replica(String name, Spec spec, Status status) implements ClusterObject {
  /**
   * What is wanted.
   *
   * @param volumeName whose copy it is
   * @param id written into its directory
   * @param nodeID where its directory is
   * @param directory its path on that node
   * @param image what it runs from
   * @param isWanted whether it is to run ({@code desireState})
   */
  public record Spec(
      String volumeName,
      ReplicaId id,
      String nodeID,
      String directory,
      String image,
      boolean isWanted) {}

  /**
   * What it is.
   *
   * @param isCreated whether its directory was made
   * @param instance its process
   */
  public record Status(boolean isCreated, InstanceView instance) {
    /** Nothing yet. */
    public static final Status NONE = new Status(false, InstanceView.NONE);
  }

  @Override
  public ObjectKind kind() {
    return ObjectKind.REPLICA;
  }

  /** Wanted to run, or not. */
  public Replica wanted(boolean isWanted) {
    return isWanted == spec.isWanted
        ? this
        : new Replica(
            name,
            new Spec(spec.volumeName, spec.id, spec.nodeID, spec.directory, spec.image, isWanted),
            status);
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
        .nested(9, status.instance.write());
  }

  static Replica read(FieldReader in) {
    Spec spec =
        new Spec(
            in.text(2), new ReplicaId(in.uuid(3)), in.text(4), in.text(5), in.text(6), in.bool(7));
    Status status = new Status(in.bool(8), InstanceView.read(in.nested(9)));
    return new Replica(in.text(1), spec, status);
  }
}
