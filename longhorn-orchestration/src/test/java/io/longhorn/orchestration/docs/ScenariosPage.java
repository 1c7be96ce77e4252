package io.longhorn.orchestration.docs;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * {@code docs/scenarios.md}: what becomes of each scenario of the two seed documents, there and
 * here, and the test of each way in which Longhorn goes wrong. What is here is read from what the
 * scenario files expect; the rest is in {@code src/test/docs/scenarios.txt}: {@code row | there |
 * file.scenario}, or {@code row | there | here | test}.
 */
final class ScenariosPage {
  private static final Pattern TEST = Pattern.compile("([\\w-]+)#(\\w+)");

  private final SortedMap<String, String> scenarios;
  private final SortedMap<String, String> tests = new TreeMap<>();
  private final List<String> problems = new ArrayList<>();
  private final TreeSet<String> shown = new TreeSet<>();
  private final StringBuilder page = new StringBuilder();

  /** From the files of the module in whose folder this runs. */
  ScenariosPage(Path repository) {
    scenarios = new TreeMap<>();
    SourceFolder.below(Path.of("src", "test", "scenarios"), ".scenario")
        .files()
        .forEach((path, text) -> scenarios.put(SourceFolder.nameOf(path), text));
    for (String module :
        List.of("longhorn-api", "longhorn-replica", "longhorn-engine", "longhorn-orchestration")) {
      SourceFolder.below(repository.resolve(module).resolve("src").resolve("test"), ".java")
          .files()
          .forEach((path, text) -> tests.put(SourceFolder.nameOf(path), text));
    }
  }

  /** What is missing, one line each. */
  List<String> problems() {
    return List.copyOf(problems);
  }

  /** The page. */
  String render() {
    page.append(
        """
        # What happens when

        Made from the scenario files and `src/test/docs/scenarios.txt` by `PagesTest`; `./build -pl \
        longhorn-orchestration test -Dtest=PagesTest -Ddocs.rewrite` writes it anew. "Here" is what \
        the file expects and the build checks, not what somebody remembers. The files are in \
        `longhorn-orchestration/src/test/scenarios`.
        """);
    try {
      for (String line : Files.readAllLines(Path.of("src", "test", "docs", "scenarios.txt"))) {
        if (line.startsWith("## ")) {
          page.append('\n').append(line).append("\n\n| | there | here | shown by |\n");
          page.append("|---|---|---|---|\n");
        } else if (line.startsWith("> ")) {
          page.append('\n').append(line.substring(2)).append('\n');
        } else if (!line.isBlank() && !line.startsWith("# ")) {
          row(List.of(line.split(" \\| ")));
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    scenarios.keySet().stream()
        .filter(name -> !shown.contains(name))
        .forEach(name -> problems.add(name + " has no row"));
    return page.toString();
  }

  private void row(List<String> parts) {
    if (parts.stream().anyMatch(String::isBlank) || parts.size() < 3 || parts.size() > 4) {
      problems.add("not well formed: " + parts);
      return;
    }
    String last = parts.getLast();
    String here = parts.size() == 4 ? parts.get(2) : here(last);
    page.append("| ")
        .append(parts.get(0))
        .append(" | ")
        .append(parts.get(1))
        .append(" | ")
        .append(here)
        .append(" | ")
        .append(shownBy(parts.get(0), last))
        .append(" |\n");
  }

  private String shownBy(String row, String text) {
    List<String> cells = new ArrayList<>();
    for (String one : text.split(", ")) {
      Matcher matcher = TEST.matcher(one);
      if (scenarios.containsKey(one)) {
        shown.add(one);
        cells.add(
            "[" + one + "](../longhorn-orchestration/src/test/scenarios/" + one + ".scenario)");
      } else if (matcher.matches()) {
        if (!tests.getOrDefault(matcher.group(1), "").contains(" " + matcher.group(2) + "(")) {
          problems.add(row + ": there is no test " + one);
        }
        cells.add("`" + one + "`");
      } else if (one.startsWith("later: ")) {
        cells.add(one);
      } else {
        problems.add(row + ": neither a scenario nor a test: " + one);
      }
    }
    return String.join(", ", cells);
  }

  /** What a scenario expects, in a line. */
  private String here(String name) {
    String text = scenarios.get(name);
    if (text == null) {
      problems.add("there is no scenario " + name);
      return "";
    }
    List<String> facts = new ArrayList<>();
    for (String line : text.split("\n", -1)) {
      if (!line.startsWith("expect ") || text.indexOf(line) < text.indexOf("----")) {
        continue;
      }
      String what = line.substring("expect ".length());
      String fact =
          what.startsWith("log ") || what.startsWith("event ") || what.startsWith("refused ")
              ? what.replaceAll("^(log|event|refused) ", "")
              : what.matches(
                      "(not )?detached|(same|new) engine( and replicas)?|state (detached|attaching)|no engine started|no I/O error|image \\w+|waits \\w+")
                  ? what
                  : "";
      if (!fact.isEmpty() && !facts.contains(fact)) {
        facts.add(fact);
      }
    }
    String fields = "";
    Matcher matcher = Pattern.compile("(?m)^expect fields(.*)$").matcher(text);
    while (matcher.find()) {
      fields = matcher.group(1).strip();
    }
    if (text.contains("\nexpect fields")) {
      facts.add(fields.isEmpty() ? "all five fields empty" : fields);
    }
    if (facts.isEmpty()) {
      problems.add(name + " expects nothing");
    }
    return String.join("; ", facts);
  }
}
