package io.longhorn.orchestration.main;

import io.longhorn.orchestration.call.CallAddress;
import io.longhorn.orchestration.instance.InstanceSpec;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.List;
import java.util.TreeMap;

/**
 * The words of the command line.
 *
 * @param node whose processes it starts
 * @param listen where it takes calls
 * @param logs directory of the logs
 */
record InstanceManagerArguments(String node, CallAddress.Unix listen, Path logs) {
  static final String USAGE =
      """
      usage: longhorn instance-manager run --node NAME --listen unix:PATH --logs DIR
          starts, stops and watches the engine and replica processes of a node, and keeps their logs;
          prints "serving ADDRESS"; on SIGTERM ends engines, then replicas, then itself
      """;

  private static final List<String> OPTIONS = List.of("--node", "--listen", "--logs");

  /** Throws {@link IllegalArgumentException} with one line that says what is wrong. */
  static InstanceManagerArguments parse(List<String> words) {
    if (words.isEmpty() || !words.getFirst().equals("run")) {
      throw new IllegalArgumentException(
          words.isEmpty()
              ? "say what to do: run"
              : "unknown word '" + words.getFirst() + "'; use run");
    }
    TreeMap<String, String> values = new TreeMap<>();
    for (int i = 1; i < words.size(); i += 2) {
      String option = words.get(i);
      if (!OPTIONS.contains(option)) {
        throw new IllegalArgumentException("unknown option '" + option + "'");
      }
      if (i + 1 == words.size()) {
        throw new IllegalArgumentException(option + " needs a value");
      }
      if (values.put(option, words.get(i + 1)) != null) {
        throw new IllegalArgumentException(option + " is there twice; give it once");
      }
    }
    return new InstanceManagerArguments(
        InstanceSpec.requireName(value(values, "--node")),
        unix(value(values, "--listen")),
        path(value(values, "--logs")));
  }

  private static String value(TreeMap<String, String> values, String option) {
    String value = values.get(option);
    if (value == null || value.isEmpty()) {
      throw new IllegalArgumentException(option + " is missing");
    }
    return value;
  }

  private static CallAddress.Unix unix(String text) {
    return switch (CallAddress.parse(text)) {
      case CallAddress.Unix unix -> unix;
      // The files of a unix socket have an owner; whoever reaches this one runs commands as him.
      case CallAddress.Tcp _ ->
          throw new IllegalArgumentException(
              "--listen " + text + ": an instance manager takes calls at unix:PATH only");
    };
  }

  private static Path path(String text) {
    try {
      return Path.of(text).toAbsolutePath();
    } catch (InvalidPathException e) {
      throw new IllegalArgumentException("--logs '" + e.getInput() + "' is no path", e);
    }
  }
}
