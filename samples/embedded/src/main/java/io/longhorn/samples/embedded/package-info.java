/** The whole use of an embedded volume. */
@NullMarked
package io.longhorn.samples.embedded;

import org.jspecify.annotations.NullMarked;
