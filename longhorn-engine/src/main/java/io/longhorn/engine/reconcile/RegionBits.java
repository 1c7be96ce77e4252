package io.longhorn.engine.reconcile;

/** One bit per region. Nothing but the constructor and {@link #toBytes} allocates. */
public final class RegionBits {
  private final long[] words;
  private final int count;

  /** All clear. */
  public RegionBits(int count) {
    this.count = count;
    words = new long[(count + 63) >> 6];
  }

  /** A copy. */
  public RegionBits(RegionBits other) {
    count = other.count;
    words = other.words.clone();
  }

  /** How many regions there are. */
  public int count() {
    return count;
  }

  /** Whether the region's bit is set. */
  public boolean test(int region) {
    return (words[region >> 6] & 1L << region) != 0;
  }

  /** Sets the region's bit. */
  public void set(int region) {
    words[region >> 6] |= 1L << region;
  }

  /** Clears the region's bit. */
  public void clear(int region) {
    words[region >> 6] &= ~(1L << region);
  }

  /** Sets the bits of the regions from {@code first} to {@code last}. */
  public void set(int first, int last) {
    for (int word = first >> 6; word <= last >> 6; word++) {
      words[word] |= inWord(word, first, last);
    }
  }

  /** Clears the bits of the regions from {@code first} to {@code last}. */
  public void clear(int first, int last) {
    for (int word = first >> 6; word <= last >> 6; word++) {
      words[word] &= ~inWord(word, first, last);
    }
  }

  private static long inWord(int word, int first, int last) {
    long from = word == first >> 6 ? -1L << first : -1L;
    long to = word == last >> 6 ? -1L >>> (63 - (last & 63)) : -1L;
    return from & to;
  }

  /** Clears every bit. */
  public void clearAll() {
    for (int i = 0; i < words.length; i++) {
      words[i] = 0;
    }
  }

  /** Sets what is set in the other one, of the same count. */
  public void or(RegionBits other) {
    for (int i = 0; i < words.length; i++) {
      words[i] |= other.words[i];
    }
  }

  /** Clears what is clear in the other one, of the same count. */
  public void and(RegionBits other) {
    for (int i = 0; i < words.length; i++) {
      words[i] &= other.words[i];
    }
  }

  /** Clears what is set in the other one, of the same count. */
  public void andNot(RegionBits other) {
    for (int i = 0; i < words.length; i++) {
      words[i] &= ~other.words[i];
    }
  }

  /** Becomes equal to the other one, of the same count. */
  public void assign(RegionBits other) {
    System.arraycopy(other.words, 0, words, 0, words.length);
  }

  /** Whether no bit is set. */
  public boolean isEmpty() {
    for (long word : words) {
      if (word != 0) {
        return false;
      }
    }
    return true;
  }

  /** How many bits are set. */
  public int cardinality() {
    int set = 0;
    for (long word : words) {
      set += Long.bitCount(word);
    }
    return set;
  }

  /** The first region from {@code from} on whose bit is set; -1 if none. */
  public int nextSet(int from) {
    if (from >= count) {
      return -1;
    }
    int at = from >> 6;
    long word = words[at] & -1L << from;
    while (word == 0) {
      if (++at == words.length) {
        return -1;
      }
      word = words[at];
    }
    return (at << 6) + Long.numberOfTrailingZeros(word);
  }

  /**
   * Sets the bits of a frame's payload: bit i of byte i / 8 is region {@code first} + i. Bits
   * beyond the last region are ignored.
   */
  public void orBytes(int first, byte[] payload) {
    for (int i = 0; i < payload.length * 8 && first + i < count; i++) {
      if ((payload[i >> 3] & 1 << (i & 7)) != 0) {
        set(first + i);
      }
    }
  }

  /** The bits of {@code regions} regions from {@code first} on as a frame's payload. */
  public byte[] toBytes(int first, int regions) {
    byte[] payload = new byte[(regions + 7) / 8];
    for (int i = nextSet(first); i >= 0 && i < first + regions; i = nextSet(i + 1)) {
      payload[(i - first) >> 3] |= (byte) (1 << (i - first & 7));
    }
    return payload;
  }
}
