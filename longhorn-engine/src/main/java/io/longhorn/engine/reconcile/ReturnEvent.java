package io.longhorn.engine.reconcile;

import io.longhorn.api.wire.LayerList;

/** What {@link ReturnCore} is told. */
public sealed interface ReturnEvent {
  /** The return begins. */
  record Began() implements ReturnEvent {}

  /** The chains of a member and of the returned replica, as they are now. */
  record LayersRead(LayerList ofMember, LayerList ofReturned) implements ReturnEvent {}

  /**
   * The member that was asked for its chain is lost, or there is none that could be asked; it is
   * asked for again with the next Budget.
   */
  record LayersLost() implements ReturnEvent {}

  /** The snapshot was repeated on the returned replica. */
  record Replayed(long operation) implements ReturnEvent {}

  /**
   * Every WRITE, ZERO, TRIM and FLUSH goes to the returned replica as well, from now on.
   *
   * @param marks {@link IntentTracker#marks} after that
   * @param head layer id of the members' head at that moment
   */
  record Receiving(RegionBits marks, int head) implements ReturnEvent {}

  /** The returned replica's own marks. */
  record BitsRead(RegionBits bits) implements ReturnEvent {}

  /** Time has passed: that many bytes may be compared more. */
  record Budget(long bytes) implements ReturnEvent {}

  /** A {@link ReturnEffect.Copy} ended with both sides equal. */
  record Copied() implements ReturnEvent {}

  /** A {@link ReturnEffect.Copy} could not be done; it is asked for again with the next Budget. */
  record CopyFailed(ReturnEffect.Copy copy) implements ReturnEvent {}

  /** INTENT_MERGE was answered. */
  record Merged() implements ReturnEvent {}

  /** INTENT_VALID_SINCE was answered. */
  record ValidSinceStored() implements ReturnEvent {}

  /** The FLUSH was answered. */
  record Flushed() implements ReturnEvent {}

  /** MARK_EQUAL was answered. */
  record Marked() implements ReturnEvent {}
}
