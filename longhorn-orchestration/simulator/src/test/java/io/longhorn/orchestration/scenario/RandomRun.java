package io.longhorn.orchestration.scenario;

import io.longhorn.orchestration.scenario.RandomScenario.Result;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/** Plays many random scenarios on all processors. */
final class RandomRun {
  private final AtomicLong next;
  private final AtomicLong events = new AtomicLong();
  private final AtomicLong seeds = new AtomicLong();
  private final AtomicLong millis = new AtomicLong();
  private final List<Result> failures = Collections.synchronizedList(new ArrayList<>());

  /** Seeds from this one on. */
  RandomRun(long first) {
    next = new AtomicLong(first);
  }

  /** Plays until it is enough, or so many have failed. */
  void run(BooleanSupplier isEnough, int mostFailures) {
    int workers = Runtime.getRuntime().availableProcessors();
    AtomicReference<@Nullable Throwable> died = new AtomicReference<>();
    List<Thread> threads = new ArrayList<>();
    for (int i = 0; i < workers; i++) {
      threads.add(
          Thread.ofPlatform()
              .name("seeds-" + (i + 1))
              .uncaughtExceptionHandler((_, e) -> died.compareAndSet(null, e))
              .start(() -> work(isEnough, mostFailures)));
    }
    for (Thread thread : threads) {
      boolean isOver = false;
      while (!isOver) {
        try {
          thread.join();
          isOver = true;
        } catch (InterruptedException _) {
          next.set(Long.MAX_VALUE);
        }
      }
    }
    Throwable cause = died.get();
    if (cause != null) {
      // What was not played has not passed.
      throw new IllegalStateException("a thread that plays seeds has died", cause);
    }
  }

  private void work(BooleanSupplier isEnough, int mostFailures) {
    while (!isEnough.getAsBoolean() && failures.size() < mostFailures) {
      long seed = next.getAndIncrement();
      if (seed < 0) {
        return;
      }
      Result result = RandomScenario.play(seed, false);
      seeds.incrementAndGet();
      events.addAndGet(result.events());
      millis.addAndGet(result.millis());
      if (result.failure().isPresent()) {
        failures.add(result);
      }
    }
  }

  /** How many were begun. */
  long begun(long first) {
    return next.get() - first;
  }

  /** What failed. */
  List<Result> failures() {
    return List.copyOf(failures);
  }

  /** What was done, in a line. */
  String summary() {
    return seeds.get()
        + " seeds, "
        + events.get()
        + " events, "
        + millis.get() / 60_000
        + " minutes of their time, "
        + failures.size()
        + " failed";
  }

  /** What failed, a line each, with what replays it. */
  List<String> lines() {
    return failures().stream()
        .map(failed ->
            "seed "
                + failed.seed()
                + ": "
                + failed.failure().orElse("")
                + "\n  replay: ./build sim --seed "
                + failed.seed())
        .toList();
  }
}
