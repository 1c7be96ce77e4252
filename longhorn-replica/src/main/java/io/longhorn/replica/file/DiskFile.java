package io.longhorn.replica.file;

import io.longhorn.api.IoError;

/**
 * An open file. Memory is named by the address of native memory, which the caller keeps alive until
 * the call returns. Transfers are whole: what the system transfers in part is continued, and what
 * cannot be continued is an error. Any thread, several at once; nothing is ordered but by waiting.
 */
public interface DiskFile {
  /**
   * Writes {@code length} bytes at {@code offset}; they are in the page cache, or with O_DIRECT at
   * the device, when it returns. Durable only after {@link #sync}.
   *
   * @return OK, ENOSPC or EIO; after an error any part may have been written
   */
  IoError write(long address, int length, long offset);

  /**
   * Reads {@code length} bytes at {@code offset}.
   *
   * @return OK or EIO; a file that ends earlier is EIO
   */
  IoError read(long address, int length, long offset);

  /**
   * Reads like {@link #read}, but only what needs no wait for a device.
   *
   * @return OK, EIO, or BUSY if it would wait or the file system cannot tell; the target then has
   *     unspecified content
   */
  IoError readNow(long address, int length, long offset);

  /**
   * fdatasync: all that was written, punched or truncated before the call is on the disk when it
   * returns OK. After an error nothing is known, and asking again would lie: the caller gives the
   * file up.
   */
  IoError sync();

  /** The range reads as zeros and uses no space, or as little as the file system manages. */
  IoError punch(long offset, long length);

  /** Sets the size; what is new reads as zeros and uses no space. */
  IoError truncate(long sizeBytes);

  /** The size in bytes, or -1 on error. */
  long sizeBytes();

  /** Closes the file; never fails, writes nothing back. */
  void close();
}
