package io.longhorn.engine.volume;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.replica.LocalReplica;
import io.longhorn.engine.transport.Endpoint;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/** Which replica, and how it is reached. */
public sealed interface ReplicaAddress {
  /** Identity of the copy. */
  ReplicaId id();

  /** A replica process that listens. */
  record Remote(ReplicaId id, Endpoint endpoint) implements ReplicaAddress {}

  /**
   * A replica in this JVM; {@code open} holds it while it is open, nothing while it is not. Not
   * closed by the engine.
   */
  record Embedded(ReplicaId id, AtomicReference<@Nullable LocalReplica> open)
      implements ReplicaAddress {}

  /**
   * Parses {@code UUID@tcp:HOST:PORT} or {@code UUID@unix:PATH}; throws an exception with one line
   * that says what is wrong.
   */
  static ReplicaAddress parse(String text) {
    int at = text.indexOf('@');
    if (at < 0) {
      throw new IllegalArgumentException("replica '" + text + "' is not of the form UUID@ADDRESS");
    }
    return new Remote(
        ReplicaId.parse(text.substring(0, at)), Endpoint.parse(text.substring(at + 1)));
  }
}
