package io.longhorn.replica.store;

import io.longhorn.api.ProcessNonce;
import io.longhorn.api.replica.ReplicaOpener.IoMode;

/**
 * How a directory is opened.
 *
 * @param mode buffered, or past the page cache
 * @param process identity of the process (or embedded opening) that holds it from now on
 * @param cacheBytes memory for index pages, at least {@link #MIN_CACHE_BYTES}
 */
public record StoreOptions(IoMode mode, ProcessNonce process, long cacheBytes) {
  /** Memory for index pages unless told otherwise: 64 MiB, enough for 32 GiB of volume. */
  public static final long DEFAULT_CACHE_BYTES = 64L << 20;

  /** Least memory for index pages. */
  public static final long MIN_CACHE_BYTES = 1L << 20;

  /** Checks the memory. */
  public StoreOptions {
    if (cacheBytes < MIN_CACHE_BYTES) {
      throw new IllegalArgumentException(
          "cache of " + cacheBytes + " bytes is less than " + MIN_CACHE_BYTES);
    }
  }

  /** With the default amount of memory. */
  public StoreOptions(IoMode mode, ProcessNonce process) {
    this(mode, process, DEFAULT_CACHE_BYTES);
  }
}
