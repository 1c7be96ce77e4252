package io.longhorn.replica.server;

import io.longhorn.api.IoError;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.VolumeException;
import io.longhorn.api.VolumeId;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.replica.LocalReplica;
import java.lang.invoke.VarHandle;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A replica open in this JVM, and the one thread that serves all its connections: it is the owner
 * thread of the store. It parks when there is nothing to do.
 */
final class HostedReplica implements LocalReplica {
  /** Most connections at a time. */
  private static final int MAX_CONNECTIONS = ReplicaServer.MAX_CONNECTIONS;

  private static final Logger LOG = LoggerFactory.getLogger(HostedReplica.class);

  /** How it ends. */
  private enum Stop {
    NOT_YET,
    CLOSE,
    KILL
  }

  private final ReplicaHost host;
  private final Thread thread;
  private volatile boolean isParked;

  // Guards adding and removing connections, and the stop.
  private final ReentrantLock lock = new ReentrantLock();
  private volatile List<LocalLink> links = List.of();
  private volatile Stop stop = Stop.NOT_YET;

  // Why the store did not close cleanly; read after the thread has ended.
  private @Nullable VolumeException failure;

  private HostedReplica(ReplicaHost host) {
    this.host = host;
    thread =
        Thread.ofPlatform().name("replica-" + host.store().replica()).daemon().unstarted(this::run);
  }

  /** Serves an open replica, which it closes in the end. */
  static HostedReplica start(ReplicaHost host) {
    HostedReplica replica = new HostedReplica(host);
    replica.thread.start();
    return replica;
  }

  @Override
  public VolumeId volume() {
    return host.store().volume();
  }

  @Override
  public ReplicaId replica() {
    return host.store().replica();
  }

  @Override
  public long sizeBytes() {
    return host.store().sizeBytes();
  }

  @Override
  public MembershipRecord record() {
    return host.info().record();
  }

  @Override
  public LocalConnection connect(Listener listener) {
    LocalLink link = new LocalLink(this, host, listener);
    lock.lock();
    try {
      if (stop != Stop.NOT_YET) {
        throw new VolumeException(
            IoError.DISCONNECTED, "replica " + replica() + " is closed; open it again");
      }
      if (links.size() >= MAX_CONNECTIONS) {
        throw new VolumeException(
            IoError.LIMIT,
            "replica " + replica() + " has " + MAX_CONNECTIONS + " connections; close one of them");
      }
      List<LocalLink> more = new ArrayList<>(links);
      more.add(link);
      links = List.copyOf(more);
    } finally {
      lock.unlock();
    }
    return link;
  }

  /** There is something to do for the replica's thread. Any thread. */
  void wake() {
    // What was put into a queue before is seen by the thread, or its parking is seen here.
    VarHandle.fullFence();
    if (isParked) {
      isParked = false;
      LockSupport.unpark(thread);
    }
  }

  private void run() {
    try {
      while (stop == Stop.NOT_YET || !links.isEmpty()) {
        serve();
        park();
      }
    } catch (RuntimeException | Error e) {
      LOG.error("replica {} stops: a defect", replica(), e);
      stop(Stop.KILL);
      throw e;
    } finally {
      closeHost();
      links.forEach(LocalLink::ended);
    }
  }

  private void serve() {
    List<LocalLink> present = links;
    for (int i = 0; i < present.size(); i++) {
      if (!present.get(i).serve()) {
        remove(present.get(i));
      }
    }
  }

  private void park() {
    isParked = true;
    List<LocalLink> present = links;
    boolean hasWork = stop != Stop.NOT_YET && present.isEmpty();
    for (int i = 0; i < present.size() && !hasWork; i++) {
      hasWork = present.get(i).hasWork();
    }
    if (!hasWork) {
      LockSupport.park(this);
    }
    isParked = false;
  }

  private void remove(LocalLink link) {
    lock.lock();
    try {
      List<LocalLink> fewer = new ArrayList<>(links);
      fewer.remove(link);
      links = List.copyOf(fewer);
    } finally {
      lock.unlock();
    }
  }

  private void closeHost() {
    try {
      if (stop == Stop.KILL) {
        host.kill();
      } else {
        host.close();
      }
    } catch (VolumeException e) {
      failure = e;
    }
  }

  @Override
  public void kill() {
    stop(Stop.KILL);
    await();
  }

  @Override
  public void close() {
    if (!stop(Stop.CLOSE)) {
      return;
    }
    await();
    VolumeException failed = failure;
    if (failed != null) {
      throw failed;
    }
  }

  private boolean stop(Stop how) {
    lock.lock();
    try {
      if (stop != Stop.NOT_YET) {
        return false;
      }
      stop = how;
    } finally {
      lock.unlock();
    }
    host.ownership().close();
    links.forEach(LocalLink::end);
    wake();
    return true;
  }

  private void await() {
    boolean isInterrupted = false;
    while (thread.isAlive() && !thread.equals(Thread.currentThread())) {
      try {
        thread.join();
      } catch (InterruptedException _) {
        isInterrupted = true;
      }
    }
    if (isInterrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
