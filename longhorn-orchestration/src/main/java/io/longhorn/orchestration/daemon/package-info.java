/** The daemon of a cluster on one machine: its store, its loop, and who asks it. */
@NullMarked
package io.longhorn.orchestration.daemon;

import org.jspecify.annotations.NullMarked;
