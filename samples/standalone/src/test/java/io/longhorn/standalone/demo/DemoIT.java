package io.longhorn.standalone.demo;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

class DemoIT {
  @TempDir private Path state;

  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  private int run(String... words) {
    return new CommandLine(new DemoCommand())
        .setOut(new PrintWriter(out, true))
        .setErr(new PrintWriter(err, true))
        .execute(words);
  }

  private List<String> lines() {
    return out.toString().lines().map(String::strip).toList();
  }

  @Test
  @Timeout(120)
  void everyStepIsMeasuredEveryPromiseKeptAndNothingIsLeftBehind() {
    int code = run("--seconds", "4", "--state", state.toString());
    assertThat(code).as("%s%s", out, err).isZero();
    assertThat(lines())
        .satisfiesExactly(
            line -> assertThat(line).matches("one volume +256 MiB on 3 replicas, seed \\d+, .*"),
            line -> assertThat(line).matches("writing with verification +" + counts()),
            line ->
                assertThat(line).matches("snapshot while writing +taken in .*" + counts() + ".*"),
            line ->
                assertThat(line)
                    .matches("a replica fails while writing +degraded after .*" + counts() + ".*"),
            line ->
                assertThat(line)
                    .matches(
                        "it comes back while writing +in sync after .*, [1-9]\\d* MiB compared; "
                            + counts()),
            line ->
                assertThat(line)
                    .matches("power cut on all replicas +[1-9][\\d,]* unsynced changes .*"),
            line -> assertThat(line).matches("power is back +open after .*every flushed write.*"),
            line -> assertThat(line).matches("writing with verification +" + counts()),
            line ->
                assertThat(line)
                    .matches("compared block by block +256 MiB on 3 replicas: identical"),
            line -> assertThat(line).matches("closed +every promise was kept"));
    assertThat(state).isEmptyDirectory();
  }

  private static String counts() {
    return "[1-9][\\d,]* writes, [\\d,]+ reads checked, [\\d,]+ flushes, 0 errors";
  }

  @Test
  void aWrongNumberOfSecondsIsAUsageError() {
    assertThat(run("--seconds", "1")).isEqualTo(2);
    assertThat(err.toString()).contains("--seconds 1: use a number from 2 to 3600");
  }

  @Test
  void aStateDirectoryThatIsNotThereIsAUsageError() {
    assertThat(run("--state", state.resolve("none").toString())).isEqualTo(2);
    assertThat(err.toString()).contains("none is not a directory").doesNotContain("\tat ");
  }
}
