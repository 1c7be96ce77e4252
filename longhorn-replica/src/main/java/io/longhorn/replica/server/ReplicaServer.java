package io.longhorn.replica.server;

import io.longhorn.api.replica.ReplicaOpener.IoMode;
import io.longhorn.replica.file.FileLayer;
import io.longhorn.replica.posix.Errno;
import io.longhorn.replica.posix.FileCalls;
import io.longhorn.replica.posix.SocketCalls;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A replica behind a listening socket: accepts connections and gives each a thread of its own, at
 * most {@link #MAX_CONNECTIONS}. Opening takes the directory's lock; closing ends every connection,
 * waits for what they had begun, and closes the store cleanly. It never releases the volume: only
 * an engine can know that nothing is missing.
 */
public final class ReplicaServer implements AutoCloseable {
  /** Most connections at a time. */
  public static final int MAX_CONNECTIONS = 32;

  private static final int BACKLOG = 64;
  private static final int RETRY_MILLIS = 100;
  private static final long STACK_BYTES = 512 << 10;

  private static final Logger LOG = LoggerFactory.getLogger(ReplicaServer.class);

  private final ReplicaHost host;
  private final ListenAddress address;
  private final int listener;
  private final Thread acceptor;

  // Guards the connections.
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition linkEnded = lock.newCondition();
  private final List<StreamLink> links = new ArrayList<>();
  private boolean isClosing;
  private long accepted;

  private ReplicaServer(ReplicaHost host, ListenAddress asked) {
    this.host = host;
    listener = asked.listen(BACKLOG);
    address = asked.bound(listener);
    acceptor =
        Thread.ofPlatform().name("replica-accept").stackSize(STACK_BYTES).unstarted(this::accept);
  }

  /**
   * Opens a directory and serves it at an address; throws {@link io.longhorn.api.VolumeException}
   * with one line for a person.
   */
  public static ReplicaServer open(
      FileLayer files, Path directory, IoMode mode, ListenAddress address) {
    return serve(ReplicaHost.open(files, directory, mode), address);
  }

  /** Serves an open replica, which it closes in the end, also if it cannot listen. */
  static ReplicaServer serve(ReplicaHost host, ListenAddress address) {
    ReplicaServer server;
    try {
      server = new ReplicaServer(host, address);
    } catch (RuntimeException e) {
      host.close();
      throw e;
    }
    server.acceptor.start();
    return server;
  }

  /** Where it listens, with the port that the kernel chose. */
  public ListenAddress address() {
    return address;
  }

  private void accept() {
    while (true) {
      int fd = SocketCalls.accept(listener);
      if (fd >= 0) {
        admit(fd);
      } else if (isClosing()) {
        return;
      } else {
        // Out of descriptors, or the connection was gone before it was accepted.
        LOG.warn("accept on {}: {}", address, Errno.describe(-fd));
        SocketCalls.poll(0, 0, RETRY_MILLIS);
      }
    }
  }

  private void admit(int fd) {
    lock.lock();
    try {
      if (isClosing) {
        FileCalls.close(fd);
        return;
      }
      if (links.size() >= MAX_CONNECTIONS) {
        // Whoever only looked, and longest ago, makes room; the peer tries again.
        LOG.warn("{} connections on {}: one is refused, an idle one closed", links.size(), address);
        FileCalls.close(fd);
        links.stream().filter(StreamLink::isIdle).findFirst().ifPresent(StreamLink::end);
        return;
      }
      StreamLink[] own = new StreamLink[1];
      StreamLink link = new StreamLink(host, fd, address.isTcp(), () -> over(own[0]));
      own[0] = link;
      links.add(link);
      accepted++;
      Thread.ofPlatform()
          .name("replica-link-" + accepted)
          .stackSize(STACK_BYTES)
          .daemon()
          .start(link);
    } finally {
      lock.unlock();
    }
  }

  private void over(StreamLink link) {
    lock.lock();
    try {
      links.remove(link);
      linkEnded.signalAll();
    } finally {
      lock.unlock();
    }
  }

  private boolean isClosing() {
    lock.lock();
    try {
      return isClosing;
    } finally {
      lock.unlock();
    }
  }

  /**
   * Stops listening, ends every connection, closes the store cleanly and unlocks. Waits for the
   * disk. Repeated calls do nothing. Throws {@link io.longhorn.api.VolumeException} if the store
   * could not be closed cleanly; it is closed all the same.
   */
  @Override
  public void close() {
    lock.lock();
    try {
      if (isClosing) {
        return;
      }
      isClosing = true;
      host.ownership().close();
      SocketCalls.shutdown(listener, SocketCalls.SHUT_RDWR);
      List.copyOf(links).forEach(StreamLink::end);
      while (!links.isEmpty()) {
        linkEnded.awaitUninterruptibly();
      }
    } finally {
      lock.unlock();
    }
    awaitAcceptor();
    address.cleanUp();
    FileCalls.close(listener);
    host.close();
  }

  private void awaitAcceptor() {
    boolean isInterrupted = false;
    while (acceptor.isAlive()) {
      try {
        acceptor.join();
      } catch (InterruptedException _) {
        isInterrupted = true;
      }
    }
    if (isInterrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
