/**
 * Off-heap buffers of the data path: page-aligned blocks lent from slabs, and CRC32C over them. For
 * our modules only.
 */
@NullMarked
package io.longhorn.api.memory;

import org.jspecify.annotations.NullMarked;
