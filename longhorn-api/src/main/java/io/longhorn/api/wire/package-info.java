/**
 * The frames between engine, replica and whoever controls them: one binary protocol, the same over
 * TCP, a unix socket and inside one JVM.
 *
 * <p>A frame is a header of 64 bytes ({@link io.longhorn.api.wire.FrameHeader}), then {@code
 * crcCount} CRC32Cs of 4 bytes, then {@code payloadLength} bytes. Data frames (READ, WRITE, ...)
 * carry volume data with one CRC per 4 KiB block; control frames carry self-describing numbered
 * fields ({@link io.longhorn.api.wire.FieldReader}), unknown ones skipped, so that any two released
 * versions understand each other. All numbers are little-endian.
 *
 * <p>Pure: bytes to values and back. For our modules only.
 */
@NullMarked
package io.longhorn.api.wire;

import org.jspecify.annotations.NullMarked;
