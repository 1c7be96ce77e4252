package io.longhorn.api.replica;

import java.nio.file.Path;

/**
 * A service (found by {@link java.util.ServiceLoader}) that makes and opens replica directories in
 * this JVM, so that an engine can embed replicas without a dependency on how they store. Errors are
 * {@link io.longhorn.api.VolumeException} with one line for a person.
 */
public interface ReplicaOpener {
  /** How a replica does its file I/O. */
  enum IoMode {
    /** Through the page cache. */
    BUFFERED,
    /** Past it, with O_DIRECT. */
    DIRECT
  }

  /**
   * Makes a replica in an empty or missing directory; durable when it returns. After a crash in the
   * middle the directory is refused as not a replica and may be created again. One that is there as
   * this makes it, and was never used, is as good as made.
   */
  void create(Path directory, ReplicaSpec spec);

  /** Opens a directory and takes its lock (I8); starts the one thread that serves it. */
  LocalReplica open(Path directory, IoMode mode);
}
