package io.longhorn.orchestration;

import io.longhorn.api.cluster.Volume.Placement;

/**
 * A volume that is to be made.
 *
 * @param name 1 to 63 of a-z, 0-9 and dashes
 * @param sizeBytes whole blocks of 4 KiB
 * @param numberOfReplicas 1 to 8
 * @param isMigratable whether it may be attached to two nodes, to move from one to the other
 * @param placement where its replicas may be
 */
public record VolumeRequest(
    String name, long sizeBytes, int numberOfReplicas, boolean isMigratable, Placement placement) {
  /** With three replicas anywhere, attached to one node at a time. */
  public static VolumeRequest of(String name, long sizeBytes) {
    return new VolumeRequest(name, sizeBytes, 3, false, Placement.ANYWHERE);
  }

  /** With so many replicas. */
  public VolumeRequest withReplicas(int count) {
    return new VolumeRequest(name, sizeBytes, count, isMigratable, placement);
  }

  /** That may move between nodes while it is in use. */
  public VolumeRequest migratable() {
    return new VolumeRequest(name, sizeBytes, numberOfReplicas, true, placement);
  }

  /** With its replicas placed so. */
  public VolumeRequest placed(Placement where) {
    return new VolumeRequest(name, sizeBytes, numberOfReplicas, isMigratable, where);
  }
}
