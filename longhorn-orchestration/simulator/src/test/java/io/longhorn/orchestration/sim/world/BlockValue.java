package io.longhorn.orchestration.sim.world;

/**
 * What a block holds.
 *
 * @param generation of the engine that wrote it
 * @param stamp of the write: of two writes to a block that were asked for one after the other, the
 *     later one has the higher stamp; 0 for a block that was never written
 */
public record BlockValue(long generation, long stamp) {
  /** Never written. */
  public static final BlockValue NONE = new BlockValue(0, 0);

  /** Half of one write and half of another: no write's content. */
  public static final BlockValue TORN = new BlockValue(0, -1);

  @Override
  public String toString() {
    return stamp + "@" + generation;
  }
}
