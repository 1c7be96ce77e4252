package io.longhorn.replica.format;

import io.longhorn.api.IoError;

/**
 * Bytes on the disk that are not what they should be: {@code UNKNOWN_VERSION}, {@code UNSUPPORTED}
 * or {@code CORRUPT}, with one line that says where.
 */
public final class FormatException extends Exception {
  private static final long serialVersionUID = 1;

  private final IoError error;
  private final String line;

  /** Says what is wrong, with the values. */
  public FormatException(IoError error, String message) {
    super(message);
    this.error = error;
    this.line = message;
  }

  /** The stable reason. */
  public IoError error() {
    return error;
  }

  /** What is wrong; never null. */
  public String line() {
    return line;
  }
}
