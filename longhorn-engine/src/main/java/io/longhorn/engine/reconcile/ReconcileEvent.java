package io.longhorn.engine.reconcile;

import io.longhorn.api.ReplicaId;
import java.util.List;

/** What {@link ReconcileCore} is told. */
public sealed interface ReconcileEvent {
  /**
   * One member of the set that was opened.
   *
   * @param isContinuous whether its process has run since the set was last equal, as its promise
   *     said
   */
  record Member(ReplicaId replica, boolean isContinuous) {}

  /**
   * The volume was opened (again): the first record is durable.
   *
   * @param members of that record
   * @param isClean the owner before released the volume on every member: nothing was under way, so
   *     members are equal in spite of marks
   */
  record Began(List<Member> members, boolean isClean) implements ReconcileEvent {
    /** Copies the list. */
    public Began {
      members = List.copyOf(members);
    }
  }

  /** A member's whole bitmap was read. The core takes the object. */
  record BitsRead(ReplicaId replica, RegionBits bits) implements ReconcileEvent {}

  /** All members are equal over a chunk that {@link ReconcileCore#nextChunk} gave. */
  record ChunkEqual(ReconcileCore.Chunk chunk) implements ReconcileEvent {}

  /** A chunk could not be made equal; it is tried again after {@link Retry}. */
  record ChunkFailed(ReconcileCore.Chunk chunk) implements ReconcileEvent {}

  /** Chunks that failed are tried again; told now and then, not at once. */
  record Retry() implements ReconcileEvent {}

  /** A member answered the FLUSH that was asked for. */
  record Flushed(ReplicaId replica) implements ReconcileEvent {}

  /** A member answered MARK_EQUAL. */
  record Marked(ReplicaId replica) implements ReconcileEvent {}

  /** The member's link broke: it takes no further part, whether or not it is out of the set yet. */
  record MemberLeft(ReplicaId replica) implements ReconcileEvent {}

  /** A replica that was made equal is a member now. */
  record MemberJoined(ReplicaId replica) implements ReconcileEvent {}
}
