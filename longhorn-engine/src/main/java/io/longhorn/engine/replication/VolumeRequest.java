package io.longhorn.engine.replication;

import io.longhorn.api.IoError;
import io.longhorn.api.memory.Loan;
import io.longhorn.engine.request.Chunks;
import io.longhorn.engine.request.IoRequest;
import org.jspecify.annotations.Nullable;

/**
 * A request under way in the core: a client's, or one of the core's own. Holds its place in the
 * table of sequences and in the range locks, and the members whose answer is outstanding.
 */
abstract class VolumeRequest extends IoRequest {
  // Place in the core's table; the stamp tells a late answer to an earlier use of the place from
  // one to this use.
  int index = -1;
  int stamp;

  // Range lock; fields of RangeLocks.
  long first;
  long end;
  boolean isExclusive;
  boolean isLocked;

  /** Whether it stands in the range locks without being granted: it may be over, but not reused. */
  boolean isQueued;

  int blockers;
  long ticket;
  @Nullable VolumeRequest nextInList;
  @Nullable VolumeRequest previousInList;

  /**
   * Whether it waits in the core's parked list for members to change or the read window to hold.
   */
  boolean isParked;

  /** Slots that were sent a frame and have not answered it. */
  int pending;

  /** The core's tick at which it began: what a hold is measured from. */
  long startTick;

  /** The core's tick at which a frame was last sent for it. */
  long sentTick;

  /** Sets the range to lock: whole blocks around {@code [offset, offset + length)}. */
  final void range(long offset, long length, boolean exclusive) {
    first = Chunks.blockDown(offset);
    end = Chunks.blockUp(offset + length);
    isExclusive = exclusive;
  }

  final boolean isWide() {
    return first / CHUNK_BYTES != (end - 1) / CHUNK_BYTES;
  }

  /** Bytes of the locked range. */
  final int span() {
    return (int) (end - first);
  }

  /** The range is this request's: go. */
  abstract void granted(ReplicationCore core);

  /**
   * A member answered a frame of this request; {@code payloadLength} bytes are in {@link #target}.
   */
  abstract void answered(ReplicationCore core, int slot, IoError status, int payloadLength);

  /** The link to a member is gone; its acknowledgements are void (E2). */
  abstract void linkLost(ReplicationCore core, int slot);

  /** The sets changed: look again. */
  void membersChanged(ReplicationCore core) {}

  /**
   * A new session with every member began, under a higher generation: whatever was not completed is
   * sent anew.
   */
  abstract void restart(ReplicationCore core);

  /** What it waited for may be there; only for a request that was parked. */
  abstract void unparked(ReplicationCore core);

  /** Whether its outcome is known; it may still wait for members to answer. */
  abstract boolean isOver();

  /** It was held for longer than the volume allows. */
  abstract void giveUp(ReplicationCore core);

  /** The volume is given up: complete with the error, whatever is outstanding. */
  abstract void abort(ReplicationCore core, IoError error);

  /** Whether an answer waits for a disk's cache to be emptied. */
  boolean isSync() {
    return false;
  }

  /** Where the data of a member's answer goes, from index 0; null if no data is expected. */
  abstract @Nullable Loan target(int slot);

  /** Bytes of data that a successful answer has; -1 for any number up to the target's capacity. */
  abstract int expectedBytes();
}
