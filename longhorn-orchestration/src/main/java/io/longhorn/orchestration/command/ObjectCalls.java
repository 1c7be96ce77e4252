package io.longhorn.orchestration.command;

import io.longhorn.api.cluster.ClusterObject;
import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FieldWriter;
import io.longhorn.orchestration.store.ClusterStore;
import io.longhorn.orchestration.store.Watch;
import java.time.Duration;
import java.util.List;

/** Answers who reads objects and waits for them to change. Any thread. */
public final class ObjectCalls {
  private static final long MAX_WAIT_MILLIS = 10_000;

  private final ClusterStore store;

  /** Reads from a store. */
  public ObjectCalls(ClusterStore store) {
    this.store = store;
  }

  /** OBJECT_LIST. */
  public byte[] list(FieldReader request) {
    ObjectPage.Query query = ObjectPage.Query.read(request);
    long revision = store.revision();
    List<ClusterObject> objects =
        store.list(query.kind()).stream().map(ClusterStore.Stored::object).toList();
    return ObjectPage.of(objects, query.after(), revision).write().toBytes();
  }

  /** OBJECT_WATCH: 1 revision seen, 2 wait in milliseconds; answered by 1 revision. */
  public byte[] watch(FieldReader request) {
    long seen = request.number(1);
    long millis = Math.clamp(request.number(2, 0), 0, MAX_WAIT_MILLIS);
    try (Watch watch = store.watch()) {
      if (store.revision() == seen) {
        watch.await(Duration.ofMillis(millis));
      }
    }
    return new FieldWriter().number(1, store.revision()).toBytes();
  }
}
