package io.longhorn.orchestration.execution;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Whether a process has ended. One that nobody has waited for has ended too, though the kernel
 * still lists it and {@link ProcessHandle#isAlive} says that it lives: in a container whose first
 * process waits for nobody it is listed for ever. Any thread.
 */
public final class ProcessEnd {
  private static final String ENDED_STATES = "ZX";

  private ProcessEnd() {}

  /** Whether it holds nothing any more: no file, no socket, no lock. */
  public static boolean hasEnded(ProcessHandle process) {
    return !process.isAlive() || isOnlyListed(process.pid());
  }

  /** The same of a pid, which nobody else must have been given meanwhile. */
  public static boolean hasEnded(long pid) {
    return ProcessHandle.of(pid).map(ProcessEnd::hasEnded).orElse(true);
  }

  /** Field 3 of proc's stat, behind a name in brackets that may have any characters. */
  private static boolean isOnlyListed(long pid) {
    try {
      String stat = Files.readString(Path.of("/proc", Long.toString(pid), "stat"));
      int state = stat.lastIndexOf(')') + 2;
      return state < stat.length() && ENDED_STATES.indexOf(stat.charAt(state)) >= 0;
    } catch (IOException _) {
      // Gone just now, or a system without proc: the next look at the process itself decides.
      return false;
    }
  }
}
