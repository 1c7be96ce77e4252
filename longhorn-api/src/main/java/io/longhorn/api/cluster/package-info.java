/**
 * The objects of the control plane, as records: what is wanted (spec) and what was seen (status).
 * Every field has one writer. Their names are Longhorn's. Pure.
 */
@NullMarked
package io.longhorn.api.cluster;

import org.jspecify.annotations.NullMarked;
