package io.longhorn.orchestration.reconcile;

import io.longhorn.api.VolumeException;
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.orchestration.decision.Action;
import io.longhorn.orchestration.decision.ClusterView;
import io.longhorn.orchestration.execution.ActionExecutor;
import io.longhorn.orchestration.store.ClusterStore;
import io.longhorn.orchestration.store.Watch;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Looks at the whole cluster, plans, carries out, and looks again when something changed: an
 * object, or what is seen of a process. Level-triggered: what woke it does not matter. One thread
 * plans and stores; what concerns processes is carried out beside it, one action for a subject at a
 * time, the same one again only after a {@link Backoff}.
 */
public final class ReconcileLoop implements AutoCloseable {
  /** How long nothing may happen before it looks again all the same. */
  private static final Duration IDLE = Duration.ofSeconds(1);

  private static final Logger LOG = LoggerFactory.getLogger(ReconcileLoop.class);

  private final ActionExecutor executor;
  private final Clock clock;
  private final Consumer<ClusterView> whenPlanned;
  private final Observation observation = new Observation(this::wake);
  private final Semaphore wakes = new Semaphore(0);
  private final Set<String> underWay = ConcurrentHashMap.newKeySet();
  private final Backoff backoff = new Backoff();
  private final TreeSet<ObjectKey> changed = new TreeSet<>();
  private final ReentrantLock changedLock = new ReentrantLock();
  private final Watch watch;
  private final Reconciler reconciler;
  private final Thread thread;
  private final Thread storeWatcher;

  private long nextMillis;
  private volatile boolean isStopping;
  private volatile boolean isClosed;

  /**
   * A loop that does nothing before {@link #start}.
   *
   * @param whenPlanned told of each view that was planned for, on the loop's thread
   */
  public ReconcileLoop(
      ClusterStore store, ActionExecutor executor, Clock clock, Consumer<ClusterView> whenPlanned) {
    this.executor = executor;
    this.clock = clock;
    this.whenPlanned = whenPlanned;
    // Watched before it is read: nothing falls between.
    watch = store.watch();
    reconciler = new Reconciler(store, executor.capabilities(), this::dispatch);
    thread = Thread.ofPlatform().name("reconcile").unstarted(this::run);
    storeWatcher = Thread.ofVirtual().name("store-watch").unstarted(this::watchStore);
  }

  /** Begins. */
  public void start() {
    thread.start();
    storeWatcher.start();
  }

  /** What is seen goes here. */
  public Observation observation() {
    return observation;
  }

  /** From now on every volume is to be detached, tickets notwithstanding. */
  public void stopVolumes() {
    isStopping = true;
    wake();
  }

  /** Looks again soon. Any thread. */
  public void wake() {
    if (wakes.availablePermits() == 0) {
      wakes.release();
    }
  }

  private void watchStore() {
    while (!isClosed && !watch.isClosed()) {
      SortedSet<ObjectKey> keys = watch.await(IDLE);
      if (!keys.isEmpty()) {
        changedLock.lock();
        try {
          changed.addAll(keys);
        } finally {
          changedLock.unlock();
        }
        wake();
      }
    }
  }

  private void run() {
    while (!isClosed) {
      try {
        pass();
      } catch (VolumeException e) {
        LOG.warn("the plan was not carried out, it is made again: {}", e.getMessage());
        pause(Backoff.FIRST_MILLIS);
      } catch (RuntimeException e) {
        // A defect must not end the control plane: the next view may be another one.
        LOG.error("defect while planning", e);
        pause(Backoff.FIRST_MILLIS);
      }
      awaitWake();
    }
  }

  private void awaitWake() {
    long now = clock.millis();
    pause(Math.min(IDLE.toMillis(), Math.max(nextMillis - now, 0)));
    wakes.drainPermits();
  }

  private void pause(long millis) {
    try {
      if (wakes.tryAcquire(millis, TimeUnit.MILLISECONDS)) {
        wakes.release();
      }
    } catch (InterruptedException _) {
      Thread.currentThread().interrupt();
    }
  }

  private void pass() {
    long now = clock.millis();
    observation.drainTo(reconciler.view());
    reconciler.view().stopping(isStopping);
    SortedSet<ObjectKey> keys;
    changedLock.lock();
    try {
      keys = new TreeSet<>(changed);
      changed.clear();
    } finally {
      changedLock.unlock();
    }
    reconciler.changed(keys);
    nextMillis = reconciler.pass(now);
    whenPlanned.accept(reconciler.view());
  }

  private void dispatch(Action.ProcessAction action) {
    String what = what(action.getClass(), action.subject());
    forgetOpposites(action);
    if (!underWay.contains(action.subject())
        && backoff.mayTry(what, clock.millis())
        && underWay.add(action.subject())) {
      Thread.ofVirtual().name("action").start(() -> execute(action, what));
    }
  }

  private static String what(Class<? extends Action.ProcessAction> type, String subject) {
    return type.getSimpleName() + " " + subject;
  }

  /**
   * A process that runs, or starts, and is told to stop has not crashed: it may be started again at
   * once, however often. One that is started may then be stopped at once.
   */
  private void forgetOpposites(Action.ProcessAction action) {
    List<Class<? extends Action.ProcessAction>> opposites =
        switch (action) {
          case Action.StopInstance _ ->
              List.of(Action.StartReplica.class, Action.StartEngine.class);
          case Action.StartReplica _, Action.StartEngine _ ->
              List.of(Action.StopInstance.class, Action.ForgetInstance.class);
          case Action.KillInstanceManager _ -> List.of(Action.StartInstanceManager.class);
          case Action.StartInstanceManager _ -> List.of(Action.KillInstanceManager.class);
          case Action.CreateDirectory _,
              Action.DeleteDirectory _,
              Action.ForgetInstance _,
              Action.SwapEngine _,
              Action.ConfigureEngine _,
              Action.FinishMigration _,
              Action.PromoteReplica _ ->
              List.of();
        };
    opposites.forEach(opposite -> backoff.forget(what(opposite, action.subject())));
  }

  private void execute(Action.ProcessAction action, String what) {
    try {
      executor.execute(action);
    } catch (VolumeException e) {
      LOG.warn("{}: {}", what, e.getMessage());
    } catch (RuntimeException e) {
      LOG.error("defect in {}", what, e);
    } finally {
      underWay.remove(action.subject());
      wake();
    }
  }

  /** Ends the loop; what is being carried out goes on by itself. */
  @Override
  public void close() {
    isClosed = true;
    watch.close();
    wake();
    boolean wasInterrupted = false;
    while (thread.isAlive()) {
      try {
        thread.join();
      } catch (InterruptedException _) {
        wasInterrupted = true;
      }
    }
    if (wasInterrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
