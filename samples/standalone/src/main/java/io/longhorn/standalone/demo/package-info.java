/** The tour of what a volume promises: each step measures, and fails if a promise is broken. */
@NullMarked
package io.longhorn.standalone.demo;

import org.jspecify.annotations.NullMarked;
