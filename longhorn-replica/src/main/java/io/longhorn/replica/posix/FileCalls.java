package io.longhorn.replica.posix;

import static io.longhorn.replica.posix.NativeCalls.broken;
import static io.longhorn.replica.posix.NativeCalls.link;
import static io.longhorn.replica.posix.NativeCalls.longResult;
import static io.longhorn.replica.posix.NativeCalls.result;
import static io.longhorn.replica.posix.NativeCalls.state;

import io.longhorn.replica.posix.NativeCalls.CallState;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;

/**
 * System calls on files. Any thread; each returns the kernel's result or minus {@link Errno}. Reads
 * and writes may be short, as the kernel's are.
 */
public final class FileCalls {
  /** {@link #open}: reading only. */
  public static final int O_RDONLY = 0;

  /** {@link #open}: reading and writing. */
  public static final int O_RDWR = 2;

  /** {@link #open}: make it if it is not there. */
  public static final int O_CREAT = 0x40;

  /** {@link #open} with {@link #O_CREAT}: fail if it is there. */
  public static final int O_EXCL = 0x80;

  /** {@link #open}: cut to nothing. */
  public static final int O_TRUNC = 0x200;

  /** {@link #open}: every write is durable with its data when it returns. */
  public static final int O_DSYNC = 0x1000;

  /** {@link #open}: past the page cache; addresses, offsets and lengths are aligned. */
  public static final int O_DIRECT = NativeCalls.IS_ARM ? 0x10000 : 0x4000;

  /** {@link #open}: only a directory (to fsync it). */
  public static final int O_DIRECTORY = NativeCalls.IS_ARM ? 0x4000 : 0x10000;

  /** Set on every file opened here: a child process inherits none. */
  private static final int O_CLOEXEC = 0x80000;

  /** {@link #preadv2}: fail with {@link Errno#EAGAIN} rather than wait for the disk. */
  public static final int RWF_NOWAIT = 8;

  /** {@link #pwritev2}: this write is durable with its data when it returns. */
  public static final int RWF_DSYNC = 2;

  /** {@link #fallocate}: the file's size stays. */
  public static final int FALLOC_FL_KEEP_SIZE = 1;

  /** {@link #fallocate} with {@link #FALLOC_FL_KEEP_SIZE}: the range becomes a hole. */
  public static final int FALLOC_FL_PUNCH_HOLE = 2;

  /** What {@link #fileSystemType} gives for tmpfs. */
  public static final long TMPFS_MAGIC = 0x0102_1994;

  private static final long SEEK_END = 2;
  private static final long LOCK_EX_NB = 2 | 4;

  private static final MethodHandle OPEN = link("open");
  private static final MethodHandle CLOSE = link("close");
  private static final MethodHandle PREAD = link("pread64");
  private static final MethodHandle PWRITE = link("pwrite64");
  private static final MethodHandle PREADV2 = link("preadv2");
  private static final MethodHandle PWRITEV2 = link("pwritev2");
  private static final MethodHandle FDATASYNC = link("fdatasync");
  private static final MethodHandle FSYNC = link("fsync");
  private static final MethodHandle FTRUNCATE = link("ftruncate64");
  private static final MethodHandle FALLOCATE = link("fallocate64");
  private static final MethodHandle FLOCK = link("flock");
  private static final MethodHandle LSEEK = link("lseek64");
  private static final MethodHandle FSTATFS = link("fstatfs64");

  private FileCalls() {}

  /**
   * Opens a file, never inherited by a child process.
   *
   * @param flags {@code O_…} of this class
   * @param mode permissions if it is made, for example {@code 0600}
   * @return its descriptor
   */
  public static int open(Path path, int flags, int mode) {
    try (Arena arena = Arena.ofConfined()) {
      CallState state = state();
      long name = arena.allocateFrom(path.toString()).address();
      int fd;
      do {
        fd =
            result(
                state,
                (long)
                    OPEN.invokeExact(
                        state.captured(), name, (long) (flags | O_CLOEXEC), (long) mode, 0L, 0L));
      } while (fd == -Errno.EINTR);
      return fd;
    } catch (Throwable e) {
      throw broken(e);
    }
  }

  /** Closes a descriptor; never repeated, it is gone even when this fails. */
  public static int close(int fd) {
    try {
      CallState state = state();
      return result(state, (long) CLOSE.invokeExact(state.captured(), (long) fd, 0L, 0L, 0L, 0L));
    } catch (Throwable e) {
      throw broken(e);
    }
  }

  /** Reads at an offset; 0 at the end of the file. */
  public static long pread(int fd, long address, long length, long offset) {
    try {
      CallState state = state();
      long got;
      do {
        got =
            longResult(
                state,
                (long) PREAD.invokeExact(state.captured(), (long) fd, address, length, offset, 0L));
      } while (got == -Errno.EINTR);
      return got;
    } catch (Throwable e) {
      throw broken(e);
    }
  }

  /** Writes at an offset. */
  public static long pwrite(int fd, long address, long length, long offset) {
    try {
      CallState state = state();
      long got;
      do {
        got =
            longResult(
                state,
                (long)
                    PWRITE.invokeExact(state.captured(), (long) fd, address, length, offset, 0L));
      } while (got == -Errno.EINTR);
      return got;
    } catch (Throwable e) {
      throw broken(e);
    }
  }

  /**
   * Reads at an offset with flags, into one buffer.
   *
   * @param flags {@link #RWF_NOWAIT} or 0
   */
  public static long preadv2(int fd, long address, long length, long offset, int flags) {
    try {
      CallState state = state();
      state.buffer(0, address, length);
      long got;
      do {
        got =
            longResult(
                state,
                (long)
                    PREADV2.invokeExact(
                        state.captured(),
                        (long) fd,
                        state.buffersAddress(),
                        1L,
                        offset,
                        (long) flags));
      } while (got == -Errno.EINTR);
      return got;
    } catch (Throwable e) {
      throw broken(e);
    }
  }

  /**
   * Writes several buffers at an offset, one after the other.
   *
   * @param addresses where each begins
   * @param lengths how long each is
   * @param count how many, 1 to 64
   * @param flags {@link #RWF_DSYNC} or 0
   */
  public static long pwritev2(
      int fd, long[] addresses, long[] lengths, int count, long offset, int flags) {
    if (count < 1 || count > NativeCalls.MAX_BUFFERS) {
      throw new IllegalArgumentException(
          count + " buffers in one write: 1 to " + NativeCalls.MAX_BUFFERS);
    }
    try {
      CallState state = state();
      for (int i = 0; i < count; i++) {
        state.buffer(i, addresses[i], lengths[i]);
      }
      long got;
      do {
        got =
            longResult(
                state,
                (long)
                    PWRITEV2.invokeExact(
                        state.captured(),
                        (long) fd,
                        state.buffersAddress(),
                        (long) count,
                        offset,
                        (long) flags));
      } while (got == -Errno.EINTR);
      return got;
    } catch (Throwable e) {
      throw broken(e);
    }
  }

  /** Makes the data durable, and of the metadata what is needed to read it. */
  public static int fdatasync(int fd) {
    try {
      CallState state = state();
      int got;
      do {
        got =
            result(
                state, (long) FDATASYNC.invokeExact(state.captured(), (long) fd, 0L, 0L, 0L, 0L));
      } while (got == -Errno.EINTR);
      return got;
    } catch (Throwable e) {
      throw broken(e);
    }
  }

  /** Makes data and metadata durable; for a directory, its entries. */
  public static int fsync(int fd) {
    try {
      CallState state = state();
      int got;
      do {
        got = result(state, (long) FSYNC.invokeExact(state.captured(), (long) fd, 0L, 0L, 0L, 0L));
      } while (got == -Errno.EINTR);
      return got;
    } catch (Throwable e) {
      throw broken(e);
    }
  }

  /** Sets the size of a file. */
  public static int ftruncate(int fd, long size) {
    try {
      CallState state = state();
      int got;
      do {
        got =
            result(
                state, (long) FTRUNCATE.invokeExact(state.captured(), (long) fd, size, 0L, 0L, 0L));
      } while (got == -Errno.EINTR);
      return got;
    } catch (Throwable e) {
      throw broken(e);
    }
  }

  /**
   * Allocates a range, or makes it a hole.
   *
   * @param mode {@code FALLOC_FL_…} of this class, or 0
   */
  public static int fallocate(int fd, int mode, long offset, long length) {
    try {
      CallState state = state();
      int got;
      do {
        got =
            result(
                state,
                (long)
                    FALLOCATE.invokeExact(
                        state.captured(), (long) fd, (long) mode, offset, length, 0L));
      } while (got == -Errno.EINTR);
      return got;
    } catch (Throwable e) {
      throw broken(e);
    }
  }

  /**
   * Takes the exclusive lock of an open file without waiting; {@link Errno#EAGAIN} if another open
   * file has it, in this process or another. Gone when the descriptor is closed or its process
   * dies.
   */
  public static int lockExclusive(int fd) {
    try {
      CallState state = state();
      int got;
      do {
        got =
            result(
                state,
                (long) FLOCK.invokeExact(state.captured(), (long) fd, LOCK_EX_NB, 0L, 0L, 0L));
      } while (got == -Errno.EINTR);
      return got;
    } catch (Throwable e) {
      throw broken(e);
    }
  }

  /** The size of a file. Moves the descriptor's position, which nothing here uses. */
  public static long size(int fd) {
    try {
      CallState state = state();
      return longResult(
          state, (long) LSEEK.invokeExact(state.captured(), (long) fd, 0L, SEEK_END, 0L, 0L));
    } catch (Throwable e) {
      throw broken(e);
    }
  }

  /** What kind of file system the file is on, as {@code f_type} of statfs(2). */
  public static long fileSystemType(int fd) {
    try {
      CallState state = state();
      int got;
      do {
        got =
            result(
                state,
                (long)
                    FSTATFS.invokeExact(
                        state.captured(), (long) fd, state.scratch().address(), 0L, 0L, 0L));
      } while (got == -Errno.EINTR);
      return got < 0 ? got : state.scratch().get(ValueLayout.JAVA_LONG, 0);
    } catch (Throwable e) {
      throw broken(e);
    }
  }
}
