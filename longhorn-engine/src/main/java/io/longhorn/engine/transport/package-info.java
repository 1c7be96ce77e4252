/**
 * The volume's event loop and the byte streams on it. Netty's epoll loop owns the thread; connected
 * plain sockets are raw file descriptors on that loop, read into and written from memory of ours
 * without a pipeline. A stream that needs TLS will be a Netty channel behind the same {@link
 * io.longhorn.engine.transport.Stream}. Shell: no policy here.
 */
@NullMarked
package io.longhorn.engine.transport;

import org.jspecify.annotations.NullMarked;
