package io.longhorn.engine.claim;

import java.util.EnumSet;

/**
 * The rules of the claim protocol. Outside tests all of them hold; a test switches one off to see
 * that it is needed.
 */
final class ClaimRules {
  /** A rule, by its name in the documents. */
  enum Rule {
    /** A read waits for a write in flight that it overlaps. */
    K1,
    /** An engine that is not the owner never reads a replica. */
    K2,
    /**
     * Reads are answered only while every member of the sets in force answers; a claimant waits
     * that out unless the other side has stopped.
     */
    K3,
    /** No answer from a range before all members are equal there. */
    K4,
    /** A write in flight when the generation moved is failed, never sent again. */
    K5,
    /**
     * A change of the set whose compare-and-set is in doubt counts as done for acknowledgements.
     */
    K6,
    /** A promise ends the older session of the same engine first. Replicas keep it. */
    K7,
    /** Only an engine that the record names as claimant claims. */
    C1,
    /** An engine that lost its claim answers FLUSH when each in-sync member flushed or fenced. */
    F1,
    /** The answer to a QUIESCE counts for a time only; whoever gave it goes on later than that. */
    Q1
  }

  /** Every rule holds. */
  static final ClaimRules ALL = new ClaimRules(EnumSet.noneOf(Rule.class));

  private final EnumSet<Rule> off;

  private ClaimRules(EnumSet<Rule> off) {
    this.off = off;
  }

  static ClaimRules without(Rule rule) {
    return new ClaimRules(EnumSet.of(rule));
  }

  boolean holds(Rule rule) {
    return !off.contains(rule);
  }
}
