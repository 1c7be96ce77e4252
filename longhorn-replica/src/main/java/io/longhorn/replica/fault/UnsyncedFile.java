package io.longhorn.replica.fault;

import io.longhorn.api.IoError;
import io.longhorn.replica.file.DiskFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import java.util.random.RandomGenerator;

/**
 * A file, and of each change since its last sync what was there before, so that it can be taken
 * back. Any thread.
 */
final class UnsyncedFile {
  /**
   * Most that is remembered of one file. What is older counts as written back by a kernel that
   * needed the memory.
   */
  static final long MAX_REMEMBERED_BYTES = 8L << 20;

  private static final int SECTOR_BYTES = 512;
  private static final byte[] NO_BYTES = {};

  /**
   * The file once more, for looking and taking back; whoever changes it has a handle of its own.
   */
  private final DiskFile file;

  private final ReentrantLock lock = new ReentrantLock();
  private final Deque<Change> changes = new ArrayDeque<>();
  private long rememberedBytes;
  private boolean isClosed;

  /** A change, from before it begins. */
  static final class Change {
    private final long offset;
    private final long length;
    private final byte[] before;
    private final long sizeBefore;
    private boolean isDone;
    private boolean isDurable;

    private Change(long offset, long length, byte[] before, long sizeBefore) {
      this.offset = offset;
      this.length = length;
      this.before = before;
      this.sizeBefore = sizeBefore;
    }
  }

  /** Takes the handle over. */
  UnsyncedFile(DiskFile file) {
    this.file = file;
  }

  /** To be called before a range changes, and {@link #end} when it has. */
  Change begin(long offset, long length) {
    lock.lock();
    try {
      if (isClosed) {
        // It has no name any more.
        return new Change(offset, 0, NO_BYTES, 0);
      }
      long size = Math.max(0, file.sizeBytes());
      long present = Math.clamp(size - offset, 0, Math.min(length, MAX_REMEMBERED_BYTES));
      Change change = new Change(offset, length, read(offset, (int) present), size);
      changes.addLast(change);
      rememberedBytes += change.before.length;
      while (rememberedBytes > MAX_REMEMBERED_BYTES && changes.getFirst().isDone) {
        rememberedBytes -= changes.removeFirst().before.length;
      }
      return change;
    } finally {
      lock.unlock();
    }
  }

  void end(Change change) {
    lock.lock();
    try {
      change.isDone = true;
    } finally {
      lock.unlock();
    }
  }

  /** What a sync that begins now will make durable. */
  List<Change> done() {
    lock.lock();
    try {
      return changes.stream().filter(change -> change.isDone).toList();
    } finally {
      lock.unlock();
    }
  }

  /** These are on the disk. */
  void synced(List<Change> durable) {
    lock.lock();
    try {
      durable.forEach(change -> change.isDurable = true);
      changes.removeIf(change -> change.isDurable);
      rememberedBytes = changes.stream().mapToLong(change -> change.before.length).sum();
    } finally {
      lock.unlock();
    }
  }

  /**
   * Takes back what the loss of power takes: of the changes that were not synced some whole, of
   * some a part of their sectors, newest first. Nobody else uses the file now. Closes it.
   *
   * @return how many changes were lost or torn
   */
  int cutPower(RandomGenerator random) {
    if (isClosed) {
      return 0;
    }
    int lost = 0;
    while (!changes.isEmpty()) {
      Change change = changes.removeLast();
      switch (random.nextInt(3)) {
        case 0 -> {
          restore(change, 0, change.length);
          if (file.sizeBytes() > change.sizeBefore && change.offset >= change.sizeBefore) {
            require(file.truncate(change.sizeBefore));
          }
          lost++;
        }
        case 1 -> {
          tear(change, random);
          lost++;
        }
        default -> {}
      }
    }
    require(file.sync());
    close();
    return lost;
  }

  private void tear(Change change, RandomGenerator random) {
    for (long at = 0; at < change.length; ) {
      long toNextSector = SECTOR_BYTES - (change.offset + at) % SECTOR_BYTES;
      long end = Math.min(change.length, at + toNextSector);
      if (random.nextBoolean()) {
        restore(change, at, end);
      }
      at = end;
    }
  }

  /** Puts back what was in a part of the change's range; what was beyond the end becomes zeros. */
  private void restore(Change change, long from, long to) {
    long end = Math.min(to, change.before.length);
    if (from < end) {
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment bytes = arena.allocate(end - from);
        MemorySegment.copy(
            change.before, (int) from, bytes, ValueLayout.JAVA_BYTE, 0, (int) (end - from));
        require(file.write(bytes.address(), (int) (end - from), change.offset + from));
      }
    }
    long first = Math.max(from, change.before.length);
    if (first < to && change.offset + first < file.sizeBytes()) {
      require(file.punch(change.offset + first, to - first));
    }
  }

  private byte[] read(long offset, int length) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment bytes = arena.allocate(Math.max(1, length));
      require(length == 0 ? IoError.OK : file.read(bytes.address(), length, offset));
      return bytes.asSlice(0, length).toArray(ValueLayout.JAVA_BYTE);
    }
  }

  private static void require(IoError error) {
    if (!error.isOk()) {
      throw new IllegalStateException("the disk under a simulated loss of power fails: " + error);
    }
  }

  /** Forgets everything; the file stays as it is. */
  void close() {
    lock.lock();
    try {
      if (!isClosed) {
        isClosed = true;
        changes.clear();
        file.close();
      }
    } finally {
      lock.unlock();
    }
  }
}
