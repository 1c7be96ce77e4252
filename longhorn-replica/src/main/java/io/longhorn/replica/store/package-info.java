/**
 * The replica directory: formats, layers, index, write-intent bitmap and the order in which they
 * reach the disk. {@link ReplicaDirectory} makes and opens one; {@link ReplicaStore} is an open
 * one.
 *
 * <p>One owner thread has all state. What may wait for a device is a {@link DiskTask}: performed on
 * any thread of the {@link DiskPool}, finished on the owner thread.
 */
@NullMarked
package io.longhorn.replica.store;

import org.jspecify.annotations.NullMarked;
