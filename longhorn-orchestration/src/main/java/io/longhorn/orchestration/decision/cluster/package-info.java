/** What nodes, instance managers, images and processes need next. Pure. */
@NullMarked
package io.longhorn.orchestration.decision.cluster;

import org.jspecify.annotations.NullMarked;
