package io.longhorn.replica.format;

import io.longhorn.api.memory.Crc32c;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Objects;
import java.util.logging.Level;
import java.util.logging.Logger;
import java.util.stream.Stream;
import net.openhft.chronicle.bytes.PointerBytesStore;

/**
 * The only class that knows chronicle-bytes: a store over a pointer, with the bounds checked here,
 * since chronicle checks them only on request. Linux on x86_64 and aarch64 is little-endian, and so
 * is what chronicle writes there.
 */
final class ChronicleRecordMemory implements RecordMemory {
  /**
   * Chronicle says at its first use, as an error, that it misses flags: for what is not used here.
   * Held, since loggers are collected with their levels.
   */
  private static final List<Logger> HUSHED =
      Stream.of("cleaner.ReflectionBasedByteBufferCleanerService", "ClassUtil")
          .map(name -> Logger.getLogger("net.openhft.chronicle.core.internal." + name))
          .toList();

  static {
    HUSHED.forEach(logger -> logger.setLevel(Level.OFF));
  }

  private static final boolean IS_LITTLE = ByteOrder.nativeOrder() == ByteOrder.LITTLE_ENDIAN;

  private final MemorySegment memory;
  private final ByteBuffer view;
  private final PointerBytesStore store = new PointerBytesStore();
  private final Crc32c crc = new Crc32c();
  private final int length;

  ChronicleRecordMemory(MemorySegment memory) {
    if (!IS_LITTLE) {
      throw new IllegalStateException("persistent records need a little-endian machine");
    }
    this.memory = memory;
    this.length = Math.toIntExact(memory.byteSize());
    this.view = memory.asByteBuffer();
    store.set(memory.address(), length);
  }

  @Override
  public int length() {
    return length;
  }

  @Override
  public long address() {
    return memory.address();
  }

  private int check(int at, int size) {
    return Objects.checkFromIndexSize(at, size, length);
  }

  @Override
  public void putByte(int at, int value) {
    store.writeByte(check(at, 1), (byte) value);
  }

  @Override
  public int takeByte(int at) {
    return store.readUnsignedByte(check(at, 1));
  }

  @Override
  public void putShort(int at, int value) {
    store.writeShort(check(at, 2), (short) value);
  }

  @Override
  public int takeShort(int at) {
    return store.readUnsignedShort(check(at, 2));
  }

  @Override
  public void putInt(int at, int value) {
    store.writeInt(check(at, 4), value);
  }

  @Override
  public int takeInt(int at) {
    return store.readInt(check(at, 4));
  }

  @Override
  public void putLong(int at, long value) {
    store.writeLong(check(at, 8), value);
  }

  @Override
  public long takeLong(int at) {
    return store.readLong(check(at, 8));
  }

  @Override
  public void putBytes(int at, byte[] bytes) {
    check(at, bytes.length);
    store.write(at, bytes, 0, bytes.length);
  }

  @Override
  public byte[] takeBytes(int at, int size) {
    check(at, size);
    byte[] bytes = new byte[size];
    store.read(at, bytes, 0, size);
    return bytes;
  }

  @Override
  public void putMemory(int at, long address, int size) {
    check(at, size);
    store.nativeWrite(address, at, size);
  }

  @Override
  public void takeMemory(int at, long address, int size) {
    check(at, size);
    store.nativeRead(at, address, size);
  }

  @Override
  public void clear(int at, int size) {
    check(at, size);
    store.zeroOut(at, (long) at + size);
  }

  @Override
  public boolean isZero(int at, int size) {
    check(at, size);
    int i = at;
    for (; i + 8 <= at + size; i += 8) {
      if (store.readLong(i) != 0) {
        return false;
      }
    }
    for (; i < at + size; i++) {
      if (store.readByte(i) != 0) {
        return false;
      }
    }
    return true;
  }

  @Override
  public int crc(int at, int size) {
    check(at, size);
    return crc.of(view, at, size);
  }
}
