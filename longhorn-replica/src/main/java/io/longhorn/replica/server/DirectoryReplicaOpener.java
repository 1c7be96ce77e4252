package io.longhorn.replica.server;

import io.longhorn.api.replica.LocalReplica;
import io.longhorn.api.replica.ReplicaOpener;
import io.longhorn.api.replica.ReplicaSpec;
import io.longhorn.replica.file.FileLayer;
import io.longhorn.replica.file.PosixFiles;
import io.longhorn.replica.store.ReplicaDirectory;
import java.nio.file.Path;

/** Makes and opens replica directories for an engine in this JVM: found by the service loader. */
public final class DirectoryReplicaOpener implements ReplicaOpener {
  private final FileLayer files;

  /** For the service loader: directories of this machine. */
  public DirectoryReplicaOpener() {
    this(new PosixFiles());
  }

  /** Directories of another file layer. */
  public DirectoryReplicaOpener(FileLayer files) {
    this.files = files;
  }

  @Override
  public void create(Path directory, ReplicaSpec spec) {
    ReplicaDirectory.create(files, directory, spec);
  }

  @Override
  public LocalReplica open(Path directory, IoMode mode) {
    return HostedReplica.start(ReplicaHost.open(files, directory, mode));
  }
}
