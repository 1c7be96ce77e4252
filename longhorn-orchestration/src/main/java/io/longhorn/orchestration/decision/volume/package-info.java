/** What one volume needs next: one planner for each concern, none calls another. Pure. */
@NullMarked
package io.longhorn.orchestration.decision.volume;

import org.jspecify.annotations.NullMarked;
