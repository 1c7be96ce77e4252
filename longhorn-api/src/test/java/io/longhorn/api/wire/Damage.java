package io.longhorn.api.wire;

import java.util.Arrays;
import java.util.random.RandomGenerator;

/** What a broken or hostile peer makes of a payload. */
final class Damage {
  private static final int MAX_RANDOM_BYTES = 200;

  private Damage() {}

  /** Random bytes, or a copy of the payload with a few bytes changed, cut off, added or doubled. */
  static byte[] of(byte[] good, RandomGenerator random) {
    if (random.nextInt(5) == 0) {
      byte[] bytes = new byte[random.nextInt(MAX_RANDOM_BYTES)];
      random.nextBytes(bytes);
      return bytes;
    }
    byte[] bytes = good.clone();
    for (int i = random.nextInt(3); i >= 0 && bytes.length > 0; i--) {
      int at = random.nextInt(bytes.length);
      switch (random.nextInt(5)) {
        case 0 -> bytes[at] = (byte) random.nextInt();
        case 1 -> bytes[at] ^= (byte) (1 << random.nextInt(8));
        case 2 -> bytes[at] = (byte) (random.nextBoolean() ? 0xFF : 0x7F);
        case 3 -> bytes = Arrays.copyOf(bytes, at);
        default -> bytes = inserted(bytes, at, random);
      }
    }
    return bytes;
  }

  private static byte[] inserted(byte[] bytes, int at, RandomGenerator random) {
    int from = random.nextInt(at + 1);
    byte[] longer = Arrays.copyOf(bytes, bytes.length + at - from);
    System.arraycopy(bytes, from, longer, at, bytes.length - from);
    return longer;
  }
}
