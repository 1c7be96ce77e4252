package io.longhorn.engine.reconcile;

import io.longhorn.api.ReplicaId;
import java.util.SortedSet;

/** What {@link ReconcileCore} wants done, in this order. */
public sealed interface ReconcileEffect {
  /** Read the member's whole write-intent bitmap (INTENT_READ); answer with BitsRead. */
  record ReadBits(ReplicaId replica) implements ReconcileEffect {}

  /**
   * The union of the members' marks is known: {@link IntentTracker#known}. Until now every range
   * counted as unreconciled; chunks may be taken.
   */
  record BitsKnown(RegionBits union) implements ReconcileEffect {}

  /**
   * From now on equalizing copies from one of these (E3). Never empty.
   *
   * @param mayHaveLost no member ran since the set was last equal: what was acknowledged and not
   *     flushed may be gone
   */
  record PreferSources(SortedSet<ReplicaId> replicas, boolean mayHaveLost)
      implements ReconcileEffect {}

  /** Send FLUSH on the session's link (E9); answer with Flushed. */
  record Flush(ReplicaId replica) implements ReconcileEffect {}

  /** Send MARK_EQUAL on the session's link (E4); answer with Marked. */
  record MarkEqual(ReplicaId replica) implements ReconcileEffect {}

  /** All members are equal, and marked. Snapshots, returns and clearing of marks may go on. */
  record Reconciled() implements ReconcileEffect {}
}
