/**
 * What the cluster needs next, decided from one view of it. Pure: no I/O, no clock, no thread.
 * Planners look at the whole view, never at what woke them; an empty plan means that all is as
 * wanted. The names of rules are those of Longhorn's control plane (A1, 7.1).
 */
@NullMarked
package io.longhorn.orchestration.decision;

import org.jspecify.annotations.NullMarked;
