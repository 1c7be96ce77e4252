/**
 * The control plane: what a volume needs next is decided from one view of the cluster, and
 * executors make it so.
 *
 * <p>This module only starts engines and replicas by path and speaks the wire protocol of {@code
 * io.longhorn.api}; it never depends on their code.
 */
module io.longhorn.orchestration {
  requires transitive io.longhorn.api;
  requires com.h2database.mvstore;
  requires org.slf4j;
  requires static org.jspecify;

  exports io.longhorn.orchestration;
  exports io.longhorn.orchestration.command to
      io.longhorn.standalone;
  exports io.longhorn.orchestration.decision;
  exports io.longhorn.orchestration.execution;
  exports io.longhorn.orchestration.store;
}
