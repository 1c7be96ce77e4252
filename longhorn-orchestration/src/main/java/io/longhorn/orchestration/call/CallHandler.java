package io.longhorn.orchestration.call;

import io.longhorn.api.VolumeException;
import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FrameType;

/** What a {@link CallServer} does with a call. Many threads at once, one per connection. */
@FunctionalInterface
public interface CallHandler {
  /**
   * Answers one call; may block, then only the connection that asked waits.
   *
   * @param type what is asked; one that the server does not serve is a {@link VolumeException}
   *     (UNSUPPORTED)
   * @param request the fields; a {@link io.longhorn.api.wire.WireFormatException} that reading them
   *     throws ends the connection with PROTOCOL
   * @return the fields of the reply, at most {@link
   *     io.longhorn.api.wire.FrameHeader#MAX_PAYLOAD_BYTES}
   * @throws VolumeException its error and message are the reply
   * @throws CallRefusal its error and fields are the reply
   */
  byte[] call(FrameType type, FieldReader request);
}
