package io.longhorn.replica.format;

import java.lang.foreign.MemorySegment;
import java.util.UUID;

/**
 * A piece of native memory in which persistent records are put together and taken apart. Offsets
 * are bytes from its beginning, checked; numbers little-endian. One thread at a time.
 */
public interface RecordMemory {
  /**
   * Over memory of the caller, who keeps it alive.
   *
   * @param memory native; at most 2 GiB
   */
  static RecordMemory over(MemorySegment memory) {
    return new ChronicleRecordMemory(memory);
  }

  /** Length in bytes. */
  int length();

  /** Address of the first byte, for file transfers. */
  long address();

  /** Puts 1 byte. */
  void putByte(int at, int value);

  /** Takes 1 byte, unsigned. */
  int takeByte(int at);

  /** Puts 2 bytes. */
  void putShort(int at, int value);

  /** Takes 2 bytes, unsigned. */
  int takeShort(int at);

  /** Puts 4 bytes. */
  void putInt(int at, int value);

  /** Takes 4 bytes. */
  int takeInt(int at);

  /** Puts 8 bytes. */
  void putLong(int at, long value);

  /** Takes 8 bytes. */
  long takeLong(int at);

  /** Puts 16 bytes, the most significant half first. */
  default void putUuid(int at, UUID value) {
    putLong(at, value.getMostSignificantBits());
    putLong(at + 8, value.getLeastSignificantBits());
  }

  /** Takes 16 bytes. */
  default UUID takeUuid(int at) {
    return new UUID(takeLong(at), takeLong(at + 8));
  }

  /** Puts all of {@code bytes}. */
  void putBytes(int at, byte[] bytes);

  /** Takes {@code length} bytes. */
  byte[] takeBytes(int at, int length);

  /** Copies native memory in. */
  void putMemory(int at, long address, int length);

  /** Copies native memory out. */
  void takeMemory(int at, long address, int length);

  /** Zeros a range. */
  void clear(int at, int length);

  /** Whether a range is all zeros. */
  boolean isZero(int at, int length);

  /** CRC32C of a range. */
  int crc(int at, int length);
}
