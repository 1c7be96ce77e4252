/**
 * Where the objects of the cluster are: one interface, kept in memory or on disk. A change is a
 * compare-and-set of one object, durable when it returns.
 */
@NullMarked
package io.longhorn.orchestration.store;

import org.jspecify.annotations.NullMarked;
