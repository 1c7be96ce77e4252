package io.longhorn.replica.store;

import io.longhorn.api.IoError;

/**
 * Told once how an operation ended, on the owner thread, possibly before the call that started it
 * returns.
 */
@FunctionalInterface
public interface Completion {
  /** The operation is over; OK, or why not. */
  void completed(IoError error);
}
