package io.longhorn.replica.file;

import java.nio.file.Path;
import java.util.UUID;

/** A file system as the store sees it. Any thread. */
public interface FileLayer {
  /** Opens an existing directory; NOT_FOUND if there is none, INVALID if it is something else. */
  FileDirectory open(Path directory) throws DiskException;

  /** Makes a directory, and durably its name in the parent; fine if it exists. */
  void createDirectory(Path directory) throws DiskException;

  /**
   * Identity of the running kernel: as long as it is the same, nothing that was written was lost,
   * synced or not.
   */
  UUID boot();
}
