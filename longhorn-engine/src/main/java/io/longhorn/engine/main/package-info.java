/** The engine as a process. */
@NullMarked
package io.longhorn.engine.main;

import org.jspecify.annotations.NullMarked;
