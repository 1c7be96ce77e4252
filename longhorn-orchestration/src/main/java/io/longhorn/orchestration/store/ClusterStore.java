package io.longhorn.orchestration.store;

import io.longhorn.api.cluster.ClusterObject;
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.ObjectKind;
import java.util.List;
import java.util.Optional;

/**
 * The objects of one cluster. Every change gets the next revision; an object's version is the
 * revision of its last change. Any thread; a call may wait for the disk. Operating errors are
 * {@link io.longhorn.api.VolumeException}: after one the store is as it was, or the change is there
 * and durable; look again.
 */
public interface ClusterStore extends AutoCloseable {
  /** The version of an object that does not exist. */
  long ABSENT = 0;

  /** Longest encoded object, in bytes. */
  int MAX_OBJECT_BYTES = 64 << 10;

  /**
   * An object as it was stored.
   *
   * @param version revision of the change that stored it, above 0
   */
  record Stored(ClusterObject object, long version) {}

  /**
   * What came of a compare-and-set.
   *
   * @param isDone whether the object was changed
   * @param version of the object now: the new one if it was changed, what stands in the way
   *     otherwise
   */
  record Outcome(boolean isDone, long version) {}

  /** The object, if it exists. */
  Optional<Stored> get(ObjectKey key);

  /** All objects of a kind, by name. */
  List<Stored> list(ObjectKind kind);

  /**
   * Stores an object if its version is still the one given; durable when it returns. An object
   * equal to the one that is there changes nothing, and keeps its version.
   *
   * @param expected its version when it was read, or {@link #ABSENT} to create it
   */
  Outcome put(ClusterObject object, long expected);

  /**
   * Removes an object if its version is still the one given; durable when it returns. One that does
   * not exist is removed already, if that is what was expected.
   */
  Outcome delete(ObjectKey key, long expected);

  /** Revision of the last change; 0 in an empty store. */
  long revision();

  /**
   * Tells which objects changed, from now on. Keys, not changes: whoever is slow sees each key once
   * and reads what is there now. Close it when done; the end of the store closes it too.
   */
  Watch watch();

  @Override
  void close();
}
