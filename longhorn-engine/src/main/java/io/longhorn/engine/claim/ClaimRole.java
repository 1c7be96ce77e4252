package io.longhorn.engine.claim;

/** What an engine is at present to the volume. */
public enum ClaimRole {
  /** Has not owned the volume; reads go through the owner. */
  FORWARDING,
  /** Is taking a generation; requests wait. */
  CLAIMING,
  /** Has the generation, and serves. */
  OWNER,
  /** Had the generation and lost it, or gave it up; reads go through the owner. */
  FENCED,
  /** Is no claimant any more: everything but FLUSH fails, for ever. */
  OVER
}
