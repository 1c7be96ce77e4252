package io.longhorn.orchestration.docs;

import io.longhorn.orchestration.docs.ScenarioRows.Row;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * {@code docs/scenarios.md}: what becomes of each scenario of the two seed documents, there and
 * here, and the test of each way in which Longhorn goes wrong. What is here is read from what the
 * scenario files expect; the rest is in {@code src/test/docs/scenarios.txt}: {@code row | there |
 * file}, or {@code row | there | here | test, test}.
 *
 * <p>It has problems if a row that has to be there is not ({@link ScenarioRows}), if a cell is
 * empty, if a test or a file is not there, or is not run, if none of a row's tests and files names
 * what the row is about, or if a scenario file has no row.
 */
final class ScenariosPage {
  private static final Pattern TEST = Pattern.compile("([\\w-]+)#(\\w+)");
  private static final String LATER = "later: ";

  private final SortedMap<String, String> scenarios = new TreeMap<>();
  private final SortedMap<String, String> tests = new TreeMap<>();
  private final List<String> problems = new ArrayList<>();
  private final TreeSet<String> shown = new TreeSet<>();
  private final List<String> keys = new ArrayList<>();
  private final StringBuilder page = new StringBuilder();
  private String section = "";

  /** From the files of the module in whose folder this runs. */
  ScenariosPage(Path repository) {
    SourceFolder.below(Path.of("simulator", "src", "test", "scenarios"), ".scenario")
        .files()
        .forEach((path, text) -> scenarios.put(SourceFolder.nameOf(path), text));
    for (String module :
        List.of(
            "longhorn-api",
            "longhorn-replica",
            "longhorn-engine",
            "longhorn-orchestration",
            "longhorn-orchestration/simulator")) {
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
        `longhorn-orchestration/simulator/src/test/scenarios`.
        """);
    try {
      for (String line : Files.readAllLines(Path.of("src", "test", "docs", "scenarios.txt"))) {
        if (line.startsWith("## ")) {
          section = line.substring("## ".length());
          page.append('\n').append(line).append("\n\n");
        } else if (line.startsWith("> ")) {
          page.append(line.substring(2)).append("\n\n");
          page.append("| | there | here | shown by |\n|---|---|---|---|\n");
        } else if (!line.isBlank() && !line.startsWith("# ")) {
          row(List.of(line.split(" \\| ", -1)));
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    scenarios.keySet().stream()
        .filter(name -> !shown.contains(name))
        .forEach(name -> problems.add(name + " has no row"));
    ScenarioRows.missing(keys).forEach(key -> problems.add("there is no row " + key));
    return page.toString();
  }

  private void row(List<String> parts) {
    if (parts.stream().anyMatch(String::isBlank) || parts.size() < 3 || parts.size() > 4) {
      problems.add("not well formed: " + parts);
      return;
    }
    String key = parts.getFirst();
    keys.add(key);
    String last = parts.getLast();
    String here = parts.size() == 4 ? parts.get(2) : here(last);
    String by = shownBy(key, List.of(last.split(", (?=later: |[\\w.-]+(?:#|,|$))")));
    page.append("| ").append(String.join(" | ", key, parts.get(1), here, by)).append(" |\n");
  }

  private String shownBy(String key, List<String> all) {
    List<String> cells = new ArrayList<>();
    List<String> sources = new ArrayList<>();
    for (String one : all) {
      Matcher matcher = TEST.matcher(one);
      if (scenarios.containsKey(one)) {
        shown.add(one);
        sources.add(scenarios.get(one));
        cells.add(
            "["
                + one
                + "](../longhorn-orchestration/simulator/src/test/scenarios/"
                + one
                + ".scenario)");
      } else if (matcher.matches()) {
        Optional<String> test = testIn(matcher.group(1), matcher.group(2));
        test.ifPresentOrElse(
            sources::add, () -> problems.add(key + ": there is no test that is run, " + one));
        cells.add("`" + one + "`");
      } else if (one.startsWith(LATER)) {
        cells.add(one);
      } else {
        problems.add(key + ": neither a scenario nor a test: " + one);
      }
    }
    if (sources.isEmpty() && !ScenarioRows.mayBeLater(section, key)) {
      problems.add(key + ": nothing shows it now");
    }
    Row.of(section, key)
        .map(Row::named)
        .filter(name -> sources.stream().noneMatch(source -> name.matcher(source).find()))
        .ifPresent(name -> problems.add(key + ": none of its tests names it: " + name));
    return String.join(", ", cells);
  }

  /** A method that is a test, with what is said of it; empty if it is none, or is not run. */
  private Optional<String> testIn(String type, String method) {
    String text = tests.getOrDefault(type, "");
    Matcher matcher =
        Pattern.compile("\\n  (?:void|Stream<DynamicTest>) " + method + "\\(").matcher(text);
    if (!matcher.find()) {
      return Optional.empty();
    }
    // Annotations and comment: from the end of what is above it; the method: to its own end.
    int from =
        Math.max(
            text.lastIndexOf("\n  }\n", matcher.start()),
            text.lastIndexOf("\n\n", matcher.start()));
    int until = text.indexOf("\n  }\n", matcher.end());
    String found = text.substring(Math.max(from, 0), until < 0 ? text.length() : until);
    String above = text.substring(Math.max(from, 0), matcher.start());
    boolean isRun =
        Pattern.compile("@(Test|ParameterizedTest|TestFactory)\\b").matcher(above).find()
            && !above.contains("@Disabled")
            && !text.contains("@Disabled\nfinal class");
    return isRun ? Optional.of(found) : Optional.empty();
  }

  /** What a scenario expects, in a line. */
  private String here(String name) {
    String text = scenarios.get(name);
    if (text == null) {
      problems.add("there is no scenario " + name);
      return "";
    }
    List<String> facts = new ArrayList<>();
    List<String> known = new ArrayList<>();
    // The first one is how it is before anything happens.
    for (String block : text.substring(text.indexOf("\n----\n")).split("\n\n", -1)) {
      List<String> fresh = new ArrayList<>();
      for (String line : block.split("\n", -1)) {
        String fact =
            line.startsWith("expect ") ? ScenarioRows.fact(line.substring("expect ".length())) : "";
        if (!fact.isEmpty() && !known.contains(fact)) {
          fresh.add(fact);
          known.add(fact);
        }
      }
      if (!fresh.isEmpty()) {
        facts.add((facts.isEmpty() ? "" : "then ") + String.join("; ", fresh));
      }
    }
    if (facts.isEmpty()) {
      problems.add(name + " expects nothing");
    }
    return String.join("; ", facts);
  }
}
