package io.longhorn.api.replica;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.VolumeId;
import io.longhorn.api.membership.MembershipRecord;

/**
 * A replica open in this JVM: what a replica process is elsewhere. Closing it ends every
 * connection, writes back and unlocks.
 */
public interface LocalReplica extends AutoCloseable {
  /** Identity of the volume. */
  VolumeId volume();

  /** Identity of this copy. */
  ReplicaId replica();

  /** Size of the volume. */
  long sizeBytes();

  /** The newest record it has: names every replica of the volume, members and absent ones. */
  MembershipRecord record();

  /**
   * A new connection; the rules are those of a socket: HELLO first, PROMISE begins the owner's
   * session and ends an older one.
   */
  LocalConnection connect(Listener listener);

  /**
   * Stops serving as if the process had been killed: nothing is flushed or marked clean. For tests
   * and demonstrations of failure.
   */
  void kill();

  @Override
  void close();

  /** One connection. Any thread may call it, but one at a time. */
  interface LocalConnection extends AutoCloseable {
    /**
     * Hands a frame over. Returns false if the connection is closed or the replica's credits are
     * used up; the exchange is then still the caller's. Never blocks.
     */
    boolean send(FrameExchange exchange);

    /**
     * Ends the connection: exchanges under way are answered or not, but when {@link
     * Listener#closed} was called none is touched any more.
     */
    @Override
    void close();
  }

  /** Told by the replica's threads; must only pass it on. */
  interface Listener {
    /** The exchange holds the reply and is the engine's again. */
    void answered(FrameExchange exchange);

    /**
     * The connection is over, by either side; exchanges that were not answered never will be, and
     * are the engine's again. Called once.
     */
    void closed();
  }
}
