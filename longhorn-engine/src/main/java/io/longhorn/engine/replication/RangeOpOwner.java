package io.longhorn.engine.replication;

import io.longhorn.api.IoError;
import io.longhorn.api.memory.Loan;
import org.jspecify.annotations.Nullable;

/** Who asked for an operation of the core's own on a range. Loop thread only. */
public interface RangeOpOwner {
  /**
   * It ended.
   *
   * @param data what the range holds now, from index 0; borrowed until the call returns; null if it
   *     failed or has no data to show
   */
  void rangeOpEnded(ReplicationCore core, IoError result, @Nullable Loan data);
}
