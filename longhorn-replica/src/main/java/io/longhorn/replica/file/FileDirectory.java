package io.longhorn.replica.file;

import java.util.List;

/**
 * An open directory of plain files. Changes of names are durable only after {@link #sync}; until
 * then each may be there or not after a power cut, in any combination. Any thread, except for
 * {@link #lock} and {@link #close}.
 */
public interface FileDirectory extends AutoCloseable {
  /** How a file's contents are cached. */
  enum Cache {
    /** In the page cache. */
    BUFFERED,
    /** Not at all (O_DIRECT): addresses, lengths and offsets are multiples of 4096. */
    DIRECT
  }

  /** Creates an empty file that must not exist (EXISTS). */
  DiskFile create(String name, Cache cache) throws DiskException;

  /** Opens an existing file for reading and writing (NOT_FOUND). */
  DiskFile open(String name, Cache cache) throws DiskException;

  /** The names of the files in it, in no order. */
  List<String> list() throws DiskException;

  /** Gives a file another name, replacing what had it. */
  void rename(String source, String target) throws DiskException;

  /** Removes a name (NOT_FOUND). */
  void delete(String name) throws DiskException;

  /** fsync of the directory: its names are on the disk. */
  void sync() throws DiskException;

  /**
   * Takes the exclusive lock of the directory until it is closed, against other processes and
   * against other users in this one. Dies with the process.
   *
   * @throws DiskException BUSY if another one has it
   */
  void lock() throws DiskException;

  /** Closes and unlocks; files opened in it stay open. */
  @Override
  void close();
}
