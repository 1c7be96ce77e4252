/** Replication, membership, the NBD frontend, and the volume embedded in the caller's own JVM. */
module io.longhorn.engine {
  requires transitive io.longhorn.api;
  requires io.netty.buffer;
  requires io.netty.common;
  requires io.netty.transport;
  requires io.netty.transport.classes.epoll;
  requires io.netty.transport.epoll.linux.aarch_64;
  requires io.netty.transport.epoll.linux.x86_64;
  requires io.netty.transport.unix.common;
  requires org.jctools.core.jdk11;
  requires org.slf4j;

  exports io.longhorn.engine;
  exports io.longhorn.engine.client;

  uses io.longhorn.api.replica.ReplicaOpener;
}
