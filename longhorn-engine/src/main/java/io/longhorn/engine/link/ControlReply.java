package io.longhorn.engine.link;

import io.longhorn.api.IoError;

/**
 * What is done with the answer to a control frame. Called on the loop, once; DISCONNECTED if the
 * connection ended before.
 */
public interface ControlReply {
  /** The answer; the payload is empty if the status is an error without words. */
  void answered(IoError status, byte[] payload);
}
