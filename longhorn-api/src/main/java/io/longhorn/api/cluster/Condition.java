package io.longhorn.api.cluster;

import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FieldWriter;

/**
 * One thing that holds or does not, with the reason: what an object waits for and since when.
 *
 * @param type what it is about, for example {@code Ready}
 * @param isTrue whether it holds
 * @param reason one word or a rule's name, for programs
 * @param message one line for a person; may be empty
 * @param sinceMillis when it became so, in milliseconds since 1970
 */
public record Condition(
    String type, boolean isTrue, String reason, String message, long sinceMillis) {
  FieldWriter write() {
    return new FieldWriter()
        .text(1, type)
        .bool(2, isTrue)
        .text(3, reason)
        .text(4, message)
        .number(5, sinceMillis);
  }

  static Condition read(FieldReader in) {
    return new Condition(in.text(1), in.bool(2), in.text(3), in.text(4), in.number(5));
  }

  /** The same, become so at another time. */
  public Condition since(long millis) {
    return new Condition(type, isTrue, reason, message, millis);
  }

  /** Whether the other one says the same, whenever it began. */
  public boolean saysSame(Condition other) {
    return type.equals(other.type)
        && isTrue == other.isTrue
        && reason.equals(other.reason)
        && message.equals(other.message);
  }
}
