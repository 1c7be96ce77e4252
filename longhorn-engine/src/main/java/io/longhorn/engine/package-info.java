/**
 * A replicated volume inside the caller's own JVM: directories in, one block device out. {@link
 * io.longhorn.engine.EmbeddedVolume} is where to begin.
 */
@NullMarked
package io.longhorn.engine;

import org.jspecify.annotations.NullMarked;
