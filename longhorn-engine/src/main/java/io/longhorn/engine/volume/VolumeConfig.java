package io.longhorn.engine.volume;

import io.longhorn.api.Authority;
import io.longhorn.api.EngineId;
import io.longhorn.api.VolumeId;
import io.longhorn.api.VolumeName;
import io.longhorn.engine.transport.Endpoint;
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
 * @param authority who keeps the record: {@link Authority#REPLICAS}, or {@code store:<cluster id>}
 * @param store where the cluster store answers, tried in turn; one or more with that authority,
 *     otherwise none
 */
public record VolumeConfig(
    VolumeName name,
    Optional<VolumeId> volume,
    EngineId engine,
    List<ReplicaAddress> replicas,
    long holdMillis,
    long resyncBytesPerSecond,
    String authority,
    List<Endpoint> store) {
  /** How long I/O is held unless said otherwise. */
  public static final long DEFAULT_HOLD_MILLIS = 60_000;

  /** How fast a returned replica is resynced unless said otherwise. */
  public static final long DEFAULT_RESYNC_BYTES_PER_SECOND = 200L << 20;

  /** Copies the lists; checks that there is a store if one is needed. */
  public VolumeConfig {
    replicas = List.copyOf(replicas);
    store = List.copyOf(store);
    Authority.requireValid(authority);
    if (store.isEmpty() != authority.equals(Authority.REPLICAS)) {
      throw new IllegalArgumentException(
          "authority " + authority + " and store " + store + " do not go together");
    }
  }

  /** With authority {@link Authority#REPLICAS}. */
  public VolumeConfig(
      VolumeName name,
      Optional<VolumeId> volume,
      EngineId engine,
      List<ReplicaAddress> replicas,
      long holdMillis,
      long resyncBytesPerSecond) {
    this(
        name,
        volume,
        engine,
        replicas,
        holdMillis,
        resyncBytesPerSecond,
        Authority.REPLICAS,
        List.of());
  }
}
