/** Observe, plan, carry out: the loop that makes the cluster what it is to be. */
@NullMarked
package io.longhorn.orchestration.reconcile;

import org.jspecify.annotations.NullMarked;
