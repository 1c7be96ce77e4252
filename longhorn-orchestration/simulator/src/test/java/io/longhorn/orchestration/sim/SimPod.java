package io.longhorn.orchestration.sim;

import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.orchestration.decision.ManagerSeen;
import io.longhorn.orchestration.sim.volume.SimEngine;
import io.longhorn.orchestration.sim.volume.SimProcess;
import io.longhorn.orchestration.sim.volume.SimReplica;
import io.longhorn.orchestration.sim.volume.SimSwap;
import io.longhorn.orchestration.sim.volume.World;
import io.longhorn.orchestration.sim.world.SimKnobs.SwapTrouble;
import io.longhorn.orchestration.sim.world.SimNode;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The pod of an instance manager, from its creation until it is gone: starts processes and watches
 * them. They end with it.
 */
final class SimPod {
  /** Where it is in its life. */
  enum Phase {
    STARTING,
    RUNNING,
    /** Its process is gone, with all that it had started. */
    DEAD
  }

  /** One process that it has started, and remembers until it is told to forget it. */
  static final class Instance {
    final String name;
    final String uuid;
    ManagerSeen.State state = ManagerSeen.State.STARTING;
    String message = "";
    long pid;
    boolean isOnce;
    @Nullable SimProcess process;
    @Nullable SimSwap swap;

    /** Where the process of the swap is. */
    @Nullable SimPod taker;

    /** Whether its process has not taken over yet what another pod has. */
    boolean isTaking;

    Instance(String name, String uuid, long pid) {
      this.name = name;
      this.uuid = uuid;
      this.pid = pid;
    }

    boolean isOver() {
      return state == ManagerSeen.State.STOPPED || state == ManagerSeen.State.ERROR;
    }

    Optional<SimEngine> engine() {
      return process instanceof SimEngine engine ? Optional.of(engine) : Optional.empty();
    }

    Optional<SimReplica> replica() {
      return process instanceof SimReplica replica ? Optional.of(replica) : Optional.empty();
    }
  }

  /** What is to run: makes the process when it is time. */
  interface Program {
    SimProcess start();
  }

  /** What runs once and ends: why it failed, empty if it did not. */
  interface Task {
    String run();
  }

  final String name;
  final SimNode machine;
  final InstanceManager.Type type;
  final String image;
  final long pid;
  private final World world;
  private final Runnable whenChanged;
  private final TreeMap<String, Instance> instances = new TreeMap<>();

  /** What is done once, and was forgotten. */
  private final TreeSet<String> done = new TreeSet<>();

  private Phase phase = Phase.STARTING;
  private boolean isDeleted;

  SimPod(World world, InstanceManager manager, SimNode machine, Runnable whenChanged) {
    this.world = world;
    this.machine = machine;
    this.whenChanged = whenChanged;
    name = manager.name();
    type = manager.type();
    image = manager.image();
    pid = world.scheduler.newNumber();
  }

  Phase phase() {
    return phase;
  }

  boolean isRunning() {
    return phase == Phase.RUNNING;
  }

  /** Whether it has a deletion timestamp. */
  boolean isDeleted() {
    return isDeleted;
  }

  void delete() {
    isDeleted = true;
    changed();
  }

  void runs() {
    if (phase == Phase.STARTING) {
      phase = Phase.RUNNING;
      world.trace.tell(machine.name(), () -> name + " runs");
      changed();
    }
  }

  private void changed() {
    world.scheduler.active();
    whenChanged.run();
  }

  Optional<Instance> instance(String instance) {
    return Optional.ofNullable(instances.get(instance));
  }

  SortedMap<String, Instance> instances() {
    return instances;
  }

  /** What it would answer. */
  SortedMap<String, ManagerSeen.Instance> listing() {
    TreeMap<String, ManagerSeen.Instance> listing = new TreeMap<>();
    for (Instance one : instances.values()) {
      boolean isStandby = one.replica().filter(SimReplica::isStandby).isPresent();
      listing.put(
          one.name,
          new ManagerSeen.Instance(
              one.state, one.uuid, one.isOver() ? 0 : one.pid, one.message, isStandby));
    }
    return listing;
  }

  // ---- processes --------------------------------------------------------------------------------

  /** Starts a process, unless there is one of the name that has not ended. */
  void start(String instance, long extraNanos, Program program) {
    if (isTaken(instance)) {
      return;
    }
    Instance made = add(instance);
    long delay = world.knobs.processStart.pick(world.scheduler) + extraNanos;
    world.scheduler.after(
        delay,
        () -> {
          if (!isCurrent(made) || made.state != ManagerSeen.State.STARTING) {
            return;
          }
          SimProcess process = program.start();
          made.process = process;
          made.pid = process.pid();
          if (process instanceof SimReplica replica) {
            replica.whenChanged(this::changed);
          }
          process.whenEnded(() -> ended(made, process, "the process has ended by itself"));
          String why = process.serve();
          if (why.isEmpty()) {
            made.state = ManagerSeen.State.RUNNING;
            world.trace.tell(machine.name(), () -> instance + " runs (" + process.pid() + ")");
            changed();
          } else {
            process.kill();
            ended(made, process, why);
          }
        });
  }

  /** Runs a task that is done once, unless it was. */
  void runOnce(String instance, Task task) {
    boolean isDone =
        done.contains(instance)
            || instance(instance).filter(one -> one.state == ManagerSeen.State.STOPPED).isPresent();
    if (!isDone) {
      run(instance, task);
      instance(instance).ifPresent(one -> one.isOnce = true);
    }
  }

  /** Runs a task, unless there is one of the name that has not ended. */
  void run(String instance, Task task) {
    if (isTaken(instance)) {
      return;
    }
    Instance made = add(instance);
    world.scheduler.after(
        world.knobs.processStart.pick(world.scheduler),
        () -> {
          if (isCurrent(made)) {
            String why = task.run();
            made.state = why.isEmpty() ? ManagerSeen.State.STOPPED : ManagerSeen.State.ERROR;
            made.message = why;
            changed();
          }
        });
  }

  private boolean isTaken(String instance) {
    return !isRunning() || (instances.containsKey(instance) && !instances.get(instance).isOver());
  }

  private Instance add(String instance) {
    Instance made =
        new Instance(instance, world.scheduler.newUuid(9).toString(), world.scheduler.newNumber());
    instances.put(instance, made);
    world.trace.tell(machine.name(), () -> instance + " is started");
    changed();
    return made;
  }

  private boolean isCurrent(Instance one) {
    return isRunning() && one.equals(instances.get(one.name));
  }

  private void ended(Instance one, SimProcess process, String why) {
    if (isCurrent(one) && process.equals(one.process) && one.swap == null) {
      one.state = ManagerSeen.State.ERROR;
      one.message = why;
      world.trace.tell(machine.name(), () -> one.name + " has ended: " + why);
      changed();
    }
  }

  /** Asks a process to end. */
  void stop(String instance, String uuid) {
    Instance one = instances.get(instance);
    if (one == null || one.isOver() || !one.uuid.equals(uuid) || !isRunning()) {
      return;
    }
    boolean isFirst = one.state != ManagerSeen.State.STOPPING;
    one.state = ManagerSeen.State.STOPPING;
    if (isFirst) {
      world.trace.tell(machine.name(), () -> instance + " is told to end");
      changed();
      world.scheduler.after(
          world.knobs.processStop.pick(world.scheduler),
          () -> {
            if (isCurrent(one) && !one.isOver()) {
              one.replica().filter(SimReplica::isHolder).ifPresent(r -> r.directory().flush());
              end(one);
              one.state = ManagerSeen.State.STOPPED;
              changed();
            }
          });
    }
  }

  private static void end(Instance one) {
    SimSwap swap = one.swap;
    if (swap != null) {
      swap.forget();
      swap.next().kill();
      one.swap = null;
    }
    if (one.process != null) {
      one.process.kill();
    }
  }

  /** Ends a process at once. */
  void kill(String instance) {
    Instance one = instances.get(instance);
    if (one == null || one.isOver() || one.isTaking || !isRunning()) {
      return;
    }
    SimProcess process = one.process;
    if (process != null) {
      process.kill();
    }
    if (one.swap == null) {
      one.state = ManagerSeen.State.ERROR;
      one.message = "killed by signal 9";
      changed();
    }
  }

  /** Forgets a process that has ended. */
  void forget(String instance, String uuid) {
    Instance one = instances.get(instance);
    if (one != null && one.isOver() && one.uuid.equals(uuid)) {
      instances.remove(instance);
      if (one.isOnce) {
        done.add(instance);
      }
      changed();
    }
  }

  /** Its process ends, and with it all that it has started. */
  void die(boolean isByPower) {
    if (phase == Phase.DEAD) {
      return;
    }
    phase = Phase.DEAD;
    world.trace.tell(machine.name(), () -> name + " is dead");
    for (Instance one : instances.values()) {
      SimSwap swap = one.swap;
      // A process that is to take over in another pod goes on without this one.
      if (swap != null && equals(one.taker)) {
        swap.forget();
        endWith(swap.next(), isByPower);
      }
      if (one.process != null) {
        endWith(one.process, isByPower);
      }
    }
    instances.clear();
    changed();
  }

  private static void endWith(SimProcess process, boolean isByPower) {
    if (isByPower) {
      process.vanish();
    } else {
      process.kill();
    }
  }

  // ---- another process of an engine -------------------------------------------------------------

  /**
   * Lets another process take an engine over; nothing if that goes on already.
   *
   * @param next on the same machine
   * @param taker which pod starts it
   * @param extraNanos so much longer than usual that takes to start
   * @param then told why it failed, empty if it did not
   */
  void swap(String instance, SimEngine next, SimPod taker, long extraNanos, Consumer<String> then) {
    Instance one = instances.get(instance);
    if (one == null || one.isOver() || one.engine().isEmpty()) {
      next.kill();
      then.accept("there is no engine " + instance);
      return;
    }
    boolean isHere = equals(taker);
    if (!isHere && taker.isTaken(instance)) {
      next.kill();
      then.accept(taker.name + " cannot start it");
      return;
    }
    Instance later = isHere ? one : taker.addTaking(one, next);
    SimEngine old = one.engine().get();
    SwapTrouble trouble = world.knobs.swapTrouble;
    world.knobs.swapTrouble = SwapTrouble.NONE;
    one.taker = taker;
    one.swap =
        new SimSwap(
            world,
            old,
            next,
            trouble,
            extraNanos,
            new SimSwap.Outcome() {
              @Override
              public void done() {
                one.swap = null;
                old.kill();
                taker.takes(later, next);
                if (!isHere) {
                  drop(one);
                }
                then.accept("");
              }

              @Override
              public void failed(String why) {
                one.swap = null;
                next.kill();
                world.trace.tell(machine.name(), () -> instance + " goes on: " + why);
                changed();
                dropTaking();
                then.accept(why);
              }

              @Override
              public void lost(String why) {
                one.swap = null;
                old.kill();
                next.kill();
                ended(one, old, why);
                dropTaking();
                then.accept(why);
              }

              @Override
              public void forgotten() {
                one.swap = null;
                dropTaking();
                then.accept("the engine is being stopped, or its instance manager is gone");
              }

              private void dropTaking() {
                if (!isHere) {
                  taker.drop(later);
                }
              }
            });
  }

  /** The instance of another pod, as one whose process is to take that over. */
  private Instance addTaking(Instance other, SimEngine next) {
    Instance made = new Instance(other.name, other.uuid, next.pid());
    made.process = next;
    made.isTaking = true;
    instances.put(made.name, made);
    world.trace.tell(machine.name(), () -> made.name + " is to move to " + name);
    changed();
    return made;
  }

  private void takes(Instance one, SimEngine next) {
    one.isTaking = false;
    one.state = ManagerSeen.State.RUNNING;
    one.process = next;
    one.pid = next.pid();
    next.whenEnded(() -> ended(one, next, "the process has ended by itself"));
    world.trace.tell(
        machine.name(),
        () -> one.name + " is another process now: " + next.pid() + " " + next.image());
    changed();
  }

  private void drop(Instance one) {
    if (instances.remove(one.name, one)) {
      changed();
    }
  }
}
