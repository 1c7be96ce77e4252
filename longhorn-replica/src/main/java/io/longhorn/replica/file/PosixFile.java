package io.longhorn.replica.file;

import io.longhorn.api.IoError;
import io.longhorn.replica.posix.Errno;
import io.longhorn.replica.posix.FileCalls;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** A file descriptor. Transfers that the kernel cuts short are continued. */
final class PosixFile implements DiskFile {
  private static final int ZEROS_BYTES = 128 << 10;
  private static final MemorySegment ZEROS = Arena.global().allocate(ZEROS_BYTES, 4096);

  private final int fd;

  /** On tmpfs no read waits for a device, whatever the kernel says of RWF_NOWAIT there. */
  private final boolean isMemory;

  /** The file system answered once that it cannot tell. Racy and idempotent. */
  private volatile boolean isNowaitUnknown;

  PosixFile(int fd) {
    this.fd = fd;
    this.isMemory = FileCalls.fileSystemType(fd) == FileCalls.TMPFS_MAGIC;
  }

  @Override
  public IoError write(long address, int length, long offset) {
    int done = 0;
    while (done < length) {
      long got = FileCalls.pwrite(fd, address + done, length - done, offset + done);
      if (got <= 0) {
        return got == 0 ? IoError.EIO : Errno.toIoError((int) -got);
      }
      done += (int) got;
    }
    return IoError.OK;
  }

  @Override
  public IoError read(long address, int length, long offset) {
    int done = 0;
    while (done < length) {
      long got = FileCalls.pread(fd, address + done, length - done, offset + done);
      if (got <= 0) {
        return IoError.EIO;
      }
      done += (int) got;
    }
    return IoError.OK;
  }

  @Override
  public IoError readNow(long address, int length, long offset) {
    if (isMemory) {
      return read(address, length, offset);
    }
    if (isNowaitUnknown) {
      return IoError.BUSY;
    }
    long got = FileCalls.preadv2(fd, address, length, offset, FileCalls.RWF_NOWAIT);
    if (got == length) {
      return IoError.OK;
    }
    if (got == -Errno.EOPNOTSUPP) {
      isNowaitUnknown = true;
      return IoError.BUSY;
    }
    // A part, or EAGAIN: the rest has to come from the device; anything else shows again there.
    return IoError.BUSY;
  }

  @Override
  public IoError sync() {
    return outcome(FileCalls.fdatasync(fd));
  }

  @Override
  public IoError punch(long offset, long length) {
    int result =
        FileCalls.fallocate(
            fd, FileCalls.FALLOC_FL_KEEP_SIZE | FileCalls.FALLOC_FL_PUNCH_HOLE, offset, length);
    return result == -Errno.EOPNOTSUPP ? writeZeros(offset, length) : outcome(result);
  }

  private IoError writeZeros(long offset, long length) {
    long done = 0;
    while (done < length) {
      int part = (int) Math.min(ZEROS_BYTES, length - done);
      IoError error = write(ZEROS.address(), part, offset + done);
      if (!error.isOk()) {
        return error;
      }
      done += part;
    }
    return IoError.OK;
  }

  @Override
  public IoError truncate(long sizeBytes) {
    return outcome(FileCalls.ftruncate(fd, sizeBytes));
  }

  @Override
  public long sizeBytes() {
    long size = FileCalls.size(fd);
    return size < 0 ? -1 : size;
  }

  @Override
  public void close() {
    FileCalls.close(fd);
  }

  private static IoError outcome(int result) {
    return result < 0 ? Errno.toIoError(-result) : IoError.OK;
  }
}
