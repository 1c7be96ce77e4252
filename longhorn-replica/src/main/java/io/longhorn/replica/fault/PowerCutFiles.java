package io.longhorn.replica.fault;

import io.longhorn.api.IoError;
import io.longhorn.replica.fault.UnsyncedFile.Change;
import io.longhorn.replica.file.DiskException;
import io.longhorn.replica.file.DiskFile;
import io.longhorn.replica.file.FileDirectory;
import io.longhorn.replica.file.FileLayer;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.locks.ReentrantLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Supplier;
import java.util.random.RandomGenerator;

/**
 * Another file layer, whose power can be cut: then what was not synced is lost, torn or kept, as
 * chance has it. It remembers what each unsynced change replaced; the changes themselves go to the
 * layer below at once. Names are kept whatever was synced: {@link
 * io.longhorn.replica.file.MemoryFiles} loses those too, but is no real directory. Any thread.
 */
final class PowerCutFiles implements FileLayer {
  private final FileLayer files;

  /** Calls hold it shared, the cut exclusively: no call is half done then. */
  private final ReentrantReadWriteLock power = new ReentrantReadWriteLock();

  /** Guards what follows. */
  private final ReentrantLock lock = new ReentrantLock();

  private final Map<Path, UnsyncedFile> unsynced = new HashMap<>();
  private long boots;
  private UUID boot = UUID.randomUUID();

  PowerCutFiles(FileLayer files) {
    this.files = files;
  }

  @Override
  public FileDirectory open(Path directory) throws DiskException {
    return new Directory(directory, files.open(directory), boots());
  }

  @Override
  public void createDirectory(Path directory) throws DiskException {
    files.createDirectory(directory);
  }

  /** Another one after each cut: what was written may be gone. */
  @Override
  public UUID boot() {
    lock.lock();
    try {
      return boot;
    } finally {
      lock.unlock();
    }
  }

  private long boots() {
    lock.lock();
    try {
      return boots;
    } finally {
      lock.unlock();
    }
  }

  /**
   * Cuts the power: whatever is open is dead, and what comes later is after the next boot.
   *
   * @return how many changes were lost or torn
   */
  int cut(RandomGenerator random) {
    power.writeLock().lock();
    lock.lock();
    try {
      boots++;
      boot = UUID.randomUUID();
      int lost = 0;
      for (UnsyncedFile file : unsynced.values()) {
        lost += file.cutPower(random);
      }
      unsynced.clear();
      return lost;
    } finally {
      lock.unlock();
      power.writeLock().unlock();
    }
  }

  /** Forgets everything: what was written stays. Nobody uses a file any more. */
  void close() {
    lock.lock();
    try {
      unsynced.values().forEach(UnsyncedFile::close);
      unsynced.clear();
    } finally {
      lock.unlock();
    }
  }

  private final class Directory implements FileDirectory {
    private final Path path;
    private final FileDirectory directory;
    private final long boot;

    Directory(Path path, FileDirectory directory, long boot) {
      this.path = path;
      this.directory = directory;
      this.boot = boot;
    }

    private void requirePower() throws DiskException {
      if (boot != boots()) {
        throw new DiskException(IoError.EIO, path + ": the power was cut");
      }
    }

    private DiskFile wrapped(String name, DiskFile file) throws DiskException {
      lock.lock();
      try {
        // One of a path, whoever opened it: a sync makes durable what others wrote as well.
        UnsyncedFile own = unsynced.get(path.resolve(name));
        if (own == null) {
          own = new UnsyncedFile(directory.open(name, Cache.BUFFERED));
          unsynced.put(path.resolve(name), own);
        }
        return new File(file, own, boot);
      } catch (DiskException e) {
        file.close();
        throw e;
      } finally {
        lock.unlock();
      }
    }

    @Override
    public DiskFile create(String name, Cache cache) throws DiskException {
      requirePower();
      return wrapped(name, directory.create(name, cache));
    }

    @Override
    public DiskFile open(String name, Cache cache) throws DiskException {
      requirePower();
      return wrapped(name, directory.open(name, cache));
    }

    @Override
    public List<String> list() throws DiskException {
      requirePower();
      return directory.list();
    }

    @Override
    public void rename(String source, String target) throws DiskException {
      requirePower();
      directory.rename(source, target);
      lock.lock();
      try {
        forget(target);
        UnsyncedFile moved = unsynced.remove(path.resolve(source));
        if (moved != null) {
          unsynced.put(path.resolve(target), moved);
        }
      } finally {
        lock.unlock();
      }
    }

    @Override
    public void delete(String name) throws DiskException {
      requirePower();
      directory.delete(name);
      lock.lock();
      try {
        forget(name);
      } finally {
        lock.unlock();
      }
    }

    private void forget(String name) {
      UnsyncedFile gone = unsynced.remove(path.resolve(name));
      if (gone != null) {
        gone.close();
      }
    }

    @Override
    public void sync() throws DiskException {
      requirePower();
      directory.sync();
    }

    @Override
    public void lock() throws DiskException {
      requirePower();
      directory.lock();
    }

    @Override
    public void close() {
      directory.close();
    }
  }

  private final class File implements DiskFile {
    private final DiskFile file;
    private final UnsyncedFile unsynced;
    private final long boot;

    File(DiskFile file, UnsyncedFile unsynced, long boot) {
      this.file = file;
      this.unsynced = unsynced;
      this.boot = boot;
    }

    /** Does a call that the cut waits for; EIO after it. */
    private IoError powered(Supplier<IoError> call) {
      power.readLock().lock();
      try {
        return boot == boots() ? call.get() : IoError.EIO;
      } finally {
        power.readLock().unlock();
      }
    }

    private IoError change(long offset, long length, Supplier<IoError> call) {
      return powered(() -> {
        Change change = unsynced.begin(offset, length);
        IoError error = call.get();
        unsynced.end(change);
        return error;
      });
    }

    @Override
    public IoError write(long address, int length, long offset) {
      return change(offset, length, () -> file.write(address, length, offset));
    }

    @Override
    public IoError read(long address, int length, long offset) {
      return powered(() -> file.read(address, length, offset));
    }

    @Override
    public IoError readNow(long address, int length, long offset) {
      return powered(() -> file.readNow(address, length, offset));
    }

    @Override
    public IoError sync() {
      return powered(() -> {
        List<Change> durable = unsynced.done();
        IoError error = file.sync();
        if (error.isOk()) {
          unsynced.synced(durable);
        }
        return error;
      });
    }

    @Override
    public IoError punch(long offset, long length) {
      return change(offset, length, () -> file.punch(offset, length));
    }

    @Override
    public IoError truncate(long sizeBytes) {
      long size = Math.max(0, file.sizeBytes());
      long first = Math.min(size, sizeBytes);
      return change(first, Math.max(size, sizeBytes) - first, () -> file.truncate(sizeBytes));
    }

    @Override
    public long sizeBytes() {
      return boot == boots() ? file.sizeBytes() : -1;
    }

    @Override
    public void close() {
      file.close();
    }
  }
}
