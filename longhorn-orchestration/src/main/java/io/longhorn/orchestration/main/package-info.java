/** The instance manager as a process. */
@NullMarked
package io.longhorn.orchestration.main;

import org.jspecify.annotations.NullMarked;
