/**
 * NBD clients at the volume: listening sockets and connections on the volume's loop. What the bytes
 * mean is in {@link io.longhorn.engine.frontend.nbd.protocol}.
 */
@NullMarked
package io.longhorn.engine.frontend.nbd;

import org.jspecify.annotations.NullMarked;
