package io.longhorn.standalone.demo;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The demo as a user starts it, from the runtime directory of this build. */
class DemoIT {
  private static final Path LAUNCHER = Path.of("target", "longhorn", "bin", "longhorn");

  @TempDir private Path state;

  /** What it printed, on both streams, the exit code last. */
  private List<String> run(String... words) throws IOException, InterruptedException {
    List<String> command = new ArrayList<>(List.of(LAUNCHER.toString(), "demo"));
    command.addAll(List.of(words));
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    builder.environment().put("JAVA_HOME", System.getProperty("java.home"));
    Process process = builder.start();
    String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    List<String> lines = new ArrayList<>(out.lines().map(String::strip).toList());
    lines.add("exit code " + process.waitFor());
    return lines;
  }

  @Test
  @Timeout(600)
  void everyStepIsMeasuredEveryPromiseKeptAndNothingIsLeftBehind() throws Exception {
    List<String> lines = run("--seconds", "4", "--state", state.toString());
    assertThat(lines)
        .satisfiesExactly(
            line -> assertThat(line).matches("three nodes +one daemon, .* up after .*"),
            line -> assertThat(line).matches("one volume, 3 replicas +256 MiB, attached after .*"),
            line -> assertThat(line).contains("nbd+unix:///demo?socket="),
            line -> assertThat(line).matches("writing with verification +" + counts()),
            line ->
                assertThat(line).matches("snapshot while writing +taken in .*" + counts() + ".*"),
            line ->
                assertThat(line).matches("kill -9 replica on node-\\d +degraded after " + back()),
            line ->
                assertThat(line)
                    .matches("kill -9 instance manager, node-\\d +degraded after " + back()),
            line ->
                assertThat(line)
                    .matches("kill -9 daemon +I/O went on, .*the same engine and replicas.*"),
            line -> assertThat(line).matches("kill -9 engine +detached and attached " + whole()),
            line ->
                assertThat(line).matches("kill -9 all \\d+ processes +up and attached" + whole()),
            line -> assertThat(line).matches("writing with verification +" + counts()),
            line -> assertThat(line).matches("verified 256 MiB on every replica +identical, .*"),
            line -> assertThat(line).matches("closed after .* +every promise was kept"),
            line -> assertThat(line).isEqualTo("exit code 0"));
    assertThat(state).isEmptyDirectory();
    assertThat(leftProcesses()).isEmpty();
  }

  private List<String> leftProcesses() throws IOException {
    List<String> left = new ArrayList<>();
    try (Stream<ProcessHandle> all = ProcessHandle.allProcesses()) {
      all.map(process -> process.info().commandLine().orElse(""))
          .filter(words -> words.contains(state.toString()))
          .forEach(left::add);
    }
    return left;
  }

  private static String counts() {
    return "[1-9][\\d,]* writes, [\\d,]+ reads checked, [\\d,]+ flushes, 0 errors";
  }

  private static String back() {
    return ".* in sync again .* later; " + counts() + ".*";
  }

  private static String whole() {
    return ".*; every acknowledged write is there";
  }

  @Test
  void aWrongNumberOfSecondsIsAUsageError() throws Exception {
    List<String> lines = run("--seconds", "1");
    assertThat(lines).contains("exit code 2");
    assertThat(lines.getFirst()).contains("--seconds 1: use a number from 2 to 3600");
  }

  @Test
  void aStateDirectoryThatIsNotThereIsAUsageError() throws Exception {
    Path none = state.resolve("none");
    assertThat(run("--state", none.toString()))
        .contains("exit code 2")
        .noneMatch(line -> line.startsWith("at "));
    assertThat(Files.exists(none)).isFalse();
  }
}
