package io.longhorn.orchestration.main;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.VolumeException;
import io.longhorn.orchestration.Await;
import java.io.File;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.slf4j.LoggerFactory;

/** A main class of this module, or of its tests, in a JVM of its own. */
public final class JavaProcess implements AutoCloseable {
  private final Process process;
  private final Path output;

  private JavaProcess(Process process, Path output) {
    this.process = process;
    this.output = output;
  }

  /** The words that start it. */
  public static List<String> command(Class<?> main, String... words) {
    String classes =
        Stream.of(
                Path.of("target", "test-classes").toAbsolutePath().toString(),
                placeOf(InstanceManagerMain.class),
                placeOf(VolumeException.class),
                placeOf(LoggerFactory.class))
            .distinct()
            .collect(Collectors.joining(File.pathSeparator));
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of("-XX:+UseSerialGC", "-Xmx64m", "-XX:TieredStopAtLevel=1"));
    command.add("-Dslf4j.internal.verbosity=ERROR");
    command.addAll(List.of("--enable-native-access=ALL-UNNAMED", "-cp", classes, main.getName()));
    command.addAll(Arrays.asList(words));
    return command;
  }

  private static String placeOf(Class<?> type) {
    try {
      return Path.of(type.getProtectionDomain().getCodeSource().getLocation().toURI()).toString();
    } catch (URISyntaxException e) {
      throw new AssertionError(e);
    }
  }

  /** Starts an instance manager; what it prints goes into a file. */
  static JavaProcess instanceManager(Path output, String... words) throws IOException {
    Process process =
        new ProcessBuilder(command(InstanceManagerMain.class, words))
            .redirectErrorStream(true)
            .redirectOutput(output.toFile())
            .start();
    return new JavaProcess(process, output);
  }

  String output() {
    try {
      return Files.readString(output);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  JavaProcess awaitServing() {
    Await.until("it serves: " + output(), () -> output().contains("serving ") || !isAlive());
    assertThat(output()).startsWith("serving unix:");
    return this;
  }

  boolean isAlive() {
    return process.isAlive();
  }

  long pid() {
    return process.pid();
  }

  /** SIGTERM. */
  JavaProcess terminate() {
    process.toHandle().destroy();
    return this;
  }

  /** SIGKILL. */
  JavaProcess kill() {
    process.toHandle().destroyForcibly();
    return this;
  }

  int exitCode() throws InterruptedException {
    assertThat(process.waitFor(Await.SECONDS, TimeUnit.SECONDS)).as("has ended").isTrue();
    return process.exitValue();
  }

  @Override
  public void close() {
    process.toHandle().destroyForcibly();
  }
}
