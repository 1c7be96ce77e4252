package io.longhorn.orchestration.reconcile;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.api.cluster.ClusterObject;
import io.longhorn.api.cluster.Condition;
import io.longhorn.api.cluster.EngineImage;
import io.longhorn.api.cluster.Event;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.Node;
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.orchestration.Await;
import io.longhorn.orchestration.decision.ManagerSeen;
import io.longhorn.orchestration.decision.ManagerSeen.Reach;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.execution.ActionExecutor;
import io.longhorn.orchestration.store.ClusterStore;
import io.longhorn.orchestration.store.ClusterStore.Stored;
import io.longhorn.orchestration.store.MemoryClusterStore;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Locale;
import java.util.TreeMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** The loop over a store in memory, with an executor that does what the test wants. */
final class ReconcileLoopTest {
  /** A clock that goes on when the test says so. */
  private static final class Hands extends Clock {
    final AtomicLong millis = new AtomicLong(1_000);

    @Override
    public ZoneId getZone() {
      return ZoneOffset.UTC;
    }

    @Override
    public Clock withZone(ZoneId zone) {
      return this;
    }

    @Override
    public Instant instant() {
      return Instant.ofEpochMilli(millis.get());
    }
  }

  private final Hands clock = new Hands();
  private final ClusterStore store = new MemoryClusterStore();
  private final List<String> done = new CopyOnWriteArrayList<>();
  private final AtomicInteger passes = new AtomicInteger();
  private volatile ActionExecutor executor = _ -> {};
  private volatile Runnable duringPlan = () -> {};
  private final ReconcileLoop loop =
      new ReconcileLoop(
          store,
          action -> {
            done.add(action.getClass().getSimpleName() + " " + action.subject());
            executor.execute(action);
          },
          clock,
          _ -> {
            passes.incrementAndGet();
            duringPlan.run();
          });

  private void start(int nodes) {
    put(new EngineImage(Names.DEFAULT_IMAGE, "/bin/longhorn", "1"));
    for (int i = 1; i <= nodes; i++) {
      String name = "node-" + i;
      put(new Node(name, false, false, "/d", new Condition("Ready", false, "", "", 0)));
      String manager = Names.instanceManager(name);
      put(
          new InstanceManager(
              manager, name, "default", "unix:/m", InstanceManager.State.STOPPED, 0, 0));
      seen(i, Reach.GONE, 0);
    }
    loop.start();
  }

  private void seen(int node, Reach reach, long pid) {
    loop.observation()
        .manager(
            Names.instanceManager("node-" + node), new ManagerSeen(reach, pid, new TreeMap<>()));
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
    ObjectKey key =
        new ObjectKey(ObjectKind.INSTANCE_MANAGER, Names.instanceManager("node-" + number));
    return ((InstanceManager) store.get(key).orElseThrow().object()).state();
  }

  /** Another pass begins and ends. */
  private void awaitPass() {
    int before = passes.get();
    loop.wake();
    Await.until(
        "it has looked twice",
        () -> {
          loop.wake();
          return passes.get() >= before + 2;
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
    Await.until(
        "it is started", () -> done.contains("StartInstanceManager instance-manager-node-1"));
    seen(1, Reach.CONNECTED, 42);
    Await.until("it is ready", () -> node(1).ready().isTrue());
    Await.until("it runs", () -> state(1) == InstanceManager.State.RUNNING);
  }

  @Test
  void theSameIsNotDoneAgainBeforeItsPause() {
    start(1);
    Await.until("the first", () -> done.size() == 1);
    awaitPass();
    awaitPass();
    assertThat(done).hasSize(1);
    clock.millis.addAndGet(Backoff.FIRST_MILLIS);
    Await.until(
        "the second",
        () -> {
          loop.wake();
          return done.size() == 2;
        });
  }

  @Test
  void anExecutorThatThrowsDoesNotEndTheLoop() {
    executor =
        action -> {
          if (done.size() % 2 == 0) {
            throw new IllegalStateException("a defect");
          }
          throw new VolumeException(IoError.EIO, "not today");
        };
    start(1);
    for (int i = 1; i <= 4; i++) {
      int times = i;
      Await.until(
          "try " + i,
          () -> {
            loop.wake();
            return done.size() >= times;
          });
      clock.millis.addAndGet(Backoff.LONGEST_MILLIS);
    }
    executor = _ -> {};
    seen(1, Reach.CONNECTED, 42);
    Await.until("it is ready", () -> node(1).ready().isTrue());
  }

  @Test
  void anExecutorThatHangsHoldsUpItsSubjectAndNothingElse() {
    CountDownLatch release = new CountDownLatch(1);
    executor =
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
    String first = "StartInstanceManager instance-manager-node-1";
    String second = "StartInstanceManager instance-manager-node-2";
    Await.until("both are begun", () -> done.containsAll(List.of(first, second)));
    clock.millis.addAndGet(Backoff.LONGEST_MILLIS);
    Await.until(
        "the other goes on",
        () -> {
          loop.wake();
          return done.stream().filter(second::equals).count() == 2;
        });
    assertThat(done).filteredOn(first::equals).as("one at a time").hasSize(1);
    release.countDown();
    Await.until(
        "and is tried again",
        () -> {
          loop.wake();
          return done.stream().filter(first::equals).count() == 2;
        });
  }

  @Test
  void whatSomebodyElseChangedMeanwhileIsPlannedAgainAndNotLost() {
    AtomicInteger conflicts = new AtomicInteger();
    // After the view was taken and before the plan is stored.
    duringPlan =
        () -> {
          if (conflicts.incrementAndGet() <= 5) {
            put(new Node("node-1", conflicts.get() % 2 == 1, false, "/d", node(1).ready()));
          }
        };
    start(1);
    seen(1, Reach.CONNECTED, 42);
    Await.until("it is ready", () -> node(1).ready().isTrue());
    assertThat(node(1).isCordoned()).as("the last change of somebody else").isTrue();
    assertThat(conflicts.get()).isGreaterThan(5);
  }

  @Test
  void eventsAreNumberedAndOnlyTheLastAreKept() {
    int old = ReconcileLoop.MAX_EVENTS + 5;
    for (int i = 1; i <= old; i++) {
      put(
          new Event(
              String.format(Locale.ROOT, "%012d", i),
              false,
              "Old",
              "m",
              new ObjectKey(ObjectKind.NODE, "node-1"),
              0));
    }
    start(1);
    Await.until("it is begun", () -> !done.isEmpty());
    seen(1, Reach.CONNECTED, 42);
    Await.until("it is told", () -> last().equals("NodeReady"));
    List<Stored> events = store.list(ObjectKind.EVENT);
    assertThat(events).hasSize(ReconcileLoop.MAX_EVENTS);
    assertThat(Long.parseLong(events.getLast().object().name())).isGreaterThan(old);
  }

  private String last() {
    return ((Event) store.list(ObjectKind.EVENT).getLast().object()).reason();
  }

  @Test
  void whatWasKilledOnPurposeIsStartedAgainAtOnceHoweverOften() {
    start(1);
    String started = "StartInstanceManager instance-manager-node-1";
    String killed = "KillInstanceManager instance-manager-node-1";
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
    int before = passes.get();
    clock.millis.addAndGet(100_000);
    loop.wake();
    put(node(1).withPower(true));
    assertThat(passes).hasValue(before);
  }
}
