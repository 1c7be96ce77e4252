package io.longhorn.orchestration.supervisor;

import io.longhorn.orchestration.call.CallAddress;
import java.nio.file.Path;

/**
 * What an instance manager is told.
 *
 * @param node whose processes it starts
 * @param listen where it takes calls; whoever can connect there can run commands as this user
 * @param logs directory of the logs; made if it is not there
 * @param version of this build
 * @param stopMillis how long a process has to end after SIGTERM
 * @param lastLinesMillis how long the report of an end waits for the last lines, when something
 *     else holds the output of the process open
 * @param maxLogBytes of one log file; there are at most two per instance
 */
public record InstanceManagerConfig(
    String node,
    CallAddress listen,
    Path logs,
    String version,
    long stopMillis,
    long lastLinesMillis,
    long maxLogBytes) {
  /** How long a process has to end after SIGTERM, before SIGKILL. */
  public static final long STOP_SECONDS = 30;

  /** A crash is reported in less than half a second, last lines or not. */
  public static final long LAST_LINES_MILLIS = 200;

  /** Bound of one log file. */
  public static final long MAX_LOG_BYTES = 4 << 20;

  /** With the usual limits. */
  public InstanceManagerConfig(String node, CallAddress listen, Path logs, String version) {
    this(node, listen, logs, version, 1_000 * STOP_SECONDS, LAST_LINES_MILLIS, MAX_LOG_BYTES);
  }
}
