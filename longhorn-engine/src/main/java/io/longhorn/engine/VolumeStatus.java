package io.longhorn.engine;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.ReplicaMode;
import io.longhorn.api.VolumeName;
import java.util.List;
import java.util.Optional;

/**
 * A volume at one moment, for people and programs that watch.
 *
 * @param name of the volume
 * @param sizeBytes 0 until a replica has answered
 * @param isServing whether I/O goes on
 * @param generation of the session
 * @param state what membership is doing, in words
 * @param unreconciledRegions regions that may differ between members since an unclean stop
 * @param heldReason why requests wait; empty while they do not
 * @param replicas in the configured order
 */
public record VolumeStatus(
    VolumeName name,
    long sizeBytes,
    boolean isServing,
    long generation,
    String state,
    int unreconciledRegions,
    Optional<String> heldReason,
    List<Replica> replicas) {
  /**
   * One replica.
   *
   * @param mode RW in sync, WO while it comes back, ERR otherwise
   * @param reason why it is not in sync; empty if it is
   * @param progressPermille of coming back
   * @param resyncBytes what its coming back has to compare, or, in sync again, had to; 0 if it
   *     never left or that is not known yet
   */
  public record Replica(
      ReplicaId id, ReplicaMode mode, String reason, int progressPermille, long resyncBytes) {}

  /** Copies the list. */
  public VolumeStatus {
    replicas = List.copyOf(replicas);
  }

  /** How many replicas are in sync. */
  public int inSync() {
    return (int) replicas.stream().filter(replica -> replica.mode() == ReplicaMode.RW).count();
  }
}
