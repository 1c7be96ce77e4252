/**
 * The server's side of the NBD protocol, one connection at a time. Pure: bytes come in, requests go
 * to a {@link io.longhorn.engine.request.VolumePort}, answers go to an {@link
 * io.longhorn.engine.frontend.nbd.protocol.Outbound}. The specification is {@code doc/proto.md} of
 * the NBD project; {@link io.longhorn.engine.frontend.nbd.protocol.Nbd} says which version.
 */
@NullMarked
package io.longhorn.engine.frontend.nbd.protocol;

import org.jspecify.annotations.NullMarked;
