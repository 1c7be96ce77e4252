package io.longhorn.orchestration.reconcile;

import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.orchestration.decision.Action;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.execution.ActionExecutor;
import io.longhorn.orchestration.execution.Observation;
import io.longhorn.orchestration.store.ClusterStore;
import io.longhorn.orchestration.store.Watch;
import java.time.Duration;
import java.util.TreeSet;
import java.util.concurrent.locks.ReentrantLock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Looks at the cluster, plans, carries out, and looks again when something changed: an object, or
 * what is seen of a process. Level-triggered: what woke it does not matter. One thread plans and
 * stores; what concerns processes is carried out beside it by a {@link Dispatcher}.
 */
public final class ReconcileLoop implements AutoCloseable {
  /** How long nothing may happen before it looks again all the same. */
  static final long IDLE_MILLIS = 1_000;

  private static final Duration WATCH = Duration.ofSeconds(1);

  private static final Logger LOG = LoggerFactory.getLogger(ReconcileLoop.class);

  private final ActionExecutor executor;
  private final Pacer pacer;
  private final Observation observation;
  private final Watch watch;
  private final Dispatcher dispatcher;
  private final Reconciler reconciler;
  private final Thread thread;
  private final Thread storeWatcher;

  // Guards what was told since the last pass.
  private final ReentrantLock lock = new ReentrantLock();
  private final TreeSet<ObjectKey> changed = new TreeSet<>();
  private final TreeSet<String> touched = new TreeSet<>();

  private volatile boolean isStopping;
  private volatile boolean isClosed;

  /** A loop that has read the store, and does nothing before {@link #start}. */
  public ReconcileLoop(ClusterStore store, ActionExecutor executor, Pacer pacer) {
    this.executor = executor;
    this.pacer = pacer;
    observation = new Observation(pacer::wake);
    dispatcher = new Dispatcher(executor, observation, this::ended);
    // Watched before it is read: nothing falls between.
    watch = store.watch();
    reconciler =
        new Reconciler(
            store,
            executor.capabilities(),
            action -> dispatcher.dispatch(action, pacer.nowMillis()));
    thread = Thread.ofPlatform().name("reconcile").unstarted(this::run);
    storeWatcher = Thread.ofVirtual().name("store-watch").unstarted(this::watchStore);
  }

  /** Begins. */
  public void start() {
    executor.observe(observation);
    storeWatcher.start();
    thread.start();
  }

  /** From now on every volume is to be detached, tickets notwithstanding. */
  public void stopVolumes() {
    isStopping = true;
    pacer.wake();
  }

  private void watchStore() {
    while (!watch.isClosed()) {
      TreeSet<ObjectKey> keys = new TreeSet<>(watch.await(WATCH));
      if (!keys.isEmpty()) {
        note(() -> changed.addAll(keys));
      }
    }
  }

  /** An action is over, however it went: what waited for its subject need not wait longer. */
  private void ended(Action.ProcessAction action) {
    note(() -> touched.add(Names.volumeOf(action.subject())));
  }

  private void note(Runnable what) {
    lock.lock();
    try {
      what.run();
    } finally {
      lock.unlock();
    }
    pacer.wake();
  }

  private void run() {
    while (!isClosed) {
      long nextMillis;
      try {
        nextMillis = pass();
      } catch (RuntimeException e) {
        // A defect must not end the control plane: the next view may be another one.
        LOG.error("defect in the loop", e);
        nextMillis = pacer.nowMillis() + Reconciler.LOOK_AGAIN_MILLIS;
      }
      long left = nextMillis - pacer.nowMillis();
      if (left > 0) {
        pacer.awaitWake(Math.min(left, IDLE_MILLIS));
      }
    }
  }

  private long pass() {
    lock.lock();
    try {
      reconciler.changed(changed);
      touched.forEach(this::touch);
      changed.clear();
      touched.clear();
    } finally {
      lock.unlock();
    }
    observation.drainTo(reconciler.view());
    reconciler.view().stopping(isStopping);
    long nextMillis = reconciler.pass(pacer.nowMillis());
    reconciler.takeTargets().ifPresent(executor::watch);
    return nextMillis;
  }

  private void touch(String volume) {
    if (volume.isEmpty()) {
      reconciler.view().touchCluster();
    } else {
      reconciler.view().touch(volume);
    }
  }

  /** Ends the loop; what is being carried out goes on by itself. */
  @Override
  public void close() {
    isClosed = true;
    watch.close();
    boolean wasInterrupted = false;
    while (thread.isAlive()) {
      pacer.wake();
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
