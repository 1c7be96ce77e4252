package io.longhorn.orchestration.docs;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;

/** Which rows {@code docs/scenarios.md} has to have, and what the test of a row has to name. */
final class ScenarioRows {
  /** 17 scenarios in 26 timings, and both ends of 2.1. */
  private static final List<String> SEED =
      List.of(
          "1.1, 0.5 s",
          "1.1, 1 s",
          "1.2, 0.5 s",
          "1.2, 1 s",
          "1.3, crash first, 0.5 s",
          "1.3, crash first, 1 s",
          "1.3, rollback first, 0.5 s",
          "1.3, rollback first, 1 s",
          "2.1, then va-2 deleted",
          "2.1, then va-1 deleted",
          "2.2, 0.5 s",
          "2.2, 1 s",
          "2.3, 0.5 s",
          "2.3, 1 s",
          "2.4, 0.5 s",
          "2.4, 1 s",
          "2.5, 0.5 s",
          "2.5, 1 s",
          "3.1",
          "3.2",
          "3.3",
          "3.4",
          "4",
          "5.1",
          "5.2",
          "6.1",
          "6.2");

  /** Those where the guest can have moved before. */
  private static final List<String> MOVED =
      List.of(
          "2.1 moved, va-2 deleted",
          "2.1 moved, va-1 deleted",
          "2.2 moved, 0.5 s",
          "2.2 moved, 1 s",
          "2.3 moved, 0.5 s",
          "2.3 moved, 1 s",
          "2.4 moved, 0.5 s",
          "2.4 moved, 1 s",
          "2.5 moved, 0.5 s",
          "2.5 moved, 1 s",
          "5.1 moved",
          "6.1 moved",
          "6.2 moved");

  private static final List<String> CLEANUP =
      List.of("engine and replica instance managers", "all in one");

  /** Section 9.1 of the reference, whatever the cause. */
  private static final String FAULTS =
      "7396 5632 6642 4827 10495 6961 7302 13109 10285 12311 9705 11397 7128 6215 6238 5992 8735 "
          + "3206 3401 11479 10157 12238 11755 7833 12978 12049 6277 11271 6479 6552 11208 9216";

  private static final int DIFFERENCES = 11;
  private static final int UNTESTED_THERE = 10;
  private static final int HOLES = 5;

  private static final String LATER = "Left to processes, devices and sockets";

  private ScenarioRows() {}

  /** Of the rows that have to be there, those that are not. */
  static List<String> missing(Collection<String> keys) {
    List<String> missing = new ArrayList<>();
    for (String key : concat(SEED, MOVED, CLEANUP)) {
      if (!keys.contains(key)) {
        missing.add(key);
      }
    }
    requireFrom(missing, keys, "3/", DIFFERENCES, " ");
    requireFrom(missing, keys, "", UNTESTED_THERE, ": ");
    requireFrom(missing, keys, "H", HOLES, ": ");
    for (String number : FAULTS.split(" ", -1)) {
      if (keys.stream().noneMatch(key -> key.matches(".*#" + number + "\\b.*"))) {
        missing.add("#" + number);
      }
    }
    return missing;
  }

  @SafeVarargs
  private static List<String> concat(List<String>... lists) {
    List<String> all = new ArrayList<>();
    for (List<String> list : lists) {
      all.addAll(list);
    }
    return all;
  }

  private static void requireFrom(
      List<String> missing, Collection<String> keys, String before, int last, String after) {
    for (int i = 1; i <= last; i++) {
      String start = before + i;
      boolean isThere =
          keys.stream().anyMatch(key -> key.equals(start) || key.startsWith(start + after));
      if (!isThere) {
        missing.add(start);
      }
    }
  }

  /** Whether a row may do without a test that is run now. */
  static boolean mayBeLater(String section, String key) {
    return section.equals(LATER) || key.startsWith("6: purge, expansion, backup");
  }

  /**
   * What one of the tests or files of a row has to say.
   *
   * @param named found in at least one of them
   */
  record Row(Pattern named) {
    /** Of a row; empty if nothing is asked of its tests but that they are there. */
    static Optional<Row> of(String section, String key) {
      if (section.equals(LATER)) {
        return Optional.empty();
      }
      if (SEED.contains(key) || MOVED.contains(key)) {
        String number = key.split("[ ,]", 2)[0];
        String title = "(?s)^# [\\d.]+[a-z]?" + (MOVED.contains(key) ? " moved" : "") + "  .*";
        String timing = key.contains("0.5 s") ? ",[^\n]*\\b0\\.5s" : ",[^\n]*\\b1s";
        return Optional.of(
            naming(
                title
                    + "# Seed: ha-volume-migration\\.md, "
                    + Pattern.quote(number)
                    + (key.endsWith(" s") ? timing : "\\b")));
      }
      if (CLEANUP.contains(key)) {
        return Optional.of(naming("# Seed: instance-manager-cleanup\\.md"));
      }
      if (key.matches("H\\d: .*")) {
        return Optional.of(naming("(?i)\\bh" + key.charAt(1) + "(?=\\W|[A-Z])"));
      }
      if (key.startsWith("#")) {
        return Optional.of(naming("(?<!\\d)" + key.substring(1).split("\\D", 2)[0] + "(?!\\d)"));
      }
      if (key.matches("\\d+: .*")) {
        String number = key.substring(0, key.indexOf(':'));
        // What is built so far has its test in a file of its own.
        return key.matches("(6: snapshot|6: purge|10: the same).*")
            ? Optional.empty()
            : Optional.of(naming("# Seed: reference 10\\.3, " + number + "\\b"));
      }
      return Optional.empty();
    }

    private static Row naming(String pattern) {
      return new Row(Pattern.compile(pattern));
    }
  }

  /** An expectation as the page shows it; empty if it is not of interest there. */
  static String fact(String expectation) {
    if (expectation.matches("(log|event|refused) .*")) {
      return expectation.replaceAll("^(log|event|refused) ", "");
    }
    if (expectation.matches("fields.*")) {
      return expectation.equals("fields")
          ? "all five fields empty"
          : expectation.substring("fields ".length());
    }
    boolean isShown =
        expectation.matches(
            "(not )?detached|(same|new) engine( and replicas)?"
                + "|state (detached|attaching)|engine unknown|(no|1) engine started"
                + "|no I/O error|image \\w+|waits \\S+|instance managers of \\w+: .*");
    return isShown ? expectation : "";
  }
}
