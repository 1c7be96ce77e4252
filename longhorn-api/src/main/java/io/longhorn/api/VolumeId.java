package io.longhorn.api;

import java.util.UUID;

/**
 * The identity of a volume: made once at creation, written into every replica directory, never
 * reused. A directory of another volume is refused by it.
 *
 * @param uuid the identity; ordered as an unsigned 128-bit number
 */
public record VolumeId(UUID uuid) implements Comparable<VolumeId> {
  /**
   * Parses the usual 8-4-4-4-12 form; throws {@link IllegalArgumentException} for anything else.
   */
  public static VolumeId parse(String text) {
    return new VolumeId(Uuids.parse(text));
  }

  @Override
  public int compareTo(VolumeId other) {
    return Uuids.compare(uuid, other.uuid);
  }

  @Override
  public String toString() {
    return uuid.toString();
  }
}
