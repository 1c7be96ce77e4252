package io.longhorn.engine.volume;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.engine.VolumeComparison;
import io.longhorn.engine.reconcile.ReconcileCore;
import io.longhorn.engine.replication.ReplicationCore;
import java.util.concurrent.CompletableFuture;

/** Compares the whole volume, chunk by chunk, a few at a time. Loop thread. */
final class CompareTask {
  /** Chunks under way at a time: enough to keep the disks busy, too few to be felt. */
  private static final int WINDOW = 4;

  private final VolumeEngine volume;
  private final ReplicationCore core;
  private final CompletableFuture<VolumeComparison> done;
  private long nextOffset;
  private int underWay;
  private int copies = Integer.MAX_VALUE;
  private long comparedBytes;
  private long differingBlocks;
  private long damagedChunks;
  private IoError error = IoError.OK;
  private boolean isCutting;

  CompareTask(VolumeEngine volume, CompletableFuture<VolumeComparison> done) {
    this.volume = volume;
    this.core = volume.core();
    this.done = done;
  }

  void begin() {
    cut();
  }

  private void cut() {
    if (isCutting) {
      return;
    }
    isCutting = true;
    while (underWay < WINDOW && error.isOk() && nextOffset < core.sizeBytes()) {
      int length = (int) Math.min(ReconcileCore.CHUNK_BYTES, core.sizeBytes() - nextOffset);
      underWay++;
      long offset = nextOffset;
      nextOffset += length;
      core.compare(
          offset,
          length,
          (result, members, differing, damaged) -> {
            underWay--;
            if (result.isOk()) {
              copies = Math.min(copies, members);
              comparedBytes += length;
              differingBlocks += differing;
              damagedChunks += damaged;
            } else {
              error = result;
            }
            // Not from inside the core's own loop over requests.
            volume.loop().execute(this::cut);
          });
    }
    isCutting = false;
    if (underWay == 0) {
      end();
    }
  }

  private void end() {
    if (error.isOk()) {
      done.complete(new VolumeComparison(copies, comparedBytes, differingBlocks, damagedChunks));
    } else {
      done.completeExceptionally(
          new VolumeException(
              error, "volume " + volume.config().name() + " was not compared: " + error));
    }
  }
}
