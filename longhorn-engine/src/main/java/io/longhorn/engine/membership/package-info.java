/**
 * Who is in the in-sync set, decided by one engine for its volume: opening, shrinking, growing,
 * force, suspicion and the read window. Pure: no I/O, clock, thread, randomness or logging; time
 * enters as nanoseconds in events. Rules R1 to R9 and K3 are those of the volume's membership
 * protocol.
 */
@NullMarked
package io.longhorn.engine.membership;

import org.jspecify.annotations.NullMarked;
