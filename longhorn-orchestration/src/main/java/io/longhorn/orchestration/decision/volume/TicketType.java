package io.longhorn.orchestration.decision.volume;

import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.Volume.AccessMode;
import io.longhorn.api.cluster.VolumeAttachment.Ticket;

/** Who asks for a volume, and how much that counts (2.1). */
enum TicketType {
  // Rule 2.1: levels; of several tickets only those of the highest level count.
  RESTORE("restore", 2000),
  EXPANSION("expansion", 2000),
  LONGHORN_API("longhorn-api", 1000),
  CSI_ATTACHER("csi-attacher", 900),
  SHARE_MANAGER("share-manager", 900),
  SALVAGE("salvage", 900),
  SNAPSHOT("snapshot", 800),
  BACKUP("backup", 800),
  CLONE("clone", 800),
  EVICTION("eviction", 800),
  REBUILDING("rebuilding", 800),
  BACKING_IMAGE("bim-ds", 800),
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

  /**
   * Whether it is a workload's for a volume that is shared through somebody else, whose own ticket
   * stands in for it.
   */
  static boolean isOfShare(Volume volume, Ticket ticket) {
    return volume.spec().accessMode() == AccessMode.RWX && !volume.isMigratable() && isCsi(ticket);
  }

  int level() {
    return level;
  }

  /**
   * Whether it gives way to somebody who works with the volume elsewhere. A clone only does when
   * its copy is done; nobody tells that here, so it never does.
   */
  boolean isInterruptible() {
    return this == SNAPSHOT || this == BACKUP;
  }

  /** Whether somebody works with the volume. */
  boolean isWorkload() {
    return this == CSI_ATTACHER || this == LONGHORN_API || this == SHARE_MANAGER;
  }
}
