/**
 * The control plane: what a volume needs next is decided from one view of the cluster, and
 * executors make it so.
 *
 * <p>This module only starts engines and replicas by path and speaks the wire protocol of {@code
 * io.longhorn.api}; it never depends on their code.
 */
module io.longhorn.orchestration {
  requires transitive io.longhorn.api;
  requires org.slf4j;
}
