/**
 * The life of a volume and of its data: attached and detached (7.1), how robust it is and what has
 * failed (7.2), salvage (7.3), the end. One planner for each concern, none calls another's actions.
 * Pure: no I/O, no clock, no thread.
 */
@NullMarked
package io.longhorn.orchestration.decision.lifecycle;

import org.jspecify.annotations.NullMarked;
