package io.longhorn.standalone.cluster;

import io.longhorn.standalone.report.Format;
import picocli.CommandLine.Option;

/** How what a command shows is printed. */
public final class OutputOptions {
  @Option(
      names = {"-o", "--output"},
      paramLabel = "FORMAT",
      description = "One of ${COMPLETION-CANDIDATES} (default ${DEFAULT-VALUE}).")
  private Format format = Format.TABLE;

  /** For the command line's parser. */
  public OutputOptions() {}

  /** What objects are printed as. */
  public Format format() {
    return format;
  }

  /** Whether that is a table. */
  public boolean isTable() {
    return format == Format.TABLE;
  }
}
