package io.longhorn.engine.reconcile;

import io.longhorn.api.membership.RecordStamp;

/** What {@link IntentTracker#tick} wants done. */
public sealed interface IntentEffect {
  /** FLUSH all members, as a client's FLUSH would: the volume is idle and has marks to clear. */
  record Flush() implements IntentEffect {}

  /**
   * Send INTENT_VALID_SINCE to every member; when all have answered, {@link
   * IntentTracker#validSinceStored}.
   */
  record SetValidSince(RecordStamp stamp) implements IntentEffect {}

  /**
   * Send INTENT_CLEAR to every member; when all have answered, or one was lost, {@link
   * IntentTracker#cleared}.
   *
   * @param regions whose marks go, a copy
   */
  record Clear(RegionBits regions) implements IntentEffect {}
}
