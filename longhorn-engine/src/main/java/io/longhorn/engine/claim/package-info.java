/**
 * Who may write while a volume is attached to two engines: the claim protocol of a migration. Pure:
 * no I/O, clock, thread, randomness or logging. Rules K1 to K7 are those of the protocol's model,
 * C1, F1 and Q1 are added here; {@link io.longhorn.engine.claim.ClaimCore} says what they are.
 *
 * <p>Nothing calls it yet but tests: no socket, process or NBD session is connected to it. What the
 * shell will have to do is the contract of {@link io.longhorn.engine.claim.ClaimEvent} and {@link
 * io.longhorn.engine.claim.ClaimEffect}.
 */
@NullMarked
package io.longhorn.engine.claim;

import org.jspecify.annotations.NullMarked;
