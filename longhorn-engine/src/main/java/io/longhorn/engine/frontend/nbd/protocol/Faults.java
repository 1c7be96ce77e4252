package io.longhorn.engine.frontend.nbd.protocol;

import io.longhorn.api.IoError;
import java.nio.charset.StandardCharsets;
import java.util.EnumMap;
import java.util.Map;

/** What a failed command says: errors and their text for a person. */
final class Faults {
  /** Longest text. */
  static final int MAX_MESSAGE_BYTES = 80;

  static final byte[] NO_MESSAGE = {};
  static final byte[] BEYOND_END = text("the range ends beyond the export");
  static final byte[] UNKNOWN_COMMAND = text("unknown command");
  static final byte[] WRONG_FLAG = text("a flag that this command does not have here");
  static final byte[] TOO_LONG = text("more than the largest payload");
  static final byte[] TOO_LONG_FOR_DF = text("too long for one fragment");
  static final byte[] NOT_ZERO = text("offset and length of a flush are reserved");
  static final byte[] EMPTY = text("a length of 0 has no status");
  static final byte[] NO_CONTEXT = text("no metadata context was negotiated");
  static final byte[] NOT_FAST = text("not faster than writing zeros");
  static final byte[] STOPPING = text("the server is being shut down");

  private static final Map<IoError, byte[]> OF_VOLUME = new EnumMap<>(IoError.class);

  static {
    for (IoError error : IoError.values()) {
      OF_VOLUME.put(error, text("the volume answered " + error.name()));
    }
  }

  private Faults() {}

  /** The text of a volume's error. */
  static byte[] message(IoError error) {
    return OF_VOLUME.getOrDefault(error, NO_MESSAGE);
  }

  /** A volume's error as NBD's: ENOTSUP is reserved for fast zeroing. */
  static int number(IoError error, boolean isFastZero) {
    int errno = error.errno();
    return errno == Nbd.ENOTSUP && !isFastZero ? Nbd.EINVAL : errno;
  }

  private static byte[] text(String words) {
    byte[] bytes = words.getBytes(StandardCharsets.US_ASCII);
    if (bytes.length > MAX_MESSAGE_BYTES) {
      throw new IllegalStateException("message too long: " + words);
    }
    return bytes;
  }
}
