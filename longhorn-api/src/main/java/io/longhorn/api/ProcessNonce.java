package io.longhorn.api;

import java.util.UUID;

/**
 * The identity of one running replica process. A changed nonce means that what the process had not
 * flushed may be gone (E2, E3).
 *
 * @param uuid the identity; ordered as an unsigned 128-bit number
 */
public record ProcessNonce(UUID uuid) implements Comparable<ProcessNonce> {
  /**
   * Parses the usual 8-4-4-4-12 form; throws {@link IllegalArgumentException} for anything else.
   */
  public static ProcessNonce parse(String text) {
    return new ProcessNonce(Uuids.parse(text));
  }

  @Override
  public int compareTo(ProcessNonce other) {
    return Uuids.compare(uuid, other.uuid);
  }

  @Override
  public String toString() {
    return uuid.toString();
  }
}
