package io.longhorn.engine.transport;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.memory.Loan;
import io.longhorn.api.memory.LoanPool;
import java.io.ByteArrayOutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class OutboundQueueTest {
  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 6})
  @SuppressWarnings("restricted")
  void bytesLeaveInTheOrderTheyWereAppendedHoweverTheKernelCutsThem(long seed) {
    RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
    ByteArrayOutputStream appended = new ByteArrayOutputStream();
    ByteArrayOutputStream left = new ByteArrayOutputStream();
    try (Arena arena = Arena.ofConfined();
        LoanPool pool = new LoanPool(64 << 20)) {
      OutboundQueue queue = new OutboundQueue(arena);
      int refused = 0;
      for (int i = 0; i < 20_000; i++) {
        int dice = random.nextInt(100);
        if (dice < 40) {
          byte[] message =
              bytes(random, 1 + random.nextInt(random.nextInt(20) == 0 ? 40_000 : 300));
          if (queue.copy(MemorySegment.ofArray(message), 0, message.length)) {
            appended.writeBytes(message);
          } else {
            refused++;
          }
        } else if (dice < 60) {
          Loan loan = pool.take(4096);
          assertThat(loan).isNotNull();
          int at = random.nextInt(100);
          byte[] data = bytes(random, 1 + random.nextInt(3_000));
          MemorySegment.copy(data, 0, loan.segment(), ValueLayout.JAVA_BYTE, at, data.length);
          queue.append(loan, at, data.length);
          loan.close();
          appended.writeBytes(data);
        } else if (dice < 62) {
          sendSome(queue, left, Long.MAX_VALUE);
        } else {
          sendSome(queue, left, random.nextInt(4_000));
        }
      }
      while (queue.bytes() > 0) {
        sendSome(queue, left, 1 + random.nextInt(100_000));
      }
      assertThat(left.toByteArray()).as("seed %d", seed).isEqualTo(appended.toByteArray());
      assertThat(pool.lent()).isZero();
      assertThat(refused).as("the ring is never full in this test").isLessThan(20_000);
    }
  }

  @Test
  void aFullRingRefusesAndWorksAgainWhenBytesHaveLeft() {
    try (Arena arena = Arena.ofConfined()) {
      OutboundQueue queue = new OutboundQueue(arena);
      MemorySegment message = arena.allocate(1000);
      int taken = 0;
      while (queue.copy(message, 0, 1000)) {
        taken++;
      }
      assertThat(taken).isEqualTo(Stream.COPY_RING_BYTES / 1000);
      queue.sent(1000);
      assertThat(queue.copy(message, 0, 900)).isTrue();
      queue.clear();
      assertThat(queue.bytes()).isZero();
      assertThat(queue.copy(message, 0, 1000)).isTrue();
    }
  }

  @SuppressWarnings("restricted")
  private static void sendSome(OutboundQueue queue, ByteArrayOutputStream left, long most) {
    int ranges = queue.gather();
    long room = most;
    long sent = 0;
    MemorySegment iovecs =
        MemorySegment.ofAddress(queue.iovecAddress())
            .reinterpret(16L * OutboundQueue.MAX_RANGES_A_CALL);
    for (int i = 0; i < ranges && room > 0; i++) {
      long address = iovecs.get(ValueLayout.JAVA_LONG, 16L * i);
      long length = Math.min(room, iovecs.get(ValueLayout.JAVA_LONG, 16L * i + 8));
      left.writeBytes(
          MemorySegment.ofAddress(address).reinterpret(length).toArray(ValueLayout.JAVA_BYTE));
      room -= length;
      sent += length;
    }
    queue.sent(sent);
  }

  private static byte[] bytes(RandomGenerator random, int length) {
    byte[] bytes = new byte[length];
    random.nextBytes(bytes);
    return bytes;
  }
}
