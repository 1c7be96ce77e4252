package io.longhorn.orchestration.supervisor;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.orchestration.instance.LogChunk;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class LogFileTest {
  private static final long MAX_BYTES = 100;

  @TempDir private Path directory;

  private LogFile open() {
    return new LogFile(directory, "r-1", MAX_BYTES);
  }

  private static String text(LogChunk chunk) {
    return new String(chunk.bytes(), StandardCharsets.UTF_8);
  }

  /** Everything from an offset on, as a follower reads it. */
  private static String follow(LogFile log, long offset) throws IOException {
    StringBuilder all = new StringBuilder();
    LogChunk chunk = log.read(offset);
    while (chunk.bytes().length > 0) {
      all.append(text(chunk));
      chunk = log.read(chunk.next());
    }
    assertThat(chunk.next()).isEqualTo(chunk.end());
    return all.toString();
  }

  @Test
  void whatIsAppendedIsReadFromAnyOffset() throws IOException {
    LogFile log = open();
    log.line("one");
    log.line("two");
    assertThat(text(log.read(0))).isEqualTo("one\ntwo\n");
    assertThat(text(log.read(4))).isEqualTo("two\n");
    assertThat(text(log.read(-4))).isEqualTo("two\n");
    assertThat(text(log.read(-1_000))).isEqualTo("one\ntwo\n");
    assertThat(log.read(8).bytes()).isEmpty();
    assertThat(log.read(1_000).next()).as("beyond the end is the end").isEqualTo(8);
    assertThat(text(log.read(Long.MIN_VALUE))).isEqualTo("one\ntwo\n");
  }

  @Test
  void offsetsGoOnOverRotationsAndTwoFilesAreKept() throws IOException {
    LogFile log = open();
    StringBuilder printed = new StringBuilder();
    List<String> followed = new ArrayList<>();
    long next = 0;
    for (int i = 1_000; i < 1_100; i++) {
      log.line("line " + i);
      printed.append("line ").append(i).append('\n');
      for (LogChunk chunk = log.read(next); chunk.bytes().length > 0; chunk = log.read(next)) {
        assertThat(chunk.offset()).isEqualTo(next);
        followed.add(text(chunk));
        next = chunk.next();
      }
    }
    assertThat(String.join("", followed)).isEqualTo(printed.toString());
    try (var files = Files.list(directory)) {
      assertThat(files.map(file -> file.getFileName().toString()))
          .containsExactlyInAnyOrder("r-1.log", "r-1.log.1");
    }
    assertThat(Files.size(directory.resolve("r-1.log"))).isBetween(1L, MAX_BYTES);
    assertThat(Files.size(directory.resolve("r-1.log.1"))).isBetween(1L, MAX_BYTES);
    String kept = follow(log, 0);
    assertThat(printed.toString()).endsWith(kept);
    assertThat(kept.length()).isGreaterThan((int) MAX_BYTES);
    assertThat(log.read(0).offset()).as("older ones are gone").isPositive();
  }

  @Test
  void theNextInstanceManagerGoesOnWithTheFiles() throws IOException {
    LogFile first = open();
    for (int i = 0; i < 20; i++) {
      first.line("line " + i);
    }
    String kept = follow(first, 0);
    LogFile second = open();
    assertThat(follow(second, 0)).isEqualTo(kept);
    second.line("more");
    assertThat(follow(second, 0)).endsWith("line 19\nmore\n");
  }

  @Test
  void aDiskThatTakesNothingLosesBytesAndThatIsSaid() throws IOException {
    Path gone = Files.createDirectory(directory.resolve("gone"));
    LogFile log = new LogFile(gone, "r-1", MAX_BYTES);
    Files.delete(gone);
    log.line("lost");
    log.line("also lost");
    Files.createDirectory(gone);
    log.line("kept");
    assertThat(follow(log, 0))
        .isEqualTo("longhorn instance-manager: 15 bytes of this log could not be written\nkept\n");
  }

  @Test
  void aChunkIsBounded() throws IOException {
    LogFile log = new LogFile(directory, "big", 1 << 20);
    byte[] bytes = new byte[3 * LogChunk.MAX_BYTES / 2];
    log.append(bytes, bytes.length);
    LogChunk chunk = log.read(0);
    assertThat(chunk.bytes()).hasSize(LogChunk.MAX_BYTES);
    assertThat(log.read(chunk.next()).bytes()).hasSize(LogChunk.MAX_BYTES / 2);
  }

  @Test
  void linesAreFoundHoweverTheyArrive() {
    List<String> lines = new ArrayList<>();
    OutputLines output = new OutputLines(lines::add);
    for (String part : List.of("serv", "ing a\n\n  \nlist", "ening b\r\nx\ty", "\u0007\n")) {
      byte[] bytes = part.getBytes(StandardCharsets.UTF_8);
      output.accept(bytes, bytes.length);
    }
    byte[] endless = "z".repeat(5 * OutputLines.MAX_LINE_BYTES).getBytes(StandardCharsets.UTF_8);
    output.accept(endless, endless.length);
    output.end();
    output.end();
    assertThat(lines)
        .containsExactly("serving a", "listening b", "x y", "z".repeat(OutputLines.MAX_LINE_BYTES));
  }
}
