package io.longhorn.api;

import org.jspecify.annotations.Nullable;

/**
 * An operating error at a facade: a stable {@link IoError} and one line for a person, saying what
 * happened and what to do. Cores do not throw it; inside, errors are values.
 */
public final class VolumeException extends RuntimeException {
  private static final long serialVersionUID = 1;

  private final IoError error;

  /** An error with its line for a person. */
  public VolumeException(IoError error, String message) {
    this(error, message, null);
  }

  /** An error with its line for a person and what it came from. */
  public VolumeException(IoError error, String message, @Nullable Throwable cause) {
    super(message, cause);
    if (error.isOk()) {
      throw new IllegalArgumentException("an exception without an error: " + message);
    }
    this.error = error;
  }

  /** The stable reason; never {@link IoError#OK}. */
  public IoError error() {
    return error;
  }
}
