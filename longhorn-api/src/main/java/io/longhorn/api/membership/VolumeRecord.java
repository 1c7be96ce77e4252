package io.longhorn.api.membership;

import io.longhorn.api.EngineId;
import java.util.Collections;
import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeSet;

/**
 * What the cluster store holds of a volume with authority {@code store}: one object, changed only
 * by compare-and-set. It decides who is in sync and which engine may write. Immutable.
 *
 * @param membership the in-sync set
 * @param reservedGeneration highest generation that any engine has taken; never below the
 *     membership's. An opening raises it before it asks a replica for anything
 * @param owner the engine that took it; empty if none has yet
 * @param claimants engines that may take a generation of their own while the volume migrates or its
 *     engine is swapped; at most {@link #MAX_CLAIMANTS}
 * @param phase what the control plane is doing with the volume's engines
 */
public record VolumeRecord(
    MembershipRecord membership,
    long reservedGeneration,
    Optional<EngineId> owner,
    SortedSet<EngineId> claimants,
    Phase phase) {
  /** Two sides of a migration, or an engine and the one that replaces it. */
  public static final int MAX_CLAIMANTS = 2;

  /** What goes on with the volume's engines. Numbers are for ever. */
  public enum Phase {
    /** One engine, or none. */
    NONE(0),
    /** A new process of the engine takes over the clients of the old one. */
    SWAPPING(1),
    /** Engines on two nodes, for a guest that moves. */
    MIGRATING(2);

    private final int code;

    Phase(int code) {
      this.code = code;
    }

    /** The number on the wire. */
    public int code() {
      return code;
    }

    /** The phase of a number; throws {@link IllegalArgumentException} for an unknown one. */
    public static Phase ofCode(long code) {
      for (Phase phase : values()) {
        if (phase.code == code) {
          return phase;
        }
      }
      throw new IllegalArgumentException("phase " + code + " of a volume record is unknown");
    }
  }

  /** Copies the set; checks the generation and the number of claimants. */
  public VolumeRecord {
    TreeSet<EngineId> sorted = new TreeSet<>();
    sorted.addAll(claimants);
    claimants = Collections.unmodifiableSortedSet(sorted);
    if (reservedGeneration < membership.stamp().generation()) {
      throw new IllegalArgumentException(
          "reserved generation "
              + reservedGeneration
              + " is below that of the record "
              + membership.stamp());
    }
    if (claimants.size() > MAX_CLAIMANTS) {
      throw new IllegalArgumentException(
          claimants.size() + " claimants are more than " + MAX_CLAIMANTS);
    }
  }

  /** The record a volume is created with; its replicas are created with the same membership. */
  public static VolumeRecord ofNewVolume(MembershipRecord membership) {
    return new VolumeRecord(
        membership,
        membership.stamp().generation(),
        Optional.empty(),
        Collections.emptySortedSet(),
        Phase.NONE);
  }

  /**
   * The same with a generation taken.
   *
   * @param generation above {@link #reservedGeneration}
   */
  public VolumeRecord reserved(long generation, EngineId by) {
    if (generation <= reservedGeneration) {
      throw new IllegalArgumentException(
          "generation " + generation + " is not above the reserved " + reservedGeneration);
    }
    return new VolumeRecord(membership, generation, Optional.of(by), claimants, phase);
  }

  /** The same with another in-sync set. */
  public VolumeRecord withMembership(MembershipRecord next) {
    return new VolumeRecord(next, reservedGeneration, owner, claimants, phase);
  }

  /**
   * The same with others that may claim, in another phase: what the control plane decides of a
   * record; the rest is its engines'.
   */
  public VolumeRecord named(SortedSet<EngineId> named, Phase now) {
    return new VolumeRecord(membership, reservedGeneration, owner, named, now);
  }

  /** Whether this engine took the reserved generation, and it is this one. */
  public boolean isOwnedBy(EngineId engine, long generation) {
    return reservedGeneration == generation && owner.filter(engine::equals).isPresent();
  }
}
