/**
 * Scenarios of the control plane: files that a person can read, and random ones. What they act on
 * is a {@link io.longhorn.orchestration.scenario.World}.
 */
@NullMarked
package io.longhorn.orchestration.scenario;

import org.jspecify.annotations.NullMarked;
