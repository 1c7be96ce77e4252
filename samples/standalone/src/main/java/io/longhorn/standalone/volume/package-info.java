/** {@code longhorn volume}, and what belongs to a volume: snapshots and replicas. */
@NullMarked
package io.longhorn.standalone.volume;

import org.jspecify.annotations.NullMarked;
