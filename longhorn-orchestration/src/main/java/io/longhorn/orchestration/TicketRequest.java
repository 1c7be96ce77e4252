package io.longhorn.orchestration;

/**
 * A wish to have a volume attached.
 *
 * @param id of the ticket, unique within the volume
 * @param type who asks; says how much it counts
 * @param nodeID where
 * @param nbd where its engine is to listen for clients, for example {@code unix:PATH}; empty:
 *     wherever the executor likes
 * @param isFrontendDisabled whether it is to have no frontend there
 */
public record TicketRequest(
    String id, String type, String nodeID, String nbd, boolean isFrontendDisabled) {
  /** Kind of a ticket of a workload. Two of them for two nodes are a migration. */
  public static final String WORKLOAD = "csi-attacher";

  /** Kind of a ticket that a person asked for. */
  public static final String PERSON = "longhorn-api";

  /** Of a workload on a node. */
  public static TicketRequest of(String id, String node) {
    return new TicketRequest(id, WORKLOAD, node, "", false);
  }
}
