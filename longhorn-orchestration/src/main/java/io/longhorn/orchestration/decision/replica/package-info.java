/**
 * What several planners ask of replicas, and how one is taken away. Pure: no I/O, no clock, no
 * thread.
 */
@NullMarked
package io.longhorn.orchestration.decision.replica;

import org.jspecify.annotations.NullMarked;
