package io.longhorn.orchestration.docs;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** The pages are as the sources say, and have no empty cell. */
final class PagesTest {
  private static final Path REPOSITORY = Path.of("..");

  @Test
  void everyRuleHasOnePlannerAndATest() throws IOException {
    RulesPage page = new RulesPage(REPOSITORY);
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
