package io.longhorn.engine.request;

import org.jspecify.annotations.Nullable;

/**
 * The volume as one of its clients sees it (an NBD connection, the embedded facade): where requests
 * come from and go to. Each client has a port with credits of its own, so that one that does not
 * read its replies cannot starve the others. Loop thread only.
 */
public interface VolumePort {
  /** Size of the volume in bytes. */
  long sizeBytes();

  /**
   * A request from the pool, with a loan large enough if the kind has data; or null when this
   * port's credits are used up: take no more work (stop reading the socket) until one of its
   * requests has been released.
   *
   * @throws IllegalArgumentException if the range is outside the volume or crosses what {@link
   *     IoRequest} allows: the caller checks first
   */
  @Nullable IoRequest take(IoKind kind, long offset, int length);

  /**
   * Hands the request to the volume. Requests reach the replicas in the order of submission where
   * they overlap. May complete at once.
   */
  void submit(IoRequest request);

  /** Gives back a request that completed, or that was never submitted, and its loan. */
  void release(IoRequest request);

  /** Requests taken and not released. */
  int taken();

  /**
   * The client is gone: requests under way complete as before and have to be released; nothing new
   * is taken.
   */
  void close();
}
