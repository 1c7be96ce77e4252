package io.longhorn.api.wire;

/**
 * Bytes from a peer that are not what the protocol allows. Caught by the class that owns the
 * connection, which closes it.
 */
public final class WireFormatException extends RuntimeException {
  private static final long serialVersionUID = 1;

  /** Says what was wrong, with the values. */
  public WireFormatException(String message) {
    super(message);
  }

  /** Says what was wrong, with the values, and what found it. */
  public WireFormatException(String message, Throwable cause) {
    super(message, cause);
  }
}
