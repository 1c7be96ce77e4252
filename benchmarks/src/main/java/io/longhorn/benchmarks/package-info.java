/**
 * JMH benchmarks of the pieces of the data path, each on one thread, with what it allocates. How
 * the whole compares with others is measured elsewhere, by {@code benchmarks/run-whole}.
 */
@NullMarked
package io.longhorn.benchmarks;

import org.jspecify.annotations.NullMarked;
