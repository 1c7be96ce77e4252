package io.longhorn.replica.server;

import io.longhorn.api.EngineId;
import io.longhorn.api.wire.Hello;
import io.longhorn.replica.store.BareStore;
import java.util.UUID;

/** A bare store behind a real socket, for tests. */
final class ServedReplica implements AutoCloseable {
  static final EngineId ENGINE = new EngineId(new UUID(9, 1));
  static final EngineId OTHER_ENGINE = new EngineId(new UUID(9, 2));

  final DiskThreads disk = new DiskThreads("test");
  final BareStore store = new BareStore(disk);
  final ReplicaServer server;

  ServedReplica(ListenAddress address) {
    server = ReplicaServer.serve(new ReplicaHost(store, disk), address);
  }

  static ServedReplica tcp() {
    return new ServedReplica(new ListenAddress.Tcp("127.0.0.1", 0));
  }

  WireClient connect() {
    return new WireClient(server.address());
  }

  /** A connection that said HELLO as {@code role}. */
  WireClient greet(Hello.Role role) {
    WireClient client = connect();
    WireClient.Answer answer =
        client.hello(WireClient.hello(role, store.volume, store.replica, ENGINE));
    if (!answer.status().isOk()) {
      throw new IllegalStateException("HELLO: " + answer);
    }
    return client;
  }

  /** A connection that owns the replica. */
  WireClient own(long generation) {
    WireClient client = connect();
    WireClient.Answer answer = client.own(store.volume, store.replica, ENGINE, generation);
    if (!answer.status().isOk()) {
      throw new IllegalStateException("PROMISE: " + answer);
    }
    return client;
  }

  @Override
  public void close() {
    store.letGo();
    server.close();
  }
}
