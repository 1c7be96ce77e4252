package io.longhorn.replica.server;

import io.longhorn.api.IoError;
import io.longhorn.api.ProcessNonce;
import io.longhorn.api.replica.ReplicaOpener.IoMode;
import io.longhorn.api.wire.FieldWriter;
import io.longhorn.api.wire.FrameHeader;
import io.longhorn.api.wire.LayerList;
import io.longhorn.api.wire.ReplicaInfo;
import io.longhorn.api.wire.ReplicaStatus;
import io.longhorn.replica.file.FileLayer;
import io.longhorn.replica.posix.FileCalls;
import io.longhorn.replica.store.DiskPool;
import io.longhorn.replica.store.ReplicaDirectory;
import io.longhorn.replica.store.ReplicaStore;
import io.longhorn.replica.store.ReplicaStore.Counters;
import io.longhorn.replica.store.StoreOptions;
import java.nio.file.Path;
import java.util.UUID;
import java.util.concurrent.locks.LockSupport;

/**
 * An open replica and what its sessions share: the store (touched by the owner's thread only), who
 * owns it, the disk threads, and what everybody may read, published by the owner after each change.
 */
final class ReplicaHost {
  /** Most frames that may be unanswered on one connection. */
  static final int CREDITS = 2048;

  private final ReplicaStore store;
  private final DiskThreads disk;
  private final Ownership ownership;
  private final Served served = new Served();
  private volatile Published published;

  /** What sessions count; of the owner's thread. */
  static final class Served {
    long reads;
    long readBytes;
    long writes;
    long writtenBytes;
    long flushes;
  }

  /**
   * What any thread may know of the replica, ready to send.
   *
   * @param info what it is and what it promised
   * @param layers the chain
   * @param counters of the store
   * @param failure why the store has failed
   */
  private record Published(
      ReplicaInfo info,
      LayerList layers,
      Counters counters,
      IoError failure,
      long reads,
      long readBytes,
      long writes,
      long writtenBytes,
      long flushes) {}

  /**
   * A host of an open store.
   *
   * @param store opened with {@code disk} or an inline pool
   */
  ReplicaHost(ReplicaStore store, DiskThreads disk) {
    this.store = store;
    this.disk = disk;
    ownership =
        new Ownership(new GenerationGate(store.promised(), store.promisedTo(), store.record()));
    published = look();
  }

  /**
   * Opens a directory and takes its lock; throws {@link io.longhorn.api.VolumeException} with one
   * line for a person.
   */
  static ReplicaHost open(FileLayer files, Path directory, IoMode mode) {
    DiskThreads disk = new DiskThreads("replica");
    DiskPool pool = isInMemory(directory) ? DiskPool.inline() : disk;
    StoreOptions options = new StoreOptions(mode, new ProcessNonce(UUID.randomUUID()));
    return new ReplicaHost(ReplicaDirectory.open(files, directory, options, pool), disk);
  }

  /**
   * Whether nothing in the directory ever waits for a device: handing work over would only cost.
   */
  private static boolean isInMemory(Path directory) {
    int fd = FileCalls.open(directory, FileCalls.O_RDONLY | FileCalls.O_DIRECTORY, 0);
    if (fd < 0) {
      return false;
    }
    long type = FileCalls.fileSystemType(fd);
    FileCalls.close(fd);
    return type == FileCalls.TMPFS_MAGIC;
  }

  /** The store. Owner's thread, except for what never changes: identities and size. */
  ReplicaStore store() {
    return store;
  }

  Ownership ownership() {
    return ownership;
  }

  DiskThreads disk() {
    return disk;
  }

  /** What sessions count. Owner's thread. */
  Served served() {
    return served;
  }

  /** Publishes the state of the store as it is. Owner's thread, before the change is answered. */
  void publish() {
    published = look();
  }

  /** Publishes the counters alone. Owner's thread. */
  void publishCounters() {
    Published last = published;
    published = published(last.info(), last.layers());
  }

  /** What the replica says of itself, as last published. Any thread. */
  ReplicaInfo info() {
    return published.info();
  }

  /** The chain of layers, as last published. Any thread. */
  LayerList layers() {
    return published.layers();
  }

  /** Counters and state, as last published. Any thread. */
  FieldWriter status() {
    Published now = published;
    return new ReplicaStatus(
            now.info(),
            store.name().value(),
            now.failure(),
            ownership.isOwned(),
            now.reads(),
            now.readBytes(),
            now.writes(),
            now.writtenBytes(),
            now.flushes(),
            now.counters().syncs(),
            now.counters().intentCommits(),
            now.counters().dirtyRegions())
        .write();
  }

  private Published look() {
    ReplicaInfo info =
        new ReplicaInfo(
            FrameHeader.VERSION,
            store.volume(),
            store.replica(),
            store.sizeBytes(),
            store.authority(),
            store.promised(),
            store.record(),
            store.releasedGeneration(),
            store.process(),
            store.isContinuous(),
            store.validSince(),
            store.regionBytes(),
            store.lastOperation(),
            store.head(),
            CREDITS);
    return published(info, store.layers());
  }

  private Published published(ReplicaInfo info, LayerList layers) {
    return new Published(
        info,
        layers,
        store.counters(),
        store.failure(),
        served.reads,
        served.readBytes,
        served.writes,
        served.writtenBytes,
        served.flushes);
  }

  /**
   * Closes the store, as far as that goes cleanly, and unlocks. Every session has ended; the
   * calling thread is the owner's thread now. Throws {@link io.longhorn.api.VolumeException}.
   */
  void close() {
    settle();
    try {
      store.close();
    } finally {
      disk.close();
    }
  }

  /** Closes the store as a killed process would, otherwise like {@link #close}. */
  void kill() {
    settle();
    store.kill();
    disk.close();
  }

  private void settle() {
    Thread closing = Thread.currentThread();
    disk.owner(() -> LockSupport.unpark(closing));
    disk.finish();
    while (disk.outstanding() > 0 || !store.isIdle()) {
      LockSupport.park(this);
      disk.finish();
    }
  }
}
