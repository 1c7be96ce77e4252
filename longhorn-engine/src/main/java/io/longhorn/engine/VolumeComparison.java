package io.longhorn.engine;

/**
 * What a comparison of the in-sync copies of a volume found.
 *
 * @param copies compared, in every part of the volume
 * @param comparedBytes of the volume; all of it unless it was closed meanwhile
 * @param differingBlocks blocks of 4 KiB that are not the same on all copies
 * @param damagedChunks parts of 128 KiB or less in which a copy has a block whose checksum or
 *     medium failed, counted once for each such copy
 */
public record VolumeComparison(
    int copies, long comparedBytes, long differingBlocks, long damagedChunks) {
  /** Whether several copies were compared and all are the same and sound. */
  public boolean isIdentical() {
    return copies > 1 && differingBlocks == 0 && damagedChunks == 0;
  }
}
