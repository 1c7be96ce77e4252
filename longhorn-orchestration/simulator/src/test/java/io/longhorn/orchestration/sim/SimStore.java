package io.longhorn.orchestration.sim;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.api.cluster.ClusterObject;
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.orchestration.store.ClusterStore;
import io.longhorn.orchestration.store.MemoryClusterStore;
import io.longhorn.orchestration.store.Watch;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * The objects of the simulated cluster. Whoever listens hears of each change when it is made. A
 * control plane has a handle of its own, which ends with it.
 */
final class SimStore {
  /** Who hears of changes. */
  interface Listener {
    /** An object is stored so; null: it is stored no more. */
    void stored(ObjectKey key, @Nullable ClusterObject object);
  }

  private final MemoryClusterStore objects = new MemoryClusterStore();
  private final List<Listener> listeners = new ArrayList<>();

  void listen(Listener listener) {
    listeners.add(listener);
  }

  Optional<ClusterStore.Stored> get(ObjectKey key) {
    return objects.get(key);
  }

  List<ClusterStore.Stored> list(ObjectKind kind) {
    return objects.list(kind);
  }

  <T extends ClusterObject> Optional<T> find(ObjectKind kind, String name, Class<T> type) {
    return objects.get(new ObjectKey(kind, name)).map(found -> type.cast(found.object()));
  }

  <T extends ClusterObject> List<T> all(ObjectKind kind, Class<T> type) {
    return objects.list(kind).stream().map(found -> type.cast(found.object())).toList();
  }

  long revision() {
    return objects.revision();
  }

  ClusterStore.Outcome put(ClusterObject object, long expected) {
    long before = objects.revision();
    ClusterStore.Outcome outcome = objects.put(object, expected);
    if (outcome.isDone() && objects.revision() != before) {
      listeners.forEach(listener -> listener.stored(object.key(), object));
    }
    return outcome;
  }

  ClusterStore.Outcome delete(ObjectKey key, long expected) {
    long before = objects.revision();
    ClusterStore.Outcome outcome = objects.delete(key, expected);
    if (outcome.isDone() && objects.revision() != before) {
      listeners.forEach(listener -> listener.stored(key, null));
    }
    return outcome;
  }

  /** Stores one that was not there. */
  void add(ClusterObject object) {
    if (!put(object, ClusterStore.ABSENT).isDone()) {
      throw new IllegalArgumentException(object.key() + " is there already");
    }
  }

  /** Changes one that is there. */
  <T extends ClusterObject> void change(
      ObjectKind kind, String name, Class<T> type, UnaryOperator<T> how) {
    ClusterStore.Stored found =
        objects
            .get(new ObjectKey(kind, name))
            .orElseThrow(() -> new IllegalArgumentException("there is no " + kind + " " + name));
    put(how.apply(type.cast(found.object())), found.version());
  }

  /** What one control plane has of it. */
  final class Handle implements ClusterStore {
    private boolean isOver;
    private long writesLeft = Long.MAX_VALUE;
    private Runnable whenSpent = () -> {};

    /** Nothing is read or written through it any more. */
    void end() {
      isOver = true;
    }

    /** So many changes more are made through it; after that it is over. */
    void endAfter(long writes, Runnable then) {
      writesLeft = writes;
      whenSpent = then;
    }

    private void require() {
      if (isOver) {
        throw new VolumeException(IoError.DISCONNECTED, "this control plane has ended");
      }
    }

    private void spend() {
      if (writesLeft != Long.MAX_VALUE && --writesLeft <= 0) {
        isOver = true;
        whenSpent.run();
      }
    }

    @Override
    public Optional<Stored> get(ObjectKey key) {
      require();
      return objects.get(key);
    }

    @Override
    public List<Stored> list(ObjectKind kind) {
      require();
      return objects.list(kind);
    }

    @Override
    public Outcome put(ClusterObject object, long expected) {
      require();
      long before = objects.revision();
      Outcome outcome = SimStore.this.put(object, expected);
      if (objects.revision() != before) {
        spend();
      }
      return outcome;
    }

    @Override
    public Outcome delete(ObjectKey key, long expected) {
      require();
      long before = objects.revision();
      Outcome outcome = SimStore.this.delete(key, expected);
      if (objects.revision() != before) {
        spend();
      }
      return outcome;
    }

    @Override
    public long revision() {
      require();
      return objects.revision();
    }

    @Override
    public Watch watch() {
      require();
      return objects.watch();
    }

    @Override
    public void close() {
      end();
    }
  }
}
