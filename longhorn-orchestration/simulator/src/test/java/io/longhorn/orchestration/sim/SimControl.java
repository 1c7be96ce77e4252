package io.longhorn.orchestration.sim;

import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.orchestration.decision.Action.ProcessAction;
import io.longhorn.orchestration.decision.ClusterView;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.decision.Plan;
import io.longhorn.orchestration.decision.control.ControlCore;
import io.longhorn.orchestration.execution.Observation;
import io.longhorn.orchestration.reconcile.ActionTurns;
import io.longhorn.orchestration.reconcile.Reconciler;
import io.longhorn.orchestration.sim.volume.World;
import io.longhorn.orchestration.sim.world.SimFailure;
import io.longhorn.orchestration.sim.world.SimScheduler;
import io.longhorn.orchestration.sim.world.SimScheduler.Timer;
import io.longhorn.orchestration.sim.world.SimTrace;
import java.util.Optional;
import java.util.TreeSet;
import java.util.function.BiFunction;
import org.jspecify.annotations.Nullable;

/**
 * The control plane: the real reconciler over the store, driven as its loop drives it, and the
 * actions that it asks for. It can be killed; the next one begins with what is stored.
 */
final class SimControl {
  /** The real decisions: planners by volume, and under an empty name what belongs to none. */
  static final BiFunction<ClusterView, String, Plan> REAL =
      (view, name) ->
          name.isEmpty() ? ControlCore.planCluster(view) : ControlCore.planVolume(view, name);

  private final World world;
  private final SimScheduler scheduler;
  private final SimStore store;
  private final SimExecutor executor;
  private BiFunction<ClusterView, String, Plan> planner = REAL;
  private @Nullable Incarnation current;
  private long slowMillis;
  private int starts;

  /** One life of it. */
  private final class Incarnation {
    private final SimStore.Handle handle = store.new Handle();
    private final Observation observation = new Observation(this::wake);
    private final ActionTurns turns = new ActionTurns();
    private final TreeSet<ObjectKey> changed = new TreeSet<>();
    private final TreeSet<String> touched = new TreeSet<>();
    private final Reconciler reconciler;
    private @Nullable Timer pass;
    private long passNanos = Long.MAX_VALUE;
    private boolean isOver;

    private Incarnation() {
      reconciler = new Reconciler(handle, executor.capabilities(), this::dispatch, this::plan);
    }

    private void begin() {
      executor.observe(observation);
      wake();
    }

    private Plan plan(ClusterView view, String name) {
      try {
        return planner.apply(view, name);
      } catch (RuntimeException e) {
        // The reconciler would write it into a log, and go on.
        SimFailure failure =
            new SimFailure("defect", "in the plan of " + (name.isEmpty() ? "the cluster" : name));
        failure.initCause(e);
        throw failure;
      }
    }

    private void wake() {
      wakeAt(scheduler.nowNanos() + world.knobs.control.pick(scheduler) + slow());
    }

    private long slow() {
      return slowMillis == 0 ? 0 : scheduler.millisBetween(0, slowMillis);
    }

    private void wakeAt(long nanos) {
      if (isOver || nanos >= passNanos) {
        return;
      }
      Timer before = pass;
      if (before != null) {
        scheduler.cancel(before);
      }
      passNanos = nanos;
      pass = scheduler.inBackground(nanos - scheduler.nowNanos(), this::pass);
    }

    private void pass() {
      pass = null;
      passNanos = Long.MAX_VALUE;
      reconciler.changed(changed);
      for (String volume : touched) {
        if (volume.isEmpty()) {
          reconciler.view().touchCluster();
        } else {
          reconciler.view().touch(volume);
        }
      }
      changed.clear();
      touched.clear();
      observation.drainTo(reconciler.view());
      long nextMillis = reconciler.pass(scheduler.nowMillis());
      reconciler.takeTargets().ifPresent(executor::watch);
      if (!isOver && nextMillis != Long.MAX_VALUE) {
        long waits = Math.max(nextMillis - scheduler.nowMillis(), 1);
        wakeAt(scheduler.nowNanos() + waits * SimScheduler.MILLI + slow());
      }
    }

    private void dispatch(ProcessAction action) {
      if (!isOver && turns.begin(action, scheduler.nowMillis())) {
        world.trace.tell(SimTrace.CONTROL, () -> "asks " + told(action));
        scheduler.active();
        executor.carryOut(action, observation, () -> ended(action));
      }
    }

    private void ended(ProcessAction action) {
      turns.end(action);
      touched.add(Names.volumeOf(action.subject()));
      wake();
    }

    private void end() {
      isOver = true;
      handle.end();
      Timer before = pass;
      if (before != null) {
        scheduler.cancel(before);
      }
    }
  }

  SimControl(World world, SimStore store, SimExecutor executor) {
    this.world = world;
    this.store = store;
    this.executor = executor;
    scheduler = world.scheduler;
    store.listen((key, _) -> {
      Incarnation now = current;
      if (now != null && key.kind() != ObjectKind.EVENT) {
        now.changed.add(key);
        now.wake();
      }
    });
  }

  static String told(ProcessAction action) {
    return action.getClass().getSimpleName() + " " + action.subject();
  }

  /** Decides otherwise from now on. */
  void decideBy(BiFunction<ClusterView, String, Plan> other) {
    planner = other;
  }

  boolean isUp() {
    return current != null;
  }

  int starts() {
    return starts;
  }

  /** What it sees; empty while there is none. */
  Optional<ClusterView> view() {
    return Optional.ofNullable(current).map(now -> now.reconciler.view());
  }

  /** Takes so much longer for everything, at most. */
  void slow(long millis) {
    slowMillis = millis;
  }

  void start() {
    if (current == null) {
      starts++;
      Incarnation next = new Incarnation();
      current = next;
      world.trace.tell(SimTrace.CONTROL, () -> "a control plane starts");
      next.begin();
    }
  }

  /** After a while, as a pod is started. */
  void startLater() {
    scheduler.after(world.knobs.controlStart.pick(scheduler), this::start);
  }

  void kill() {
    Incarnation was = current;
    if (was != null) {
      world.trace.tell(SimTrace.CONTROL, () -> "the control plane is killed");
      was.end();
      current = null;
      executor.forget();
    }
  }

  /** It ends when so many more changes are stored; what it planned after that is not. */
  void killAfterWrites(long writes) {
    killAfterWrites(writes, () -> {});
  }

  /**
   * The same.
   *
   * @param then what is done when it has ended
   */
  void killAfterWrites(long writes, Runnable then) {
    Incarnation now = current;
    if (now != null) {
      now.handle.endAfter(
          writes,
          () -> {
            now.isOver = true;
            scheduler.after(
                0,
                () -> {
                  if (current == now) {
                    kill();
                    then.run();
                  }
                });
          });
    }
  }

  /** What was to kill it after so many changes does not. */
  void spare() {
    Incarnation now = current;
    if (now != null) {
      now.handle.endAfter(Long.MAX_VALUE, () -> {});
    }
  }
}
