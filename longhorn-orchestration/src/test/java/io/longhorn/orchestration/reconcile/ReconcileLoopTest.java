package io.longhorn.orchestration.reconcile;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.api.cluster.ClusterObject;
import io.longhorn.api.cluster.Condition;
import io.longhorn.api.cluster.EngineImage;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.Node;
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.orchestration.Await;
import io.longhorn.orchestration.decision.Action;
import io.longhorn.orchestration.decision.Capability;
import io.longhorn.orchestration.decision.ManagerSeen;
import io.longhorn.orchestration.decision.ManagerSeen.Reach;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.execution.ActionExecutor;
import io.longhorn.orchestration.execution.Observation;
import io.longhorn.orchestration.execution.Targets;
import io.longhorn.orchestration.store.ClusterStore;
import io.longhorn.orchestration.store.ClusterStore.Stored;
import io.longhorn.orchestration.store.MemoryClusterStore;
import java.util.List;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** The loop over a store in memory, with an executor that does what the test wants. */
final class ReconcileLoopTest {
  /** Time that goes on when the test says so; a wait ends only when somebody wakes it. */
  private static final class Hands implements Pacer {
    final AtomicLong millis = new AtomicLong(1_000);
    final AtomicInteger waits = new AtomicInteger();
    private final Semaphore wakes = new Semaphore(0);

    @Override
    public long nowMillis() {
      return millis.get();
    }

    @Override
    public void awaitWake(long atMostMillis) {
      waits.incrementAndGet();
      wakes.acquireUninterruptibly();
      wakes.drainPermits();
    }

    @Override
    public void wake() {
      wakes.release();
    }

    void pass(long more) {
      millis.addAndGet(more);
      wake();
    }
  }

  private final Hands time = new Hands();
  private final ClusterStore store = new MemoryClusterStore();
  private final List<String> done = new CopyOnWriteArrayList<>();
  private final Eyes executor = new Eyes();
  private final ReconcileLoop loop = new ReconcileLoop(store, executor, time);

  private final class Eyes implements ActionExecutor {
    volatile Consumer<Action.ProcessAction> hands = _ -> {};
    volatile Consumer<Targets> whenWatched = _ -> {};
    volatile @Nullable Observation observation;

    @Override
    public Set<Capability> capabilities() {
      return Set.of();
    }

    @Override
    public void execute(Action.ProcessAction action) {
      done.add(action.getClass().getSimpleName() + " " + action.subject());
      hands.accept(action);
    }

    @Override
    public void observe(Observation into) {
      observation = into;
    }

    @Override
    public void watch(Targets targets) {
      whenWatched.accept(targets);
    }
  }

  private static String manager(int node) {
    return Names.instanceManager(
        "node-" + node, InstanceManager.Type.ALL_IN_ONE, Names.DEFAULT_IMAGE);
  }

  private void start(int nodes) {
    TreeSet<String> names = new TreeSet<>();
    for (int i = 1; i <= nodes; i++) {
      names.add("node-" + i);
    }
    EngineImage.Versions versions = EngineImage.Versions.first("1");
    put(EngineImage.of(Names.DEFAULT_IMAGE, "/bin/longhorn", "1", versions, names));
    loop.start();
    for (int i = 1; i <= nodes; i++) {
      String name = "node-" + i;
      put(Node.of(name, "/d", new Condition("Ready", false, "", "", 0)));
      put(
          new InstanceManager(
              manager(i),
              name,
              InstanceManager.Type.ALL_IN_ONE,
              Names.DEFAULT_IMAGE,
              "unix:/m",
              InstanceManager.State.STOPPED,
              0,
              0));
      seen(i, Reach.GONE, 0);
    }
  }

  private void seen(int node, Reach reach, long pid) {
    Observation observation = executor.observation;
    assertThat(observation).isNotNull();
    observation.manager(manager(node), new ManagerSeen(reach, pid, new TreeMap<>()));
  }

  private void put(ClusterObject object) {
    long version = store.get(object.key()).map(Stored::version).orElse(ClusterStore.ABSENT);
    store.put(object, version);
  }

  /** As a person would: again, if the loop was faster. */
  private void power(boolean isOff) {
    Stored now;
    do {
      now = store.get(node(1).key()).orElseThrow();
    } while (!store.put(((Node) now.object()).withPower(isOff), now.version()).isDone());
  }

  private Node node(int number) {
    return (Node)
        store.get(new ObjectKey(ObjectKind.NODE, "node-" + number)).orElseThrow().object();
  }

  private InstanceManager.State state(int number) {
    ObjectKey key = new ObjectKey(ObjectKind.INSTANCE_MANAGER, manager(number));
    return ((InstanceManager) store.get(key).orElseThrow().object()).state();
  }

  /** Whoever waits has seen everything that was there before. */
  private void awaitRest() {
    int before = time.waits.get();
    Await.until(
        "it has looked twice",
        () -> {
          time.wake();
          return time.waits.get() >= before + 2;
        });
  }

  @AfterEach
  void closeLoop() {
    loop.close();
    store.close();
  }

  @Test
  void whatIsSeenIsStoredAndWhatIsWantedIsDone() {
    start(1);
    Await.until("it is started", () -> done.contains("StartInstanceManager " + manager(1)));
    seen(1, Reach.CONNECTED, 42);
    Await.until("it is ready", () -> node(1).ready().isTrue());
    Await.until("it runs", () -> state(1) == InstanceManager.State.RUNNING);
  }

  @Test
  void theSameIsNotDoneAgainBeforeItsPause() {
    start(1);
    Await.until("the first", () -> done.size() == 1);
    awaitRest();
    awaitRest();
    assertThat(done).hasSize(1);
    time.pass(Backoff.FIRST_MILLIS);
    Await.until("the second, asked by time alone", () -> done.size() == 2);
  }

  @Test
  void anExecutorThatThrowsDoesNotEndTheLoop() {
    executor.hands =
        _ -> {
          if (done.size() % 2 == 0) {
            throw new IllegalStateException("a defect, on purpose");
          }
          throw new VolumeException(IoError.EIO, "not today");
        };
    start(1);
    for (int i = 1; i <= 4; i++) {
      int times = i;
      Await.until("try " + i, () -> done.size() >= times);
      awaitRest();
      time.pass(Backoff.LONGEST_MILLIS);
    }
    executor.hands = _ -> {};
    seen(1, Reach.CONNECTED, 42);
    Await.until("it is ready", () -> node(1).ready().isTrue());
  }

  @Test
  void eyesThatThrowDoNotEndTheLoop() {
    executor.whenWatched =
        _ -> {
          throw new IllegalStateException("a defect, on purpose");
        };
    start(1);
    seen(1, Reach.CONNECTED, 42);
    Await.until("it is ready", () -> node(1).ready().isTrue());
  }

  @Test
  void whatThereIsToBeLookedAtIsSaidWhenItChanges() {
    List<Set<String>> said = new CopyOnWriteArrayList<>();
    executor.whenWatched = targets -> said.add(targets.managers().keySet());
    start(2);
    Await.until("both", () -> said.contains(Set.of(manager(1), manager(2))));
    awaitRest();
    int before = said.size();
    put(node(1).withCordon(true));
    awaitRest();
    assertThat(said).as("nothing new").hasSize(before);
  }

  @Test
  void anExecutorThatHangsHoldsUpItsSubjectAndNothingElse() {
    CountDownLatch release = new CountDownLatch(1);
    executor.hands =
        action -> {
          if (action.subject().endsWith("node-1")) {
            try {
              assertThat(release.await(Await.SECONDS, TimeUnit.SECONDS)).isTrue();
            } catch (InterruptedException e) {
              throw new AssertionError(e);
            }
          }
        };
    start(2);
    String first = "StartInstanceManager " + manager(1);
    String second = "StartInstanceManager " + manager(2);
    Await.until("both are begun", () -> done.containsAll(List.of(first, second)));
    awaitRest();
    time.pass(Backoff.LONGEST_MILLIS);
    Await.until("the other goes on", () -> done.stream().filter(second::equals).count() == 2);
    assertThat(done).filteredOn(first::equals).as("one at a time").hasSize(1);
    release.countDown();
    Await.until(
        "and is tried again, when it has ended",
        () -> done.stream().filter(first::equals).count() == 2);
  }

  @Test
  void whatWasKilledOnPurposeIsStartedAgainAtOnceHoweverOften() {
    start(1);
    String started = "StartInstanceManager " + manager(1);
    String killed = "KillInstanceManager " + manager(1);
    for (int i = 1; i <= 6; i++) {
      int times = i;
      Await.until("start " + i, () -> done.stream().filter(started::equals).count() == times);
      seen(1, Reach.CONNECTED, 40 + i);
      Await.until("it runs", () -> state(1) == InstanceManager.State.RUNNING);
      power(true);
      Await.until("kill " + i, () -> done.stream().filter(killed::equals).count() == times);
      seen(1, Reach.GONE, 0);
      Await.until("its power is off", () -> node(1).ready().reason().endsWith("NotReady"));
      power(false);
    }
  }

  @Test
  void aClosedLoopDoesNothingMore() {
    start(1);
    Await.until("it is begun", () -> !done.isEmpty());
    loop.close();
    int before = done.size();
    put(node(1).withPower(true));
    time.pass(100_000);
    assertThat(done).hasSize(before);
    assertThat(state(1)).isNotEqualTo(InstanceManager.State.UNKNOWN);
    loop.close();
  }
}
