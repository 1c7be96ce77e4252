package io.longhorn.engine.membership;

import io.longhorn.api.EngineId;

/** Who keeps the membership record: {@link RecordKeeper} has what differs between them. */
public sealed interface Authority {
  /** The replicas keep it themselves: {@code authority replicas}. */
  record Replicas() implements Authority {}

  /**
   * The cluster store keeps it, changed by compare-and-set: {@code authority store:<id>}.
   *
   * @param engine this instance, as the owner in the record
   */
  record Store(EngineId engine) implements Authority {}
}
