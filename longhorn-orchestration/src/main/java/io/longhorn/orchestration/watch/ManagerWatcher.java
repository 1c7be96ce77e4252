package io.longhorn.orchestration.watch;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.orchestration.call.CallAddress;
import io.longhorn.orchestration.decision.ManagerSeen;
import io.longhorn.orchestration.decision.ManagerSeen.Reach;
import io.longhorn.orchestration.instance.InstanceListing;
import io.longhorn.orchestration.instance.InstanceState;
import io.longhorn.orchestration.instance.InstanceStatus;
import io.longhorn.orchestration.supervisor.InstanceManagerClient;
import java.time.Duration;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Watches one instance manager: a poll that it answers when something changes. Its end ends the
 * connection, so it is known at once. A thread of its own.
 */
public final class ManagerWatcher implements AutoCloseable {
  private static final Duration CONNECT = Duration.ofSeconds(1);
  private static final Duration WAIT = Duration.ofSeconds(5);
  private static final long LOOK_AGAIN_NANOS = 50_000_000;

  private final CallAddress address;
  private final Consumer<ManagerSeen> seen;
  private ManagerSeen last = ManagerSeen.NOT_YET;
  private volatile boolean isClosed;
  private volatile @Nullable InstanceManagerClient current;

  private ManagerWatcher(CallAddress address, Consumer<ManagerSeen> seen) {
    this.address = address;
    this.seen = seen;
  }

  /** Watches until closed; whatever is seen is told, on a thread of the watcher. */
  public static ManagerWatcher start(CallAddress address, Consumer<ManagerSeen> seen) {
    ManagerWatcher watcher = new ManagerWatcher(address, seen);
    Thread.ofVirtual().name("watch " + address).start(watcher::run);
    return watcher;
  }

  private void run() {
    while (!isClosed) {
      try (InstanceManagerClient client = InstanceManagerClient.connect(address, CONNECT)) {
        current = client;
        watch(client);
      } catch (VolumeException e) {
        if (!isClosed) {
          failed(e.error());
        }
        LockSupport.parkNanos(LOOK_AGAIN_NANOS);
      } finally {
        current = null;
      }
    }
  }

  private void watch(InstanceManagerClient client) {
    long revision = 0;
    while (!isClosed) {
      InstanceListing listing = client.list(revision, WAIT);
      revision = listing.revision();
      tell(new ManagerSeen(Reach.CONNECTED, listing.manager().pid(), instances(listing)));
    }
  }

  private static SortedMap<String, ManagerSeen.Instance> instances(InstanceListing listing) {
    TreeMap<String, ManagerSeen.Instance> instances = new TreeMap<>();
    for (InstanceStatus status : listing.instances()) {
      instances.put(
          status.name(),
          new ManagerSeen.Instance(
              state(status.state()),
              status.uuid().toString(),
              status.state().isOver() ? 0 : status.pid(),
              status.errorMessage()));
    }
    return instances;
  }

  private static ManagerSeen.State state(InstanceState state) {
    return switch (state) {
      case STARTING -> ManagerSeen.State.STARTING;
      case RUNNING -> ManagerSeen.State.RUNNING;
      case STOPPING -> ManagerSeen.State.STOPPING;
      case STOPPED -> ManagerSeen.State.STOPPED;
      case ERROR -> ManagerSeen.State.ERROR;
    };
  }

  /** A connection that broke says little: whether somebody listens there is seen the next time. */
  private void failed(IoError error) {
    boolean isNobodyThere = error == IoError.DISCONNECTED && !listens();
    tell(
        isNobodyThere
            ? new ManagerSeen(Reach.GONE, 0, new TreeMap<>())
            : new ManagerSeen(Reach.UNREACHABLE, last.pid(), last.instances()));
  }

  private boolean listens() {
    try (InstanceManagerClient _ = InstanceManagerClient.connect(address, CONNECT)) {
      return true;
    } catch (VolumeException e) {
      return e.error() != IoError.DISCONNECTED;
    }
  }

  private void tell(ManagerSeen now) {
    last = now;
    if (!isClosed) {
      seen.accept(now);
    }
  }

  /** Ends it. */
  @Override
  public void close() {
    isClosed = true;
    InstanceManagerClient client = current;
    if (client != null) {
      client.close();
    }
  }
}
