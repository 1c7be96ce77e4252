package io.longhorn.api.block;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import org.junit.jupiter.api.Test;

/** What the interface itself does: buffers in terms of segments. */
final class BlockDeviceTest {
  private static final class ArrayDevice implements BlockDevice {
    private final MemorySegment memory = MemorySegment.ofArray(new byte[100]);

    @Override
    public long sizeBytes() {
      return memory.byteSize();
    }

    @Override
    public void read(long offset, MemorySegment target) {
      target.copyFrom(memory.asSlice(offset, target.byteSize()));
    }

    @Override
    public void write(long offset, MemorySegment source) {
      memory.asSlice(offset, source.byteSize()).copyFrom(source);
    }

    @Override
    public void flush() {}

    @Override
    public void trim(long offset, long length) {}

    @Override
    public void zero(long offset, long length) {
      memory.asSlice(offset, length).fill((byte) 0);
    }

    @Override
    public void close() {}
  }

  private final BlockDevice device = new ArrayDevice();

  @Test
  void aBufferIsWrittenFromItsPositionToItsLimit() {
    ByteBuffer source = ByteBuffer.wrap(new byte[] {1, 2, 3, 4, 5}).position(1).limit(4);
    device.write(10, source);
    assertThat(source.position()).isEqualTo(4);
    ByteBuffer target = ByteBuffer.allocateDirect(7).position(1).limit(6);
    device.read(9, target);
    assertThat(target.position()).isEqualTo(6);
    byte[] all = new byte[7];
    target.clear().get(all);
    assertThat(all).containsExactly(0, 0, 2, 3, 4, 0, 0);
  }

  @Test
  void aReadOnlyBufferIsASourceAndNoTarget() {
    device.write(0, ByteBuffer.wrap(new byte[] {9}).asReadOnlyBuffer());
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment one = arena.allocate(1);
      device.read(0, one);
      assertThat(one.toArray(ValueLayout.JAVA_BYTE)).containsExactly(9);
    }
    ByteBuffer readOnly = ByteBuffer.allocate(1).asReadOnlyBuffer();
    assertThatThrownBy(() -> device.read(0, readOnly)).isInstanceOf(RuntimeException.class);
    assertThat(readOnly.position()).isZero();
  }
}
