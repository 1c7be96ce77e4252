package io.longhorn.api.replica;

import io.longhorn.api.Authority;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.VolumeId;
import io.longhorn.api.VolumeName;
import io.longhorn.api.membership.MembershipRecord;

/**
 * What a replica directory is created as.
 *
 * @param volume identity of the volume
 * @param name the volume's name when it was created, for people
 * @param replica identity of this copy
 * @param sizeBytes a multiple of 4096, 4096 to {@link #MAX_SIZE_BYTES}
 * @param authority {@link Authority#REPLICAS}, or {@code store:<cluster id>}
 * @param record the first record, naming all replicas of the new volume
 */
public record ReplicaSpec(
    VolumeId volume,
    VolumeName name,
    ReplicaId replica,
    long sizeBytes,
    String authority,
    MembershipRecord record) {
  /** The authority of a volume that has no control plane. */
  public static final String AUTHORITY_REPLICAS = Authority.REPLICAS;

  /** Largest volume: 64 TiB. */
  public static final long MAX_SIZE_BYTES = 64L << 40;

  /** Checks the size, the authority, and that the record names the replica. */
  public ReplicaSpec {
    if (sizeBytes < 4096 || sizeBytes > MAX_SIZE_BYTES || sizeBytes % 4096 != 0) {
      throw new IllegalArgumentException(
          "size of " + sizeBytes + " bytes: use a multiple of 4096 from 4096 to " + MAX_SIZE_BYTES);
    }
    Authority.requireValid(authority);
    if (!record.members().contains(replica) && !record.leftAt().containsKey(replica)) {
      throw new IllegalArgumentException(
          "replica " + replica + " is not in the record's " + record.members());
    }
  }
}
