package io.longhorn.orchestration;

/** Told what becomes of volumes; one call at a time, on a thread of its own. */
@FunctionalInterface
public interface VolumeListener {
  /**
   * A volume is so. Whoever is slow is told only the last of several changes. Also told of every
   * volume there is, to begin with.
   */
  void changed(VolumeStatus now);

  /** A volume is gone. */
  default void deleted(String name) {}
}
