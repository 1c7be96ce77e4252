package io.longhorn.standalone.report;

import java.util.Locale;

/** How objects are printed. */
public enum Format {
  /** Columns, for people. */
  TABLE,
  /** JSON, an object or a list. */
  JSON,
  /** YAML, the same. */
  YAML;

  /** As it is typed. */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
