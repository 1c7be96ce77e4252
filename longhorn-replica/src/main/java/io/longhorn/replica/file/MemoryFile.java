package io.longhorn.replica.file;

import io.longhorn.api.IoError;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.locks.ReentrantLock;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/** The contents of a file in memory: as they are, as they were synced, and what lies between. */
final class MemoryFile {
  private static final int PAGE_BYTES = 4096;
  private static final int SECTOR_BYTES = 512;

  private final ReentrantLock lock = new ReentrantLock();
  private Content now = new Content();
  private final Content synced = new Content();
  private final List<Change> unsynced = new ArrayList<>();
  private long power;

  private sealed interface Change {
    /** Its bytes are nobody else's. */
    @SuppressWarnings("ArrayRecordComponent")
    record Write(long offset, byte[] bytes) implements Change {}

    record Punch(long offset, long length) implements Change {}

    record Truncate(long sizeBytes) implements Change {}
  }

  DiskFile open(FileDirectory.Cache cache) {
    return new Handle(cache == FileDirectory.Cache.DIRECT, power);
  }

  void cutPower(RandomGenerator random) {
    lock.lock();
    try {
      power++;
      for (Change change : unsynced) {
        switch (change) {
          case Change.Write write -> tear(write, random);
          case Change.Punch punch -> {
            if (random.nextBoolean()) {
              synced.punch(punch.offset, punch.length);
            }
          }
          case Change.Truncate truncate -> {
            if (random.nextBoolean()) {
              synced.truncate(truncate.sizeBytes);
            }
          }
        }
      }
      unsynced.clear();
      now = synced.copy();
    } finally {
      lock.unlock();
    }
  }

  private void tear(Change.Write write, RandomGenerator random) {
    int fate = random.nextInt(3);
    if (fate == 0) {
      return;
    }
    int length = write.bytes.length;
    for (int at = 0; at < length; ) {
      int end =
          (int)
              Math.min(
                  length,
                  (write.offset + at) / SECTOR_BYTES * SECTOR_BYTES + SECTOR_BYTES - write.offset);
      if (fate == 1 || random.nextBoolean()) {
        synced.write(write.offset + at, write.bytes, at, end - at);
      }
      at = end;
    }
  }

  void flipBit(long offset, int bit) {
    lock.lock();
    try {
      byte[] one = new byte[1];
      for (Content content : List.of(now, synced)) {
        content.read(offset, one);
        one[0] ^= (byte) (1 << bit);
        content.write(offset, one, 0, 1);
      }
    } finally {
      lock.unlock();
    }
  }

  /** Pages that are not all zero, by number. */
  private static final class Content {
    final TreeMap<Long, byte[]> pages = new TreeMap<>();
    long size;

    Content copy() {
      Content copy = new Content();
      copy.size = size;
      for (Map.Entry<Long, byte[]> page : pages.entrySet()) {
        copy.pages.put(page.getKey(), page.getValue().clone());
      }
      return copy;
    }

    void write(long offset, byte[] bytes, int from, int length) {
      int done = 0;
      while (done < length) {
        long at = offset + done;
        int inPage = (int) (at % PAGE_BYTES);
        int part = Math.min(PAGE_BYTES - inPage, length - done);
        byte[] page = pages.computeIfAbsent(at / PAGE_BYTES, _ -> new byte[PAGE_BYTES]);
        System.arraycopy(bytes, from + done, page, inPage, part);
        done += part;
      }
      size = Math.max(size, offset + length);
    }

    void read(long offset, byte[] bytes) {
      int done = 0;
      while (done < bytes.length) {
        long at = offset + done;
        int inPage = (int) (at % PAGE_BYTES);
        int part = Math.min(PAGE_BYTES - inPage, bytes.length - done);
        byte[] page = pages.get(at / PAGE_BYTES);
        if (page == null) {
          Arrays.fill(bytes, done, done + part, (byte) 0);
        } else {
          System.arraycopy(page, inPage, bytes, done, part);
        }
        done += part;
      }
    }

    void punch(long offset, long length) {
      long end = Math.min(size, offset + length);
      for (long at = offset; at < end; ) {
        int inPage = (int) (at % PAGE_BYTES);
        int part = (int) Math.min(PAGE_BYTES - inPage, end - at);
        byte[] page = pages.get(at / PAGE_BYTES);
        if (part == PAGE_BYTES) {
          pages.remove(at / PAGE_BYTES);
        } else if (page != null) {
          Arrays.fill(page, inPage, inPage + part, (byte) 0);
        }
        at += part;
      }
    }

    void truncate(long sizeBytes) {
      if (sizeBytes < size) {
        punch(sizeBytes, size - sizeBytes);
      }
      size = sizeBytes;
    }
  }

  private final class Handle implements DiskFile {
    private final boolean isDirect;
    private final long opened;
    private boolean isClosed;

    Handle(boolean isDirect, long opened) {
      this.isDirect = isDirect;
      this.opened = opened;
    }

    private @Nullable IoError refusal(long address, long offset, long length) {
      if (isClosed || opened != power) {
        return IoError.EIO;
      }
      return isDirect && ((address | offset | length) & (PAGE_BYTES - 1)) != 0 ? IoError.EIO : null;
    }

    @Override
    public IoError write(long address, int length, long offset) {
      lock.lock();
      try {
        IoError refusal = refusal(address, offset, length);
        if (refusal != null) {
          return refusal;
        }
        byte[] bytes = new byte[length];
        MemorySegment.copy(
            NativeMemory.EVERYTHING, ValueLayout.JAVA_BYTE, address, bytes, 0, length);
        now.write(offset, bytes, 0, length);
        unsynced.add(new Change.Write(offset, bytes));
        return IoError.OK;
      } finally {
        lock.unlock();
      }
    }

    @Override
    public IoError read(long address, int length, long offset) {
      lock.lock();
      try {
        IoError refusal = refusal(address, offset, length);
        if (refusal != null) {
          return refusal;
        }
        if (offset + length > now.size) {
          return IoError.EIO;
        }
        byte[] bytes = new byte[length];
        now.read(offset, bytes);
        MemorySegment.copy(
            bytes, 0, NativeMemory.EVERYTHING, ValueLayout.JAVA_BYTE, address, length);
        return IoError.OK;
      } finally {
        lock.unlock();
      }
    }

    @Override
    public IoError readNow(long address, int length, long offset) {
      return read(address, length, offset);
    }

    @Override
    public IoError sync() {
      lock.lock();
      try {
        if (isClosed || opened != power) {
          return IoError.EIO;
        }
        for (Change change : unsynced) {
          switch (change) {
            case Change.Write write ->
                synced.write(write.offset, write.bytes, 0, write.bytes.length);
            case Change.Punch punch -> synced.punch(punch.offset, punch.length);
            case Change.Truncate truncate -> synced.truncate(truncate.sizeBytes);
          }
        }
        unsynced.clear();
        return IoError.OK;
      } finally {
        lock.unlock();
      }
    }

    @Override
    public IoError punch(long offset, long length) {
      return change(new Change.Punch(offset, length));
    }

    @Override
    public IoError truncate(long sizeBytes) {
      return change(new Change.Truncate(sizeBytes));
    }

    private IoError change(Change change) {
      lock.lock();
      try {
        if (isClosed || opened != power) {
          return IoError.EIO;
        }
        switch (change) {
          case Change.Write write -> now.write(write.offset, write.bytes, 0, write.bytes.length);
          case Change.Punch punch -> now.punch(punch.offset, punch.length);
          case Change.Truncate truncate -> now.truncate(truncate.sizeBytes);
        }
        unsynced.add(change);
        return IoError.OK;
      } finally {
        lock.unlock();
      }
    }

    @Override
    public long sizeBytes() {
      lock.lock();
      try {
        return isClosed || opened != power ? -1 : now.size;
      } finally {
        lock.unlock();
      }
    }

    @Override
    public void close() {
      isClosed = true;
    }
  }
}
