/**
 * The simulator: the real planners and the real reconciler, the real claim core and the real wire
 * codec, in a cluster of simulated machines, under a seed that decides everything. {@code Sim} is
 * what tests use.
 */
@NullMarked
package io.longhorn.orchestration.sim;

import org.jspecify.annotations.NullMarked;
