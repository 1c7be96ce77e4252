/**
 * The processes of volumes in a simulation: engines around the real cores, replicas on simulated
 * disks, guests. They speak frames of the real wire protocol.
 */
@NullMarked
package io.longhorn.orchestration.sim.volume;

import org.jspecify.annotations.NullMarked;
