package io.longhorn.api;

import java.util.Locale;
import java.util.UUID;

/**
 * Strict parsing and unsigned order of UUIDs; {@link UUID#compareTo} is signed and {@link
 * UUID#fromString} accepts short forms.
 */
final class Uuids {
  private static final int TEXT_LENGTH = 36;

  private Uuids() {}

  static UUID parse(String text) {
    if (text.length() == TEXT_LENGTH) {
      UUID parsed = fromString(text);
      // fromString takes other shapes of the same length, signs and the digits of other scripts.
      if (parsed.toString().equals(text.toLowerCase(Locale.ROOT))) {
        return parsed;
      }
    }
    throw new IllegalArgumentException("'" + text + "' is not a UUID of the form 8-4-4-4-12");
  }

  private static UUID fromString(String text) {
    try {
      return UUID.fromString(text);
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException("'" + text + "' is not a UUID of the form 8-4-4-4-12", e);
    }
  }

  static int compare(UUID a, UUID b) {
    int high = Long.compareUnsigned(a.getMostSignificantBits(), b.getMostSignificantBits());
    return high != 0
        ? high
        : Long.compareUnsigned(a.getLeastSignificantBits(), b.getLeastSignificantBits());
  }
}
