package io.longhorn.standalone.report;

/** How objects are printed. */
public enum Format {
  /** Columns, for people. */
  TABLE,
  /** JSON, an object or a list. */
  JSON,
  /** YAML, the same. */
  YAML
}
