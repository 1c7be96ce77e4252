package io.longhorn.orchestration.sim.world;

import java.util.PriorityQueue;
import java.util.UUID;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;

/**
 * Time and chance of a simulation: what is to happen, in the order of its time and, at one time, in
 * the order in which it was asked for. One thread; no clock but its own.
 */
public final class SimScheduler {
  /** Nanoseconds of a millisecond. */
  public static final long MILLI = 1_000_000L;

  /** When a simulation begins, in milliseconds since 1970: the first of January 2026. */
  public static final long EPOCH_MILLIS = 1_767_225_600_000L;

  /** Something that is to happen. */
  public static final class Timer implements Comparable<Timer> {
    private final long atNanos;
    private final long number;
    private final boolean isBackground;
    private final Runnable task;
    private boolean isOver;

    private Timer(long atNanos, long number, boolean isBackground, Runnable task) {
      this.atNanos = atNanos;
      this.number = number;
      this.isBackground = isBackground;
      this.task = task;
    }

    @Override
    public int compareTo(Timer other) {
      int byTime = Long.compare(atNanos, other.atNanos);
      return byTime != 0 ? byTime : Long.compare(number, other.number);
    }
  }

  private final RandomGenerator random;
  private final PriorityQueue<Timer> timers = new PriorityQueue<>();
  private long nowNanos;
  private long lastNumber;
  private long lastId;
  private int foreground;
  private long lastActivityNanos;

  /** Everything that follows is decided by the seed. */
  public SimScheduler(long seed) {
    random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
  }

  /** Nanoseconds since the beginning. */
  public long nowNanos() {
    return nowNanos;
  }

  /** Milliseconds since 1970. */
  public long nowMillis() {
    return EPOCH_MILLIS + nowNanos / MILLI;
  }

  /** Chance. */
  public RandomGenerator random() {
    return random;
  }

  /** A whole number of nanoseconds between the two, in milliseconds; both may come. */
  public long millisBetween(long least, long most) {
    return MILLI * least + (most > least ? random.nextLong(MILLI * (most - least) + 1) : 0);
  }

  /** Whether one of so many times it happens; never for 0. */
  public boolean happens(int oneOf) {
    return oneOf > 0 && random.nextInt(oneOf) == 0;
  }

  /** An identity that nobody else has; its first eight digits count. */
  public UUID newUuid(int kind) {
    long number = ++lastId;
    return new UUID(number << 32 | 0x4000L, 0x8000_0000_0000_0000L | kind);
  }

  /** A number that nobody else has. */
  public long newNumber() {
    return ++lastId;
  }

  /** Something that has to happen before the simulation is at rest. */
  public Timer after(long nanos, Runnable task) {
    return add(nanos, false, task);
  }

  /** Something that goes on for ever, or is waited for: a rest does not wait for it. */
  public Timer inBackground(long nanos, Runnable task) {
    return add(nanos, true, task);
  }

  private Timer add(long nanos, boolean isBackground, Runnable task) {
    Timer timer = new Timer(nowNanos + Math.max(nanos, 0), ++lastNumber, isBackground, task);
    timers.add(timer);
    foreground += isBackground ? 0 : 1;
    return timer;
  }

  /** It does not happen any more, if it has not yet. */
  public void cancel(Timer timer) {
    if (!timer.isOver) {
      end(timer);
    }
  }

  private void end(Timer timer) {
    timer.isOver = true;
    foreground -= timer.isBackground ? 0 : 1;
  }

  /** When the next thing happens; {@link Long#MAX_VALUE} if nothing does. */
  public long nextNanos() {
    Timer next = timers.peek();
    while (next != null && next.isOver) {
      timers.remove();
      next = timers.peek();
    }
    return next == null ? Long.MAX_VALUE : next.atNanos;
  }

  /** The next thing happens; there has to be one. */
  public void step() {
    if (nextNanos() == Long.MAX_VALUE) {
      throw new IllegalStateException("nothing is to happen any more");
    }
    Timer next = timers.remove();
    end(next);
    nowNanos = Math.max(nowNanos, next.atNanos);
    next.task.run();
  }

  /** Time passes without anything happening; at most until the next thing. */
  public void passUntil(long nanos) {
    nowNanos = Math.max(nowNanos, Math.min(nanos, nextNanos()));
  }

  /** Whether nothing is to happen that a rest waits for. */
  public boolean isIdle() {
    return foreground == 0;
  }

  /** Something has changed that matters. */
  public void active() {
    lastActivityNanos = nowNanos;
  }

  /** When something last changed that matters. */
  public long lastActivityNanos() {
    return lastActivityNanos;
  }
}
