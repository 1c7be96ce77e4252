package io.longhorn.api;

import java.util.UUID;

/**
 * The identity of one copy of a volume: the UUID in its directory, for ever. Membership, HELLO and
 * bitmaps speak of ids; a control plane's replica <i>name</i> may change while the id stays.
 *
 * @param uuid the identity; ordered as an unsigned 128-bit number
 */
public record ReplicaId(UUID uuid) implements Comparable<ReplicaId> {
  /**
   * Parses the usual 8-4-4-4-12 form; throws {@link IllegalArgumentException} for anything else.
   */
  public static ReplicaId parse(String text) {
    return new ReplicaId(Uuids.parse(text));
  }

  @Override
  public int compareTo(ReplicaId other) {
    return Uuids.compare(uuid, other.uuid);
  }

  @Override
  public String toString() {
    return uuid.toString();
  }
}
