package io.longhorn.orchestration.instance;

import io.longhorn.api.IoError;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.TreeMap;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * Decides what becomes of each instance (Rule 6.3, 6.4). One thread.
 *
 * <pre>
 * from               event               to         does
 * -, stopped, error  Create              starting   Start
 * stopped, forgotten Create, is once                Refuse EXISTS
 * others             Create                         Refuse EXISTS
 * starting           StartFailed         error
 * stopping           StartFailed         error
 * starting           Ready               running
 * running            Ready               running    one address more
 * starting, running  Exited 0            stopped
 * starting, running  Exited, other code  error
 * starting, running  StopAsked           stopping   Terminate, ArmStopDeadline
 * stopping           Forked              stopping   Terminate
 * stopping           StopAsked           stopping
 * stopping           StopDeadline        stopping   Kill, ArmStopDeadline
 * stopping           Exited 0            stopped
 * stopping           Exited, other code  error
 * stopped, error     StopAsked           the same
 * stopped, error     Forget              -          Drop
 * others             Forget                         Refuse BUSY
 * -, another uuid    StopAsked, Forget              Refuse NOT_FOUND
 * any                Closing             every engine is stopped, then every replica, then AllStopped
 * </pre>
 *
 * <p>An engine waits for its replicas as long as it takes, so {@code starting} has no end of its
 * own: whoever started it decides. Nothing is ever started again by itself.
 *
 * <p>A request may arrive late, when another one has been carried out and forgotten. A process that
 * nobody wants any more can be stopped; what one has made stays. That is why what is done once is
 * remembered.
 */
public final class InstanceCore {
  /** Most instances at once, those that have ended and are not forgotten included. */
  public static final int MAX_INSTANCES = 256;

  /**
   * Most names remembered of what was done once, the latest ones: a request is late by seconds, or
   * minutes, and not by so many others.
   */
  public static final int MAX_DONE = 4_096;

  /** Longest error message, in characters; longer ones are cut. */
  public static final int MAX_MESSAGE_LENGTH = 1_024;

  /** Exit codes above it are of a process that a signal ended. */
  private static final int SIGNAL_BASE = 128;

  private final TreeMap<String, Entry> entries = new TreeMap<>();

  /** What is done once, and was forgotten; the latest last. */
  private final LinkedHashSet<String> done = new LinkedHashSet<>();

  private boolean isClosing;
  private boolean isClosed;

  /** Makes the step and returns what has to be done, in order; nothing for what comes too late. */
  public List<InstanceEffect> step(InstanceEvent event) {
    List<InstanceEffect> effects = new ArrayList<>();
    switch (event) {
      case InstanceEvent.Create create -> create(create, effects);
      case InstanceEvent.Forked(String name, UUID uuid, long pid) ->
          run(name, uuid).ifPresent(entry -> forked(entry, pid, effects));
      case InstanceEvent.StartFailed(String name, UUID uuid, String message) ->
          run(name, uuid).ifPresent(entry -> startFailed(entry, message, effects));
      case InstanceEvent.Ready(String name, UUID uuid, String address) ->
          run(name, uuid).ifPresent(entry -> ready(entry, address, effects));
      case InstanceEvent.Exited(String name, UUID uuid, int code, String lastLine) ->
          run(name, uuid).ifPresent(entry -> exited(entry, code, lastLine, effects));
      case InstanceEvent.StopAsked(String name, Optional<UUID> uuid) -> {
        Entry entry = asked(name, uuid, effects);
        if (entry != null) {
          stop(entry, effects);
        }
      }
      case InstanceEvent.StopDeadline(String name, UUID uuid) ->
          run(name, uuid).ifPresent(entry -> stopDeadline(entry, effects));
      case InstanceEvent.Forget(String name, Optional<UUID> uuid) -> {
        Entry entry = asked(name, uuid, effects);
        if (entry != null) {
          forget(entry, effects);
        }
      }
      case InstanceEvent.Closing() -> isClosing = true;
    }
    if (isClosing) {
      goOnClosing(effects);
    }
    return effects;
  }

  /** Every instance, by name. */
  public List<InstanceStatus> statuses() {
    return entries.values().stream().map(Entry::status).toList();
  }

  /** One instance. */
  public Optional<InstanceStatus> status(String name) {
    return Optional.ofNullable(entries.get(name)).map(Entry::status);
  }

  private void create(InstanceEvent.Create create, List<InstanceEffect> effects) {
    String name = create.spec().name();
    Entry there = entries.get(name);
    if (isClosing) {
      effects.add(
          new InstanceEffect.Refuse(
              IoError.BUSY, "instance " + name + ": the instance manager is ending"));
    } else if (there != null && !there.state.isOver()) {
      effects.add(
          new InstanceEffect.Refuse(
              IoError.EXISTS, "instance " + name + " exists and is " + there.state));
    } else if (create.spec().isOnce() && isDone(name)) {
      effects.add(
          new InstanceEffect.Refuse(
              IoError.EXISTS, "instance " + name + " was there, and is done once"));
    } else if (there == null && entries.size() >= MAX_INSTANCES) {
      effects.add(
          new InstanceEffect.Refuse(
              IoError.LIMIT,
              "there are " + MAX_INSTANCES + " instances; forget those that have ended"));
    } else {
      entries.put(name, new Entry(create.spec(), create.uuid(), create.nowMillis()));
      effects.add(new InstanceEffect.Publish());
      effects.add(new InstanceEffect.Start(create.spec(), create.uuid()));
    }
  }

  private boolean isDone(String name) {
    Entry there = entries.get(name);
    return done.contains(name) || (there != null && there.state == InstanceState.STOPPED);
  }

  private static void forked(Entry entry, long pid, List<InstanceEffect> effects) {
    if (entry.state.isOver()) {
      return;
    }
    entry.pid = pid;
    effects.add(new InstanceEffect.Publish());
    if (entry.state == InstanceState.STOPPING) {
      effects.add(new InstanceEffect.Terminate(entry.name(), entry.uuid));
    }
  }

  private static void startFailed(Entry entry, String message, List<InstanceEffect> effects) {
    if (entry.state.isOver()) {
      return;
    }
    entry.end(InstanceState.ERROR, "could not be started: " + message);
    effects.add(new InstanceEffect.Publish());
  }

  private static void ready(Entry entry, String address, List<InstanceEffect> effects) {
    boolean isAlive = entry.state == InstanceState.STARTING || entry.state == InstanceState.RUNNING;
    String cut = cut(address, InstanceSpec.MAX_ADDRESS_LENGTH);
    if (!isAlive
        || entry.addresses.size() >= InstanceSpec.MAX_ADDRESSES
        || entry.addresses.contains(cut)) {
      return;
    }
    entry.addresses.add(cut);
    entry.state = InstanceState.RUNNING;
    effects.add(new InstanceEffect.Publish());
  }

  private static void exited(Entry entry, int code, String lastLine, List<InstanceEffect> effects) {
    if (entry.state.isOver()) {
      return;
    }
    entry.exitCode = OptionalInt.of(code);
    if (code == 0) {
      entry.end(InstanceState.STOPPED, "");
    } else {
      entry.end(InstanceState.ERROR, whyEnded(entry, code) + suffix(lastLine));
    }
    effects.add(new InstanceEffect.Publish());
  }

  private static String whyEnded(Entry entry, int code) {
    if (entry.isKilled) {
      return "did not end in time after SIGTERM and was killed";
    }
    String phase = entry.state == InstanceState.STOPPING ? " while stopping" : "";
    return code > SIGNAL_BASE
        ? "ended by signal " + (code - SIGNAL_BASE) + phase
        : "ended with exit code " + code + phase;
  }

  private static String suffix(String lastLine) {
    return lastLine.isEmpty() ? "" : "; it printed last: " + lastLine;
  }

  private static void stop(Entry entry, List<InstanceEffect> effects) {
    if (entry.state.isOver() || entry.state == InstanceState.STOPPING) {
      return;
    }
    entry.state = InstanceState.STOPPING;
    effects.add(new InstanceEffect.Publish());
    if (entry.pid != 0) {
      effects.add(new InstanceEffect.Terminate(entry.name(), entry.uuid));
    }
    effects.add(new InstanceEffect.ArmStopDeadline(entry.name(), entry.uuid));
  }

  private static void stopDeadline(Entry entry, List<InstanceEffect> effects) {
    if (entry.state != InstanceState.STOPPING) {
      return;
    }
    if (entry.pid != 0) {
      entry.isKilled = true;
      effects.add(new InstanceEffect.Kill(entry.name(), entry.uuid));
    }
    // A process that the kernel holds does not even end by SIGKILL: it is told again.
    effects.add(new InstanceEffect.ArmStopDeadline(entry.name(), entry.uuid));
  }

  private void forget(Entry entry, List<InstanceEffect> effects) {
    if (!entry.state.isOver()) {
      effects.add(
          new InstanceEffect.Refuse(
              IoError.BUSY, "instance " + entry.name() + " is " + entry.state + "; stop it first"));
      return;
    }
    entries.remove(entry.name());
    if (entry.spec.isOnce() && done.add(entry.name()) && done.size() > MAX_DONE) {
      done.removeFirst();
    }
    effects.add(new InstanceEffect.Drop(entry.name()));
    effects.add(new InstanceEffect.Publish());
  }

  private void goOnClosing(List<InstanceEffect> effects) {
    boolean isEngineLeft = stopAll(InstanceType.ENGINE, effects);
    if (!isEngineLeft && !stopAll(InstanceType.REPLICA, effects) && !isClosed) {
      isClosed = true;
      effects.add(new InstanceEffect.AllStopped());
    }
  }

  /** Returns whether one of them has not ended yet. */
  private boolean stopAll(InstanceType type, List<InstanceEffect> effects) {
    boolean isOneLeft = false;
    for (Entry entry : entries.values()) {
      if (entry.spec.type() == type && !entry.state.isOver()) {
        isOneLeft = true;
        stop(entry, effects);
      }
    }
    return isOneLeft;
  }

  /** The entry of exactly this run. */
  private Optional<Entry> run(String name, UUID uuid) {
    return Optional.ofNullable(entries.get(name)).filter(entry -> entry.uuid.equals(uuid));
  }

  private @Nullable Entry asked(String name, Optional<UUID> uuid, List<InstanceEffect> effects) {
    Entry entry = entries.get(name);
    if (entry == null) {
      effects.add(new InstanceEffect.Refuse(IoError.NOT_FOUND, "there is no instance " + name));
      return null;
    }
    if (uuid.isPresent() && !uuid.get().equals(entry.uuid)) {
      effects.add(
          new InstanceEffect.Refuse(
              IoError.NOT_FOUND,
              "instance " + name + " runs as " + entry.uuid + ", not as " + uuid.get()));
      return null;
    }
    return entry;
  }

  private static String cut(String text, int most) {
    return text.substring(0, Math.min(text.length(), most));
  }

  /** One run of an instance. */
  private static final class Entry {
    private final InstanceSpec spec;
    private final UUID uuid;
    private final long startedMillis;
    private final List<String> addresses = new ArrayList<>();
    private InstanceState state = InstanceState.STARTING;
    private String errorMessage = "";
    private long pid;
    private boolean isKilled;
    private OptionalInt exitCode = OptionalInt.empty();

    Entry(InstanceSpec spec, UUID uuid, long startedMillis) {
      this.spec = spec;
      this.uuid = uuid;
      this.startedMillis = startedMillis;
    }

    String name() {
      return spec.name();
    }

    void end(InstanceState over, String message) {
      state = over;
      errorMessage = cut(message, MAX_MESSAGE_LENGTH);
    }

    InstanceStatus status() {
      return new InstanceStatus(
          spec, uuid, state, errorMessage, addresses, pid, startedMillis, exitCode);
    }
  }
}
