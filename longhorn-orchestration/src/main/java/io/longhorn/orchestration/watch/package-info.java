/** Looking at instance managers and engines: what is seen goes to the loop that plans. */
@NullMarked
package io.longhorn.orchestration.watch;

import org.jspecify.annotations.NullMarked;
