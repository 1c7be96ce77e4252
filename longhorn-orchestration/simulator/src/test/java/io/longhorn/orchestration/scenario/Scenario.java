package io.longhorn.orchestration.scenario;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * A scenario as it stands in its file: what it promises, what is done, and what came of it.
 *
 * <p>The file begins with comment lines ({@code # }): the first one is the number and the title,
 * lines like {@code # Promise: …} name a fact of the header. Blocks follow, with an empty line
 * between them: commands, one a line, then {@code ----}, then the output of these commands. {@code
 * expect} is a command too: it is checked against what happened, not against the output, so that
 * writing the outputs anew cannot hide a wrong outcome.
 *
 * @param name of the file, without its ending
 * @param header the comment lines, without their marks
 * @param blocks in the order of the file
 */
record Scenario(String name, List<String> header, List<Block> blocks) {
  /** How the files end. */
  static final String ENDING = ".scenario";

  private static final String RULER = "----";

  /** Copies the lists. */
  Scenario {
    header = List.copyOf(header);
    blocks = List.copyOf(blocks);
  }

  /**
   * Commands, and what they print.
   *
   * @param commands as written, comments between them included
   * @param output golden
   */
  record Block(List<String> commands, List<String> output) {
    /** Copies the lists. */
    Block {
      commands = List.copyOf(commands);
      output = List.copyOf(output);
    }
  }

  /** Where the files are, seen from the module. */
  static Path folder() {
    return Path.of("src", "test", "scenarios");
  }

  /** All files there, by name. */
  static List<Scenario> all() {
    try (Stream<Path> files = Files.list(folder())) {
      return files
          .filter(file -> file.toString().endsWith(ENDING))
          .sorted()
          .map(Scenario::read)
          .toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The one in a file. */
  static Scenario read(Path file) {
    try {
      String name = file.getFileName().toString();
      return parse(name.substring(0, name.length() - ENDING.length()), Files.readAllLines(file));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** From the lines of a file. */
  static Scenario parse(String name, List<String> lines) {
    List<String> header = new ArrayList<>();
    int next = 0;
    while (next < lines.size() && lines.get(next).startsWith("#")) {
      String line = lines.get(next++);
      header.add(line.startsWith("# ") ? line.substring(2).stripTrailing() : "");
    }
    List<Block> blocks = new ArrayList<>();
    while (next < lines.size()) {
      if (lines.get(next).isBlank()) {
        next++;
        continue;
      }
      List<String> commands = new ArrayList<>();
      while (next < lines.size() && !lines.get(next).equals(RULER)) {
        if (lines.get(next).isBlank()) {
          throw new IllegalArgumentException(
              name + ":" + (next + 1) + ": commands without " + RULER + " after them");
        }
        commands.add(lines.get(next++));
      }
      if (next == lines.size()) {
        throw new IllegalArgumentException(name + ": the last commands have no " + RULER);
      }
      next++;
      List<String> output = new ArrayList<>();
      while (next < lines.size() && !lines.get(next).isBlank()) {
        output.add(lines.get(next++));
      }
      blocks.add(new Block(commands, output));
    }
    if (header.isEmpty() || blocks.isEmpty()) {
      throw new IllegalArgumentException(name + ": has to begin with a comment, then commands");
    }
    return new Scenario(name, header, blocks);
  }

  /** The first line of the header: number and title. */
  String title() {
    return header.getFirst();
  }

  /** What its name begins with, as the title does: {@code 2.1a moved}. */
  String number() {
    return title().substring(0, title().indexOf("  "));
  }

  /** The outputs in the file. */
  List<List<String>> outputs() {
    return blocks.stream().map(Block::output).toList();
  }

  /** What the header says after a word and a colon, over as many lines as it takes. */
  Optional<String> fact(String word) {
    TreeMap<String, String> facts = new TreeMap<>();
    String current = "";
    for (String line : header.subList(1, header.size())) {
      if (line.matches("[A-Z][a-z]+( [a-z]+)?: .*")) {
        current = line.substring(0, line.indexOf(':'));
        facts.put(current, line.substring(current.length() + 2));
      } else if (!current.isEmpty()) {
        facts.merge(current, line.strip(), (before, more) -> (before + " " + more).strip());
      }
    }
    return Optional.ofNullable(facts.get(word));
  }

  /** As a file, with other outputs. */
  String render(List<List<String>> outputs) {
    StringBuilder text = new StringBuilder();
    header.forEach(line -> text.append(line.isEmpty() ? "#" : "# " + line).append('\n'));
    for (int i = 0; i < blocks.size(); i++) {
      text.append(i == 0 ? "" : "\n");
      blocks.get(i).commands().forEach(line -> text.append(line).append('\n'));
      text.append(RULER).append('\n');
      outputs.get(i).forEach(line -> text.append(line).append('\n'));
    }
    return text.toString();
  }
}
