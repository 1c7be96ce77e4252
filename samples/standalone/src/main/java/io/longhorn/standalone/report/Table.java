package io.longhorn.standalone.report;

import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;

/** Rows in columns as wide as they need to be. */
public final class Table {
  private static final String GAP = "  ";

  private final List<String> head;
  private final List<List<String>> rows = new ArrayList<>();

  /** An empty table with these columns. */
  public Table(String... head) {
    this.head = List.of(head);
  }

  /** Adds a row with a value for every column. */
  public Table row(Object... values) {
    if (values.length != head.size()) {
      throw new IllegalArgumentException(values.length + " values for " + head.size() + " columns");
    }
    List<String> row = new ArrayList<>();
    for (Object value : values) {
      String text = String.valueOf(value);
      row.add(text.isEmpty() ? "-" : text);
    }
    rows.add(row);
    return this;
  }

  /** Prints it. */
  public void print(PrintWriter out) {
    int[] widths = new int[head.size()];
    measure(head, widths);
    rows.forEach(row -> measure(row, widths));
    print(out, head, widths);
    rows.forEach(row -> print(out, row, widths));
    out.flush();
  }

  private static void measure(List<String> row, int[] widths) {
    for (int i = 0; i < widths.length; i++) {
      widths[i] = Math.max(widths[i], row.get(i).length());
    }
  }

  private static void print(PrintWriter out, List<String> row, int[] widths) {
    StringBuilder line = new StringBuilder();
    for (int i = 0; i < widths.length; i++) {
      line.append(row.get(i)).append(" ".repeat(widths[i] - row.get(i).length())).append(GAP);
    }
    out.println(line.toString().stripTrailing());
  }
}
