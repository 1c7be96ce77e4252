package io.longhorn.standalone;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import picocli.CommandLine;

/** What holds of every command there is. */
final class CommandTreeTest {
  /** To look at and to execute, again and again: a tree of all commands takes long to make. */
  private static final CommandLine WHOLE = Longhorn.wholeCommandLine();

  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  private int run(String words) {
    return run(words, Longhorn::commandLine);
  }

  private int run(String words, Function<String[], CommandLine> commands) {
    String[] args = words.isEmpty() ? new String[0] : words.split(" ");
    return commands
        .apply(args)
        .setOut(new PrintWriter(out, true))
        .setErr(new PrintWriter(err, true))
        .execute(args);
  }

  /** The words of every command but {@code help}, which explains itself otherwise. */
  static Stream<String> commands() {
    List<String> found = new ArrayList<>();
    collect(WHOLE, "", found);
    return found.stream();
  }

  static Stream<String> groups() {
    return Stream.of(
        "", "volume", "snapshot", "replica", "instance-manager", "engine-image", "node", "setting");
  }

  private static void collect(CommandLine command, String words, List<String> found) {
    found.add(words.strip());
    command
        .getSubcommands()
        .forEach((name, sub) -> {
          if (!name.equals("help")) {
            collect(sub, words + " " + name, found);
          }
        });
  }

  @ParameterizedTest(name = "longhorn {0}")
  @MethodSource("commands")
  void everyCommandExplainsItselfAndItsOptions(String words) {
    CommandLine command = WHOLE;
    for (String word : words.isEmpty() ? List.<String>of() : Arrays.asList(words.split(" "))) {
      command = command.getSubcommands().get(word);
    }
    assertThat(command.getCommandSpec().usageMessage().description()).isNotEmpty();
    assertThat(command.getCommandSpec().options())
        .allSatisfy(option -> assertThat(option.description()).isNotEmpty());
    assertThat(command.getCommandSpec().positionalParameters())
        .allSatisfy(parameter -> assertThat(parameter.description()).isNotEmpty());
    assertThat(run((words + " --help").strip())).isZero();
    assertThat(out.toString()).contains("Usage: longhorn");
    assertThat(err.toString()).isEmpty();
  }

  @ParameterizedTest(name = "longhorn {0}")
  @MethodSource("groups")
  void aGroupWithoutACommandIsWrongUseThatSaysWhereToLook(String words) {
    assertThat(run(words)).isEqualTo(2);
    assertThat(err.toString().lines())
        .containsExactly(
            "longhorn: Missing command", ("See longhorn " + words).strip() + " --help");
  }

  /** Right words, and wrong ones at every place. */
  static Stream<String> words() {
    return Stream.concat(
        commands().map(words -> (words + " --hepl").strip()),
        Stream.of(
            "--help",
            "--version",
            "nonsense",
            "volum",
            "volume atach v",
            "volume --help",
            "volume attach --help",
            "volume attach --node",
            "volume --help attach",
            "volume help attach",
            "help volume",
            "help volume attach",
            "-h volume",
            "down up",
            "generate-completion"));
  }

  @ParameterizedTest(name = "longhorn {0}")
  @MethodSource("words")
  void whatIsLeftOutOfTheTreeIsNotMissed(String words) {
    int code = run(words);
    String said = out.toString() + err;
    out.getBuffer().setLength(0);
    err.getBuffer().setLength(0);
    assertThat(run(words, _ -> WHOLE)).isEqualTo(code);
    assertThat(out.toString() + err).isEqualTo(said);
  }

  @Test
  void helpIsACommandToo() {
    assertThat(run("help volume")).isZero();
    assertThat(run("volume help attach")).isZero();
    assertThat(out.toString()).contains("Usage: longhorn volume", "longhorn volume attach");
  }

  @Test
  void theCompletionScriptNamesTheCommands() {
    assertThat(run("generate-completion")).isZero();
    assertThat(out.toString())
        .startsWith("#!/usr/bin/env bash")
        .contains("instance-manager", "--timeout", "complete -F");
  }

  @Test
  void whereAnErrorCameFromIsShownOnlyIfThatIsAskedFor() {
    assertThat(run("status --state /nobody/has/this")).isEqualTo(1);
    assertThat(err.toString()).hasLineCount(1).doesNotContain("\tat ");
    assertThat(run("status --state /nobody/has/this --debug")).isEqualTo(1);
    assertThat(err.toString()).contains("\tat io.longhorn");
  }
}
