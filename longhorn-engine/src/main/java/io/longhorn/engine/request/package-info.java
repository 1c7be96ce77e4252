/**
 * Requests to a volume, as frontends hand them to its core: pooled, cut to chunks, on the volume's
 * loop only. Pure.
 */
@NullMarked
package io.longhorn.engine.request;

import org.jspecify.annotations.NullMarked;
