/**
 * Names and values of Longhorn, the block device, and the wire protocol its parts speak.
 *
 * <p>Everything else depends on this module; it depends on nothing of ours.
 */
module io.longhorn.api {
  requires static transitive org.jspecify;
  requires org.slf4j;

  exports io.longhorn.api;
  exports io.longhorn.api.block;
  exports io.longhorn.api.cluster;
  exports io.longhorn.api.membership to
      io.longhorn.engine,
      io.longhorn.replica,
      io.longhorn.orchestration,
      io.longhorn.k8s;
  exports io.longhorn.api.memory to
      io.longhorn.engine,
      io.longhorn.replica,
      io.longhorn.orchestration;
  exports io.longhorn.api.process to
      io.longhorn.engine,
      io.longhorn.replica,
      io.longhorn.orchestration,
      io.longhorn.standalone;
  exports io.longhorn.api.replica to
      io.longhorn.engine,
      io.longhorn.replica,
      io.longhorn.standalone;
  exports io.longhorn.api.wire to
      io.longhorn.engine,
      io.longhorn.replica,
      io.longhorn.orchestration,
      io.longhorn.k8s;
}
