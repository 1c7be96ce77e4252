package io.longhorn.orchestration.decision;

/**
 * What the cluster's own orchestrator last said of a node, for example Kubernetes.
 *
 * @param kube whether its node agent answers
 * @param sinceMillis since when it says so, in milliseconds since 1970
 * @param isServed whether this storage system's own agent on it answers
 */
public record NodeSeen(Kube kube, long sinceMillis, boolean isServed) {
  /** What is said of the node agent. */
  public enum Kube {
    /** It answers, and all is well. */
    TRUE,
    /** It says itself that it is not ready. */
    FALSE,
    /** It has not answered for too long. */
    UNKNOWN,
    /** There is no such node any more. */
    GONE
  }
}
