package io.longhorn.replica.file;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;

/**
 * A directory operation that failed: the reason, and one line that names the file. Caught by the
 * store, which turns it into a {@link io.longhorn.api.VolumeException} or a failed operation.
 */
public final class DiskException extends Exception {
  private static final long serialVersionUID = 1;

  private final IoError error;
  private final String line;

  /** Says what failed, with the path. */
  public DiskException(IoError error, String message) {
    super(message);
    this.error = error;
    this.line = message;
  }

  /** The stable reason; never {@link IoError#OK}. */
  public IoError error() {
    return error;
  }

  /** The same for the facade. */
  public VolumeException asVolumeException() {
    return new VolumeException(error, line, this);
  }
}
