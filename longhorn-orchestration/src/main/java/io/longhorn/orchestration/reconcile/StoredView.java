package io.longhorn.orchestration.reconcile;

import io.longhorn.api.VolumeException;
import io.longhorn.api.cluster.ClusterObject;
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.orchestration.decision.Capability;
import io.longhorn.orchestration.decision.ClusterView;
import io.longhorn.orchestration.store.ClusterStore;
import io.longhorn.orchestration.store.ClusterStore.Outcome;
import io.longhorn.orchestration.store.ClusterStore.Stored;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * A view of a cluster that is kept as the store is, and through which the store is changed: an
 * object is stored only if it is still as the view has it. Events are left out. One thread.
 */
public final class StoredView {
  private final ClusterStore store;
  private final ClusterView view;

  /** Of the objects in the view. */
  private final TreeMap<ObjectKey, Long> versions = new TreeMap<>();

  /** Objects of which the store may hold another state than the view. */
  private final TreeSet<ObjectKey> stale = new TreeSet<>();

  /** A view of everything that is stored. */
  public StoredView(ClusterStore store, Set<Capability> capabilities) {
    this.store = store;
    view = new ClusterView(capabilities);
    for (ObjectKind kind : ObjectKind.values()) {
      if (kind != ObjectKind.EVENT) {
        store.list(kind).forEach(found -> take(found.object().key(), Optional.of(found)));
      }
    }
  }

  /** The view. */
  public ClusterView view() {
    return view;
  }

  /** These objects changed in the store: they are read again by {@link #refresh}. */
  public void changed(Collection<ObjectKey> keys) {
    for (ObjectKey key : keys) {
      if (key.kind() != ObjectKind.EVENT) {
        stale.add(key);
      }
    }
  }

  /**
   * Reads what changed; throws {@link VolumeException}, and then what was not read is read the next
   * time.
   */
  public void refresh() {
    for (ObjectKey key : List.copyOf(stale)) {
      take(key, store.get(key));
    }
  }

  private void take(ObjectKey key, Optional<Stored> found) {
    if (found.isPresent()) {
      versions.put(key, found.get().version());
      view.put(found.get().object());
    } else {
      versions.remove(key);
      view.remove(key);
    }
    stale.remove(key);
  }

  /**
   * Stores an object, if it is still as the view has it; answers whether it was. Otherwise the view
   * has it as it is now. Throws {@link VolumeException}: then it may have been stored all the same,
   * and {@link #refresh} will tell.
   */
  public boolean put(ClusterObject object) {
    ObjectKey key = object.key();
    stale.add(key);
    Outcome outcome = store.put(object, version(key));
    take(
        key,
        outcome.isDone() ? Optional.of(new Stored(object, outcome.version())) : store.get(key));
    return outcome.isDone();
  }

  /** Removes an object, under the same conditions. */
  public boolean remove(ObjectKey key) {
    stale.add(key);
    boolean isDone = store.delete(key, version(key)).isDone();
    take(key, isDone ? Optional.empty() : store.get(key));
    return isDone;
  }

  private long version(ObjectKey key) {
    return versions.getOrDefault(key, ClusterStore.ABSENT);
  }
}
