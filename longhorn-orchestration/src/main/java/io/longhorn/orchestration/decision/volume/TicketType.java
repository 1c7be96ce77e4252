package io.longhorn.orchestration.decision.volume;

import io.longhorn.api.cluster.VolumeAttachment.Ticket;

/** Who asks for a volume, and how much that counts (2.1). */
enum TicketType {
  // Rule 2.1: levels; of several tickets only those of the highest level count.
  RESTORE("volume-restore-controller", 2000),
  EXPANSION("volume-expansion-controller", 2000),
  LONGHORN_API("longhorn-api", 1000),
  CSI_ATTACHER("csi-attacher", 900),
  SHARE_MANAGER("share-manager-controller", 900),
  SALVAGE("salvage-controller", 900),
  SNAPSHOT("snapshot-controller", 800),
  BACKUP("backup-controller", 800),
  CLONE("volume-clone-controller", 800),
  EVICTION("volume-eviction-controller", 800),
  REBUILDING("volume-rebuilding-controller", 800),
  BACKING_IMAGE("bim-ds-controller", 800),
  UNKNOWN("", 0);

  private final String text;
  private final int level;

  TicketType(String text, int level) {
    this.text = text;
    this.level = level;
  }

  static TicketType of(Ticket ticket) {
    for (TicketType type : values()) {
      if (type.text.equals(ticket.type())) {
        return type;
      }
    }
    return UNKNOWN;
  }

  static boolean isCsi(Ticket ticket) {
    return of(ticket) == CSI_ATTACHER;
  }

  /** As a ticket says it. */
  String text() {
    return text;
  }

  int level() {
    return level;
  }

  /** Whether it gives way to somebody who works with the volume elsewhere. */
  boolean isInterruptible() {
    return this == SNAPSHOT || this == BACKUP || this == CLONE;
  }

  /** Whether somebody works with the volume. */
  boolean isWorkload() {
    return this == CSI_ATTACHER || this == LONGHORN_API || this == SHARE_MANAGER;
  }
}
