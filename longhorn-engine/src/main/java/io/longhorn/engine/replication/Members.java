package io.longhorn.engine.replication;

import io.longhorn.api.IoError;

/**
 * What the core asks of, and tells, the one who keeps the membership of its volume. Members are
 * slots 0 to 7 in the order the volume was configured; sets of them are bit masks. Loop thread
 * only; must not call back into the core from here, except where it says so.
 */
public interface Members {
  /** Whether the read window holds at this very moment (K3): no old clock reading will do. */
  boolean mayServeReads();

  /**
   * A member failed a request and has to leave the set: its link is closed and the core told by
   * {@link ReplicationCore#linkLost}, later.
   */
  void memberFailed(int slot, IoError error, String what);

  /** A member refuses this engine's generation. */
  void fenced(int slot);
}
