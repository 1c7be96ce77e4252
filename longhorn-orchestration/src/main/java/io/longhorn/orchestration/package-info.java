/**
 * A control plane to be used from a program: it attaches, migrates, upgrades and mends volumes,
 * over any store and any executor. It knows of no transport and no orchestrator.
 */
@NullMarked
package io.longhorn.orchestration;

import org.jspecify.annotations.NullMarked;
