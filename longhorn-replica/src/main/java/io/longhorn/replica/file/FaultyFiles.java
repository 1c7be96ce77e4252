package io.longhorn.replica.file;

import io.longhorn.api.IoError;
import io.longhorn.replica.file.FaultPlan.Call;
import io.longhorn.replica.file.FaultPlan.Fault;
import java.nio.file.Path;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.locks.ReentrantLock;

/**
 * A file layer whose calls go wrong as a {@link FaultPlan} says. With {@link MemoryFiles} below and
 * {@link MemoryFiles#cutPower} after the stop it is a machine that dies at the n-th call. Any
 * thread.
 */
public final class FaultyFiles implements FileLayer {
  private final FileLayer files;
  private final ReentrantLock lock = new ReentrantLock();
  private FaultPlan plan;
  private long changes;
  private boolean isStopped;

  /** Passes everything on to {@code files} until the plan says otherwise. */
  public FaultyFiles(FileLayer files, FaultPlan plan) {
    this.files = files;
    this.plan = plan;
  }

  /** Changes the plan; calls count from 0 again. */
  public void plan(FaultPlan next) {
    lock.lock();
    try {
      plan = next;
      changes = 0;
      isStopped = false;
    } finally {
      lock.unlock();
    }
  }

  /** How many calls that change anything were made under this plan. */
  public long changes() {
    lock.lock();
    try {
      return changes;
    } finally {
      lock.unlock();
    }
  }

  /** Whether a call was stopped. */
  public boolean isStopped() {
    lock.lock();
    try {
      return isStopped;
    } finally {
      lock.unlock();
    }
  }

  private Fault fate(Call call, String file) {
    lock.lock();
    try {
      if (isStopped) {
        return Fault.STOP;
      }
      Fault fault = plan.fate(call, file, changes);
      if (call != Call.READ) {
        changes++;
      }
      isStopped = fault == Fault.STOP;
      return fault;
    } finally {
      lock.unlock();
    }
  }

  private IoError outcome(Call call, String file) {
    return switch (fate(call, file)) {
      case NONE -> IoError.OK;
      case ENOSPC -> IoError.ENOSPC;
      case EIO, STOP -> IoError.EIO;
    };
  }

  private void require(Call call, String file) throws DiskException {
    IoError error = outcome(call, file);
    if (!error.isOk()) {
      throw new DiskException(error, file + ": made to fail");
    }
  }

  @Override
  public FileDirectory open(Path directory) throws DiskException {
    require(Call.READ, directory.toString());
    return new Directory(files.open(directory), directory.toString());
  }

  @Override
  public void createDirectory(Path directory) throws DiskException {
    require(Call.NAME, directory.toString());
    files.createDirectory(directory);
  }

  @Override
  public UUID boot() {
    return files.boot();
  }

  private final class Directory implements FileDirectory {
    private final FileDirectory directory;
    private final String path;

    Directory(FileDirectory directory, String path) {
      this.directory = directory;
      this.path = path;
    }

    @Override
    public DiskFile create(String name, Cache cache) throws DiskException {
      require(Call.NAME, name);
      return new File(directory.create(name, cache), name);
    }

    @Override
    public DiskFile open(String name, Cache cache) throws DiskException {
      require(Call.READ, name);
      return new File(directory.open(name, cache), name);
    }

    @Override
    public List<String> list() throws DiskException {
      require(Call.READ, path);
      return directory.list();
    }

    @Override
    public void rename(String source, String target) throws DiskException {
      require(Call.NAME, target);
      directory.rename(source, target);
    }

    @Override
    public void delete(String name) throws DiskException {
      require(Call.NAME, name);
      directory.delete(name);
    }

    @Override
    public void sync() throws DiskException {
      require(Call.SYNC_NAMES, path);
      directory.sync();
    }

    @Override
    public void lock() throws DiskException {
      directory.lock();
    }

    @Override
    public void close() {
      directory.close();
    }
  }

  private final class File implements DiskFile {
    private final DiskFile file;
    private final String name;

    File(DiskFile file, String name) {
      this.file = file;
      this.name = name;
    }

    @Override
    public IoError write(long address, int length, long offset) {
      IoError error = outcome(Call.WRITE, name);
      return error.isOk() ? file.write(address, length, offset) : error;
    }

    @Override
    public IoError read(long address, int length, long offset) {
      IoError error = outcome(Call.READ, name);
      if (error.isOk()) {
        return file.read(address, length, offset);
      }
      file.read(address, length / 2, offset);
      return error;
    }

    @Override
    public IoError readNow(long address, int length, long offset) {
      IoError error = outcome(Call.READ, name);
      return error.isOk() ? file.readNow(address, length, offset) : error;
    }

    @Override
    public IoError sync() {
      IoError error = outcome(Call.SYNC, name);
      return error.isOk() ? file.sync() : error;
    }

    @Override
    public IoError punch(long offset, long length) {
      IoError error = outcome(Call.WRITE, name);
      return error.isOk() ? file.punch(offset, length) : error;
    }

    @Override
    public IoError truncate(long sizeBytes) {
      IoError error = outcome(Call.WRITE, name);
      return error.isOk() ? file.truncate(sizeBytes) : error;
    }

    @Override
    public long sizeBytes() {
      return isStopped() ? -1 : file.sizeBytes();
    }

    @Override
    public void close() {
      file.close();
    }
  }
}
