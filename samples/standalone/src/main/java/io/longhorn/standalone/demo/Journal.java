package io.longhorn.standalone.demo;

import java.io.PrintWriter;
import java.util.Locale;
import java.util.concurrent.TimeUnit;

/** One line per step, and whether a promise was broken. */
final class Journal {
  private final PrintWriter out;
  private boolean isClean = true;

  Journal(PrintWriter out) {
    this.out = out;
  }

  /** What was done, and what came of it. */
  void line(String step, String what) {
    out.printf(Locale.ROOT, "  %-34s %s%n", step, what);
    out.flush();
  }

  /** Says so if it does not hold. */
  void promise(boolean holds, String otherwise) {
    if (!holds) {
      isClean = false;
      line("BROKEN", otherwise);
    }
  }

  boolean isClean() {
    return isClean;
  }

  /** For people: two significant places and a unit. */
  static String time(long nanos) {
    double millis = (double) nanos / TimeUnit.MILLISECONDS.toNanos(1);
    return millis < 10
        ? String.format(Locale.ROOT, "%.1f ms", millis)
        : millis < 1000
            ? String.format(Locale.ROOT, "%.0f ms", millis)
            : String.format(Locale.ROOT, "%.1f s", millis / 1000);
  }

  static String mebibytes(long bytes) {
    return String.format(Locale.ROOT, "%,d MiB", (bytes + (1 << 19)) >> 20);
  }
}
