package io.longhorn.samples.embedded;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class ReadmeTest {
  private static final int MOST_LINES = 15;

  @Test
  void theLinesInTheReadmeAreThoseOfTheSampleThatRuns() throws IOException {
    String readme = Files.readString(Path.of("..", "..", "README.md"));
    String shown = readme.substring(readme.indexOf("```java\n") + 8);
    shown = shown.substring(0, shown.indexOf("```"));
    String sample =
        Files.readString(Path.of("src/main/java/io/longhorn/samples/embedded/EmbeddedSample.java"));
    String main = sample.substring(sample.indexOf("main(String[] args) {\n") + 22);
    assertThat(main).startsWith(shown);
    assertThat(main.substring(shown.length())).as("nothing is left out").isEqualTo("  }\n}\n");
    assertThat(shown.lines().count()).isBetween(1L, (long) MOST_LINES);
  }
}
