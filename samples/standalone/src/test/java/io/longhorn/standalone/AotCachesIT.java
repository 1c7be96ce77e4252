package io.longhorn.standalone;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Processes start from the caches of their runtime directory, wherever it is, or without them. */
@Timeout(120)
final class AotCachesIT {
  private static final Path RUNTIME = Path.of("target", "longhorn");

  @TempDir private Path elsewhere;

  private record Ended(int code, String out, String err) {}

  private Ended run(Path runtime, String javaOptions, String... words)
      throws IOException, InterruptedException {
    Path out = elsewhere.resolve("out");
    Path err = elsewhere.resolve("err");
    ProcessBuilder builder =
        new ProcessBuilder(
                Stream.concat(
                        Stream.of(runtime.resolve("bin").resolve("longhorn").toString()),
                        Stream.of(words))
                    .toList())
            .redirectOutput(out.toFile())
            .redirectError(err.toFile());
    builder.environment().put("JAVA_HOME", System.getProperty("java.home"));
    builder.environment().put("LONGHORN_JAVA_OPTIONS", javaOptions);
    int code = builder.start().waitFor();
    return new Ended(code, Files.readString(out, UTF_8), Files.readString(err, UTF_8));
  }

  private Path copy() throws IOException {
    Path copy = elsewhere.resolve("runtime");
    try (Stream<Path> files = Files.walk(RUNTIME)) {
      for (Path file : files.toList()) {
        Path target = copy.resolve(RUNTIME.relativize(file).toString());
        if (Files.isDirectory(file)) {
          Files.createDirectories(target);
        } else {
          Files.copy(file, target, StandardCopyOption.COPY_ATTRIBUTES);
        }
      }
    }
    return copy;
  }

  @ParameterizedTest
  @CsvSource({
    "cli, --help",
    "replica, replica serve --help",
    "engine, engine serve --help",
    "instance-manager, instance-manager run --help",
    "daemon, daemon run --help",
  })
  void aCopyOfTheRuntimeDirectoryStartsFromItsCache(String role, String words) throws Exception {
    assertThat(RUNTIME.resolve("aot").resolve(role)).isNotEmptyFile();
    Ended ended = run(copy(), "-Xlog:aot=info:stderr", words.split(" "));
    assertThat(ended.err).contains("Using AOT-linked classes: true");
  }

  /** As it is published, no cache would take it. */
  @Test
  void theCommandReaderComesFromTheCache() throws Exception {
    Ended ended = run(copy(), "-Xlog:class+load=info:stderr", "volume", "--help");
    assertThat(ended.err)
        .containsPattern("picocli\\.CommandLine source: shared objects file")
        .containsPattern("picocli\\.CommandLine\\$Model\\$CommandSpec source: shared objects file");
  }

  @Test
  void aCacheThatDoesNotFitOrIsDamagedOrMissingIsPassedOverWithoutAWord() throws Exception {
    Path copy = copy();
    Path cache = copy.resolve("aot").resolve("cli");
    List<Ended> ends =
        List.of(
            run(copy, "-XX:-UseCompressedOops", "--version"),
            run(copy, "--add-modules=java.sql", "--version"),
            run(copy, truncated(cache), "--version"),
            run(copy, deleted(cache), "--version"));
    for (Ended ended : ends) {
      assertThat(ended.code).as(ended.err).isZero();
      assertThat(ended.out).startsWith("longhorn ").hasLineCount(1);
      assertThat(ended.err).isEmpty();
    }
  }

  private static String truncated(Path cache) throws IOException {
    byte[] all = Files.readAllBytes(cache);
    Files.write(cache, Arrays.copyOf(all, all.length / 2));
    return "";
  }

  private static String deleted(Path cache) throws IOException {
    Files.delete(cache);
    return "";
  }
}
