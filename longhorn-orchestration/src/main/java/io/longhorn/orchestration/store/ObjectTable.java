package io.longhorn.orchestration.store;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.api.cluster.ClusterObject;
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.orchestration.store.ClusterStore.Outcome;
import io.longhorn.orchestration.store.ClusterStore.Stored;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * The objects, their versions and who watches: what every store in this JVM has in common. Readers
 * see a change only after it was {@linkplain Persistence#change made durable}.
 */
final class ObjectTable {
  /** Where a change goes before anybody sees it. */
  interface Persistence {
    /**
     * Comes before every change, before what it expects is looked at: what is in doubt since a
     * change failed is {@linkplain ObjectTable#reloaded read again} here.
     */
    default void ready() {}

    /**
     * Makes one change durable; called by one thread at a time.
     *
     * @param object the new state, null if the object is removed
     */
    void change(ObjectKey key, @Nullable ClusterObject object, long revision);
  }

  private final Persistence persistence;
  private final List<Watch> watches = new CopyOnWriteArrayList<>();

  // Guards the table. Held while a change is made durable: changes have one order, and readers of
  // one that may be lost would be worse than readers that wait.
  private final ReentrantLock lock = new ReentrantLock();
  private SortedMap<ObjectKey, Stored> objects;
  private long revision;
  private boolean isClosed;

  ObjectTable(Persistence persistence, SortedMap<ObjectKey, Stored> objects, long revision) {
    this.persistence = persistence;
    this.objects = new TreeMap<>(objects);
    this.revision = revision;
  }

  Optional<Stored> get(ObjectKey key) {
    lock.lock();
    try {
      requireOpen();
      return Optional.ofNullable(objects.get(key));
    } finally {
      lock.unlock();
    }
  }

  List<Stored> list(ObjectKind kind) {
    lock.lock();
    try {
      requireOpen();
      List<Stored> found = new ArrayList<>();
      for (Map.Entry<ObjectKey, Stored> entry : objects.entrySet()) {
        if (entry.getKey().kind() == kind) {
          found.add(entry.getValue());
        }
      }
      return found;
    } finally {
      lock.unlock();
    }
  }

  Outcome put(ClusterObject object, long expected) {
    ObjectKey key = object.key();
    if (object.write().toBytes().length > ClusterStore.MAX_OBJECT_BYTES) {
      throw new VolumeException(
          IoError.LIMIT, key + " is larger than " + ClusterStore.MAX_OBJECT_BYTES + " bytes");
    }
    lock.lock();
    try {
      requireOpen();
      persistence.ready();
      Stored present = objects.get(key);
      long version = present == null ? ClusterStore.ABSENT : present.version();
      if (version != expected) {
        return new Outcome(false, version);
      }
      if (present != null && present.object().equals(object)) {
        return new Outcome(true, version);
      }
      long next = revision + 1;
      persistence.change(key, object, next);
      revision = next;
      objects.put(key, new Stored(object, next));
      watches.forEach(watch -> watch.changed(key));
      return new Outcome(true, next);
    } finally {
      lock.unlock();
    }
  }

  Outcome delete(ObjectKey key, long expected) {
    lock.lock();
    try {
      requireOpen();
      persistence.ready();
      Stored present = objects.get(key);
      long version = present == null ? ClusterStore.ABSENT : present.version();
      if (version != expected || present == null) {
        return new Outcome(version == expected, version);
      }
      long next = revision + 1;
      persistence.change(key, null, next);
      revision = next;
      objects.remove(key);
      watches.forEach(watch -> watch.changed(key));
      return new Outcome(true, ClusterStore.ABSENT);
    } finally {
      lock.unlock();
    }
  }

  long revision() {
    lock.lock();
    try {
      return revision;
    } finally {
      lock.unlock();
    }
  }

  Watch watch() {
    lock.lock();
    try {
      requireOpen();
      Watch watch = new Watch(watches::remove);
      watches.add(watch);
      return watch;
    } finally {
      lock.unlock();
    }
  }

  /**
   * Everything is as it was read again, after a change whose outcome was not known. Inside {@link
   * Persistence#ready} only.
   */
  void reloaded(SortedMap<ObjectKey, Stored> read, long readRevision) {
    if (!lock.isHeldByCurrentThread()) {
      throw new IllegalStateException("read again outside of a change");
    }
    SortedMap<ObjectKey, Stored> before = objects;
    objects = new TreeMap<>(read);
    revision = readRevision;
    for (ObjectKey key : objects.keySet()) {
      if (!objects.get(key).equals(before.get(key))) {
        watches.forEach(watch -> watch.changed(key));
      }
    }
    for (ObjectKey key : before.keySet()) {
      if (!objects.containsKey(key)) {
        watches.forEach(watch -> watch.changed(key));
      }
    }
  }

  /** Runs {@code last} once, when no change is under way; every later call fails. */
  void close(Runnable last) {
    lock.lock();
    try {
      if (!isClosed) {
        isClosed = true;
        watches.forEach(Watch::close);
        last.run();
      }
    } finally {
      lock.unlock();
    }
  }

  private void requireOpen() {
    if (isClosed) {
      throw new VolumeException(IoError.DISCONNECTED, "the cluster's store is closed");
    }
  }
}
