package io.longhorn.orchestration.reconcile;

import io.longhorn.api.VolumeException;
import io.longhorn.api.cluster.ClusterObject;
import io.longhorn.api.cluster.Event;
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.orchestration.decision.Action;
import io.longhorn.orchestration.decision.Capability;
import io.longhorn.orchestration.decision.ClusterView;
import io.longhorn.orchestration.decision.Plan;
import io.longhorn.orchestration.decision.control.ControlCore;
import io.longhorn.orchestration.store.ClusterStore;
import io.longhorn.orchestration.store.ClusterStore.Stored;
import java.util.ArrayDeque;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Observes, plans and carries out, without a thread or a clock of its own: {@link ReconcileLoop}
 * drives it, and so does a simulator. Keeps one {@link ClusterView} up to date and plans for what
 * may have changed in it. Whoever drives it calls from one thread.
 *
 * <p>A plan is made from one view and stored object by object, each only if it is still as the plan
 * saw it. One that is refused ends the plan: what it was made from has changed, and the volume is
 * planned for again.
 */
public final class Reconciler {
  /** Most events that are kept; older ones are dropped. */
  public static final int MAX_EVENTS = 1_000;

  /** A plan that had something done is made again so much later: what was asked may be lost. */
  static final long LOOK_AGAIN_MILLIS = Backoff.FIRST_MILLIS;

  private static final Logger LOG = LoggerFactory.getLogger(Reconciler.class);

  /** Volumes whose plan could not be stored, and when that is tried again. */
  private final TreeMap<String, Long> again = new TreeMap<>();

  private final TreeMap<ObjectKey, Long> versions = new TreeMap<>();
  private final ArrayDeque<ObjectKey> events = new ArrayDeque<>();
  private final TreeMap<String, Long> lookAgain = new TreeMap<>();
  private final Backoff backoff = new Backoff();
  private final ClusterStore store;
  private final ClusterView view;
  private final Consumer<Action.ProcessAction> dispatcher;
  private long lastEvent;

  /**
   * A reconciler that has read everything that is stored.
   *
   * @param capabilities what the executor can do
   * @param dispatcher takes what concerns processes; returns at once
   */
  public Reconciler(
      ClusterStore store, Set<Capability> capabilities, Consumer<Action.ProcessAction> dispatcher) {
    this.store = store;
    this.dispatcher = dispatcher;
    view = new ClusterView(capabilities);
    readAll();
  }

  /** What it plans from. */
  public ClusterView view() {
    return view;
  }

  private void readAll() {
    for (ObjectKind kind : ObjectKind.values()) {
      for (Stored found : store.list(kind)) {
        if (kind == ObjectKind.EVENT) {
          events.add(found.object().key());
          lastEvent = Math.max(lastEvent, numberOf(found.object()));
        } else {
          take(found.object().key(), Optional.of(found));
        }
      }
    }
  }

  private static long numberOf(ClusterObject event) {
    return Long.parseLong(event.name());
  }

  /** These objects changed in the store. */
  public void changed(Collection<ObjectKey> keys) {
    for (ObjectKey key : keys) {
      if (key.kind() != ObjectKind.EVENT) {
        take(key, store.get(key));
      }
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
  }

  /**
   * Plans for everything that may need it, and carries that out.
   *
   * @param nowMillis milliseconds since 1970
   * @return when to look again if nothing changes until then; {@link Long#MAX_VALUE} for never
   */
  public long pass(long nowMillis) {
    view.now(nowMillis);
    due(lookAgain, nowMillis).forEach(this::touch);
    due(again, nowMillis).forEach(this::touch);
    if (view.takeClusterDirty()) {
      carryOut("", ControlCore.planCluster(view), nowMillis);
    }
    for (String volume : view.takeDirty()) {
      carryOut(volume, ControlCore.planVolume(view, volume), nowMillis);
    }
    return nextMillis();
  }

  private void touch(String volume) {
    if (volume.isEmpty()) {
      view.touchCluster();
    } else {
      view.touch(volume);
    }
  }

  private static Set<String> due(Map<String, Long> times, long nowMillis) {
    TreeSet<String> due = new TreeSet<>();
    times.forEach((volume, at) -> {
      if (at <= nowMillis) {
        due.add(volume);
      }
    });
    due.forEach(times::remove);
    return due;
  }

  private long nextMillis() {
    long next = Long.MAX_VALUE;
    for (long at : lookAgain.values()) {
      next = Math.min(next, at);
    }
    for (long at : again.values()) {
      next = Math.min(next, at);
    }
    return next;
  }

  private void carryOut(String volume, Plan plan, long nowMillis) {
    boolean isAsking =
        plan.actions().stream().anyMatch(action -> action instanceof Action.ProcessAction);
    long next =
        isAsking
            ? Math.min(plan.lookAgainMillis(), nowMillis + LOOK_AGAIN_MILLIS)
            : plan.lookAgainMillis();
    if (next == Long.MAX_VALUE) {
      lookAgain.remove(volume);
    } else {
      lookAgain.put(volume, next);
    }
    try {
      for (Action action : plan.actions()) {
        if (!carryOut(action, nowMillis)) {
          // Somebody changed an object meanwhile: the rest was decided on what is not so any more.
          touch(volume);
          again.put(volume, nowMillis);
          return;
        }
      }
      backoff.forget(volume);
    } catch (VolumeException e) {
      LOG.warn("the plan was not carried out, it is made again: {}", e.getMessage());
      later(volume, nowMillis);
    } catch (RuntimeException e) {
      // A defect must not end the control plane: the next view may be another one.
      LOG.error("defect in the plan of '{}'", volume, e);
      later(volume, nowMillis);
    }
  }

  private void later(String volume, long nowMillis) {
    backoff.mayTry(volume, nowMillis);
    again.put(volume, backoff.nextMillis(volume, nowMillis));
    refresh(volume);
  }

  /** A call that failed may have happened. */
  private void refresh(String volume) {
    try {
      for (ObjectKey key : List.copyOf(versions.keySet())) {
        if (volume.isEmpty() || view.volumeOf(key).equals(volume)) {
          take(key, store.get(key));
        }
      }
    } catch (VolumeException e) {
      LOG.warn("the store does not answer: {}", e.getMessage());
    }
  }

  private boolean carryOut(Action action, long nowMillis) {
    return switch (action) {
      case Action.Put(ClusterObject object) -> put(object);
      case Action.Remove(ObjectKey key) -> remove(key);
      case Action.Tell tell -> {
        record(tell, nowMillis);
        yield true;
      }
      case Action.ProcessAction process -> {
        dispatcher.accept(process);
        yield true;
      }
    };
  }

  private boolean put(ClusterObject object) {
    ClusterStore.Outcome outcome = store.put(object, version(object.key()));
    if (outcome.isDone()) {
      versions.put(object.key(), outcome.version());
      view.put(object);
    } else {
      take(object.key(), store.get(object.key()));
    }
    return outcome.isDone();
  }

  private boolean remove(ObjectKey key) {
    boolean isDone = store.delete(key, version(key)).isDone();
    if (isDone) {
      take(key, Optional.empty());
    } else {
      take(key, store.get(key));
    }
    return isDone;
  }

  private long version(ObjectKey key) {
    return versions.getOrDefault(key, ClusterStore.ABSENT);
  }

  /** Stores something for people to know. */
  private void record(Action.Tell tell, long nowMillis) {
    if (tell.isWarning()) {
      LOG.warn("{}: {}", tell.reason(), tell.message());
    } else {
      LOG.info("{}: {}", tell.reason(), tell.message());
    }
    while (events.size() >= MAX_EVENTS) {
      ObjectKey oldest = events.removeFirst();
      store.get(oldest).ifPresent(found -> store.delete(oldest, found.version()));
    }
    Event event =
        new Event(
            String.format(Locale.ROOT, "%012d", ++lastEvent),
            tell.isWarning(),
            tell.reason(),
            tell.message(),
            tell.about(),
            nowMillis);
    store.put(event, ClusterStore.ABSENT);
    events.add(event.key());
  }
}
