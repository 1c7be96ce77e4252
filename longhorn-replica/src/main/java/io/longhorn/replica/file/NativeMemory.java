package io.longhorn.replica.file;

import java.lang.foreign.MemorySegment;

/** Native memory by address, where the caller knows what is there. */
public final class NativeMemory {
  /**
   * The whole address space: index = address. Never freed, unchecked; only for addresses inside
   * memory of ours that is known to be alive.
   */
  public static final MemorySegment EVERYTHING = everything();

  private NativeMemory() {}

  @SuppressWarnings("restricted")
  private static MemorySegment everything() {
    return MemorySegment.NULL.reinterpret(Long.MAX_VALUE);
  }
}
