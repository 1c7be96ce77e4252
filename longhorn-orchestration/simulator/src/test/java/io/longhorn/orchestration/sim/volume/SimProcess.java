package io.longhorn.orchestration.sim.volume;

import io.longhorn.orchestration.sim.world.SimNetwork;
import io.longhorn.orchestration.sim.world.SimNetwork.Link;
import io.longhorn.orchestration.sim.world.SimNode;
import io.longhorn.orchestration.sim.world.SimScheduler.Timer;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;

/**
 * A process of a replica or an engine. It ends once. While it is stopped, nothing happens in it.
 */
public abstract class SimProcess implements SimNetwork.Endpoint {
  /** What is around it. */
  protected final World world;

  private final String name;
  private final SimNode machine;
  private final long pid;
  private final List<Runnable> deferred = new ArrayList<>();
  private boolean isAlive = true;
  private boolean isFrozen;
  private Runnable whenEnded = () -> {};

  SimProcess(World world, String name, SimNode machine) {
    this.world = world;
    this.name = name;
    this.machine = machine;
    pid = world.scheduler.newNumber();
    world.began(this);
  }

  /** Its name, for example {@code v1-e-0}. */
  public final String name() {
    return name;
  }

  /** The number of the process. */
  public final long pid() {
    return pid;
  }

  /** The machine it is on. */
  public final SimNode machine() {
    return machine;
  }

  /** The volume that it is of. */
  public abstract String volume();

  @Override
  public final String node() {
    return machine.name();
  }

  @Override
  public final boolean isAlive() {
    return isAlive;
  }

  @Override
  public final boolean isListening() {
    return !isFrozen;
  }

  /** Called once, when it ends by itself. */
  public final void whenEnded(Runnable task) {
    whenEnded = task;
  }

  /** It begins to serve; why it cannot, otherwise empty. */
  public abstract String serve();

  /** What has to be undone of it in the world when it is gone. */
  abstract void gone();

  /** It ends by itself. */
  final void exit() {
    if (isAlive) {
      kill();
      whenEnded.run();
    }
  }

  /** It ends at once. */
  public final void kill() {
    if (isAlive) {
      tell(() -> name + " (" + pid + ") ends");
      isAlive = false;
      gone();
      world.ended(this);
      world.network.ended(this);
      world.watcher().touched(volume());
    }
  }

  /** The power of its machine goes. */
  public final void vanish() {
    if (isAlive) {
      isAlive = false;
      gone();
      world.ended(this);
      world.watcher().touched(volume());
    }
  }

  /** Nothing happens in it from now on. */
  public final void freeze() {
    isFrozen = true;
  }

  /** What should have happened meanwhile happens now. */
  public final void thaw() {
    isFrozen = false;
    List<Runnable> late = List.copyOf(deferred);
    deferred.clear();
    late.forEach(this::run);
    world.network.resumed(this);
  }

  /** Does it now, or when it goes on; not at all once it has ended. */
  final void run(Runnable task) {
    if (!isAlive) {
      return;
    }
    if (isFrozen) {
      deferred.add(task);
    } else {
      task.run();
    }
  }

  final Timer after(long nanos, Runnable task) {
    return world.scheduler.after(nanos, () -> run(task));
  }

  final Timer inBackground(long nanos, Runnable task) {
    return world.scheduler.inBackground(nanos, () -> run(task));
  }

  final void tell(Supplier<String> what) {
    world.trace.tell(node(), what);
  }

  @Override
  public final void received(Link link, byte[] frame) {
    received(link, SimFrame.decode(frame));
  }

  @Override
  public final void closed(Link link) {
    run(() -> isClosed(link));
  }

  abstract void received(Link link, SimFrame frame);

  abstract void isClosed(Link link);

  final void send(Link link, SimFrame frame) {
    link.send(this, frame.encode());
  }
}
