package io.longhorn.engine.claim;

import io.longhorn.api.EngineId;

/**
 * One QUIESCE: who sent it, and which of that engine's it is.
 *
 * @param number rises with every QUIESCE of that engine
 */
public record QuiesceId(EngineId engine, long number) {}
