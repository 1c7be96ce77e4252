package io.longhorn.api;

/**
 * Why an operation did not succeed: one stable number per reason, the same in the API, on the wire,
 * in a log and in an exit message. The numbers are never reused or changed. The mapping to errno,
 * which is also NBD's numbering, lives here and nowhere else.
 */
public enum IoError {
  /** It succeeded. Present so that a status field always has a value. */
  OK(0, 0),
  /** The medium failed: EIO on read, write or fsync, or a short transfer. */
  EIO(1, Errno.EIO),
  /** No space left on every member. */
  ENOSPC(2, Errno.ENOSPC),
  /** A higher generation, or another engine instance, owns the volume (I3). */
  FENCED(3, Errno.EIO),
  /** The replica's record or generation is older than the newest one: it may not serve (I7). */
  STALE(4, Errno.EIO),
  /** Data does not match its CRC32C and no other member could repair it. */
  CHECKSUM(5, Errno.EIO),
  /**
   * Another process holds the replica directory (I8), or the peer is at a limit; it may be tried
   * again.
   */
  BUSY(6, Errno.EIO),
  /**
   * The request is wrong: out of range, not aligned where alignment is required, an unknown flag.
   */
  INVALID(7, Errno.EINVAL),
  /** The request is known and deliberately not supported here. */
  UNSUPPORTED(8, Errno.ENOTSUP),
  /** The thing asked for does not exist. */
  NOT_FOUND(9, Errno.EINVAL),
  /** It exists already. */
  EXISTS(10, Errno.EINVAL),
  /** The peer broke the protocol; the connection is closed. */
  PROTOCOL(11, Errno.EIO),
  /** The other side is closed, or the link broke before the answer. */
  DISCONNECTED(12, Errno.ESHUTDOWN),
  /** No answer within the bound. */
  TIMEOUT(13, Errno.EIO),
  /** Fewer members answered than opening or going on needs (R4). */
  NO_QUORUM(14, Errno.EIO),
  /** The directory belongs to another volume or is another replica of it. */
  WRONG_IDENTITY(15, Errno.EINVAL),
  /** Sizes do not agree. */
  WRONG_SIZE(16, Errno.EINVAL),
  /** A format or protocol version that this build does not know. */
  UNKNOWN_VERSION(17, Errno.EINVAL),
  /** Persistent metadata is damaged beyond what its redundancy repairs. */
  CORRUPT(18, Errno.EIO),
  /** A named limit was reached, for example the number of snapshots. */
  LIMIT(19, Errno.ENOSPC),
  /** The other authority owns this volume ({@code replicas} or {@code store:<id>}). */
  WRONG_AUTHORITY(20, Errno.EINVAL),
  /** A compare-and-set found another revision than it expected; nothing was changed. */
  CONFLICT(21, Errno.EIO);

  private static final IoError[] BY_CODE = values();

  static {
    for (int i = 0; i < BY_CODE.length; i++) {
      if (BY_CODE[i].code != i) {
        throw new IllegalStateException(BY_CODE[i] + " has code " + BY_CODE[i].code + " at " + i);
      }
    }
  }

  private final int code;
  private final int errno;

  IoError(int code, int errno) {
    this.code = code;
    this.errno = errno;
  }

  /** The stable number, 0 to 65,535. */
  public int code() {
    return code;
  }

  /**
   * The Linux errno a client of the block device sees; the subset that NBD allows; 0 for {@link
   * #OK}.
   */
  public int errno() {
    return errno;
  }

  /**
   * The error of a number from a peer; an unknown one is {@link #EIO}: a newer peer's reason is
   * still a failure.
   */
  public static IoError ofCode(int code) {
    return code >= 0 && code < BY_CODE.length ? BY_CODE[code] : EIO;
  }

  /** Whether this is {@link #OK}. */
  public boolean isOk() {
    return this == OK;
  }

  private static final class Errno {
    static final int EIO = 5;
    static final int EINVAL = 22;
    static final int ENOSPC = 28;
    static final int ENOTSUP = 95;
    static final int ESHUTDOWN = 108;
  }
}
