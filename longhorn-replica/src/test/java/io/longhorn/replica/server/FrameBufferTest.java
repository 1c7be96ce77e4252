package io.longhorn.replica.server;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.longhorn.api.memory.Crc32c;
import io.longhorn.api.wire.FrameHeader;
import io.longhorn.api.wire.FrameType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class FrameBufferTest {
  private static final int CAPACITY = 3 * FrameHeader.MAX_FRAME_BYTES;

  private final Arena arena = Arena.ofConfined();
  private final FrameBuffer buffer = new FrameBuffer(arena, CAPACITY);
  private final Crc32c crc = new Crc32c();

  @AfterEach
  void close() {
    arena.close();
  }

  private byte[] frame(long sequence, int payloadBytes) {
    MemorySegment s = arena.allocate(FrameHeader.BYTES + payloadBytes, 64);
    FrameHeader.write(s, 0, FrameType.PING, 0, 1, sequence);
    FrameHeader.payload(s, 0, 0, payloadBytes);
    FrameHeader.seal(s, s.asByteBuffer(), 0, crc);
    return s.toArray(ValueLayout.JAVA_BYTE);
  }

  private void arrive(byte[] bytes, int from, int length) {
    int at = (int) (buffer.fillAddress() - buffer.memory().address());
    MemorySegment.copy(bytes, from, buffer.memory(), ValueLayout.JAVA_BYTE, at, length);
    buffer.filled(length);
  }

  @Test
  void framesComeOutHoweverTheirBytesArrive() {
    long seed = 20_261_120;
    Random random = new Random(seed);
    long next = 0;
    long sent = 0;
    byte[] pending = {};
    int at = 0;
    while (next < 2_000) {
      if (at == pending.length) {
        pending = frame(sent++, random.nextInt(8) == 0 ? random.nextInt(131_073) : 0);
        at = 0;
      }
      buffer.makeRoom();
      assertThat(buffer.room()).as("seed %d", seed).isPositive();
      int piece =
          Math.min(Math.min(1 + random.nextInt(70_000), pending.length - at), buffer.room());
      arrive(pending, at, piece);
      at += piece;
      for (int found = buffer.next(); found >= 0; found = buffer.next()) {
        assertThat(FrameHeader.sequence(buffer.memory(), found)).isEqualTo(next++);
        buffer.consume();
      }
      assertThat(buffer.next()).isEqualTo(FrameBuffer.INCOMPLETE);
    }
  }

  @Test
  void everyFlippedBitOfAHeaderIsFound() {
    byte[] good = frame(1, 0);
    for (int bit = 0; bit < 8 * good.length; bit++) {
      byte[] bad = good.clone();
      bad[bit / 8] ^= (byte) (1 << bit % 8);
      FrameBuffer fresh = new FrameBuffer(arena, CAPACITY);
      MemorySegment.copy(bad, 0, fresh.memory(), ValueLayout.JAVA_BYTE, 0, bad.length);
      fresh.filled(bad.length);
      assertThat(fresh.next()).isEqualTo(FrameBuffer.BAD);
    }
  }

  @Test
  void lengthsAboveTheLimitsAreRefusedBeforeAnythingElseArrives() {
    MemorySegment s = arena.allocate(FrameHeader.BYTES, 64);
    FrameHeader.write(s, 0, FrameType.WRITE, 0, 1, 1);
    FrameHeader.payload(s, 0, 0, FrameHeader.MAX_PAYLOAD_BYTES + 1);
    FrameHeader.seal(s, s.asByteBuffer(), 0, crc);
    arrive(s.toArray(ValueLayout.JAVA_BYTE), 0, FrameHeader.BYTES);
    assertThat(buffer.next()).isEqualTo(FrameBuffer.BAD);
  }

  @Test
  void aFrameOfALaterVersionIsToldApartFromGarbage() {
    MemorySegment s = arena.allocate(FrameHeader.BYTES, 64);
    FrameHeader.write(s, 0, FrameType.HELLO, 0, 0, 1);
    s.set(ValueLayout.JAVA_BYTE, 2, (byte) 9);
    FrameHeader.seal(s, s.asByteBuffer(), 0, crc);
    arrive(s.toArray(ValueLayout.JAVA_BYTE), 0, FrameHeader.BYTES);
    assertThat(buffer.next()).isEqualTo(FrameBuffer.UNKNOWN_VERSION);
  }

  @Test
  void onlyACompleteFrameIsConsumedAndOnlyWhatFitsArrives() {
    assertThatThrownBy(buffer::consume).isInstanceOf(IllegalStateException.class);
    assertThatThrownBy(() -> buffer.filled(CAPACITY + 1))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> new FrameBuffer(arena, FrameHeader.MAX_FRAME_BYTES))
        .isInstanceOf(IllegalArgumentException.class);
  }
}
