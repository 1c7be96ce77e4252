import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClass;

import java.io.IOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.logging.Level;
import java.util.logging.Logger;
import java.util.stream.Stream;
import javax.tools.JavaCompiler;
import javax.tools.ToolProvider;
import org.junit.platform.engine.CancellationToken;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherExecutionRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;

/**
 * Changes one rule at a time, compiles the class, and runs the decision tests, then the scenario
 * files, until one of them fails. Run by the script beside it.
 */
final class Mutations {
  private static final Path MAIN = Path.of("src/main/java/io/longhorn/orchestration/decision");
  private static final Path TESTS = Path.of("src/test/java");
  private static final int PATIENCE_SECONDS = 300;

  /**
   * One change.
   *
   * @param name whose rule it puts back, or what it changes
   * @param file below the decision package
   * @param before there exactly once; several lines as they stand
   * @param after instead
   */
  record Mutation(String name, String file, String before, String after) {}

  /** What a change did: the first test that failed, or nothing. */
  record Outcome(Mutation mutation, Optional<String> caughtBy, String trouble) {}

  private static final List<Mutation> ALL = MutationTable.all();

  public static void main(String[] words) throws Exception {
    Logger.getLogger("").setLevel(Level.OFF);
    List<Mutation> chosen =
        ALL.stream()
            .filter(one -> words.length == 0 || Stream.of(words).anyMatch(one.name()::contains))
            .toList();
    Outcome none = run(new Mutation("nothing is changed", "", "", ""));
    if (none.caughtBy().isPresent() || !none.trouble().isEmpty()) {
      System.out.println("without any change: " + none.caughtBy().orElse("") + none.trouble());
      System.exit(2);
    }
    List<Outcome> outcomes = new ArrayList<>();
    for (Mutation mutation : chosen) {
      long begin = System.nanoTime();
      Outcome outcome = run(mutation);
      outcomes.add(outcome);
      System.out.printf(
          "%-12s %-72s %4d s  %s%n",
          outcome.caughtBy().isPresent() ? "caught" : "NOT CAUGHT",
          mutation.name(),
          (System.nanoTime() - begin) / 1_000_000_000,
          outcome.caughtBy().orElse(outcome.trouble()));
    }
    long caught = outcomes.stream().filter(one -> one.caughtBy().isPresent()).count();
    System.out.println(caught + " of " + outcomes.size() + " caught");
    System.exit(caught == outcomes.size() ? 0 : 1);
  }

  private static Outcome run(Mutation mutation) throws Exception {
    Path folder = Files.createTempDirectory("mutation");
    try {
      String trouble = mutation.file().isEmpty() ? "" : compile(mutation, folder);
      if (!trouble.isEmpty()) {
        return new Outcome(mutation, Optional.empty(), trouble);
      }
      return test(mutation, folder);
    } finally {
      try (Stream<Path> files = Files.walk(folder)) {
        files.sorted(Comparator.reverseOrder()).forEach(file -> file.toFile().delete());
      }
    }
  }

  private static String compile(Mutation mutation, Path folder) throws IOException {
    Path file = MAIN.resolve(mutation.file());
    String text = Files.readString(file);
    int first = text.indexOf(mutation.before());
    if (first < 0 || text.indexOf(mutation.before(), first + 1) >= 0) {
      return "the text is " + (first < 0 ? "not there" : "there twice") + ": the table is old";
    }
    Path changed = folder.resolve(file.getFileName());
    Files.writeString(changed, text.replace(mutation.before(), mutation.after()));
    JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
    String path = System.getProperty("ours") + ":" + System.getProperty("java.class.path");
    int result =
        compiler.run(
            null,
            null,
            null,
            "-nowarn",
            "-proc:none",
            "-d",
            folder.toString(),
            "-cp",
            path,
            changed.toString());
    return result == 0 ? "" : "does not compile";
  }

  private static Outcome test(Mutation mutation, Path folder) throws Exception {
    List<URL> urls = new ArrayList<>();
    urls.add(folder.toUri().toURL());
    for (String entry : System.getProperty("ours").split(":")) {
      urls.add(Path.of(entry).toAbsolutePath().toUri().toURL());
    }
    ExecutorService one = Executors.newSingleThreadExecutor(task -> {
      Thread thread = new Thread(task, "tests");
      thread.setDaemon(true);
      return thread;
    });
    try (URLClassLoader loader = new URLClassLoader(urls.toArray(URL[]::new), Mutations.class.getClassLoader())) {
      Future<Optional<String>> tests = one.submit(() -> {
        Thread.currentThread().setContextClassLoader(loader);
        for (List<String> group : groups()) {
          Optional<String> failed = execute(loader, group);
          if (failed.isPresent()) {
            return failed;
          }
        }
        return Optional.empty();
      });
      try {
        return new Outcome(mutation, tests.get(PATIENCE_SECONDS, TimeUnit.SECONDS), "");
      } catch (TimeoutException _) {
        tests.cancel(true);
        return new Outcome(mutation, Optional.of("(it never ends)"), "");
      }
    } finally {
      one.shutdownNow();
    }
  }

  /** The tables first, then what takes longer. */
  private static List<List<String>> groups() throws IOException {
    List<String> decisions = new ArrayList<>();
    try (Stream<Path> files = Files.walk(TESTS.resolve("io/longhorn/orchestration/decision"))) {
      files
          .filter(file -> file.toString().endsWith("Test.java"))
          .map(file -> TESTS.relativize(file).toString().replace('/', '.').replaceAll("\\.java$", ""))
          .sorted()
          .forEach(decisions::add);
    }
    List<String> random = decisions.stream().filter(name -> name.contains("Random")).toList();
    decisions.removeAll(random);
    return List.of(
        decisions, List.of("io.longhorn.orchestration.scenario.ScenarioTest"), random);
  }

  private static Optional<String> execute(ClassLoader loader, List<String> classes)
      throws ClassNotFoundException {
    LauncherDiscoveryRequestBuilder request = LauncherDiscoveryRequestBuilder.request();
    for (String name : classes) {
      request.selectors(selectClass(Class.forName(name, false, loader)));
    }
    CancellationToken stop = CancellationToken.create();
    List<String> failed = new ArrayList<>();
    TestExecutionListener listener =
        new TestExecutionListener() {
          @Override
          public void executionFinished(TestIdentifier test, TestExecutionResult result) {
            if (result.getStatus() == TestExecutionResult.Status.FAILED) {
              failed.add(
                  test.getUniqueId().replaceAll(".*\\[class:[\\w.]*?(\\w+)\\].*", "$1")
                      + ": "
                      + test.getDisplayName());
              stop.cancel();
            }
          }
        };
    LauncherFactory.create()
        .execute(
            LauncherExecutionRequestBuilder.request(request.build())
                .listeners(listener)
                .cancellationToken(stop)
                .build());
    return failed.stream().findFirst();
  }

  private Mutations() {}
}
