package io.longhorn.engine.link;

import io.longhorn.engine.replication.MemberLink;

/**
 * One connection to one replica. Loop thread only. A link that broke is never resumed: a new
 * connection is a new object.
 */
public interface ReplicaConnection extends MemberLink, AutoCloseable {
  /** Sends a control frame. */
  void control(ControlFrame frame, ControlReply reply);

  /**
   * The generation tag of all frames from now on: the one that was promised over this connection.
   */
  void generation(long generation);

  /** Ends the connection; the listener is told, now or later. Idempotent. */
  void close(String reason);

  @Override
  default void close() {
    close("closed");
  }
}
