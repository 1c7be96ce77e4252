/** The planners in their order: one plan for the cluster, one for each volume. Pure. */
@NullMarked
package io.longhorn.orchestration.decision.control;

import org.jspecify.annotations.NullMarked;
