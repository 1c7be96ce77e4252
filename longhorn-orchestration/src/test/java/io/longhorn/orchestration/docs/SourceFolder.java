package io.longhorn.orchestration.docs;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Text files below a folder, by path, and which rules they speak of.
 *
 * @param files their text
 */
record SourceFolder(SortedMap<String, String> files) {
  /** A rule's name: a letter with a number, or a section with a row. */
  private static final String NAME = "(?:[A-Z][0-9]+[w']?|D|[0-9]+(?:\\.[0-9]+)?(?:/[0-9]+)?)";

  /** {@code Rule C5, C7}: where it is carried out, and where it is tested. */
  private static final Pattern CITED =
      Pattern.compile("\\bRules?\\s+(" + NAME + "(?:(?:,|\\s+and)\\s+" + NAME + ")*)(?![\\w/])");

  private static final Pattern ONE = Pattern.compile(NAME);

  /** In a test a name with a letter speaks for itself, and so does a row of a section. */
  private static final Pattern BARE =
      Pattern.compile(
          "(?<![\\w./'#-])([A-Z][0-9]{1,2}[w']?|[0-9]\\.[0-9]+/[0-9]+|8/[0-9])(?![\\w/'-]|\\.\\d)");

  /** Keeps the map as it is. */
  SourceFolder {
    files = Collections.unmodifiableSortedMap(new TreeMap<>(files));
  }

  /** Every file below that ends so, if there is such a folder. */
  static SourceFolder below(Path folder, String ending) {
    TreeMap<String, String> files = new TreeMap<>();
    if (!Files.exists(folder)) {
      return new SourceFolder(files);
    }
    try (Stream<Path> found = Files.walk(folder)) {
      for (Path file : found.filter(path -> path.toString().endsWith(ending)).toList()) {
        files.put(folder.relativize(file).toString(), Files.readString(file));
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return new SourceFolder(files);
  }

  /** Those that are not in a folder of that name: what makes the pages proves nothing. */
  SourceFolder without(String folder) {
    TreeMap<String, String> rest = new TreeMap<>(files);
    rest.keySet().removeIf(path -> ("/" + path).contains("/" + folder + "/"));
    return new SourceFolder(rest);
  }

  /** A file's name without folder and ending. */
  static String nameOf(String path) {
    String name = path.substring(path.lastIndexOf('/') + 1);
    return name.substring(0, name.lastIndexOf('.'));
  }

  /** By rule, the files that say {@code Rule X}. */
  SortedMap<String, SortedSet<String>> cited() {
    TreeMap<String, SortedSet<String>> found = new TreeMap<>();
    files.forEach((path, text) -> {
      // A citation may run over the end of a comment line.
      Matcher matcher = CITED.matcher(text.replaceAll("\\n\\s*(?://|\\*)\\s?", " "));
      while (matcher.find()) {
        Matcher one = ONE.matcher(matcher.group(1));
        while (one.find()) {
          found.computeIfAbsent(one.group(), _ -> new TreeSet<>()).add(nameOf(path));
        }
      }
    });
    return found;
  }

  /** By rule, the files that name it in whichever way. */
  SortedMap<String, SortedSet<String>> named() {
    TreeMap<String, SortedSet<String>> found = new TreeMap<>(cited());
    files.forEach((path, text) -> {
      Matcher matcher = BARE.matcher(text);
      while (matcher.find()) {
        found.computeIfAbsent(matcher.group(1), _ -> new TreeSet<>()).add(nameOf(path));
      }
    });
    return found;
  }
}
