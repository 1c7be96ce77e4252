package io.longhorn.orchestration.supervisor;

import java.nio.charset.StandardCharsets;
import java.util.function.Consumer;

/** Finds the lines in what a process prints, of any length; of a long one only the beginning. */
final class OutputLines {
  /** Most bytes of a line that are kept. */
  static final int MAX_LINE_BYTES = 1_024;

  private final Consumer<String> sink;
  private final byte[] line = new byte[MAX_LINE_BYTES];
  private int length;

  /**
   * Begins.
   *
   * @param sink gets each line that is not blank, without control characters, when its end was read
   */
  OutputLines(Consumer<String> sink) {
    this.sink = sink;
  }

  void accept(byte[] bytes, int count) {
    for (int i = 0; i < count; i++) {
      if (bytes[i] == '\n') {
        end();
      } else if (length < MAX_LINE_BYTES) {
        line[length] = bytes[i];
        length++;
      }
    }
  }

  /** What was printed without an end of line is a line too. */
  void end() {
    String text =
        new String(line, 0, length, StandardCharsets.UTF_8).replaceAll("\\p{Cntrl}", " ").strip();
    length = 0;
    if (!text.isEmpty()) {
      sink.accept(text);
    }
  }
}
