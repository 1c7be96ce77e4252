/**
 * Longhorn in Kubernetes: custom resources as the cluster store, pods as instances, and the CSI
 * driver.
 *
 * <p>The only module that knows Kubernetes; every decision is taken in {@code
 * io.longhorn.orchestration}.
 */
module io.longhorn.k8s {
  requires transitive io.longhorn.orchestration;
}
