/**
 * System calls of Linux that the JDK has no way to: positional and vectored file I/O with its
 * flags, hole punching, locks, and plain sockets on the calling thread.
 *
 * <p>Every call returns what the kernel returned, or minus the {@link
 * io.longhorn.replica.posix.Errno errno}; nothing is thrown for an operating error. Buffers are
 * addresses: the caller keeps their memory alive and in bounds. A call that was interrupted by a
 * signal is made again. The calls of the data path allocate nothing.
 *
 * <p>Linux on x86_64 and aarch64 only: elsewhere the first call throws a {@link
 * io.longhorn.api.VolumeException} that says so.
 */
@NullMarked
package io.longhorn.replica.posix;

import org.jspecify.annotations.NullMarked;
