/** Carrying out what was decided: one interface, one executor for each kind of cluster. */
@NullMarked
package io.longhorn.orchestration.execution;

import org.jspecify.annotations.NullMarked;
