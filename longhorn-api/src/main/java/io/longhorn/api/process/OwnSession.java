package io.longhorn.api.process;

/**
 * A session of its own for a process that outlives the terminal it was started from: Ctrl-C there,
 * or the end of the terminal, reaches neither it nor the children it starts afterwards.
 */
public final class OwnSession {
  private OwnSession() {}

  /**
   * Begins one. Returns whether it did: a process that leads a process group cannot (one that a
   * shell started in the foreground), nor can one where the system has no sessions.
   */
  public static boolean begin() {
    return SystemCall.beginSession() > 0;
  }
}
