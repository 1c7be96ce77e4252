package io.longhorn.orchestration;

import io.longhorn.api.VolumeException;
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.orchestration.decision.ClusterView;
import io.longhorn.orchestration.store.Watch;
import java.time.Duration;
import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Tells one listener what becomes of volumes, until it is closed. A thread of its own. */
public final class VolumeWatch implements AutoCloseable {
  private static final Duration WAIT = Duration.ofSeconds(10);
  private static final long AGAIN_NANOS = 500_000_000;

  private static final Logger LOG = LoggerFactory.getLogger(VolumeWatch.class);

  private final Watch watch;
  private final Requests requests;
  private final VolumeListener listener;
  private final TreeSet<String> known = new TreeSet<>();

  private final Consumer<VolumeWatch> whenClosed;

  private VolumeWatch(
      Watch watch, Requests requests, VolumeListener listener, Consumer<VolumeWatch> whenClosed) {
    this.whenClosed = whenClosed;
    this.watch = watch;
    this.requests = requests;
    this.listener = listener;
  }

  /**
   * Begins, with every volume there is.
   *
   * @param watch of the store, made before anything is read; closed with this
   */
  static VolumeWatch start(
      Watch watch, Requests requests, VolumeListener listener, Consumer<VolumeWatch> whenClosed) {
    VolumeWatch started = new VolumeWatch(watch, requests, listener, whenClosed);
    Thread.ofVirtual().name("volume-watch").start(started::run);
    return started;
  }

  private void run() {
    TreeSet<String> untold = new TreeSet<>();
    boolean isFirst = true;
    while (!watch.isClosed()) {
      try {
        if (isFirst) {
          untold.addAll(requests.read(ClusterView::volumeNames));
          isFirst = false;
        }
        while (!untold.isEmpty() && !watch.isClosed()) {
          tell(untold.first(), untold);
        }
      } catch (VolumeException e) {
        LOG.warn("the cluster's store cannot be read: {}", e.getMessage());
        LockSupport.parkNanos(AGAIN_NANOS);
      }
      untold.addAll(volumesOf(watch.await(WAIT)));
    }
  }

  private void tell(String name, SortedSet<String> untold) {
    Optional<VolumeStatus> now = requests.read(view -> VolumeStatus.of(view, name));
    untold.remove(name);
    try {
      if (now.isPresent()) {
        known.add(name);
        listener.changed(now.get());
      } else if (known.remove(name)) {
        listener.deleted(name);
      }
    } catch (RuntimeException e) {
      LOG.error("defect in a listener", e);
    }
  }

  private static SortedSet<String> volumesOf(SortedSet<ObjectKey> keys) {
    TreeSet<String> volumes = new TreeSet<>();
    keys.forEach(key -> volumes.add(ClusterView.volumeOf(key)));
    volumes.remove("");
    return volumes;
  }

  /** Nothing new is told; a call that is under way ends by itself. */
  @Override
  public void close() {
    watch.close();
    whenClosed.accept(this);
  }
}
