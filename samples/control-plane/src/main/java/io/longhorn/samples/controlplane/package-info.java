/** A control plane inside your own storage tool. */
@NullMarked
package io.longhorn.samples.controlplane;

import org.jspecify.annotations.NullMarked;
