package io.longhorn.engine.volume;

import io.longhorn.api.EngineId;
import io.longhorn.api.VolumeId;
import io.longhorn.api.VolumeName;
import java.util.List;
import java.util.Optional;

/**
 * What one engine serves.
 *
 * @param name the volume's name: its export
 * @param volume its identity; learnt from the first replica that answers if not given
 * @param engine this instance
 * @param replicas all of the volume's, in an order that does not change while it is open
 * @param holdMillis how long I/O that cannot go on is held before it fails with EIO; 0 for ever
 * @param resyncBytesPerSecond at most so much is compared and copied for returned replicas; 0 for
 *     no limit
 */
public record VolumeConfig(
    VolumeName name,
    Optional<VolumeId> volume,
    EngineId engine,
    List<ReplicaAddress> replicas,
    long holdMillis,
    long resyncBytesPerSecond) {
  /** How long I/O is held unless said otherwise. */
  public static final long DEFAULT_HOLD_MILLIS = 60_000;

  /** How fast a returned replica is resynced unless said otherwise. */
  public static final long DEFAULT_RESYNC_BYTES_PER_SECOND = 200L << 20;

  /** Copies the list. */
  public VolumeConfig {
    replicas = List.copyOf(replicas);
  }
}
