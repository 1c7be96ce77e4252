/**
 * What a read and a write wait for: the pure core on the data path. It owns every request under
 * way, orders overlapping ones, sends them to the members and decides when they are answered. It
 * does no I/O and reads no clock: frames leave through {@link
 * io.longhorn.engine.replication.MemberLink}, answers and time come in as calls. In steady state it
 * allocates nothing.
 */
@NullMarked
package io.longhorn.engine.replication;

import org.jspecify.annotations.NullMarked;
