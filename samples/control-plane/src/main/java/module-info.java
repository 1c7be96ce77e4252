/** A control plane inside your own storage tool: migration and upgrade in a few lines. */
module io.longhorn.samples.controlplane {
  requires static org.jspecify;
  requires io.longhorn.orchestration;
}
