package io.longhorn.orchestration.reconcile;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.api.VolumeId;
import io.longhorn.api.cluster.ClusterObject;
import io.longhorn.api.cluster.Condition;
import io.longhorn.api.cluster.EngineImage;
import io.longhorn.api.cluster.Event;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.Node;
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Setting;
import io.longhorn.api.cluster.Volume;
import io.longhorn.orchestration.decision.Action;
import io.longhorn.orchestration.decision.ClusterView;
import io.longhorn.orchestration.decision.ManagerSeen;
import io.longhorn.orchestration.decision.ManagerSeen.Reach;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.decision.Plan;
import io.longhorn.orchestration.store.ClusterStore;
import io.longhorn.orchestration.store.ClusterStore.Stored;
import io.longhorn.orchestration.store.MemoryClusterStore;
import io.longhorn.orchestration.store.Watch;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;
import java.util.function.BiFunction;
import java.util.function.Predicate;
import org.junit.jupiter.api.Test;

/**
 * The reconciler over a store in memory that fails when told to, with plans that the test makes.
 */
final class ReconcilerTest {
  private static final InstanceManager MANAGER =
      new InstanceManager(
          "im",
          "node-1",
          InstanceManager.Type.ALL_IN_ONE,
          Names.DEFAULT_IMAGE,
          "unix:/m",
          InstanceManager.State.RUNNING,
          0,
          0);
  private static final Action.ProcessAction KILL = new Action.KillInstanceManager(MANAGER);

  private final FaultyStore store = new FaultyStore();
  private final List<String> planned = new ArrayList<>();
  private final List<Action.ProcessAction> dispatched = new ArrayList<>();
  private final Watch watch = store.watch();
  private BiFunction<ClusterView, String, List<Action>> planner = (_, _) -> List.of();
  private long lookAgain = Long.MAX_VALUE;
  private long now = 1_000;
  private Reconciler reconciler = reconciler();

  private Reconciler reconciler() {
    return new Reconciler(
        store,
        Set.of(),
        dispatched::add,
        (view, name) -> {
          planned.add(name);
          return new Plan(planner.apply(view, name), List.of(), lookAgain);
        });
  }

  /** A store whose calls fail, before or after they had an effect. */
  private static final class FaultyStore implements ClusterStore {
    private final MemoryClusterStore inner = new MemoryClusterStore();
    Predicate<ObjectKey> failsBefore = _ -> false;
    Predicate<ObjectKey> failsAfter = _ -> false;

    private static void fail(Predicate<ObjectKey> when, ObjectKey key) {
      if (when.test(key)) {
        throw new VolumeException(IoError.EIO, "the disk is full, for " + key);
      }
    }

    @Override
    public Optional<Stored> get(ObjectKey key) {
      fail(failsBefore, key);
      return inner.get(key);
    }

    @Override
    public List<Stored> list(ObjectKind kind) {
      return inner.list(kind);
    }

    @Override
    public Outcome put(ClusterObject object, long expected) {
      fail(failsBefore, object.key());
      Outcome outcome = inner.put(object, expected);
      fail(failsAfter, object.key());
      return outcome;
    }

    @Override
    public Outcome delete(ObjectKey key, long expected) {
      fail(failsBefore, key);
      Outcome outcome = inner.delete(key, expected);
      fail(failsAfter, key);
      return outcome;
    }

    @Override
    public long revision() {
      return inner.revision();
    }

    @Override
    public Watch watch() {
      return inner.watch();
    }

    @Override
    public void close() {
      inner.close();
    }
  }

  private static Volume volume(String name) {
    return new Volume(
        name,
        Volume.Spec.of(new VolumeId(new UUID(7, name.hashCode())), 4096, 1, false, "default"),
        Volume.Status.creating("default"),
        0);
  }

  /** As somebody else would. */
  private void put(ClusterObject object) {
    long version = store.inner.get(object.key()).map(Stored::version).orElse(ClusterStore.ABSENT);
    assertThat(store.inner.put(object, version).isDone()).isTrue();
  }

  private void remove(ClusterObject object) {
    Stored found = store.inner.get(object.key()).orElseThrow();
    assertThat(store.inner.delete(object.key(), found.version()).isDone()).isTrue();
  }

  private Volume stored(String name) {
    return (Volume) store.inner.get(new ObjectKey(ObjectKind.VOLUME, name)).orElseThrow().object();
  }

  private long pass() {
    reconciler.changed(watch.await(Duration.ZERO));
    planned.clear();
    return reconciler.pass(now);
  }

  /** Passes until nothing is to be done before time goes on. */
  private long settle() {
    long next = pass();
    for (int i = 0; next <= now || store.inner.revision() != revision; i++) {
      assertThat(i).as("it comes to rest").isLessThan(100);
      revision = store.inner.revision();
      next = pass();
    }
    return next;
  }

  private long revision;

  // ---- what is planned for ----------------------------------------------------------------------

  @Test
  void onlyWhatMayHaveChangedIsPlannedFor() {
    put(volume("a"));
    put(volume("b"));
    pass();
    assertThat(planned).containsExactly("", "a", "b");
    assertThat(pass()).isEqualTo(Long.MAX_VALUE);
    assertThat(planned).isEmpty();
    put(volume("b").deletedAt(5));
    pass();
    assertThat(planned).containsExactly("b");
  }

  @Test
  void timeAloneIsAReasonToPlanAgain() {
    put(volume("a"));
    lookAgain = 1_700;
    assertThat(pass()).isEqualTo(1_700);
    now = 1_699;
    pass();
    assertThat(planned).isEmpty();
    now = 1_700;
    lookAgain = Long.MAX_VALUE;
    assertThat(pass()).isEqualTo(Long.MAX_VALUE);
    assertThat(planned).containsExactly("", "a");
  }

  @Test
  void aClockThatIsSetBackHoldsNothingUp() {
    put(volume("a"));
    lookAgain = 1_700;
    pass();
    now = 10;
    lookAgain = Long.MAX_VALUE;
    pass();
    assertThat(planned).containsExactly("", "a");
  }

  @Test
  void whatIsAskedOfProcessesMayBeLostAndIsAskedAgain() {
    put(volume("a"));
    planner = (_, name) -> name.equals("a") ? List.of(KILL) : List.of();
    assertThat(pass()).isEqualTo(now + Reconciler.LOOK_AGAIN_MILLIS);
    now += Reconciler.LOOK_AGAIN_MILLIS;
    pass();
    assertThat(planned).containsExactly("a");
    assertThat(dispatched).containsExactly(KILL, KILL);
  }

  @Test
  void manyVolumesTakeTurns() {
    int many = Reconciler.MAX_PLANS + 10;
    for (int i = 0; i < many; i++) {
      put(volume(String.format(Locale.ROOT, "v%04d", i)));
    }
    assertThat(pass()).as("there is more to be done").isEqualTo(now);
    assertThat(planned).hasSize(1 + Reconciler.MAX_PLANS);
    // One that changes all the time does not keep the others waiting.
    put(volume("v0000").deletedAt(5));
    assertThat(pass()).isEqualTo(Long.MAX_VALUE);
    assertThat(planned).hasSize(10 + 1).endsWith("v0265", "v0000");
  }

  @Test
  void whatWasPlannedIsPlannedAgainUntilNothingIsLeft() {
    put(volume("a"));
    planner =
        (view, name) ->
            name.equals("a") && !theOne(view).isDeleted()
                ? List.of(new Action.Put(theOne(view).deletedAt(9)))
                : List.of();
    settle();
    assertThat(stored("a").isDeleted()).isTrue();
    pass();
    assertThat(planned).isEmpty();
  }

  private static Volume theOne(ClusterView view) {
    return view.find(ObjectKind.VOLUME, "a", Volume.class).orElseThrow();
  }

  // ---- conflicts --------------------------------------------------------------------------------

  @Test
  void aPlanFromAnOlderViewStoresNothingAsksNothingAndIsMadeAgain() {
    put(volume("a"));
    pass();
    put(new Setting("s", "1"));
    List<Boolean> seen = new ArrayList<>();
    planner =
        (view, name) -> {
          if (!name.equals("a")) {
            return List.of();
          }
          seen.add(theOne(view).isDeleted());
          if (seen.size() == 1) {
            // After the view was taken, before the plan is stored.
            put(volume("a").deletedAt(5));
            return List.of(
                new Action.Put(volume("a").with(volume("a").spec().withNodeID("node-1"))),
                new Action.Put(new Setting("rest", "of the plan")),
                KILL);
          }
          return List.of();
        };
    assertThat(pass()).as("again at once").isEqualTo(now);
    assertThat(dispatched).isEmpty();
    assertThat(store.inner.get(new ObjectKey(ObjectKind.SETTING, "rest"))).isEmpty();
    pass();
    assertThat(seen).containsExactly(false, true);
    assertThat(stored("a").spec().nodeID()).isEmpty();
    assertThat(stored("a").isDeleted()).isTrue();
  }

  @Test
  void whatSomebodyElseRemovedIsNotMadeAgain() {
    put(volume("a"));
    pass();
    put(new Setting("s", "1"));
    planner =
        (_, name) -> {
          if (!name.equals("a")) {
            return List.of();
          }
          if (store.inner.get(volume("a").key()).isPresent()) {
            remove(volume("a"));
            return List.of(new Action.Put(volume("a").deletedAt(5)));
          }
          return List.of();
        };
    settle();
    assertThat(store.inner.list(ObjectKind.VOLUME)).isEmpty();
    assertThat(reconciler.view().volumeNames()).isEmpty();
  }

  @Test
  void anObjectThatAppearedMeanwhileIsNotOverwritten() {
    put(volume("a"));
    planner =
        (view, name) -> {
          if (name.equals("a") && view.settings().values().apply("new").isEmpty()) {
            put(new Setting("new", "theirs"));
            return List.of(new Action.Put(new Setting("new", "ours")));
          }
          return List.of();
        };
    settle();
    assertThat(store.inner.list(ObjectKind.SETTING))
        .extracting(Stored::object)
        .containsExactly(new Setting("new", "theirs"));
  }

  // ---- trouble ----------------------------------------------------------------------------------

  @Test
  void aDefectInThePlanOfOneVolumeDoesNotStopTheOthers() {
    put(volume("a"));
    put(volume("b"));
    planner =
        (_, name) -> {
          if (name.equals("a")) {
            throw new IllegalStateException("a defect, on purpose");
          }
          return name.equals("b") ? List.of(KILL) : List.of();
        };
    assertThat(pass()).isEqualTo(now + Backoff.FIRST_MILLIS);
    assertThat(dispatched).containsExactly(KILL);
    // It is tried again ever more rarely, and as usual once it works.
    List<Long> tries = new ArrayList<>();
    for (long end = now + 8_000; now < end; now += 100) {
      pass();
      if (planned.contains("a")) {
        tries.add(now - 1_000);
      }
    }
    assertThat(tries).containsExactly(500L, 1_500L, 3_500L, 7_500L);
    planner = (_, _) -> List.of();
    put(volume("a").deletedAt(1));
    assertThat(settle()).isEqualTo(Long.MAX_VALUE);
  }

  @Test
  void aDefectInThePlanOfTheClusterDoesNotStopTheVolumes() {
    put(volume("a"));
    planner =
        (_, name) -> {
          if (name.isEmpty()) {
            throw new IllegalStateException("a defect, on purpose");
          }
          return List.of();
        };
    pass();
    assertThat(planned).containsExactly("", "a");
    now += Backoff.FIRST_MILLIS;
    pass();
    assertThat(planned).containsExactly("");
  }

  @Test
  void aChangeThatCannotBeReadIsReadLater() {
    put(volume("a"));
    put(volume("b"));
    pass();
    put(volume("a").deletedAt(5));
    put(volume("b").deletedAt(5));
    store.failsBefore = key -> key.name().equals("b");
    assertThat(pass()).isEqualTo(now + Reconciler.LOOK_AGAIN_MILLIS);
    assertThat(planned).as("nothing is decided on what may not be so any more").isEmpty();
    store.failsBefore = _ -> false;
    pass();
    assertThat(planned).contains("a", "b");
    assertThat(reconciler.view().find(ObjectKind.VOLUME, "b", Volume.class).orElseThrow())
        .isEqualTo(stored("b"));
  }

  @Test
  void aPlanThatCannotBeStoredIsMadeAgainAndTheOthersGoOn() {
    put(volume("a"));
    put(volume("b"));
    planner =
        (view, name) ->
            view.find(ObjectKind.VOLUME, name, Volume.class)
                .filter(found -> !found.isDeleted())
                .map(found -> List.<Action>of(new Action.Put(found.deletedAt(7)), KILL))
                .orElse(List.of());
    store.failsBefore = key -> key.name().equals("a") && key.kind() == ObjectKind.VOLUME && isPut();
    pass();
    assertThat(stored("a").isDeleted()).isFalse();
    assertThat(stored("b").isDeleted()).isTrue();
    assertThat(dispatched).as("what follows was not asked").hasSize(1);
    store.failsBefore = _ -> false;
    now += Backoff.FIRST_MILLIS;
    settle();
    assertThat(stored("a").isDeleted()).isTrue();
  }

  /** Reads work; a put is called from the one method that stores. */
  private static boolean isPut() {
    return StackWalker.getInstance()
        .walk(frames -> frames.anyMatch(frame -> frame.getMethodName().equals("put")));
  }

  @Test
  void aChangeWhoseAnswerWasLostIsNotTakenForNotMade() {
    put(volume("a"));
    planner =
        (view, name) ->
            name.equals("a") && !theOne(view).isDeleted()
                ? List.of(new Action.Put(theOne(view).deletedAt(7)))
                : List.of();
    store.failsAfter = key -> key.name().equals("a");
    pass();
    store.failsAfter = _ -> false;
    now += Backoff.FIRST_MILLIS;
    assertThat(settle()).isEqualTo(Long.MAX_VALUE);
    assertThat(theOne(reconciler.view())).isEqualTo(stored("a"));
  }

  @Test
  void aRemovalWhoseAnswerWasLostIsNotTakenForNotMade() {
    put(volume("a"));
    put(new Setting("s", "1"));
    planner =
        (view, name) ->
            name.equals("a") && view.settings().values().apply("s").isPresent()
                ? List.of(new Action.Remove(new ObjectKey(ObjectKind.SETTING, "s")))
                : List.of();
    store.failsAfter = key -> key.kind() == ObjectKind.SETTING;
    pass();
    assertThat(store.inner.list(ObjectKind.SETTING)).isEmpty();
    store.failsAfter = _ -> false;
    now += Backoff.FIRST_MILLIS;
    assertThat(settle()).isEqualTo(Long.MAX_VALUE);
  }

  // ---- events -----------------------------------------------------------------------------------

  private static Action.Tell tell(String reason) {
    return new Action.Tell(volume("a").key(), false, reason, "m");
  }

  private List<String> told() {
    return store.inner.list(ObjectKind.EVENT).stream()
        .map(found -> ((Event) found.object()).reason())
        .toList();
  }

  /** Tells once, in the next plan of volume a. */
  private void tellOnce(String... reasons) {
    put(volume("a").deletedAt(store.inner.revision() + 1));
    List<Action> tells = new ArrayList<>();
    for (String reason : reasons) {
      tells.add(tell(reason));
    }
    planner =
        (_, name) -> {
          List<Action> now = name.equals("a") ? List.copyOf(tells) : List.of();
          if (name.equals("a")) {
            tells.clear();
          }
          return now;
        };
  }

  private void putEvent(String name) {
    put(new Event(name, false, "Old", "m", volume("a").key(), 0));
  }

  @Test
  void eventsAreKeptInOrderAndOnlyTheLastOnes() {
    int old = Reconciler.MAX_EVENTS + 5;
    for (int i = 1; i <= old; i++) {
      putEvent(String.format(Locale.ROOT, "%012d", i));
    }
    reconciler = reconciler();
    tellOnce("First", "Second");
    settle();
    assertThat(told()).hasSize(Reconciler.MAX_EVENTS).endsWith("Old", "First", "Second");
    // A restart counts on.
    reconciler = reconciler();
    tellOnce("Third");
    settle();
    assertThat(told()).hasSize(Reconciler.MAX_EVENTS).endsWith("First", "Second", "Third");
  }

  @Test
  void anEventThatCannotBeStoredWaitsAndStopsNothing() {
    store.failsBefore = key -> key.kind() == ObjectKind.EVENT;
    put(volume("a"));
    put(volume("b"));
    tellOnce("First");
    BiFunction<ClusterView, String, List<Action>> tells = planner;
    planner = (view, name) -> name.equals("b") ? List.of(KILL) : tells.apply(view, name);
    pass();
    assertThat(dispatched).containsExactly(KILL);
    assertThat(told()).isEmpty();
    store.failsBefore = _ -> false;
    pass();
    assertThat(told()).containsExactly("First");
  }

  @Test
  void anEventWhoseAnswerWasLostIsThereOnce() {
    store.failsAfter = key -> key.kind() == ObjectKind.EVENT;
    put(volume("a"));
    tellOnce("First");
    pass();
    store.failsAfter = _ -> false;
    pass();
    tellOnce("Second");
    settle();
    assertThat(told()).containsExactly("First", "Second");
  }

  @Test
  void numbersOfOthersAreNotWrittenOver() {
    putEvent("not-a-number");
    reconciler = reconciler();
    putEvent("000000000001");
    tellOnce("First");
    settle();
    assertThat(told()).containsExactly("Old", "First", "Old");
  }

  // ---- the real planners ------------------------------------------------------------------------

  @Test
  void aRestartGoesOnWhereTheLastOneStopped() {
    ManagerSeen gone = new ManagerSeen(Reach.GONE, 0, new TreeMap<>());
    ManagerSeen there = new ManagerSeen(Reach.CONNECTED, 42, new TreeMap<>());
    put(
        EngineImage.of(
            Names.DEFAULT_IMAGE,
            "/bin/longhorn",
            "1",
            EngineImage.Versions.first("1"),
            new TreeSet<>(Set.of("node-1"))));
    put(Node.of("node-1", "/d", new Condition("Ready", false, "Unknown", "", 0)));
    String name =
        Names.instanceManager("node-1", InstanceManager.Type.ALL_IN_ONE, Names.DEFAULT_IMAGE);
    put(
        new InstanceManager(
            name,
            "node-1",
            InstanceManager.Type.ALL_IN_ONE,
            Names.DEFAULT_IMAGE,
            "unix:/m",
            InstanceManager.State.STOPPED,
            0,
            0));
    // Cut off after any number of its changes, the next one makes the rest.
    for (int changes = 0; changes < 4; changes++) {
      Reconciler first = new Reconciler(store, Set.of(), dispatched::add);
      first.view().seen(name, gone);
      long last = store.inner.revision() + changes;
      store.failsBefore = _ -> store.inner.revision() >= last;
      first.pass(now++);
    }
    store.failsBefore = _ -> false;
    Reconciler last = new Reconciler(store, Set.of(), dispatched::add);
    last.view().seen(name, there);
    last.pass(now);
    last.pass(now);
    Node node = last.view().find(ObjectKind.NODE, "node-1", Node.class).orElseThrow();
    assertThat(node.ready().isTrue()).isTrue();
    assertThat(store.inner.get(node.key()).orElseThrow().object()).isEqualTo(node);
    assertThat(dispatched).extracting(Action.ProcessAction::subject).contains(name);
  }
}
