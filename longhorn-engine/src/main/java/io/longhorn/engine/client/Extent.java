package io.longhorn.engine.client;

/**
 * Consecutive bytes of one allocation state, as BLOCK_STATUS gives it.
 *
 * @param offset first byte
 * @param length at least 1
 * @param isHole nothing is allocated there
 * @param isZero it reads as zeros
 */
public record Extent(long offset, long length, boolean isHole, boolean isZero) {}
