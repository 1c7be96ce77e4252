package io.longhorn.samples.controlplane;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

class ControlPlaneSampleTest {
  private static final int MOST_LINES = 12;

  @Test
  void theSampleMovesAndUpgradesAndSaysWhatItWaitsFor() {
    PrintStream before = System.out;
    ByteArrayOutputStream printed = new ByteArrayOutputStream();
    System.setOut(new PrintStream(printed, true, StandardCharsets.UTF_8));
    try {
      ControlPlaneSample.main(new String[0]);
    } finally {
      System.setOut(before);
    }
    List<String> lines = printed.toString(StandardCharsets.UTF_8).lines().toList();
    assertThat(lines).contains("disk attached healthy on node-2, image 1.1");
    assertThat(lines).anyMatch(line -> line.contains("on node-1, migrating to node-2"));
    // With the name of the rule that waits.
    assertThat(lines)
        .anyMatch(line -> line.matches("disk .*; (7\\.1|M15|M6|U7|5\\.5|3\\.5).*: .+"));
  }

  @Test
  void theLinesInTheReadmeAreThoseOfTheSampleThatRuns() throws IOException {
    String sample =
        Files.readString(
            Path.of("src/main/java/io/longhorn/samples/controlplane/ControlPlaneSample.java"));
    String body = sample.substring(sample.indexOf("use(ControlPlane plane) {\n") + 26);
    String shown = body.substring(0, body.indexOf("  }\n"));
    assertThat(Files.readString(Path.of("..", "..", "README.md"))).contains(shown);
    assertThat(shown.lines().count()).isLessThanOrEqualTo(MOST_LINES);
  }
}
