/** The commands of {@code longhorn}, one class each. */
@NullMarked
package io.longhorn.standalone;

import org.jspecify.annotations.NullMarked;
