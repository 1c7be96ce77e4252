package io.longhorn.orchestration.reconcile;

import io.longhorn.api.VolumeException;
import io.longhorn.api.cluster.ClusterObject;
import io.longhorn.api.cluster.Event;
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.orchestration.decision.Action;
import io.longhorn.orchestration.decision.ClusterView;
import io.longhorn.orchestration.decision.ControlCore;
import io.longhorn.orchestration.execution.ActionExecutor;
import io.longhorn.orchestration.store.ClusterStore;
import io.longhorn.orchestration.store.ClusterStore.Stored;
import io.longhorn.orchestration.store.Watch;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
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
  /** Most events that are kept; older ones are dropped. */
  public static final int MAX_EVENTS = 1_000;

  /** How long nothing may happen before it looks again all the same. */
  private static final Duration IDLE = Duration.ofSeconds(1);

  private static final Logger LOG = LoggerFactory.getLogger(ReconcileLoop.class);

  private final ClusterStore store;
  private final ActionExecutor executor;
  private final Clock clock;
  private final Consumer<ClusterView> whenPlanned;
  private final Observation observation = new Observation(this::wake);
  private final Semaphore wakes = new Semaphore(0);
  private final Set<String> underWay = ConcurrentHashMap.newKeySet();
  private final Backoff backoff = new Backoff();
  private final Watch watch;
  private final Thread thread;
  private final Thread storeWatcher;

  private volatile boolean isStopping;
  private volatile boolean isClosed;

  /**
   * A loop that does nothing before {@link #start}.
   *
   * @param whenPlanned told of each view that was planned for, on the loop's thread
   */
  public ReconcileLoop(
      ClusterStore store, ActionExecutor executor, Clock clock, Consumer<ClusterView> whenPlanned) {
    this.store = store;
    this.executor = executor;
    this.clock = clock;
    this.whenPlanned = whenPlanned;
    watch = store.watch();
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
      if (!watch.await(IDLE).isEmpty()) {
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
    long next = backoff.nextMillis(now);
    long millis = Math.min(IDLE.toMillis(), Math.max(next - now, 0));
    pause(millis);
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
    TreeMap<ObjectKey, Stored> stored = new TreeMap<>();
    SortedMap<ObjectKey, ClusterObject> objects = new TreeMap<>();
    for (ObjectKind kind : ObjectKind.values()) {
      if (kind != ObjectKind.EVENT) {
        for (Stored found : store.list(kind)) {
          stored.put(found.object().key(), found);
          objects.put(found.object().key(), found.object());
        }
      }
    }
    ClusterView view =
        new ClusterView(
            clock.millis(), objects, observation.managers(), observation.engines(), isStopping);
    List<Action> plan = ControlCore.plan(view);
    whenPlanned.accept(view);
    for (Action action : plan) {
      if (!carryOut(action, stored)) {
        // Somebody changed an object meanwhile: the rest was decided on what is not so any more.
        wake();
        return;
      }
    }
  }

  private boolean carryOut(Action action, SortedMap<ObjectKey, Stored> stored) {
    return switch (action) {
      case Action.Put(ClusterObject object) ->
          store.put(object, version(stored, object.key())).isDone();
      case Action.Remove(ObjectKey key) -> store.delete(key, version(stored, key)).isDone();
      case Action.Tell tell -> {
        record(tell);
        yield true;
      }
      case Action.ProcessAction process -> {
        dispatch(process);
        yield true;
      }
    };
  }

  private static long version(SortedMap<ObjectKey, Stored> stored, ObjectKey key) {
    Stored found = stored.get(key);
    return found == null ? ClusterStore.ABSENT : found.version();
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
          case Action.CreateDirectory _, Action.DeleteDirectory _, Action.ForgetInstance _ ->
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

  /** Stores something for people to know. */
  private void record(Action.Tell tell) {
    if (tell.isWarning()) {
      LOG.warn("{}: {}", tell.reason(), tell.message());
    } else {
      LOG.info("{}: {}", tell.reason(), tell.message());
    }
    List<Stored> events = store.list(ObjectKind.EVENT);
    long last = events.isEmpty() ? 0 : Long.parseLong(events.getLast().object().name());
    for (int i = 0; i <= events.size() - MAX_EVENTS; i++) {
      store.delete(events.get(i).object().key(), events.get(i).version());
    }
    Event event =
        new Event(
            String.format(Locale.ROOT, "%012d", last + 1),
            tell.isWarning(),
            tell.reason(),
            tell.message(),
            tell.about(),
            clock.millis());
    store.put(event, ClusterStore.ABSENT);
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
