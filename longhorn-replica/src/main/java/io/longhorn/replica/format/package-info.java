/**
 * What a replica directory looks like, byte by byte: one class per file, whose comment is the
 * specification. All numbers are little-endian; every structure has a magic, a version and a
 * CRC32C, and is believed only when all three are right. Bytes to values and back, in memory that
 * the caller gives; the bytes are put and taken by chronicle-bytes, behind {@link RecordMemory}.
 */
@NullMarked
package io.longhorn.replica.format;

import org.jspecify.annotations.NullMarked;
