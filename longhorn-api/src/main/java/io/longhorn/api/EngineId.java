package io.longhorn.api;

import java.util.UUID;

/**
 * The identity of one engine instance (one start of one process or embedded volume). A replica
 * promises a generation to one engine instance only (R1).
 *
 * @param uuid the identity; ordered as an unsigned 128-bit number
 */
public record EngineId(UUID uuid) implements Comparable<EngineId> {
  /**
   * Parses the usual 8-4-4-4-12 form; throws {@link IllegalArgumentException} for anything else.
   */
  public static EngineId parse(String text) {
    return new EngineId(Uuids.parse(text));
  }

  @Override
  public int compareTo(EngineId other) {
    return Uuids.compare(uuid, other.uuid);
  }

  @Override
  public String toString() {
    return uuid.toString();
  }
}
