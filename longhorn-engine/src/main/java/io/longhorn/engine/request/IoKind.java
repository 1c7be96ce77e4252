package io.longhorn.engine.request;

/** What a request does. */
public enum IoKind {
  /** Data of the visible volume into the request's loan. */
  READ,
  /** Data of the request's loan into the volume. */
  WRITE,
  /** Whole blocks become zero. */
  ZERO,
  /** Whole blocks are not needed any more and read as zero. */
  TRIM,
  /** What was answered before is on the disks of every in-sync member. */
  FLUSH,
  /**
   * Extents of the range into the request's loan, in the form of {@link
   * io.longhorn.api.wire.FrameType#BLOCK_MAP}.
   */
  MAP
}
