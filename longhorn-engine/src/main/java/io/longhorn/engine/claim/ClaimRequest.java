package io.longhorn.engine.claim;

/**
 * A request of a client, or one that the other engine forwarded.
 *
 * @param id unique among all requests this core was ever told of
 * @param offsetBytes of READ and WRITE; otherwise 0
 * @param lengthBytes of READ and WRITE, positive; otherwise 0
 * @param isForwarded it came from the other engine, which answers its client
 */
public record ClaimRequest(
    long id, Kind kind, long offsetBytes, long lengthBytes, boolean isForwarded) {
  /** What is asked for. */
  public enum Kind {
    /** Data. */
    READ,
    /** Any change of data: WRITE, ZERO, TRIM. */
    WRITE,
    /** Everything answered before is to be on disk. */
    FLUSH,
    /** A change of metadata that only the owner makes. */
    SNAPSHOT,
    /** A question about the volume that only the owner can answer. */
    STATUS
  }

  /** Checks the range, and that no WRITE is forwarded: it claims. */
  public ClaimRequest {
    boolean hasRange = kind == Kind.READ || kind == Kind.WRITE;
    if (offsetBytes < 0
        || (hasRange ? lengthBytes <= 0 : offsetBytes != 0 || lengthBytes != 0)
        || offsetBytes > Long.MAX_VALUE - lengthBytes) {
      throw new IllegalArgumentException(
          kind + " of " + lengthBytes + " bytes at " + offsetBytes + " is no range");
    }
    if (isForwarded && kind == Kind.WRITE) {
      throw new IllegalArgumentException("a WRITE is never forwarded: request " + id);
    }
  }

  boolean overlaps(ClaimRequest other) {
    return offsetBytes < other.offsetBytes + other.lengthBytes
        && other.offsetBytes < offsetBytes + lengthBytes;
  }
}
