package io.longhorn.replica.file;

import io.longhorn.api.IoError;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.locks.ReentrantLock;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * A file system in memory that knows what is synced and what is not, and loses the difference when
 * its power is cut: for tests of anything that must survive that. Any thread.
 */
public final class MemoryFiles implements FileLayer {
  private final ReentrantLock lock = new ReentrantLock();
  private final TreeMap<Path, Directory> directories = new TreeMap<>();
  private long boots = 1;

  /** An empty one. */
  public MemoryFiles() {}

  @Override
  public FileDirectory open(Path directory) throws DiskException {
    lock.lock();
    try {
      Directory found = directories.get(directory);
      if (found == null) {
        throw new DiskException(IoError.NOT_FOUND, directory + " does not exist; create a replica");
      }
      return new OpenDirectory(found, boots);
    } finally {
      lock.unlock();
    }
  }

  @Override
  public void createDirectory(Path directory) {
    lock.lock();
    try {
      directories.putIfAbsent(directory, new Directory(directory));
    } finally {
      lock.unlock();
    }
  }

  @Override
  public UUID boot() {
    lock.lock();
    try {
      return new UUID(0, boots);
    } finally {
      lock.unlock();
    }
  }

  /**
   * The power fails: of what was not synced, each change of a name and each write is kept or lost,
   * and of each write that is kept any of its sectors of 512 bytes may be lost; locks are gone and
   * every open file is dead. What {@code random} decides, its seed repeats.
   */
  public void cutPower(RandomGenerator random) {
    lock.lock();
    try {
      boots++;
      for (Directory directory : directories.values()) {
        directory.cutPower(random);
      }
    } finally {
      lock.unlock();
    }
  }

  /** Flips one bit of what is on the disk, as decay does. The file must exist. */
  public void flipBit(Path directory, String name, long offset, int bit) {
    lock.lock();
    try {
      Directory found = directories.get(directory);
      MemoryFile file = found == null ? null : found.names.get(name);
      if (file == null) {
        throw new IllegalArgumentException(directory + " has no file " + name);
      }
      file.flipBit(offset, bit);
    } finally {
      lock.unlock();
    }
  }

  /** What a directory is, apart from who has it open. */
  private static final class Directory {
    final Path path;
    TreeMap<String, MemoryFile> names = new TreeMap<>();
    private TreeMap<String, MemoryFile> syncedNames = new TreeMap<>();
    private final List<Change> unsynced = new ArrayList<>();
    boolean isLocked;

    /**
     * An unsynced change of names.
     *
     * @param from the name that goes, or null
     * @param to the name that comes, or null
     * @param file what {@code to} names
     */
    private record Change(@Nullable String from, @Nullable String to, @Nullable MemoryFile file) {}

    Directory(Path path) {
      this.path = path;
    }

    void change(@Nullable String from, @Nullable String to, @Nullable MemoryFile file) {
      Change change = new Change(from, to, file);
      apply(names, change);
      unsynced.add(change);
    }

    private static void apply(Map<String, MemoryFile> names, Change change) {
      if (change.from != null) {
        names.remove(change.from);
      }
      if (change.to != null && change.file != null) {
        names.put(change.to, change.file);
      }
    }

    void sync() {
      syncedNames = new TreeMap<>(names);
      unsynced.clear();
    }

    void cutPower(RandomGenerator random) {
      for (Change change : unsynced) {
        if (random.nextBoolean()) {
          apply(syncedNames, change);
        }
      }
      names = syncedNames;
      sync();
      for (MemoryFile file : names.values()) {
        file.cutPower(random);
      }
      isLocked = false;
    }
  }

  /** A directory that somebody opened; dead after the power was cut. */
  private final class OpenDirectory implements FileDirectory {
    private final Directory directory;
    private final long boot;
    private boolean hasLock;

    OpenDirectory(Directory directory, long boot) {
      this.directory = directory;
      this.boot = boot;
    }

    private void requirePower() throws DiskException {
      if (boot != boots) {
        throw new DiskException(IoError.EIO, directory.path + ": the power was cut");
      }
    }

    private MemoryFile find(String name) throws DiskException {
      requirePower();
      MemoryFile file = directory.names.get(name);
      if (file == null) {
        throw new DiskException(
            IoError.NOT_FOUND, "cannot open " + directory.path + "/" + name + ": no such file");
      }
      return file;
    }

    @Override
    public DiskFile create(String name, Cache cache) throws DiskException {
      lock.lock();
      try {
        requirePower();
        if (directory.names.containsKey(name)) {
          throw new DiskException(IoError.EXISTS, directory.path + "/" + name + " exists already");
        }
        MemoryFile file = new MemoryFile();
        directory.change(null, name, file);
        return file.open(cache);
      } finally {
        lock.unlock();
      }
    }

    @Override
    public DiskFile open(String name, Cache cache) throws DiskException {
      lock.lock();
      try {
        return find(name).open(cache);
      } finally {
        lock.unlock();
      }
    }

    @Override
    public List<String> list() throws DiskException {
      lock.lock();
      try {
        requirePower();
        return List.copyOf(directory.names.keySet());
      } finally {
        lock.unlock();
      }
    }

    @Override
    public void rename(String source, String target) throws DiskException {
      lock.lock();
      try {
        directory.change(source, target, find(source));
      } finally {
        lock.unlock();
      }
    }

    @Override
    public void delete(String name) throws DiskException {
      lock.lock();
      try {
        find(name);
        directory.change(name, null, null);
      } finally {
        lock.unlock();
      }
    }

    @Override
    public void sync() throws DiskException {
      lock.lock();
      try {
        requirePower();
        directory.sync();
      } finally {
        lock.unlock();
      }
    }

    @Override
    public void lock() throws DiskException {
      lock.lock();
      try {
        requirePower();
        if (directory.isLocked) {
          throw new DiskException(
              IoError.BUSY, directory.path + " is in use by another process; stop that one first");
        }
        directory.isLocked = true;
        hasLock = true;
      } finally {
        lock.unlock();
      }
    }

    @Override
    public void close() {
      lock.lock();
      try {
        if (hasLock && boot == boots) {
          directory.isLocked = false;
        }
        hasLock = false;
      } finally {
        lock.unlock();
      }
    }
  }
}
