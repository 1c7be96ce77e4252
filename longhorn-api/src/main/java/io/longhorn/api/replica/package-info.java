/**
 * How an engine reaches a replica inside its own JVM: the frames of {@link io.longhorn.api.wire},
 * handed over instead of sent. For our modules only.
 */
@NullMarked
package io.longhorn.api.replica;

import org.jspecify.annotations.NullMarked;
