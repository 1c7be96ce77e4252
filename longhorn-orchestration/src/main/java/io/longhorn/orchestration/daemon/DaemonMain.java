package io.longhorn.orchestration.daemon;

import io.longhorn.api.VolumeException;
import io.longhorn.orchestration.execution.RuntimeLayout;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * The daemon as a process: prints {@code ready ADDRESS}, serves until the cluster is shut down, by
 * command or by SIGTERM or SIGINT. Exit codes: 0 shut down, 1 failed, 2 usage.
 */
public final class DaemonMain {
  private static final int FAILED = 1;
  private static final int USAGE_ERROR = 2;

  private static final String USAGE =
      """
      usage: longhorn daemon run --state DIR --nodes N --launcher PATH [--image-version TEXT]
          the control plane of a cluster on this machine; longhorn up starts it
      """;

  private static final List<String> OPTIONS =
      List.of("--state", "--nodes", "--launcher", "--image-version");

  private DaemonMain() {}

  /** Runs until the cluster is shut down. */
  public static void main(String[] words) {
    System.exit(run(List.of(words), System.out, System.err));
  }

  static int run(List<String> words, PrintStream out, PrintStream err) {
    TreeMap<String, String> values = new TreeMap<>();
    try {
      parse(words, values);
    } catch (IllegalArgumentException e) {
      err.println("longhorn daemon: " + e.getMessage());
      err.print(USAGE);
      return USAGE_ERROR;
    }
    try {
      RuntimeLayout layout = RuntimeLayout.of(Path.of(values.getOrDefault("--state", "")));
      serve(layout, values, out);
      return 0;
    } catch (VolumeException e) {
      err.println("longhorn daemon: " + e.getMessage());
      return FAILED;
    }
  }

  private static void parse(List<String> words, SortedMap<String, String> values) {
    if (words.isEmpty() || !words.getFirst().equals("run")) {
      throw new IllegalArgumentException("say what to do: run");
    }
    for (int i = 1; i < words.size(); i += 2) {
      String word = words.get(i);
      if (!OPTIONS.contains(word) || i + 1 == words.size()) {
        throw new IllegalArgumentException("'" + word + "' is unknown or has no value");
      }
      values.put(word, words.get(i + 1));
    }
    for (String needed : List.of("--state", "--nodes", "--launcher")) {
      if (!values.containsKey(needed)) {
        throw new IllegalArgumentException(needed + " is missing");
      }
    }
    if (!values.getOrDefault("--nodes", "").matches("[0-9]{1,4}")) {
      throw new IllegalArgumentException("--nodes: use a number");
    }
  }

  private static void serve(
      RuntimeLayout layout, SortedMap<String, String> values, PrintStream out) {
    int nodes = Integer.parseInt(values.getOrDefault("--nodes", "0"));
    String launcher = values.getOrDefault("--launcher", "");
    String version = values.getOrDefault("--image-version", "");
    Daemon daemon = Daemon.open(layout, nodes, launcher, version);
    Thread stop =
        Thread.ofPlatform()
            .name("stop")
            .unstarted(() -> {
              if (!daemon.whenShutDown().isDone()) {
                daemon.shutDown();
                daemon.close();
                layout.removeRuntime();
                // The signal's own exit code would say that something went wrong.
                Runtime.getRuntime().halt(0);
              }
            });
    Runtime.getRuntime().addShutdownHook(stop);
    out.println("ready " + daemon.address());
    out.flush();
    daemon.whenShutDown().join();
    daemon.close();
    layout.removeRuntime();
  }
}
