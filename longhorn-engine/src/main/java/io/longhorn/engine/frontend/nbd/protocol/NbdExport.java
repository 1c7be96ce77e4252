package io.longhorn.engine.frontend.nbd.protocol;

import java.nio.charset.StandardCharsets;

/**
 * What a server shows to its clients. The empty name answers too, as the default export.
 *
 * @param name 1 to {@link #MAX_TEXT_BYTES} bytes of UTF-8 without NUL
 * @param description one line for people, at most {@link #MAX_TEXT_BYTES} bytes
 */
public record NbdExport(String name, String description) {
  /** What the specification says strings should stay below. */
  public static final int MAX_TEXT_BYTES = 256;

  /** Checks lengths. */
  public NbdExport {
    check(name);
    check(description);
    if (name.isEmpty()) {
      throw new IllegalArgumentException("the export has no name");
    }
  }

  private static void check(String text) {
    int bytes = text.getBytes(StandardCharsets.UTF_8).length;
    if (bytes > MAX_TEXT_BYTES || text.indexOf('\0') >= 0) {
      throw new IllegalArgumentException(
          "export text of " + bytes + " bytes: at most " + MAX_TEXT_BYTES + ", without NUL");
    }
  }
}
