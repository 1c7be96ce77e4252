package io.longhorn.orchestration.instance;

import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FieldWriter;
import io.longhorn.api.wire.WireFormatException;

/**
 * A piece of a log. Offsets count from the oldest byte that was kept when the instance manager
 * started and go on when the file is rotated.
 *
 * @param offset of the first of {@code bytes}: higher than asked for if the older ones are gone
 * @param bytes at most {@link #MAX_BYTES}, empty at the end; not copied
 * @param end offset behind the last byte there is now
 */
public record LogChunk(long offset, byte[] bytes, long end) {
  /** Most bytes of one chunk. */
  public static final int MAX_BYTES = 64 << 10;

  /** Where to read on. */
  public long next() {
    return offset + bytes.length;
  }

  /** Encodes. */
  public FieldWriter write() {
    return new FieldWriter().number(1, offset).bytes(2, bytes).number(3, end);
  }

  /** Decodes; throws {@link WireFormatException}. */
  public static LogChunk read(FieldReader in) {
    return new LogChunk(in.number(1), in.bytes(2), in.number(3));
  }
}
