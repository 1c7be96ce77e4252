/**
 * The volume's membership record as values: who is in the in-sync set, who left and when, under
 * which generation. Decisions over them are the engine's; persistence is the replica's or the
 * control plane's store. Pure.
 */
@NullMarked
package io.longhorn.api.membership;

import org.jspecify.annotations.NullMarked;
