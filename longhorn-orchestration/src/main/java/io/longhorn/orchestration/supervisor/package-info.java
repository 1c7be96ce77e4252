/**
 * The instance manager: one process per node that starts, stops and watches engine and replica
 * processes and keeps their logs. It is not on the path of I/O. Threads and processes around {@link
 * io.longhorn.orchestration.instance.InstanceCore}, which decides; and the client that talks to it.
 */
@NullMarked
package io.longhorn.orchestration.supervisor;

import org.jspecify.annotations.NullMarked;
