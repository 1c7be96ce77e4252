package io.longhorn.engine.reconcile;

/**
 * How a volume is divided into write-intent regions.
 *
 * @param sizeBytes size of the volume
 * @param regionBytes size of a region, a power of two; the last one may be cut off
 */
public record RegionMap(long sizeBytes, long regionBytes) {
  /** Most regions a volume has. */
  public static final int MAX_REGIONS = 524_288;

  /** Both are positive, the region a power of two and large enough for {@link #MAX_REGIONS}. */
  public RegionMap {
    if (sizeBytes <= 0
        || regionBytes <= 0
        || Long.bitCount(regionBytes) != 1
        || (sizeBytes - 1) / regionBytes >= MAX_REGIONS) {
      throw new IllegalArgumentException(
          "a volume of " + sizeBytes + " bytes in regions of " + regionBytes);
    }
  }

  /** Number of regions. */
  public int count() {
    return (int) ((sizeBytes - 1) / regionBytes) + 1;
  }

  /** How many whole regions that many bytes hold, at least 1: a power of two if they are one. */
  public int countIn(int bytes) {
    return (int) Math.max(1, bytes / regionBytes);
  }

  /** The region of a byte. */
  public int regionOf(long offset) {
    return (int) (offset >> Long.numberOfTrailingZeros(regionBytes));
  }

  /** First byte of a region. */
  public long offsetOf(int region) {
    return region * regionBytes;
  }

  /** Bytes of a region inside the volume. */
  public long lengthOf(int region) {
    return Math.min(regionBytes, sizeBytes - offsetOf(region));
  }
}
