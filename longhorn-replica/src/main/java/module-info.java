/** One copy of a volume: its store, its chain of layers, and the server that answers for it. */
module io.longhorn.replica {
  requires transitive io.longhorn.api;
  requires chronicle.bytes;
  requires chronicle.core;
  requires java.logging;
  requires jdk.unsupported;
  requires org.jctools.core.jdk11;
  requires org.slf4j;

  exports io.longhorn.replica.fault to
      io.longhorn.standalone;

  provides io.longhorn.api.replica.ReplicaOpener with
      io.longhorn.replica.server.DirectoryReplicaOpener;
}
