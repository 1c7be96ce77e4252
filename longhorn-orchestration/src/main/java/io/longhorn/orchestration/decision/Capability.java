package io.longhorn.orchestration.decision;

/** What not every executor can do. What it cannot is refused when asked for, and never planned. */
public enum Capability {
  /** Two engines for one volume, and a guest that moves between them. */
  MIGRATION,
  /** Another process of an engine that goes on with the clients of the old one. */
  LIVE_UPGRADE,
  /** A new replica that is filled from the others. */
  REBUILD,
  /** Instance managers beside those that the cluster began with. */
  MANAGE_INSTANCE_MANAGERS
}
