/**
 * Instances, that is the engine and replica processes of one node, as values, and the state machine
 * that decides about them. Pure: no process is touched here; package {@code supervisor} carries it
 * out.
 */
@NullMarked
package io.longhorn.orchestration.instance;

import org.jspecify.annotations.NullMarked;
