/**
 * Failures on purpose, for demonstrations: a loss of power of everything that is written through
 * it, on real directories.
 */
@NullMarked
package io.longhorn.replica.fault;

import org.jspecify.annotations.NullMarked;
