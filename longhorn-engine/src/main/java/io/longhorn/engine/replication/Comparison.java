package io.longhorn.engine.replication;

import io.longhorn.api.IoError;

/** Who asked to compare a range. Loop thread only. */
public interface Comparison {
  /**
   * It ended.
   *
   * @param result OK if at least one member answered
   * @param members that were compared
   * @param differing blocks that are not the same on all of them
   * @param damaged members that have a block here whose checksum or medium failed
   */
  void compared(IoError result, int members, int differing, int damaged);
}
