/**
 * The index of a replica in memory, off-heap: {@link VisibleMap} says which file holds what a block
 * shows, {@link PageCache} keeps index pages with their states and checksums. One owner thread; no
 * I/O, no allocation in steady state.
 */
@NullMarked
package io.longhorn.replica.index;

import org.jspecify.annotations.NullMarked;
