package io.longhorn.engine.frontend.nbd.protocol;

import io.longhorn.api.memory.Loan;
import java.lang.foreign.MemorySegment;

/**
 * Where a session's answers go, in order. Nothing is sent within a call: what a turn appended
 * leaves together at its end.
 */
public interface Outbound {
  /**
   * Appends a copy of {@code length} bytes.
   *
   * @param length at most a few KiB; a session that looks at {@link #isCongested} before each new
   *     request stays within {@link NbdSession#MAX_SMALL_BYTES_AFTER_CONGESTION}
   */
  void copy(MemorySegment source, int length);

  /**
   * Appends bytes of a loan by reference: retains the loan until they have left or never will. The
   * caller may close its own share at once.
   */
  void append(Loan loan, int at, int length);

  /** Whether so much waits to leave that no new work may be taken. */
  boolean isCongested();

  /**
   * The session is over: send what was appended, then close the connection. Called at most once;
   * nothing is appended afterwards.
   */
  void close(String reason);
}
