/** The world of a simulation: time, chance, network, machines, disks. */
@NullMarked
package io.longhorn.orchestration.sim.world;

import org.jspecify.annotations.NullMarked;
