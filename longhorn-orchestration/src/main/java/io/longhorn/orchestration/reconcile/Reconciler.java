package io.longhorn.orchestration.reconcile;

import io.longhorn.api.VolumeException;
import io.longhorn.api.cluster.ClusterObject;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.orchestration.decision.Action;
import io.longhorn.orchestration.decision.Capability;
import io.longhorn.orchestration.decision.ClusterView;
import io.longhorn.orchestration.decision.Plan;
import io.longhorn.orchestration.decision.control.ControlCore;
import io.longhorn.orchestration.execution.Targets;
import io.longhorn.orchestration.store.ClusterStore;
import java.util.Collection;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.BiFunction;
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
 * planned for again. What concerns processes comes after all that was to be stored: a plan whose
 * view was old asks nothing of them. Volumes are planned for one by one; trouble with one is none
 * of the others'.
 */
public final class Reconciler {
  /** Most events that are kept; older ones are dropped. */
  public static final int MAX_EVENTS = 1_000;

  /** Most volumes planned for in one pass: what is seen meanwhile does not wait for all of them. */
  static final int MAX_PLANS = 256;

  /** A plan that had something done is made again so much later: what was asked may be lost. */
  static final long LOOK_AGAIN_MILLIS = Backoff.FIRST_MILLIS;

  /** What belongs to no volume is planned for under this name. */
  private static final String CLUSTER = "";

  private static final Logger LOG = LoggerFactory.getLogger(Reconciler.class);

  private final Consumer<Action.ProcessAction> dispatcher;
  private final BiFunction<ClusterView, String, Plan> planner;
  private final StoredView stored;
  private final ClusterView view;
  private final EventLog events;

  /** Volumes to be planned for. */
  private final TreeSet<String> queue = new TreeSet<>();

  /** Volumes to be planned for when it is time. */
  private final Schedule again = new Schedule();

  private final Backoff backoff = new Backoff();

  /** The last volume that was planned for: the next one's turn comes before it is its again. */
  private String turn = CLUSTER;

  private long lastMillis;

  /**
   * A reconciler that has read everything that is stored.
   *
   * @param capabilities what the executor can do
   * @param dispatcher takes what concerns processes; returns at once
   */
  public Reconciler(
      ClusterStore store, Set<Capability> capabilities, Consumer<Action.ProcessAction> dispatcher) {
    this(
        store,
        capabilities,
        dispatcher,
        (view, name) ->
            name.equals(CLUSTER)
                ? ControlCore.planCluster(view)
                : ControlCore.planVolume(view, name));
  }

  /**
   * With decisions of its own.
   *
   * @param planner plans for a volume, and under an empty name for what belongs to none
   */
  public Reconciler(
      ClusterStore store,
      Set<Capability> capabilities,
      Consumer<Action.ProcessAction> dispatcher,
      BiFunction<ClusterView, String, Plan> planner) {
    this.dispatcher = dispatcher;
    this.planner = planner;
    stored = new StoredView(store, capabilities);
    view = stored.view();
    events = new EventLog(store, MAX_EVENTS);
  }

  /** What it plans from. What was seen is put into it directly. */
  public ClusterView view() {
    return view;
  }

  /** These objects changed in the store. */
  public void changed(Collection<ObjectKey> keys) {
    stored.changed(keys);
  }

  /**
   * Plans for what may need it, and carries that out.
   *
   * @param nowMillis milliseconds since 1970
   * @return when to look again if nothing changes until then: now if there is more to be done,
   *     {@link Long#MAX_VALUE} for never
   */
  public long pass(long nowMillis) {
    if (nowMillis < lastMillis) {
      // The clock was set back: no time that was noted before means anything.
      again.takeDue(Long.MAX_VALUE - 1);
      view.everythingChanged();
    }
    lastMillis = nowMillis;
    view.now(nowMillis);
    events.flush();
    try {
      stored.refresh();
    } catch (VolumeException e) {
      // What is stored now is not known: nothing is decided on what was.
      LOG.warn("the cluster's store cannot be read: {}", e.getMessage());
      return nowMillis + LOOK_AGAIN_MILLIS;
    }
    again.takeDue(nowMillis).forEach(this::touch);
    if (view.takeClusterDirty()) {
      plan(CLUSTER, nowMillis);
    }
    queue.addAll(view.takeDirty());
    for (int i = 0; i < MAX_PLANS && !queue.isEmpty(); i++) {
      String next = queue.higher(turn);
      turn = next == null ? queue.first() : next;
      queue.remove(turn);
      plan(turn, nowMillis);
    }
    return queue.isEmpty() ? again.nextMillis() : nowMillis;
  }

  private void touch(String name) {
    if (name.equals(CLUSTER)) {
      view.touchCluster();
    } else {
      view.touch(name);
    }
  }

  private void plan(String name, long nowMillis) {
    try {
      Plan plan = planner.apply(view, name);
      boolean isDone = carryOut(plan, nowMillis);
      // Otherwise somebody changed an object meanwhile: the rest was decided on what was before.
      again.put(name, isDone ? nextMillis(plan, nowMillis) : nowMillis);
      backoff.forget(name);
    } catch (VolumeException e) {
      LOG.warn("{} was not carried out, it is made again: {}", planOf(name), e.getMessage());
      later(name, nowMillis);
    } catch (RuntimeException e) {
      // A defect must not end the control plane: the next view may be another one.
      LOG.error("defect in {}", planOf(name), e);
      later(name, nowMillis);
    }
  }

  private static String planOf(String name) {
    return name.equals(CLUSTER) ? "the plan of the cluster" : "the plan of volume " + name;
  }

  private void later(String name, long nowMillis) {
    backoff.tried(name, nowMillis);
    again.put(name, backoff.nextMillis(name, nowMillis));
  }

  private static long nextMillis(Plan plan, long nowMillis) {
    boolean isAsking =
        plan.actions().stream().anyMatch(action -> action instanceof Action.ProcessAction);
    return isAsking
        ? Math.min(plan.lookAgainMillis(), nowMillis + LOOK_AGAIN_MILLIS)
        : plan.lookAgainMillis();
  }

  private boolean carryOut(Plan plan, long nowMillis) {
    for (Action action : plan.actions()) {
      boolean isDone =
          switch (action) {
            case Action.Put(ClusterObject object) -> stored.put(object);
            case Action.Remove(ObjectKey key) -> stored.remove(key);
            case Action.Tell tell -> {
              events.tell(tell, nowMillis);
              yield true;
            }
            case Action.ProcessAction process -> {
              dispatcher.accept(process);
              yield true;
            }
          };
      if (!isDone) {
        return false;
      }
    }
    return true;
  }

  // ---- what is to be looked at ------------------------------------------------------------------

  /** What there is to be looked at, if that may be something else than when this was last asked. */
  public Optional<Targets> takeTargets() {
    if (!view.takeTargetsChanged()) {
      return Optional.empty();
    }
    TreeMap<String, InstanceManager> managers = new TreeMap<>();
    for (InstanceManager manager : view.all(ObjectKind.INSTANCE_MANAGER, InstanceManager.class)) {
      managers.put(manager.name(), manager);
    }
    TreeMap<String, Engine> engines = new TreeMap<>();
    for (Engine engine : view.all(ObjectKind.ENGINE, Engine.class)) {
      if (engine.spec().isWanted()
          || engine.status().instance().currentState() == InstanceView.State.STOPPING) {
        engines.put(engine.name(), engine);
      }
    }
    return Optional.of(new Targets(managers, engines));
  }
}
