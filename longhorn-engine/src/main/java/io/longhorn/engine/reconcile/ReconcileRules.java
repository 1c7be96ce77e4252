package io.longhorn.engine.reconcile;

/**
 * The rules of reconcile and resync. Outside tests all of them hold; a test switches one off to see
 * that it is needed. E2 (a link that broke voids what it acknowledged) is kept by whoever counts
 * acknowledgements.
 *
 * @param equalFirst E1: a marked block is answered only after all members are equal there
 * @param preferContinuous E3: the source is a member that ran since the set was last equal
 * @param markWhenEqual E4: that is marked when reconcile is done, not before
 * @param clearFlushed E5: marks are cleared only after a FLUSH on all members that began after the
 *     last write to the region was answered
 * @param clearComplete E6: and only while the set is complete and nothing is being reconciled
 * @param flushOnReturn E7: a resync ends with a FLUSH on the returned one, before it is a member
 * @param flushWhenEqual E8: a FLUSH waits while a member that did not run since the set was last
 *     equal is in it and has not been made equal
 * @param flushBeforeMark E9: such a member is flushed before it is marked as equal
 */
record ReconcileRules(
    boolean equalFirst,
    boolean preferContinuous,
    boolean markWhenEqual,
    boolean clearFlushed,
    boolean clearComplete,
    boolean flushOnReturn,
    boolean flushWhenEqual,
    boolean flushBeforeMark) {
  /** Every rule holds. */
  static final ReconcileRules ALL =
      new ReconcileRules(true, true, true, true, true, true, true, true);
}
