package io.longhorn.engine.membership;

/**
 * The rules of the membership protocol. Outside tests all of them hold; a test switches one off to
 * see that it is needed.
 *
 * @param promisesOnce R1: a replica promises a generation once, to one engine instance
 * @param recordFromPromise R2: only the records inside promises count for opening
 * @param newestByGeneration R3: newest is highest (generation, number)
 * @param commitsAtOpen R4: an opening makes its own record durable before it serves
 * @param durableOnAll R5: a record is durable when every member it names has it
 * @param proposalsStay R6: a proposal that was sent stays in force until a later one is durable
 * @param jointAcknowledgement R7: an acknowledgement needs the members of all sets in force
 * @param sessionFence R8: a promise ends the older session of the same engine first
 * @param contestedNeedsAll R9: a record that left somebody out is opened only by all its members
 *     until a later record has confirmed it
 */
record RuleSet(
    boolean promisesOnce,
    boolean recordFromPromise,
    boolean newestByGeneration,
    boolean commitsAtOpen,
    boolean durableOnAll,
    boolean proposalsStay,
    boolean jointAcknowledgement,
    boolean sessionFence,
    boolean contestedNeedsAll) {
  /** Every rule holds. */
  static final RuleSet ALL = new RuleSet(true, true, true, true, true, true, true, true, true);
}
