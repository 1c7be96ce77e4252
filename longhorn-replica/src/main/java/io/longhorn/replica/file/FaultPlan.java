package io.longhorn.replica.file;

/** Decides which calls of a {@link FaultyFiles} go wrong, and how. Called under its lock. */
@FunctionalInterface
public interface FaultPlan {
  /** What a call is. */
  enum Call {
    /** A file or name comes, goes or changes its name. */
    NAME,
    /** fsync of a directory. */
    SYNC_NAMES,
    /** Write, punch, truncate. */
    WRITE,
    /** fdatasync. */
    SYNC,
    /** Read. */
    READ
  }

  /** How a call ends. */
  enum Fault {
    /** It is done. */
    NONE,
    /** It fails with EIO and did nothing; for a read, after half of it. */
    EIO,
    /** It fails with ENOSPC and did nothing. */
    ENOSPC,
    /** It and all later ones fail and do nothing: the process is gone. */
    STOP
  }

  /**
   * The fate of one call.
   *
   * @param file name of the file, or of the directory
   * @param number counts the calls that change anything, from 0; for a read, that of the next one
   */
  Fault fate(Call call, String file, long number);

  /** Stops at the call with this number, reads included from then on. */
  static FaultPlan stopAt(long at) {
    return (_, _, number) -> number >= at ? Fault.STOP : Fault.NONE;
  }

  /** No faults: for counting. */
  static FaultPlan none() {
    return (_, _, _) -> Fault.NONE;
  }
}
