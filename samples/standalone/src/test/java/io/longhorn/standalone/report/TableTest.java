package io.longhorn.standalone.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.PrintWriter;
import java.io.StringWriter;
import org.junit.jupiter.api.Test;

final class TableTest {

  private static String print(Table table) {
    StringWriter out = new StringWriter();
    table.print(new PrintWriter(out));
    return out.toString();
  }

  @Test
  void columnsAreAsWideAsTheirWidestValue() {
    Table table = new Table("NAME", "SIZE", "NODE").row("v", 10, "node-1").row("longer", 2, "n");
    assertThat(print(table))
        .isEqualTo(
            """
            NAME    SIZE  NODE
            v       10    node-1
            longer  2     n
            """);
  }

  @Test
  void anEmptyValueKeepsItsColumn() {
    String text = print(new Table("NAME", "NODE", "REASON").row("v", "", "").row("", "n", "why"));
    assertThat(text)
        .isEqualTo(
            """
            NAME  NODE  REASON
            v     -     -
            -     n     why
            """);
    assertThat(text.lines()).allSatisfy(line -> assertThat(line.split(" +")).hasSize(3));
  }

  @Test
  void withoutRowsThereIsTheHead() {
    assertThat(print(new Table("NAME", "NODE"))).isEqualTo("NAME  NODE\n");
  }

  @Test
  void aRowHasAValueForEveryColumn() {
    Table table = new Table("NAME", "NODE");
    assertThatThrownBy(() -> table.row("v")).isInstanceOf(IllegalArgumentException.class);
  }
}
