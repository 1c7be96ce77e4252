package io.longhorn.engine.membership;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.membership.MembershipRecord;
import java.util.SortedSet;

/** Where a volume's membership stands, for status and people. */
public sealed interface MembershipState {
  /**
   * Looking for enough members.
   *
   * @param isHeld whether this engine had the volume open before
   * @param answered replicas that answer
   * @param why what is missing, for a person
   */
  record Looking(boolean isHeld, SortedSet<ReplicaId> answered, String why)
      implements MembershipState {}

  /** Asking for promises of a generation, or making the first record durable. */
  record Opening(long generation, boolean isHeld, SortedSet<ReplicaId> promised)
      implements MembershipState {}

  /**
   * Open.
   *
   * @param isServing false while waiting for the time of another engine's reads to run out
   * @param required members of all sets in force
   * @param isChanging whether a proposal is under way
   */
  record Open(
      long generation,
      MembershipRecord record,
      boolean isServing,
      SortedSet<ReplicaId> required,
      boolean isChanging)
      implements MembershipState {}

  /** Another engine took over. */
  record Deposed(long byGeneration) implements MembershipState {}
}
