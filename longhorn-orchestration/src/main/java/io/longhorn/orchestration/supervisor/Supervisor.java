package io.longhorn.orchestration.supervisor;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.orchestration.instance.InstanceCore;
import io.longhorn.orchestration.instance.InstanceEffect;
import io.longhorn.orchestration.instance.InstanceEvent;
import io.longhorn.orchestration.instance.InstanceListing;
import io.longhorn.orchestration.instance.InstanceManagerInfo;
import io.longhorn.orchestration.instance.InstanceSpec;
import io.longhorn.orchestration.instance.InstanceStatus;
import java.io.IOException;
import java.util.List;
import java.util.Optional;
import java.util.PriorityQueue;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The one thread that owns the {@link InstanceCore} and starts every process. It ends with the JVM,
 * never before: the kernel kills a child when the thread that started it ends.
 */
final class Supervisor {
  /** Most events that wait; those who call are told BUSY, processes wait with theirs. */
  private static final int MAX_EVENTS = 1_024;

  /**
   * One event and, if somebody waits for it, what came of it.
   *
   * @param done gets the status of the instance it was about, if there is one, or the refusal
   */
  private record Task(
      InstanceEvent event, @Nullable CompletableFuture<Optional<InstanceStatus>> done) {}

  /** When a process that was told to end has to have ended. */
  private record StopAlarm(long atNanos, InstanceEvent.StopDeadline event)
      implements Comparable<StopAlarm> {
    @Override
    public int compareTo(StopAlarm other) {
      return Long.signum(atNanos - other.atNanos);
    }
  }

  private final InstanceManagerInfo self;
  private final InstanceLogs logs;
  private final InstanceManagerConfig config;
  private final InstanceBoard board;
  private final ArrayBlockingQueue<Task> queue = new ArrayBlockingQueue<>(MAX_EVENTS);
  private final CompletableFuture<Void> allStopped = new CompletableFuture<>();

  // From here on: the thread's own.
  private final InstanceCore core = new InstanceCore();
  private final TreeMap<String, ChildProcess> children = new TreeMap<>();
  private final PriorityQueue<StopAlarm> alarms = new PriorityQueue<>();
  private long revision;

  /**
   * Takes events, and does nothing about them before {@link #start}.
   *
   * @param firstRevision higher than any of an earlier run
   */
  Supervisor(
      InstanceManagerInfo self,
      InstanceLogs logs,
      InstanceManagerConfig config,
      long firstRevision) {
    this.self = self;
    this.logs = logs;
    this.config = config;
    this.revision = firstRevision;
    this.board = new InstanceBoard(new InstanceListing(revision, self, List.of(), false));
  }

  /** Starts the thread. Once. */
  void start() {
    Thread.ofPlatform().daemon().name("supervisor").start(this::run);
  }

  InstanceBoard board() {
    return board;
  }

  /** Done when, after {@link #closing}, no process is left. */
  CompletableFuture<Void> allStopped() {
    return allStopped;
  }

  /**
   * Asks for a new run of an instance; returns its first status. Throws {@link VolumeException}.
   */
  InstanceStatus create(InstanceSpec spec) {
    UUID uuid = UUID.randomUUID();
    return ask(new InstanceEvent.Create(spec, uuid, System.currentTimeMillis())).orElseThrow();
  }

  /** Asks an instance to end; returns its status. Throws {@link VolumeException}. */
  InstanceStatus stop(String name, Optional<UUID> uuid) {
    return ask(new InstanceEvent.StopAsked(name, uuid)).orElseThrow();
  }

  /** Drops an instance that has ended. Throws {@link VolumeException}. */
  void forget(String name, Optional<UUID> uuid) {
    ask(new InstanceEvent.Forget(name, uuid));
  }

  /** Ends every process, engines first, and takes no new ones. Returns at once. */
  void closing() {
    tell(new InstanceEvent.Closing());
  }

  private Optional<InstanceStatus> ask(InstanceEvent event) {
    CompletableFuture<Optional<InstanceStatus>> done = new CompletableFuture<>();
    if (!queue.offer(new Task(event, done))) {
      throw new VolumeException(
          IoError.BUSY, "the instance manager has " + MAX_EVENTS + " things to do; try again");
    }
    try {
      return done.join();
    } catch (CompletionException e) {
      if (e.getCause() instanceof VolumeException refused) {
        throw new VolumeException(refused.error(), String.valueOf(refused.getMessage()), refused);
      }
      throw e;
    }
  }

  private void tell(InstanceEvent event) {
    while (true) {
      try {
        queue.put(new Task(event, null));
        return;
      } catch (InterruptedException _) {
        // Nobody interrupts these threads; an event is never lost.
      }
    }
  }

  private void run() {
    while (true) {
      try {
        StopAlarm alarm = alarms.peek();
        if (alarm == null) {
          perform(queue.take());
        } else {
          long nanos = alarm.atNanos - System.nanoTime();
          Task task = nanos > 0 ? queue.poll(nanos, TimeUnit.NANOSECONDS) : null;
          if (task != null) {
            perform(task);
          } else if (alarm.atNanos - System.nanoTime() <= 0) {
            alarms.remove();
            perform(new Task(alarm.event, null));
          }
        }
      } catch (InterruptedException _) {
        // Nobody interrupts this thread, and it does not end.
      }
    }
  }

  private void perform(Task task) {
    List<InstanceEffect> effects = core.step(task.event);
    for (InstanceEffect effect : effects) {
      if (effect instanceof InstanceEffect.Publish) {
        publish();
      }
    }
    answer(task, effects);
    for (InstanceEffect effect : effects) {
      carryOut(effect);
    }
    if (task.event instanceof InstanceEvent.Exited exited) {
      gone(exited);
    }
  }

  private void answer(Task task, List<InstanceEffect> effects) {
    CompletableFuture<Optional<InstanceStatus>> done = task.done;
    if (done == null) {
      return;
    }
    for (InstanceEffect effect : effects) {
      if (effect instanceof InstanceEffect.Refuse(IoError error, String message)) {
        done.completeExceptionally(new VolumeException(error, message));
        return;
      }
    }
    done.complete(
        switch (task.event) {
          case InstanceEvent.Create create -> core.status(create.spec().name());
          case InstanceEvent.StopAsked stop -> core.status(stop.name());
          case InstanceEvent.Forget _,
              InstanceEvent.Forked _,
              InstanceEvent.StartFailed _,
              InstanceEvent.Ready _,
              InstanceEvent.Exited _,
              InstanceEvent.StopDeadline _,
              InstanceEvent.Closing _ ->
              Optional.empty();
        });
  }

  private void carryOut(InstanceEffect effect) {
    switch (effect) {
      case InstanceEffect.Publish _, InstanceEffect.Refuse _ -> {
        // Done before those who asked were answered.
      }
      case InstanceEffect.Start(InstanceSpec spec, UUID uuid) -> start(spec, uuid);
      case InstanceEffect.Terminate(String name, UUID uuid) ->
          child(name, uuid).ifPresent(ChildProcess::terminate);
      case InstanceEffect.Kill(String name, UUID uuid) ->
          child(name, uuid).ifPresent(ChildProcess::kill);
      case InstanceEffect.ArmStopDeadline(String name, UUID uuid) ->
          alarms.add(
              new StopAlarm(
                  System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(config.stopMillis()),
                  new InstanceEvent.StopDeadline(name, uuid)));
      case InstanceEffect.Drop(String name) -> logs.drop(name);
      case InstanceEffect.AllStopped() -> allStopped.complete(null);
    }
  }

  private void start(InstanceSpec spec, UUID uuid) {
    InstanceEvent outcome;
    try {
      ChildProcess child =
          ChildProcess.start(
              spec, uuid, logs.of(spec.name()), config.lastLinesMillis(), this::tell);
      children.put(spec.name(), child);
      outcome = new InstanceEvent.Forked(spec.name(), uuid, child.pid());
    } catch (IOException e) {
      outcome = new InstanceEvent.StartFailed(spec.name(), uuid, String.valueOf(e.getMessage()));
    }
    perform(new Task(outcome, null));
  }

  private Optional<ChildProcess> child(String name, UUID uuid) {
    return Optional.ofNullable(children.get(name)).filter(child -> child.uuid().equals(uuid));
  }

  private void gone(InstanceEvent.Exited exited) {
    child(exited.name(), exited.uuid()).ifPresent(_ -> children.remove(exited.name()));
    alarms.removeIf(alarm -> alarm.event.uuid().equals(exited.uuid()));
  }

  private void publish() {
    revision++;
    board.publish(new InstanceListing(revision, self, core.statuses(), false));
  }
}
