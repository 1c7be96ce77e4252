package io.longhorn.orchestration.call;

import io.longhorn.api.IoError;

/** A refusal whose reply says more than a line for a person: it carries fields. */
public final class CallRefusal extends RuntimeException {
  private static final long serialVersionUID = 1;

  private final IoError error;
  private final transient byte[] payload;

  /**
   * A refusal.
   *
   * @param error not OK
   * @param payload the fields of the reply; not copied
   */
  public CallRefusal(IoError error, byte[] payload) {
    super(error.toString(), null, false, false);
    this.error = error;
    this.payload = payload;
  }

  IoError error() {
    return error;
  }

  byte[] payload() {
    return payload;
  }
}
