package io.longhorn.standalone;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintWriter;
import java.io.StringWriter;
import org.junit.jupiter.api.Test;

final class LonghornTest {

  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  private int run(String... args) {
    return Longhorn.commandLine(args)
        .setOut(new PrintWriter(out, true))
        .setErr(new PrintWriter(err, true))
        .execute(args);
  }

  @Test
  void helpNamesTheCommandAndEndsWell() {
    assertThat(run("--help")).isZero();
    assertThat(out.toString()).contains("Usage: longhorn").contains("longhorn replica");
  }

  @Test
  void versionIsTheOneOfTheBuild() {
    assertThat(run("--version")).isZero();
    assertThat(out.toString()).matches("longhorn \\d+\\.\\d+\\.\\d+.*, Java 25.*\\R");
  }

  @Test
  void anUnknownOptionIsAUsageErrorThatShowsNoStackTrace() {
    assertThat(run("--hepl")).isEqualTo(2);
    assertThat(err.toString()).contains("--hepl").doesNotContain("\tat ");
  }

  @Test
  void noCommandAtAllIsAUsageError() {
    assertThat(run()).isEqualTo(2);
    assertThat(err.toString()).contains("longhorn --help");
  }
}
