/**
 * A cluster in virtual time. {@link io.longhorn.orchestration.sim.Sim} is the way in.
 *
 * <p><b>What is real:</b> planners, reconciler, what an engine decides about claims, reconcile,
 * returns, marks and copies, membership values, wire codec (every frame is encoded and decoded).
 * <b>What is not:</b> time, network, machines, disks, Kubernetes, the processes around the cores,
 * the rebuild of an empty replica, guests.
 *
 * <p><b>When invariants are asked for.</b> Those that hold at all times (I1, I3, I5, I8: what every
 * member has, who is listened to, what was promised, who has a directory) after every event, for
 * the volumes that the event touched: a block that was written or copied, an answer to a guest,
 * what an engine says of itself, a promise, a record, a process that began or ended. An event that
 * touches no volume cannot break them. Those that are about one step are asked for in that step,
 * before it can be undone: I2 and I6 when a write or a FLUSH is answered or a mark is cleared, I3
 * and I4 when a read is, I7 when a block is copied and when a directory is deleted, I8 when a
 * directory is deleted, I9 when an engine is stopped or killed, when its volume is given up, and
 * when another one takes its generation. What each of them is worth is shown by {@link
 * io.longhorn.orchestration.sim.world.SimKnobs.Sabotage}: each rule broken on purpose is found
 * within a hundred random scenarios.
 */
@NullMarked
package io.longhorn.orchestration.sim;

import org.jspecify.annotations.NullMarked;
