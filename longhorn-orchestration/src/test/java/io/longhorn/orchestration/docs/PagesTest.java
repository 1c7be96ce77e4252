package io.longhorn.orchestration.docs;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The pages are as the sources say, and have no empty cell. */
final class PagesTest {
  private static final Path REPOSITORY = Path.of("..");

  @Test
  void everyRuleHasOnePlannerAndATest() throws IOException {
    RulesPage page = new RulesPage(REPOSITORY, Path.of(""));
    String text = page.render();
    assertThat(page.problems()).isEmpty();
    check("rules.md", text);
  }

  @Test
  void everyScenarioAndEveryKnownFaultHasATest() throws IOException {
    ScenariosPage page = new ScenariosPage(REPOSITORY);
    String text = page.render();
    assertThat(page.problems()).isEmpty();
    check("scenarios.md", text);
  }

  /** A rule that nobody has, or two have, or no test names, is found, and so is one unknown. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "A1 of it. | Rule A1: so | Rule A2: so | A1, A2 | -",
        "A1 of it. | none | Rule A2: so | A1, A2 | rule A1 has no class",
        "A1 of it. | Rule A1, A2 | Rule A2: so | A1, A2 | rule A2 has classes [One, Two]",
        "A1 of it. | Rule A1: so | Rule A2: so | A2 | no test names rule A1",
        "A1 of it. | Rule A1: so | Rule A2: so | A2; A11 | no test names rule A1",
        "A1 of it. | Rule A1 and B7 | Rule A2: so | A1, A2 | rule B7 of [One] is not in rules.txt",
        "A1 of it. | Rule A1: so | none | A1, A2 | rule A2 has no class",
        "nothing.  | Rule A1: so | Rule A2: so | A1, A2 | rule A3: no record 006 that speaks of it",
      })
  void whatIsMissingIsFound(
      String record, String one, String two, String tests, String problem, @TempDir Path folder)
      throws IOException {
    write(folder.resolve("docs/adr/006-x.md"), record + (record.startsWith("A1") ? " A3" : ""));
    write(folder.resolve("src/main/One.java"), "// " + one + "\n");
    write(folder.resolve("src/main/Two.java"), "// " + two + "\n");
    write(folder.resolve("src/test/ATest.java"), "// " + tests + "\n");
    write(
        folder.resolve("src/test/docs/rules.txt"),
        "## s\nA1 | first\nA2 | second\nA3 | third | 006\n");
    RulesPage page = new RulesPage(folder, folder);
    String text = page.render();
    assertThat(page.problems()).isEqualTo(problem.equals("-") ? List.of() : List.of(problem));
    if (problem.equals("-")) {
      assertThat(text).contains("| A1 | first | `One` | `ATest` |").doesNotContain("|  |");
    }
  }

  private static void write(Path file, String text) throws IOException {
    Files.createDirectories(file.getParent());
    Files.writeString(file, text);
  }

  private static void check(String name, String text) throws IOException {
    Path file = REPOSITORY.resolve("docs").resolve(name);
    if (Boolean.getBoolean("docs.rewrite") || "".equals(System.getProperty("docs.rewrite"))) {
      Files.writeString(file, text);
    }
    assertThat(Files.exists(file) ? Files.readString(file) : "")
        .as("docs/" + name + " is old: -Ddocs.rewrite writes it anew")
        .isEqualTo(text);
  }
}
