package io.longhorn.engine.reconcile;

import io.longhorn.api.membership.RecordStamp;
import io.longhorn.api.wire.SnapshotSpec;

/** What {@link ReturnCore} wants done, in this order, all of it on the returned replica. */
public sealed interface ReturnEffect {
  /** Read LAYERS of a readable member and of the returned replica; answer with LayersRead. */
  record ReadLayers() implements ReturnEffect {}

  /** Send SNAPSHOT to the returned replica alone; answer with Replayed. */
  record ReplaySnapshot(long operation, SnapshotSpec spec) implements ReturnEffect {}

  /**
   * From now on send it every WRITE, ZERO, TRIM and FLUSH, and wait for its answers too; then
   * Receiving. A failure there ends the return, not the write.
   */
  record Receive() implements ReturnEffect {}

  /** Read its whole bitmap; answer with BitsRead. */
  record ReadBits() implements ReturnEffect {}

  /**
   * Under the range's exclusive lock, make one layer equal to that of any readable member; answer
   * with Copied or CopyFailed.
   *
   * @param length at most {@link ReconcileCore#CHUNK_BYTES}
   */
  record Copy(int layer, long offset, int length) implements ReturnEffect {}

  /** Send INTENT_MERGE of the whole bitmap; answer with Merged. */
  record MergeBits(RegionBits bits) implements ReturnEffect {}

  /** Send INTENT_VALID_SINCE; answer with ValidSinceStored. */
  record SetValidSince(RecordStamp stamp) implements ReturnEffect {}

  /** Send FLUSH (E7); answer with Flushed. */
  record Flush() implements ReturnEffect {}

  /** Send MARK_EQUAL; answer with Marked. */
  record MarkEqual() implements ReturnEffect {}

  /** It is equal: ask membership for the growth. */
  record Join() implements ReturnEffect {}

  /** It cannot return by its marks: it stays out, with this reason for a person. */
  record StayOut(String why) implements ReturnEffect {}
}
