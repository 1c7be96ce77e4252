/**
 * One volume put together on its loop: sessions with its replicas, the cores that decide, timers.
 * Shell: it carries out what the cores say and tells them what happened; what is decided here is
 * only the order in which their effects meet.
 */
@NullMarked
package io.longhorn.engine.volume;

import org.jspecify.annotations.NullMarked;
