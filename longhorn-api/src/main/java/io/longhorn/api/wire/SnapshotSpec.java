package io.longhorn.api.wire;

/**
 * One snapshot, the same on every member: repeated with the same operation number it changes
 * nothing.
 *
 * @param name what the user calls it, 1 to {@link #MAX_NAME_LENGTH} characters, none of them a
 *     control character
 * @param newHead layer id of the head that begins above it; ids are given by the engine, equal
 *     everywhere and never reused
 * @param createdMillis when, in milliseconds since 1970, by the engine's clock; not negative
 * @param isUserCreated false for one the system made for itself
 */
public record SnapshotSpec(String name, int newHead, long createdMillis, boolean isUserCreated) {
  /** Longest snapshot name in characters. */
  public static final int MAX_NAME_LENGTH = 63;

  /** Checks the name, the layer id and the time. */
  public SnapshotSpec {
    if (!isName(name)) {
      throw new IllegalArgumentException(
          "snapshot name of "
              + name.length()
              + " characters: use 1 to "
              + MAX_NAME_LENGTH
              + ", no control characters");
    }
    if (newHead <= 0 || createdMillis < 0) {
      throw new IllegalArgumentException(
          "snapshot '" + name + "' with head " + newHead + ", made at " + createdMillis);
    }
  }

  /** Whether the text can be the name of a snapshot: also that UTF-8 can say it. */
  public static boolean isName(String text) {
    return !text.isEmpty()
        && text.length() <= MAX_NAME_LENGTH
        && text.codePoints()
            .noneMatch(c -> Character.isISOControl(c) || (c >= 0xD800 && c <= 0xDFFF));
  }

  /** Encodes. */
  public FieldWriter write() {
    return new FieldWriter()
        .text(1, name)
        .number(2, newHead)
        .number(3, createdMillis)
        .bool(4, isUserCreated);
  }

  /** Decodes; throws {@link WireFormatException}. */
  public static SnapshotSpec read(FieldReader in) {
    try {
      return new SnapshotSpec(in.text(1), in.intNumber(2), in.number(3), in.bool(4));
    } catch (IllegalArgumentException e) {
      throw new WireFormatException("SNAPSHOT: " + e.getMessage(), e);
    }
  }
}
