package io.longhorn.api.cluster;

import org.jspecify.annotations.Nullable;

/** What an object is. Numbers are for ever: they are in the durable store and on the wire. */
public enum ObjectKind {
  /** A value that an operator may change, or the cluster's identity. */
  SETTING(1),
  /** A machine, or what stands for one, that carries engines and replicas. */
  NODE(2),
  /** The process that starts and watches engines and replicas on a node. */
  INSTANCE_MANAGER(3),
  /** A runtime directory of one version. */
  ENGINE_IMAGE(4),
  /** A volume. */
  VOLUME(5),
  /** The tickets of a volume: who wants it attached where. Same name as the volume. */
  VOLUME_ATTACHMENT(6),
  /** An engine of a volume. */
  ENGINE(7),
  /** A replica of a volume. */
  REPLICA(8),
  /** Something that happened, for people. */
  EVENT(9),
  /** The membership record of a volume. Same name as the volume. */
  MEMBERSHIP(10);

  private final int code;

  ObjectKind(int code) {
    this.code = code;
  }

  /** The stable number. */
  public int code() {
    return code;
  }

  /** The kind of a number, or null for one that this build does not know. */
  public static @Nullable ObjectKind ofCode(long code) {
    for (ObjectKind kind : values()) {
      if (kind.code == code) {
        return kind;
      }
    }
    return null;
  }
}
