package io.longhorn.orchestration.scenario;

import io.longhorn.orchestration.scenario.RandomScenario.Result;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * {@code ./build sim}: plays random scenarios. {@code --seeds N} of them, or for {@code --minutes
 * M}, until {@code --failures F} have failed; {@code --seed S} plays one and prints what happened,
 * a column for each node. With both, {@code --seed S} is the first of many.
 */
final class SimMain {
  private static final long MOST_FAILURES = 5;
  private static final long REPORT_SECONDS = 30;

  private SimMain() {}

  /** Ends with 1 if a seed failed, with 2 if it was not understood. */
  public static void main(String[] words) {
    System.exit(run(List.of(words)));
  }

  private static int run(List<String> words) {
    long seed = -1;
    long seeds = -1;
    long minutes = -1;
    long failures = MOST_FAILURES;
    for (int i = 0; i < words.size(); i += 2) {
      String value = i + 1 < words.size() ? words.get(i + 1) : "";
      if (!value.matches("[0-9]{1,18}")) {
        return usage();
      }
      switch (words.get(i)) {
        case "--seed" -> seed = Long.parseLong(value);
        case "--seeds" -> seeds = Long.parseLong(value);
        case "--minutes" -> minutes = Long.parseLong(value);
        case "--failures" -> failures = Long.parseLong(value);
        default -> {
          return usage();
        }
      }
    }
    if (seed >= 0 && seeds < 0 && minutes < 0) {
      return replay(seed);
    }
    return many(seed < 0 ? 1 : seed, seeds < 0 && minutes < 0 ? 1_000 : seeds, minutes, failures);
  }

  private static int usage() {
    System.err.println(
        "sim: --seeds N, --minutes M, --seed S (one alone is replayed), --failures F");
    return 2;
  }

  private static int replay(long seed) {
    Result result = RandomScenario.play(seed, true);
    System.out.println(result.trace());
    System.out.println(
        "seed "
            + seed
            + ", "
            + result.events()
            + " events: "
            + result.failure().orElse("all is well"));
    return result.failure().isPresent() ? 1 : 0;
  }

  private static int many(long first, long seeds, long minutes, long failures) {
    RandomRun run = new RandomRun(first);
    long begin = System.nanoTime();
    long end = minutes < 0 ? Long.MAX_VALUE : begin + minutes * 60_000_000_000L;
    CountDownLatch isOver = new CountDownLatch(1);
    Thread.ofVirtual().start(() -> report(run, isOver));
    run.run(
        () -> System.nanoTime() >= end || (seeds >= 0 && run.begun(first) >= seeds),
        (int) failures);
    isOver.countDown();
    run.lines().forEach(System.out::println);
    System.out.println(run.summary() + ", " + (System.nanoTime() - begin) / 1_000_000_000 + " s");
    return run.failures().isEmpty() ? 0 : 1;
  }

  private static void report(RandomRun run, CountDownLatch isOver) {
    int told = 0;
    try {
      while (!isOver.await(REPORT_SECONDS, TimeUnit.SECONDS)) {
        List<String> failed = run.lines();
        failed.subList(told, failed.size()).forEach(System.out::println);
        told = failed.size();
        System.out.println(run.summary());
      }
    } catch (InterruptedException _) {
      Thread.currentThread().interrupt();
    }
  }
}
