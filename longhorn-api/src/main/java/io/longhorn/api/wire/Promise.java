package io.longhorn.api.wire;

import io.longhorn.api.EngineId;

/**
 * Asks a replica to promise a generation to one engine instance (R1). The replica persists it,
 * refuses everything lower from then on, and the same number from another instance; the older
 * session is ended and drained before the answer (R8).
 *
 * @param generation 1 or more, higher than any promised before, or equal with the same engine
 * @param engine the instance the promise is for
 */
public record Promise(long generation, EngineId engine) {
  /** Checks the generation. */
  public Promise {
    if (generation < 1) {
      throw new IllegalArgumentException("generation " + generation + " is not 1 or more");
    }
  }

  /** Encodes. */
  public FieldWriter write() {
    return new FieldWriter().number(1, generation).uuid(2, engine.uuid());
  }

  /** Decodes; throws {@link WireFormatException}. */
  public static Promise read(FieldReader in) {
    try {
      return new Promise(in.number(1), new EngineId(in.uuid(2)));
    } catch (IllegalArgumentException e) {
      throw new WireFormatException("PROMISE: " + e.getMessage(), e);
    }
  }
}
