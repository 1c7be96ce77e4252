/** The replica as a process: {@code longhorn replica create} and {@code longhorn replica serve}. */
@NullMarked
package io.longhorn.replica.main;

import org.jspecify.annotations.NullMarked;
