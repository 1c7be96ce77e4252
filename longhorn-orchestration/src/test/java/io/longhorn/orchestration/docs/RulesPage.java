package io.longhorn.orchestration.docs;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * {@code docs/rules.md}: each rule of the reference, the one class that has it, and the tests that
 * name it. What a rule says is in {@code src/test/docs/rules.txt}: {@code name | text}, or {@code
 * name | text | record} for one that was dropped or changed on purpose.
 */
final class RulesPage {
  private final SortedMap<String, SortedSet<String>> owners;
  private final SortedMap<String, SortedSet<String>> tests;
  private final List<String> problems = new ArrayList<>();
  private final StringBuilder page = new StringBuilder();
  private final TreeSet<String> known = new TreeSet<>();
  private final Path repository;
  private final Path sources;

  /** From the sources of a module of the repository and of its simulator. */
  RulesPage(Path repository, Path module) {
    this.repository = repository;
    sources = module.resolve("src");
    owners = SourceFolder.below(sources.resolve("main"), ".java").cited();
    tests = new TreeMap<>();
    for (String ending : List.of(".java", ".scenario", ".csv")) {
      for (Path folder :
          List.of(sources.resolve("test"), module.resolve("simulator").resolve("src"))) {
        SourceFolder.below(folder, ending)
            .without("docs")
            .without("mutations")
            .named()
            .forEach(
                (rule, files) -> tests.computeIfAbsent(rule, _ -> new TreeSet<>()).addAll(files));
      }
    }
  }

  /** What is missing or too much, one line each. */
  List<String> problems() {
    return List.copyOf(problems);
  }

  /** The page. */
  String render() {
    page.append(
        """
        # Rules of the control plane

        Made from the sources by `PagesTest`; `./build -pl longhorn-orchestration test \
        -Dtest=PagesTest -Ddocs.rewrite` writes it anew. The names are those of Longhorn's rules as \
        our reference has them. A planner cites a rule where it carries it out (`Rule C5`), a test \
        where it would catch its absence. What was dropped or changed on purpose names the record \
        that says why.
        """);
    try {
      for (String line :
          Files.readAllLines(sources.resolve("test").resolve("docs").resolve("rules.txt"))) {
        if (line.startsWith("## ")) {
          page.append('\n').append(line).append("\n\n| rule | what it says | where | tests |\n");
          page.append("|---|---|---|---|\n");
        } else if (!line.isBlank() && !line.startsWith("# ")) {
          row(List.of(line.split(" \\| ")));
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    owners.forEach((rule, classes) -> {
      if (!known.contains(rule)) {
        problems.add("rule " + rule + " of " + classes + " is not in rules.txt");
      }
    });
    return page.toString();
  }

  private void row(List<String> parts) {
    String rule = parts.get(0).strip();
    if (parts.size() < 2 || !known.add(rule)) {
      problems.add("line of rule " + rule + " is not well formed, or there twice");
      return;
    }
    SortedSet<String> owning = owners.getOrDefault(rule, new TreeSet<>());
    SortedSet<String> testing = tests.getOrDefault(rule, new TreeSet<>());
    String where;
    if (parts.size() > 2) {
      where = decision(rule, parts.get(2).strip());
      if (!owning.isEmpty()) {
        where = "`" + owning.first() + "`; " + where;
      }
    } else if (owning.size() == 1) {
      where = "`" + owning.first() + "`";
    } else {
      problems.add(
          "rule " + rule + " has " + (owning.isEmpty() ? "no class" : "classes " + owning));
      where = "";
    }
    if (owning.size() > 1 && parts.size() > 2) {
      problems.add("rule " + rule + " has classes " + owning);
    }
    if (testing.isEmpty() && parts.size() == 2) {
      problems.add("no test names rule " + rule);
    }
    page.append("| ")
        .append(rule)
        .append(" | ")
        .append(parts.get(1).strip())
        .append(" | ")
        .append(where)
        .append(" | ")
        .append(testing.isEmpty() ? "none: there is nothing of it" : names(testing))
        .append(" |\n");
  }

  /** A link to the record with that number. */
  private String decision(String rule, String number) {
    Path folder = repository.resolve("docs").resolve("adr");
    try (var files = Files.list(folder)) {
      List<String> found =
          files
              .map(file -> file.getFileName().toString())
              .filter(name -> name.startsWith(number))
              .toList();
      if (found.size() != 1 || !Files.readString(folder.resolve(found.getFirst())).contains(rule)) {
        problems.add("rule " + rule + ": no record " + number + " that speaks of it");
        return "";
      }
      return "changed: [ADR " + number + "](adr/" + found.getFirst() + ")";
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The first few; the rest as a number. */
  static String names(SortedSet<String> all) {
    int most = 6;
    String shown =
        String.join(", ", all.stream().limit(most).map(name -> "`" + name + "`").toList());
    return all.size() <= most ? shown : shown + ", and " + (all.size() - most) + " more";
  }
}
