import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClass;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
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
 * Changes one rule at a time, compiles its class into a folder of its own, and runs the tests that
 * are to notice: what {@link LonghornRules} puts back, and {@link OtherRules}. Run by the script
 * beside it.
 */
final class Mutations {
  private static final Path MAIN = Path.of("src/main/java/io/longhorn/orchestration/decision");
  private static final Path TESTS = Path.of("src/test/java");
  private static final int PATIENCE_SECONDS = 300;

  /** What a change did: the first test that failed, or nothing. */
  record Outcome(Mutation mutation, Optional<String> caughtBy, String trouble) {}

  public static void main(String[] words) throws Exception {
    Logger.getLogger("").setLevel(Level.OFF);
    List<Mutation> chosen =
        Stream.concat(LonghornRules.ALL.stream(), OtherRules.ALL.stream())
            .filter(one -> words.length == 0 || Stream.of(words).anyMatch(one.name()::contains))
            .toList();
    SortedMap<String, String> classes = testClasses();
    String all = String.join(" ", chosen.stream().map(Mutation::tests).toList());
    Outcome none = run(new Mutation("nothing is changed", "", "", "", all), classes);
    if (none.caughtBy().isPresent() || !none.trouble().isEmpty()) {
      System.out.println("without any change: " + none.caughtBy().orElse("") + none.trouble());
      System.exit(2);
    }
    int caught = 0;
    for (Mutation mutation : chosen) {
      long begin = System.nanoTime();
      Outcome outcome = run(mutation, classes);
      caught += outcome.caughtBy().isPresent() ? 1 : 0;
      System.out.printf(
          "%-10s %-80s %3d s  %s%n",
          outcome.caughtBy().isPresent() ? "caught" : "NOT CAUGHT",
          mutation.name(),
          (System.nanoTime() - begin) / 1_000_000_000,
          outcome.caughtBy().orElse(outcome.trouble()));
    }
    System.out.println(caught + " of " + chosen.size() + " caught");
    System.exit(caught == chosen.size() ? 0 : 1);
  }

  /** By simple name. */
  private static SortedMap<String, String> testClasses() throws IOException {
    TreeMap<String, String> found = new TreeMap<>();
    try (Stream<Path> files = Files.walk(TESTS)) {
      files
          .map(file -> TESTS.relativize(file).toString())
          .filter(file -> file.endsWith("Test.java"))
          .map(file -> file.replace(".java", "").replace('/', '.'))
          .forEach(name -> found.put(name.substring(name.lastIndexOf('.') + 1), name));
    }
    return found;
  }

  private static Outcome run(Mutation mutation, SortedMap<String, String> classes)
      throws Exception {
    Path folder = Files.createTempDirectory("mutation");
    try {
      String trouble = mutation.file().isEmpty() ? "" : compile(mutation, folder);
      if (!trouble.isEmpty()) {
        return new Outcome(mutation, Optional.empty(), trouble);
      }
      return test(mutation, folder, classes);
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
    ByteArrayOutputStream said = new ByteArrayOutputStream();
    int result =
        compiler.run(
            null,
            said,
            said,
            "-nowarn",
            "-proc:none",
            "-d",
            folder.toString(),
            "-cp",
            path,
            changed.toString());
    return result == 0 ? "" : "does not compile: " + said;
  }

  private static Outcome test(
      Mutation mutation, Path folder, SortedMap<String, String> classes) throws Exception {
    List<String> names = new ArrayList<>();
    for (String simple : mutation.tests().split(" ")) {
      if (!classes.containsKey(simple)) {
        return new Outcome(mutation, Optional.empty(), "there is no test " + simple);
      }
      if (!names.contains(classes.get(simple))) {
        names.add(classes.get(simple));
      }
    }
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
    ClassLoader theirs = Mutations.class.getClassLoader();
    try (URLClassLoader loader = new URLClassLoader(urls.toArray(URL[]::new), theirs)) {
      Future<Optional<String>> tests = one.submit(() -> {
        Thread.currentThread().setContextClassLoader(loader);
        return execute(loader, names);
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
                      + "."
                      + test.getUniqueId().replaceAll(".*\\[(?:method|test-template):(\\w+).*", "$1")
                      + (test.getDisplayName().endsWith("()") ? "" : " " + test.getDisplayName()));
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
