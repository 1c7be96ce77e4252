package io.longhorn.api.replica;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.longhorn.api.wire.FrameHeader;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;

final class FrameExchangeTest {
  private final Arena arena = Arena.ofAuto();
  private final FrameExchange exchange = new FrameExchange(arena);

  @Test
  void theHeadHoldsAHeaderAndEveryCrcInBothViews() {
    assertThat(exchange.head().byteSize()).isEqualTo(64 + 4 * 32);
    FrameHeader.blockCrc(exchange.head(), 0, FrameHeader.MAX_CRCS - 1, 0x01020304);
    assertThat(exchange.headView().get(64 + 4 * 31)).isEqualTo((byte) 4);
  }

  @Test
  void aPayloadIsThereUntilItIsDropped() {
    MemorySegment memory = arena.allocate(8192);
    exchange.payload(memory, memory.asByteBuffer(), 4096);
    assertThat(exchange.hasPayload()).isTrue();
    assertThat(exchange.payload()).isSameAs(memory);
    assertThat(exchange.payloadAt()).isEqualTo(4096);
    assertThat(exchange.payloadView().capacity()).isEqualTo(8192);
    exchange.noPayload();
    assertThat(exchange.hasPayload()).isFalse();
    assertThatThrownBy(exchange::payload).isInstanceOf(IllegalStateException.class);
    assertThatThrownBy(exchange::payloadView).isInstanceOf(IllegalStateException.class);
  }

  /** Exchanges are reused: what an earlier answer said must not go out with the next request. */
  @Test
  void theNextRequestHasNothingOfTheOneBefore() {
    exchange.control(new byte[] {1});
    exchange.noPayload();
    assertThat(exchange.control()).isEmpty();
    exchange.control(new byte[] {1});
    MemorySegment memory = arena.allocate(4096);
    exchange.payload(memory, memory.asByteBuffer(), 0);
    assertThat(exchange.control()).isEmpty();
  }
}
