package io.longhorn.replica.posix;

import io.longhorn.api.IoError;

/**
 * The error numbers of Linux that something here decides by, the same on x86_64 and aarch64. Calls
 * return them negated.
 */
public final class Errno {
  /** Not permitted. */
  public static final int EPERM = 1;

  /** No such file or directory. */
  public static final int ENOENT = 2;

  /** Interrupted by a signal; calls are made again, so nobody sees it. */
  public static final int EINTR = 4;

  /** The medium failed. */
  public static final int EIO = 5;

  /** Would block, or a lock is held elsewhere. */
  public static final int EAGAIN = 11;

  /** Permission denied. */
  public static final int EACCES = 13;

  /** Exists already. */
  public static final int EEXIST = 17;

  /** Not a directory. */
  public static final int ENOTDIR = 20;

  /** Invalid argument, for example a misaligned O_DIRECT transfer. */
  public static final int EINVAL = 22;

  /** Too many open files in the system. */
  public static final int ENFILE = 23;

  /** Too many open files in the process. */
  public static final int EMFILE = 24;

  /** No space left. */
  public static final int ENOSPC = 28;

  /** Read-only file system. */
  public static final int EROFS = 30;

  /** Nobody reads the other end. */
  public static final int EPIPE = 32;

  /** Not supported by this file system. */
  public static final int EOPNOTSUPP = 95;

  /** The address is in use. */
  public static final int EADDRINUSE = 98;

  /** The peer reset the connection. */
  public static final int ECONNRESET = 104;

  /** Nobody listens. */
  public static final int ECONNREFUSED = 111;

  /** Disk quota exceeded. */
  public static final int EDQUOT = 122;

  private Errno() {}

  /**
   * What a failed file operation means for a volume: no space (also a quota) is {@link
   * IoError#ENOSPC}, everything else {@link IoError#EIO}.
   *
   * @param errno positive
   */
  public static IoError toIoError(int errno) {
    return errno == ENOSPC || errno == EDQUOT ? IoError.ENOSPC : IoError.EIO;
  }

  /** The kernel's words for an error number, for a line that a person reads. */
  public static String describe(int errno) {
    return NativeCalls.describe(errno);
  }
}
