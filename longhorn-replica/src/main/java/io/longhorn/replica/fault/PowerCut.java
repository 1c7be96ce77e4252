package io.longhorn.replica.fault;

import io.longhorn.api.replica.LocalReplica;
import io.longhorn.api.replica.ReplicaOpener;
import io.longhorn.api.replica.ReplicaSpec;
import io.longhorn.replica.file.PosixFiles;
import io.longhorn.replica.server.DirectoryReplicaOpener;
import java.nio.file.Path;
import java.util.random.RandomGenerator;

/**
 * Replica directories on one machine whose power can be cut: {@link #cut} loses or tears what was
 * not synced, in all of them at once, and nothing that was. Replicas are opened buffered, whatever
 * is asked for. For demonstrations and tests; slower than without. Any thread.
 */
public final class PowerCut implements ReplicaOpener, AutoCloseable {
  private final PowerCutFiles files = new PowerCutFiles(new PosixFiles());
  private final ReplicaOpener opener = new DirectoryReplicaOpener(files);

  /** A machine that is switched on. */
  public PowerCut() {}

  @Override
  public void create(Path directory, ReplicaSpec spec) {
    opener.create(directory, spec);
  }

  @Override
  public LocalReplica open(Path directory, IoMode mode) {
    return opener.open(directory, IoMode.BUFFERED);
  }

  /**
   * Cuts the power. Open replicas fail with EIO from now on: kill them; what is opened afterwards
   * is as after the next boot.
   *
   * @param random decides what is lost; its seed repeats the decisions
   * @return how many changes of files were lost or torn
   */
  public int cut(RandomGenerator random) {
    return files.cut(random);
  }

  /** Lets go of the directories; all replicas are closed. */
  @Override
  public void close() {
    files.close();
  }
}
