package io.longhorn.standalone.cluster;

import java.time.Duration;
import picocli.CommandLine.Option;

/** Whether a command waits until what it asked for has come about. */
public final class WaitOptions {
  @Option(names = "--no-wait", description = "Returns as soon as it is asked for.")
  private boolean isHasty;

  @Option(
      names = "--timeout",
      defaultValue = "60",
      paramLabel = "SECONDS",
      description = "Longest wait (default ${DEFAULT-VALUE}).")
  private long seconds;

  /** For the command line's parser. */
  public WaitOptions() {}

  /** Whether it waits. */
  public boolean isWaiting() {
    return !isHasty;
  }

  /** How long at most. */
  public Duration limit() {
    return Duration.ofSeconds(Math.max(seconds, 0));
  }
}
