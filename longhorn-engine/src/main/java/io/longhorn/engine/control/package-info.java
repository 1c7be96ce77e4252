/**
 * The socket over which an engine process is watched and commanded. Shell: frames in and out, on
 * the volume's loop.
 */
@NullMarked
package io.longhorn.engine.control;

import org.jspecify.annotations.NullMarked;
