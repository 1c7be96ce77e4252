package io.longhorn.engine.replication;

import io.longhorn.api.IoError;

/**
 * What is around a core in a test where nothing of it changes; what a test looks at it overrides.
 */
interface SteadySurroundings extends Members, Regions {
  @Override
  default boolean mayServeReads() {
    return true;
  }

  @Override
  default void memberFailed(int slot, IoError error, String what) {
    throw new AssertionError(slot + " failed: " + error + " by " + what);
  }

  @Override
  default void fenced(int slot) {
    throw new AssertionError("fenced by " + slot);
  }

  @Override
  default boolean isUnreconciled(long offset, int length) {
    return false;
  }

  @Override
  default void unreconciled(long offset, int length) {
    throw new AssertionError("unreconciled at " + offset);
  }

  @Override
  default void writeSent(long offset, int length) {}

  @Override
  default void writeEnded(long offset, int length) {}

  @Override
  default boolean mayFlush() {
    return true;
  }

  @Override
  default long flushSent() {
    return 0;
  }

  @Override
  default void flushEnded(long number, boolean isDurable) {}
}
