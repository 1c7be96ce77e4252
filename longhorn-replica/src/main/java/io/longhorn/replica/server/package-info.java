/**
 * What answers for a replica: the protocol of one connection ({@code ReplicaSession}), the gate
 * that says who may use the store ({@code GenerationGate}), and two ways to reach them, sockets
 * ({@code ReplicaServer}) and frames handed over inside this JVM ({@code HostedReplica}).
 *
 * <p>Threads: a connection over a socket has one platform thread, which serves every frame itself;
 * an embedded replica has one thread for all its connections. The thread of the session that owns
 * the replica is the owner thread of the {@link io.longhorn.replica.store.ReplicaStore}; other
 * sessions see published values only. What waits for a device runs on {@code DiskThreads} and is
 * finished by the owner's thread.
 */
@NullMarked
package io.longhorn.replica.server;

import org.jspecify.annotations.NullMarked;
