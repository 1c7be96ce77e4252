package io.longhorn.engine.membership;

import java.util.EnumSet;

/**
 * The rules of the membership protocol. Outside tests all of them hold; a test switches one off to
 * see that it is needed.
 */
final class RuleSet {
  /** A rule, by its name in the documents. */
  enum Rule {
    /** A replica promises a generation once, to one engine instance. */
    R1,
    /** Only the records inside promises count for opening. */
    R2,
    /** Newest is highest (generation, number). */
    R3,
    /** An opening makes its own record durable before it serves. */
    R4,
    /** A record is durable when every member it names has it. */
    R5,
    /**
     * A proposal that was sent stays in force until a later one is durable, or, with the store,
     * until it is known what became of it.
     */
    R6,
    /** An acknowledgement needs the members of all sets in force. */
    R7,
    /** A promise ends the older session of the same engine first. */
    R8,
    /**
     * A record that left somebody out is opened only by all its members until a later record has
     * confirmed it.
     */
    R9,
    /** With the store: an opening waits until its members have promised, and have its record. */
    C1,
    /** The store changes a record only at the revision that was expected. */
    C2,
    /** An engine that finds another owner in the record gives way. */
    C3,
    /** A replica is given a record only when the store has it. */
    C4,
    /** A store that is older than a replica is not opened by. */
    C5
  }

  /** Every rule holds. */
  static final RuleSet ALL = new RuleSet(EnumSet.noneOf(Rule.class));

  private final EnumSet<Rule> off;

  private RuleSet(EnumSet<Rule> off) {
    this.off = off;
  }

  static RuleSet without(EnumSet<Rule> off) {
    return new RuleSet(EnumSet.copyOf(off));
  }

  private boolean holds(Rule rule) {
    return !off.contains(rule);
  }

  boolean promisesOnce() {
    return holds(Rule.R1);
  }

  boolean recordFromPromise() {
    return holds(Rule.R2);
  }

  boolean newestByGeneration() {
    return holds(Rule.R3);
  }

  boolean commitsAtOpen() {
    return holds(Rule.R4);
  }

  boolean durableOnAll() {
    return holds(Rule.R5);
  }

  boolean proposalsStay() {
    return holds(Rule.R6);
  }

  boolean jointAcknowledgement() {
    return holds(Rule.R7);
  }

  boolean sessionFence() {
    return holds(Rule.R8);
  }

  boolean contestedNeedsAll() {
    return holds(Rule.R9);
  }

  boolean waitsForPromises() {
    return holds(Rule.C1);
  }

  boolean comparesRevision() {
    return holds(Rule.C2);
  }

  boolean yieldsToOwner() {
    return holds(Rule.C3);
  }

  boolean storeFirst() {
    return holds(Rule.C4);
  }

  boolean refusesOlderStore() {
    return holds(Rule.C5);
  }
}
