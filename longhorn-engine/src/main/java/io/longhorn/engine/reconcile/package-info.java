/**
 * Members of a set made equal again: after an unclean stop, after a failed write, and when one
 * returns; and the bookkeeping of write-intent regions that all of it rests on. Pure: no I/O,
 * clock, thread, randomness or logging. Rules E1 to E9 are those of the reconcile protocol.
 *
 * <p>A region is marked on a member's disk before the first write into it; so members differ only
 * where some member has a mark (or a write is under way), and what a mark does not cover needs no
 * look.
 */
@NullMarked
package io.longhorn.engine.reconcile;

import org.jspecify.annotations.NullMarked;
