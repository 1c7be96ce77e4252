package io.longhorn.orchestration.sim.world;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Supplier;

/**
 * What happened, for a reader: a column for the control plane and one for each node. Nothing is put
 * into words unless somebody will read it. What has no reader is still counted.
 */
public final class SimTrace {
  /** The column of the control plane, of Kubernetes and of people. */
  public static final String CONTROL = "control";

  private static final int MAX_LINES = 200_000;
  private static final int WIDTH = 34;

  private record Line(long nanos, String where, String what) {}

  private final SimScheduler scheduler;
  private final List<String> columns;
  private final boolean isTold;
  private final ArrayDeque<Line> lines = new ArrayDeque<>();
  private long events;

  /** A trace with these columns; empty for ever unless it is told. */
  public SimTrace(SimScheduler scheduler, List<String> nodes, boolean isTold) {
    this.scheduler = scheduler;
    columns = new ArrayList<>(nodes);
    columns.addFirst(CONTROL);
    this.isTold = isTold;
  }

  /** It happened there. */
  public void tell(String where, Supplier<String> what) {
    events++;
    if (isTold) {
      if (lines.size() == MAX_LINES) {
        lines.removeFirst();
      }
      lines.add(new Line(scheduler.nowNanos(), where, what.get()));
    }
  }

  /** How much happened. */
  public long events() {
    return events;
  }

  /** All of it, a line each: time, then the column, one for each node. */
  public String text() {
    return text(MAX_LINES);
  }

  /** The last lines of it. */
  public String text(int last) {
    StringBuilder text = new StringBuilder();
    text.append(String.format(Locale.ROOT, "%12s ", "seconds"));
    columns.forEach(column -> text.append(pad(column)));
    text.append('\n');
    int skip = lines.size() - last;
    for (Line line : lines) {
      if (skip-- > 0) {
        continue;
      }
      long micros = line.nanos / 1_000;
      StringBuilder row = new StringBuilder();
      row.append(String.format(Locale.ROOT, "%5d.%06d ", micros / 1_000_000, micros % 1_000_000));
      for (String column : columns) {
        if (column.equals(line.where)) {
          break;
        }
        row.append(pad("|"));
      }
      text.append(row).append(line.what).append('\n');
    }
    return text.toString();
  }

  private static String pad(String word) {
    StringBuilder padded = new StringBuilder(word);
    while (padded.length() < WIDTH) {
      padded.append(' ');
    }
    return padded.toString();
  }
}
