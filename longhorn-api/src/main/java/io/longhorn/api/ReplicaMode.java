package io.longhorn.api;

/** How an engine uses a replica. */
public enum ReplicaMode {
  /** In sync: reads and writes. */
  RW,
  /** Being made equal: receives writes, serves no read. */
  WO,
  /** Not used. */
  ERR
}
