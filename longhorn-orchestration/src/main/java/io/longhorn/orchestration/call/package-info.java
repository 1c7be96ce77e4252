/**
 * Control calls between processes: one frame of {@code api.wire} asks, one answers, over a unix
 * socket or TCP. Blocking and simple; for control, never for a volume's data.
 */
@NullMarked
package io.longhorn.orchestration.call;

import org.jspecify.annotations.NullMarked;
