package io.longhorn.api.cluster;

import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FieldWriter;

/**
 * Something that happened, for people.
 *
 * @param name a number with leading zeros: events are listed in the order in which they happened
 * @param isWarning whether somebody should look
 * @param reason one word, for programs
 * @param message one line
 * @param about what it happened to
 * @param atMillis when, in milliseconds since 1970
 */
public record Event(
    String name, boolean isWarning, String reason, String message, ObjectKey about, long atMillis)
    implements ClusterObject {
  /** Longest message kept, in characters. */
  public static final int MAX_MESSAGE_LENGTH = 1024;

  /** Cuts a message that is too long. */
  public Event {
    if (message.length() > MAX_MESSAGE_LENGTH) {
      int end = MAX_MESSAGE_LENGTH - 1;
      // Not in the middle of a character: half of one is not text.
      end -= Character.isHighSurrogate(message.charAt(end - 1)) ? 1 : 0;
      message = message.substring(0, end) + "…";
    }
  }

  @Override
  public ObjectKind kind() {
    return ObjectKind.EVENT;
  }

  @Override
  public FieldWriter write() {
    return new FieldWriter()
        .text(1, name)
        .bool(2, isWarning)
        .text(3, reason)
        .text(4, message)
        .number(5, about.kind().code())
        .text(6, about.name())
        .number(7, atMillis);
  }

  static Event read(FieldReader in) {
    ObjectKind kind = ObjectKind.ofCode(in.number(5));
    if (kind == null) {
      throw new IllegalArgumentException("event about something unknown");
    }
    return new Event(
        in.text(1),
        in.bool(2),
        in.text(3),
        in.text(4),
        new ObjectKey(kind, in.text(6)),
        in.number(7));
  }
}
