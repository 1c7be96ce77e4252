package io.longhorn.engine.link;

import io.longhorn.api.IoError;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Control frames of one connection that have not been answered. Their sequences have a bit that
 * those of data frames never have.
 */
final class ControlCalls {
  /** Most control frames unanswered on one connection. */
  static final int MAX_UNANSWERED = 256;

  private static final long CONTROL_BIT = 1L << 62;
  private static final byte[] NOTHING = {};

  private final Map<Long, ControlReply> unanswered = new LinkedHashMap<>();
  private long next;

  /** The sequence under which the reply will be known. */
  long add(ControlReply reply) {
    if (unanswered.size() >= MAX_UNANSWERED) {
      throw new IllegalStateException("more than " + MAX_UNANSWERED + " control frames unanswered");
    }
    long sequence = CONTROL_BIT | next++;
    unanswered.put(sequence, reply);
    return sequence;
  }

  static boolean isControl(long sequence) {
    return (sequence & CONTROL_BIT) != 0;
  }

  @Nullable ControlReply remove(long sequence) {
    return unanswered.remove(sequence);
  }

  /** The connection is over. */
  void failAll() {
    while (!unanswered.isEmpty()) {
      Long first = unanswered.keySet().iterator().next();
      ControlReply reply = unanswered.remove(first);
      if (reply != null) {
        reply.answered(IoError.DISCONNECTED, NOTHING);
      }
    }
  }
}
